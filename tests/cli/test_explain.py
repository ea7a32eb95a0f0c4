"""`seawall explain`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from tests.app.seawall import seawall
from tests.cli.explaining import SHOP, found, invoke
from tests.cli.files import BAD, a_file


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    a_file(tmp_path, SHOP, "shop.yaml")
    return "shop.yaml"


def test_people_read_the_route_why_not_another_the_stages_the_answer_and_the_way_out(shop: str) -> None:
    result = invoke("--policies", shop, "--path", "/orders/7?v=1", "--method", "POST", "--body", "123456")

    text = result.stdout.splitlines()
    lacking = "method is POST, not GET or HEAD; host is localhost, not acme.test"
    assert [
        "POST /orders/7?v=1 on localhost, from 192.0.2.1",
        "",
        "route order  shop.yaml:6",
        "  {id} is 7",
        "why not another:",
        f"  acme  {lacking}; header X-Tenant is absent, not acme; query v is 1, not 2",
        "  and 1 more whose path does not match",
        "",
        "policies, in the order in which it meets them:",
    ] == text[:9]
    stages = [
        line.split() for line in text if line.startswith("  ") and "/order " in line and "by" not in line
    ]
    assert [
        ["deadline/order", "disabled", "disabled", "shop.yaml:13"],
        ["forwarded/order", "passed", "shop.yaml:9"],
        ["cors/order", "passed", "shop.yaml:11"],
        ["ip_list/order", "would", "have", "refused", "shadow", "shop.yaml:10"],
        ["size_limit/order", "refused", "shop.yaml:12"],
    ] == stages
    assert ["the upstream is not called", "answer 413 size_limit.body"] == [
        line for line in text if line.startswith(("the upstream", "answer"))
    ]
    assert [
        "refused: size_limit.body",
        "  by          size_limit/order  shop.yaml:12",
        "  said        The body is larger than this service accepts.",
        "  numbers     declared 6, limit 5",
        "  would pass  with body ≥ 6B",
        "",
        "in shadow, would have refused: ip_list.denied",
        "  by          ip_list/order  shop.yaml:10",
        "  said        This address may not use this service.",
        "  numbers     client_ip 192.0.2.1, refused_by not in allow",
        "  would pass  with 192.0.2.1 in allow",
    ] == text[-11:]


def test_no_route_is_explained_too(shop: str) -> None:
    explained, text = found(shop, "--path", "/hook"), invoke("--policies", shop, "--path", "/hook").stdout

    assert (None, [], 405, "route.method") == (
        explained["routing"]["route"],
        explained["chain"],
        explained["answer"]["status"],
        explained["answer"]["reason"],
    )
    assert ["no route", "why not another:", "  hook  method is GET, not POST"] == text.splitlines()[2:5]


def test_a_path_that_nobody_may_have_is_refused_before_any_route(shop: str) -> None:
    text = invoke("--policies", shop, "--path", "/orders/../hook").stdout

    assert ["no route", "  400 request.path: The path has a dot segment in it."] == text.splitlines()[2:4]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "expected a DECISION_ID, or --policies and --path"),
        (["--path", "/"], "expected a DECISION_ID, or --policies and --path"),
        (["d-1", "--path", "/"], "a decision has been taken: DECISION_ID and --path exclude each other"),
        (["--path", "orders"], "is no path; expected one such as /orders?page=2"),
        (["--path", "/", "--method", "GE T"], "'GE T' is no method; expected one such as GET"),
        (["--path", "/", "--header", "X-A"], "'X-A' is no header; expected one such as 'X-Tenant: acme'"),
        (["--path", "/", "--header", "X A: 1"], "'X A' is no header name"),
        (["--path", "/", "--client-ip", "me"], "'me' is no address; expected one such as 192.0.2.7"),
        (["--path", "/", "--host", "a", "--header", "Host: b"], "a request has one Host"),
        (["--path", "/", "--body", "a", "--body-file", "shop.yaml"], "a request has one body"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(shop: str, arguments: list[str], said: str) -> None:
    policies = ["--policies", shop] if "--path" in arguments and len(arguments) > 2 else []
    result = invoke(*policies, *arguments)

    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
    assert said in result.stderr


def test_files_with_problems_are_reported(tmp_path: Path) -> None:
    file = a_file(tmp_path, BAD)
    text = invoke("--policies", file, "--path", "/")
    programs = invoke("--policies", file, "--path", "/", "--format", "json")

    assert (1, "", f"{file}: 1 problem") == (text.exit_code, text.stdout, text.stderr.splitlines()[-1])
    assert ["defaults.deadline"] == [each["path"] for each in json.loads(programs.stdout)["problems"]]


async def test_a_decision_of_a_running_seawall_is_told_by_its_id(
    shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "correct-horse-battery-staple")
    async with seawall(tmp_path / shop) as running:
        async with httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{running.data}/orders/7?token=x&v=1"
            refused = (await client.post(url, content=b"123456")).json()
        admin = ("--admin", f"http://127.0.0.1:{running.admin}")
        text = await asyncio.to_thread(invoke, refused["decision_id"], *admin)
        programs = await asyncio.to_thread(invoke, refused["decision_id"], *admin, "--format", "json")
        unknown = await asyncio.to_thread(invoke, "d/1", *admin)
        (tmp_path / shop).write_text(f"# moved down by a line\n{SHOP}")
        await running.said("no value in it is different")
        later = await asyncio.to_thread(invoke, refused["decision_id"], *admin)

    told = text.stdout.splitlines()
    decision = json.loads(programs.stdout)
    place = f"{tmp_path / shop}:12"
    assert [
        f"decision {refused['decision_id']}, {decision['time']}, request {refused['request_id']}",
        "POST /orders/7?token=***&v=1 from 127.0.0.1",
        f"route order, revision {decision['revision'][:12]}",
        "answered 413",
        "",
        "refused: size_limit.body",
        f"  by          size_limit/order  {place}",
        "  said        The body is larger than this service accepts.",
        "  numbers     declared 6, limit 5",
        "  would pass  with body ≥ 6B",
    ] == told[:10]
    assert ["size_limit/order", "refused", place] == told[-1].split()
    assert (1, 1) == (unknown.exit_code, unknown.stderr.count("\n"))
    assert "answered 404: admin.decision: Not kept: that exchange passed, or is older" in unknown.stderr
    replaced = f"{told[2]}, replaced since: files and lines are those of then"
    assert [*told[:2], replaced, *told[3:]] == later.stdout.splitlines()
