"""The admin port, as an operator with curl sees it."""

from __future__ import annotations

import pytest

from proxy.admin.api import admin_app
from proxy.errors import ConfigError, Problem, Rejection
from proxy.exchange import Exchange, Outcome, Request, RouteFacts

from .conftest import Client, Connect, FakeRunning

TOKEN = "correct-horse-battery"


@pytest.fixture
async def client(running: FakeRunning, connect: Connect) -> Client:
    return await connect(admin_app(running))


def refuse(running: FakeRunning, decision_id: str, route: str = "tickets") -> None:
    exchange = Exchange(Request("GET", "/t/1", "/t/1"), client_ip="192.0.2.7", decision_id=decision_id)
    exchange.route = RouteFacts(route, "/t/{id}", {"size_limit": "a.yaml:7"})
    exchange.refusal = Rejection(413, "size_limit.body", facts={"limit": 10, "length": 11})
    running.decisions.add(exchange, Outcome(413, 1.0, "size_limit.body"), 1_700_000_000.0)


@pytest.mark.parametrize(("path", "said"), [("/livez", b"live\n"), ("/readyz", b"ready\n")])
async def test_probes_are_answered_here_too(client: Client, path: str, said: bytes) -> None:
    status, _, body = await client("GET", path)

    assert (200, said) == (status, body)


async def test_metrics_are_here_too(client: Client) -> None:
    status, _, body = await client("GET", "/metrics")

    assert (200, True) == (status, b"seawall_config_last_reload_success 1.0" in body)


async def test_health_tells_an_operator_all(client: Client) -> None:
    status, health = await client.json("GET", "/healthz")

    assert (200, "ready", "5f3a", {"app": {"open": 2, "idle": 1}}) == (
        status,
        health["status"],
        health["revision"],
        health["upstreams"],
    )


async def test_a_decision_can_be_asked_for_by_its_id(client: Client, running: FakeRunning) -> None:
    refuse(running, "d-1")

    status, decision = await client.json("GET", "/api/decisions/d-1")

    assert (200, "size_limit.body", "a.yaml:7", {"limit": 10, "length": 11}) == (
        status,
        decision["reason"],
        decision["place"],
        decision["facts"],
    )


async def test_an_unknown_decision_is_not_found(client: Client) -> None:
    status, headers, body = await client("GET", "/api/decisions/d-9")

    assert (404, "application/problem+json") == (status, headers["Content-Type"])
    assert b'"reason":"admin.decision"' in body


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        pytest.param("", ["d-2", "d-1", "d-0"], id="all, the newest first"),
        pytest.param("?limit=1", ["d-2"], id="some"),
        pytest.param("?route=b", ["d-1"], id="of a route"),
        pytest.param("?reason=size_limit.body&limit=2", ["d-2", "d-1"], id="with a reason"),
        pytest.param("?reason=jwt", [], id="with a policy that refused nothing"),
    ],
)
async def test_the_last_decisions_can_be_searched(
    client: Client, running: FakeRunning, query: str, ids: list[str]
) -> None:
    for number, route in enumerate("abc"):
        refuse(running, f"d-{number}", route)

    status, found = await client.json("GET", f"/api/decisions{query}")

    assert (200, ids) == (status, [decision["id"] for decision in found["decisions"]])


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1001", "", "١", "1e3", "9" * 5000])
async def test_a_limit_that_is_none_is_a_bad_request(client: Client, limit: str) -> None:
    status, found = await client.json("GET", f"/api/decisions?limit={limit}")

    assert (400, "admin.parameter", "limit is a number from 1 to 1000.") == (
        status,
        found["reason"],
        found["detail"],
    )


async def test_routes_are_listed(client: Client) -> None:
    status, found = await client.json("GET", "/api/routes")

    assert (200, ["tickets"]) == (status, [route["name"] for route in found["routes"]])


class TestReload:
    async def test_a_good_one_tells_the_new_revision(self, client: Client, running: FakeRunning) -> None:
        running.reloads = ["77b1"]

        assert (200, {"revision": "77b1"}) == await client.json("POST", "/api/reload")

    async def test_a_bad_one_tells_every_problem_and_where(
        self, client: Client, running: FakeRunning
    ) -> None:
        problem = Problem("a.yaml", 3, 5, "routes[0]", "unknown key", "  rotes:\n  ^")
        running.reloads = [ConfigError([problem])]

        status, answer = await client.json("POST", "/api/reload")

        assert (422, "config.refused") == (status, answer["reason"])
        assert [
            {
                "file": "a.yaml",
                "line": 3,
                "column": 5,
                "path": "routes[0]",
                "message": "unknown key",
                "excerpt": "  rotes:\n  ^",
            }
        ] == answer["problems"]

    async def test_reading_does_not_reload(self, client: Client) -> None:
        status, headers, body = await client("GET", "/api/reload")

        assert (405, "POST") == (status, headers["Allow"])
        assert b'"reason":"admin.method"' in body

    async def test_with_a_token_set_it_takes_the_token(self, running: FakeRunning, connect: Connect) -> None:
        client = await connect(admin_app(running, token=TOKEN))
        running.reloads = ["77b1"]

        without, headers, _ = await client("POST", "/api/reload")
        right, _, _ = await client("POST", "/api/reload", headers={"Authorization": f"Bearer {TOKEN}"})

        assert (401, 'Bearer realm="seawall admin"', 200) == (without, headers["WWW-Authenticate"], right)

    async def test_another_site_cannot_have_a_browser_do_it(self, client: Client) -> None:
        status, answer = await client.json("POST", "/api/reload", headers={"Origin": "http://evil.example"})

        assert (403, "admin.origin") == (status, answer["reason"])


async def test_a_name_that_was_pointed_here_gets_nothing(client: Client) -> None:
    answers = [
        await client.json("GET", path, headers={"Host": f"evil.example:{client.port}"})
        for path in ("/healthz", "/api/decisions", "/nowhere")
    ]

    assert [(421, "admin.host")] * 3 == [(status, answer["reason"]) for status, answer in answers]


async def test_a_configured_name_is_welcome(running: FakeRunning, connect: Connect) -> None:
    client = await connect(admin_app(running, names=["seawall.internal"]))

    assert 200 == (await client("GET", "/healthz", headers={"Host": "seawall.internal"}))[0]


async def test_what_is_not_there_is_a_problem_too(client: Client) -> None:
    status, headers, body = await client("GET", "/nowhere")

    assert (404, "application/problem+json") == (status, headers["Content-Type"])
    assert b'"reason":"admin.not_found"' in body


async def test_a_bug_tells_nothing_to_the_caller_and_all_to_the_log(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    status, answer = await client.json("POST", "/api/reload")  # the fake has nothing to say and raises

    assert (500, {"type", "title", "status", "reason"}) == (status, set(answer))
    assert "IndexError" in caplog.text
