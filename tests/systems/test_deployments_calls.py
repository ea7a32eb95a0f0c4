"""What the deploy platform calls, through its policies, over TLS: see docs/systems/deployments-calls.md."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from proxy.config.loader import load
from proxy.policies import PIPELINE_ORDER
from tests.systems.running import Running, eventually, policies_of, running

GITHUB = {"Host": "github-api", "Authorization": "Bearer ghs_opensesame"}
FLY = {"Host": "fly-api"}


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Running]:
    with running("deployments-calls", tmp_path) as both:
        yield both


def calls(outside: Running) -> list[str]:
    told: list[str] = outside.behind.get("/calls").json()
    return told


def start(outside: Running, name: str) -> httpx.Response:
    return outside.client.post(f"/v1/apps/{name}/machines", json={"region": "ams"}, headers=FLY)


def test_what_reads_is_asked_for_until_it_is_there_and_what_starts_a_machine_once(outside: Running) -> None:
    flaky = outside.client.get("/repos/acme/flaky", headers=GITHUB)
    broken = start(outside, "broken")
    machines = outside.client.get("/v1/apps/shop/machines", headers=FLY)

    assert [200, 500, 200] == [answer.status_code for answer in (flaky, broken, machines)]
    assert 1 == machines.json()["machines"]
    assert ["GET /repos/acme/flaky"] * 3 + [
        "POST /v1/apps/broken/machines",
        "GET /v1/apps/shop/machines",
    ] == (calls(outside))


def test_without_seawall_a_bad_moment_is_the_platforms(outside: Running) -> None:
    assert 502 == outside.behind.get("/repos/acme/flaky").status_code


def test_github_hears_its_own_name_the_token_and_nothing_of_the_inside(outside: Running) -> None:
    asked = outside.client.get("/repos/acme/shop", headers=GITHUB).json()["asked"]

    assert ("Bearer ghs_opensesame", None) == (asked["Authorization"], asked["X-Forwarded-For"])
    assert asked["Host"].startswith("localhost")


def test_one_that_is_down_is_left_alone_and_the_other_is_not(outside: Running) -> None:
    answers = [outside.client.get("/repos/acme/down", headers=GITHUB) for _ in range(3)]
    other = outside.client.get("/v1/apps/shop/machines", headers=FLY)

    assert [502, 502, 503] == [answer.status_code for answer in answers]
    assert "circuit_breaker.open" == answers[-1].json()["reason"]
    assert (200, 5) == (other.status_code, calls(outside).count("GET /repos/acme/down"))
    assert 1 == outside.metric("seawall_circuit_breaker_state", name="github")
    assert 0 == outside.metric("seawall_circuit_breaker_state", name="fly")


def test_calls_and_retries_are_counted_for_each_of_them(outside: Running) -> None:
    outside.client.get("/repos/acme/flaky", headers=GITHUB)
    start(outside, "shop")

    assert 3 == sum(
        outside.metric("seawall_upstream_attempts_total", upstream="github", outcome=status) or 0
        for status in ("502", "200")
    )
    assert 1 == outside.metric("seawall_upstream_attempts_total", upstream="fly", outcome="200")
    assert 1 == outside.metric("seawall_retries_total", route="github", outcome="recovered")


def test_an_api_that_nobody_vouches_for_is_not_talked_to(tmp_path: Path) -> None:
    with running("deployments-calls", tmp_path, environment={"SSL_CERT_FILE": None}) as outside:
        answer = outside.client.get("/repos/acme/shop", headers=GITHUB)

        assert (502, []) == (answer.status_code, calls(outside))


def test_a_platform_that_leaves_is_called_for_no_longer(outside: Running) -> None:
    with ThreadPoolExecutor(1) as pool:
        left = pool.submit(outside.client.get, "/repos/acme/slow", headers=GITHUB, timeout=0.5)
        with pytest.raises(httpx.ReadTimeout):
            left.result()
    line = outside.line(route="github")

    assert (499, 1) == (line["status"], len(calls(outside)))


def test_a_call_is_one_line_with_its_id_and_no_token(outside: Running) -> None:
    answer = outside.client.get("/repos/acme/shop", headers=GITHUB)
    line = outside.line(request_id=answer.headers["X-Request-ID"])

    assert ("github", "/repos/acme/shop", 200) == (line["route"], line["path"], line["status"])
    assert "opensesame" not in outside.output.read_text()


@pytest.mark.parametrize(
    ("variable", "value", "kind", "path", "told"),
    [
        ("MAX_RETRIES", "7", "retry", "max_retries", 7),
        ("CIRCUIT_BREAKER_FAILURES", "9", "circuit_breaker", "trip.consecutive_failures", 9),
    ],
)
def test_numbers_are_set_by_variables(variable: str, value: str, kind: str, path: str, told: int) -> None:
    configuration = load(policies_of("deployments-calls"), PIPELINE_ORDER, env={variable: value})
    found: list[object] = [
        each.config for route in configuration.routes for each in route.policies if each.kind == kind
    ]
    for name in path.split("."):
        found = [getattr(each, name) for each in found]

    assert [told, told] == found


def test_both_are_known_by_the_names_that_variables_give(tmp_path: Path) -> None:
    named = {"GITHUB_HOST": "gh.internal", "FLY_HOST": "fly.internal"}
    with running("deployments-calls", tmp_path, environment=named) as outside:
        answers = [
            outside.client.get(path, headers={"Host": host}).status_code
            for host, path in (
                ("gh.internal", "/repos/acme/shop"),
                ("fly.internal", "/v1/apps/shop/machines"),
                ("github-api", "/repos/acme/shop"),
            )
        ]

    assert [200, 200, 404] == answers


def test_connections_are_kept(outside: Running) -> None:
    for _ in range(5):
        outside.client.get("/repos/acme/shop", headers=GITHUB)
    eventually(
        lambda: outside.admin.get("/healthz").json()["upstreams"]["github"]["open"] == 1, "one connection"
    )
