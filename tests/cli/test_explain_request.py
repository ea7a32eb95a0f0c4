"""What is found out about a request that nobody has sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.explaining import SHOP, found, invoke
from tests.cli.files import a_file


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    a_file(tmp_path, SHOP, "shop.yaml")
    return "shop.yaml"


def outcomes(explained: Any) -> dict[str, str]:
    return {stage["kind"]: stage["outcome"] for stage in explained["chain"]}


def test_a_request_that_passes_shows_what_the_upstream_gets_and_answers(shop: str) -> None:
    explained = found(
        shop, "--path", "/orders/7", "--client-ip", "10.1.2.3", "--https", "--upstream-status", "201"
    )

    assert {"disabled", "passed"} == set(outcomes(explained).values())
    assert (1, "app", "GET", "/orders/7", ["X-Forwarded-Proto", "https"]) == (
        *(explained["upstream"][key] for key in ("calls", "name", "method", "target")),
        next(field for field in explained["upstream"]["added"] if field[0] == "X-Forwarded-Proto"),
    )
    assert (201, "", None) == (
        explained["answer"]["status"],
        explained["answer"]["reason"],
        explained["decision"],
    )


def test_a_policy_that_answers_by_itself_is_found(shop: str) -> None:
    asked = ("--header", "Origin: https://app.example", "--header", "Access-Control-Request-Method: GET")
    explained = found(shop, "--path", "/orders/7", "--method", "OPTIONS", *asked)

    assert {
        "deadline": "disabled",
        "forwarded": "passed",
        "cors": "answered",
        "ip_list": "not reached",
        "size_limit": "not reached",
    } == outcomes(explained)
    assert (204, {"calls": 0}) == (explained["answer"]["status"], explained["upstream"])


def test_less_specific_routes_are_told_as_such(shop: str) -> None:
    fields = ("--host", "acme.test", "--header", "X-Tenant: acme")
    explained = found(shop, "--path", "/orders/7?v=2", *fields)

    assert [("acme", [], "order")] == [
        (other["route"], other["misses"], other["less_specific_than"])
        for other in explained["routing"]["others"]
    ]


def test_a_path_that_a_lenient_upstream_reads_otherwise_is_told_with_both_readings(shop: str) -> None:
    acme = ("--host", "acme.test", "--header", "X-Tenant: acme")
    text = invoke("--policies", shop, "--path", "/orders/7/?v=2", *acme).stdout

    assert [
        "no route",
        "  400 request.path: The path can be read as that of another route; write it as that route does.",
        "  as written it is /orders/**, to a lenient upstream it is /orders/{id}",
    ] == text.splitlines()[2:5]
    assert "answer 400 request.path" in text


def test_a_host_that_is_none_is_refused_before_any_route(shop: str) -> None:
    text = invoke("--policies", shop, "--path", "/orders/7", "--host", "a b").stdout

    assert ["no route", "  400 request.host: The Host field is malformed."] == text.splitlines()[2:4]
    assert "answer 400 request.host" in text


def test_a_request_that_is_malformed_gets_no_further(shop: str) -> None:
    asked = ("--path", "/orders/7", "--method", "POST", "--header", "Transfer-Encoding: gzip")
    explained = found(shop, *asked)

    assert (None, [], explained["answer"]["reason"]) == (
        explained["routing"]["route"],
        explained["chain"],
        explained["routing"]["refusal"]["reason"],
    )
    assert explained["answer"]["reason"].startswith("request.")


def test_what_seawall_answers_itself_needs_no_route(shop: str) -> None:
    text = invoke("--policies", shop, "--path", "/health").stdout

    assert "answered by Seawall itself, before any route is looked for" == text.splitlines()[2]
    assert "answer 200" in text


def test_with_sign_it_has_what_its_route_wants(shop: str, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text('{"a": 1}')
    asked = ("--path", "/hook", "--method", "POST", "--body-file", "body.json")

    unsigned, signed = found(shop, *asked), found(shop, *asked, "--sign")

    assert ("webhook_signature", 200) == (
        unsigned["answer"]["reason"].partition(".")[0],
        signed["answer"]["status"],
    )


def test_of_many_routes_a_few_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    routes = "".join(
        f'  - {{name: r{number}, match: {{path: "/a/**", headers: {{X-N: "{number}"}}}}}}\n'
        for number in range(30)
    )
    file = a_file(
        tmp_path, f'version: 1\nupstreams: {{app: {{url: "http://127.0.0.1:3000"}}}}\nroutes:\n{routes}'
    )

    near = invoke("--policies", file, "--path", "/a/b").stdout
    far = invoke("--policies", file, "--path", "/b").stdout

    assert "  and 10 more whose path matches\n" in near
    assert "why not another:\n  30 whose path does not match\n" in far


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/orders/7", "no policy of the route order asks for a signature or a credential"),
        ("/elsewhere", "no route matches, so nobody says what is to be signed"),
    ],
)
def test_what_cannot_be_signed_is_told(shop: str, path: str, said: str) -> None:
    result = invoke("--policies", shop, "--path", path, "--sign")

    assert (1, f"seawall: {said}\n") == (result.exit_code, result.stderr)
