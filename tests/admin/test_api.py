"""The admin port, as an operator with curl sees it."""

from __future__ import annotations

import json
import logging

import pytest

from proxy.admin.api import admin_app
from proxy.admin.running import LastReload
from proxy.errors import ConfigError, Problem, Rejection
from proxy.exchange import Exchange, Outcome, PolicyFacts, Request, RouteFacts
from tests.telemetry.shadowed import AT, follow, would_be_refused

from .conftest import Client, Connect, FakeRunning

TOKEN = "correct-horse-battery"


@pytest.fixture
async def client(running: FakeRunning, connect: Connect) -> Client:
    return await connect(admin_app(running))


def refuse(running: FakeRunning, decision_id: str, route: str = "tickets") -> None:
    exchange = Exchange(Request("GET", "/t/1", "/t/1"), client_ip="192.0.2.7", decision_id=decision_id)
    exchange.route = RouteFacts(
        route, "/t/{id}", (PolicyFacts("size_limit", f"size_limit/{route}", "enforce", "a.yaml:7"),)
    )
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


@pytest.mark.parametrize("path", ["/api/decisions", "/api/shadow"])
@pytest.mark.parametrize("limit", ["0", "-1", "x", "1001", "", "١", "9" * 5000])
async def test_a_limit_that_is_none_is_a_bad_request(client: Client, path: str, limit: str) -> None:
    status, found = await client.json("GET", f"{path}?limit={limit}")

    assert (400, "admin.parameter", "limit") == (status, found["reason"], found["detail"].split(":")[0])


@pytest.mark.parametrize("path", ["/api/routes?route=a", "/api/revision?x", "/api/decisions/d-1?chain=1"])
async def test_a_parameter_that_nobody_looks_at_is_a_bad_request(client: Client, path: str) -> None:
    status, found = await client.json("GET", path)

    assert (400, "admin.parameter") == (status, found["reason"])


async def test_a_probe_may_ask_with_whatever_parameters_it_has(client: Client) -> None:
    assert [200, 200] == [(await client("GET", path))[0] for path in ("/healthz?verbose", "/readyz?x=1")]


async def test_routes_are_listed(client: Client) -> None:
    status, found = await client.json("GET", "/api/routes")

    assert (200, ["tickets"]) == (status, [route["name"] for route in found["routes"]])


async def test_the_revision_says_what_it_changed_and_whether_the_files_on_disk_are_live(
    client: Client, running: FakeRunning
) -> None:
    running.last_reload = LastReload(ok=False, at=1_700_000_060.0, problems=["a.yaml:3:1: bad"])

    assert (
        200,
        {
            "revision": "5f3a",
            "live_since": "2023-11-14T22:13:20.000Z",
            "last_reload": {"ok": False, "at": "2023-11-14T22:14:20.000Z", "problems": ["a.yaml:3:1: bad"]},
            "last_change": ["tickets: size_limit.body 10MiB → 5MiB"],
            "watching": "looking every 2 s",
        },
    ) == await client.json("GET", "/api/revision")


class TestShadow:
    @pytest.fixture(autouse=True)
    def in_shadow(self, running: FakeRunning) -> None:
        follow(running.shadow_report, routes=["tickets"])
        for number in range(3):
            running.shadow_report.add(would_be_refused(f"d-{number}", client_ip=f"192.0.2.{number}"), AT)

    async def test_it_is_summed_up_for_each_policy(self, client: Client) -> None:
        status, found = await client.json("GET", "/api/shadow")

        (policy,) = found["policies"]
        (finding,) = policy["findings"]
        assert (200, 1, "tickets", "size_limit/tickets", 3) == (
            status,
            found["total"],
            policy["route"],
            policy["policy"],
            policy["would_have_refused"],
        )
        assert ("size_limit.body", 3, 3, ["d-2", "d-1", "d-0"]) == (
            finding["reason"],
            finding["count"],
            finding["callers"],
            [example["decision_id"] for example in finding["examples"]],
        )

    @pytest.mark.parametrize(
        ("query", "told"),
        [
            pytest.param("?route=tickets", [1, 3], id="of a route"),
            pytest.param("?route=others", [], id="of a route without one"),
            pytest.param("?policy=size_limit", [1, 3], id="of a kind"),
            pytest.param("?policy=size_limit/tickets", [1, 3], id="of a name"),
            pytest.param("?policy=jwt", [], id="of a kind that is not in shadow"),
            pytest.param("?examples=1", [1, 1], id="with fewer examples"),
            pytest.param("?examples=0&limit=1", [1, 0], id="without examples"),
        ],
    )
    async def test_some_can_be_asked_for(self, client: Client, query: str, told: list[int]) -> None:
        status, found = await client.json("GET", f"/api/shadow{query}")

        assert (200, told) == (
            status,
            [
                number
                for policy in found["policies"]
                for number in (len(policy["findings"]), len(policy["findings"][0]["examples"]))
            ],
        )


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

    async def test_it_is_told_in_the_log_who_did_it_and_how_it_ended(
        self, client: Client, running: FakeRunning, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "seawall.audit")
        running.reloads = ["77b1", ConfigError([])]

        for _ in range(2):
            await client("POST", "/api/reload")
        await client("POST", "/api/reload", headers={"Origin": "http://evil.example"})
        await client("GET", "/api/routes")

        told = [json.loads(record.message.removeprefix("admin ")) for record in caplog.records]
        assert [
            ("127.0.0.1", None, "this machine", "done", 200, None),
            ("127.0.0.1", None, "this machine", "refused", 422, "config.refused"),
            ("127.0.0.1", "http://evil.example", None, "refused", 403, "admin.origin"),
        ] == [
            (line["peer"], line["origin"], line["by"], line["outcome"], line["status"], line.get("reason"))
            for line in told
        ]

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


async def test_a_circuit_breaker_is_told_with_its_numbers(client: Client) -> None:
    told = {"state": "open", "since": "2023-11-14T22:13:20.000Z", "forced": False}

    assert (200, {"breakers": [{"name": "app", **told, "numbers": {"opened_by": {"failures": 5}}}]}) == (
        await client.json("GET", "/api/breakers")
    )


@pytest.mark.parametrize(
    ("wanted", "state", "forced"),
    [("open", "open", True), ("closed", "closed", True), ("automatic", "half-open", False)],
)
async def test_a_circuit_breaker_can_be_held_and_left_to_itself(
    client: Client, wanted: str, state: str, forced: bool
) -> None:
    status, breaker = await client.json("POST", "/api/breakers/app", json={"state": wanted})

    assert (200, "app", state, forced) == (status, breaker["name"], breaker["state"], breaker["forced"])


@pytest.mark.parametrize(
    ("path", "body", "refused"),
    [
        pytest.param("/api/breakers/none", b'{"state": "open"}', (404, "admin.breaker"), id="unknown"),
        pytest.param("/api/breakers/app", b'{"state": "half-open"}', (400, "admin.body"), id="no choice"),
        pytest.param("/api/breakers/app", b'{"state": "open", "a": 1}', (400, "admin.body"), id="a key more"),
        pytest.param("/api/breakers/app", b"state=open", (400, "admin.body"), id="no JSON"),
        pytest.param("/api/breakers/app?state=open", b"{}", (400, "admin.parameter"), id="in the query"),
    ],
)
async def test_a_circuit_breaker_is_not_forced_by_what_is_not_understood(
    client: Client, running: FakeRunning, path: str, body: bytes, refused: tuple[int, str]
) -> None:
    status, problem = await client.json("POST", path, data=body)

    assert (refused, "open") == ((status, problem["reason"]), running.breakers["app"].state)


async def test_forcing_a_circuit_breaker_needs_the_token_where_one_is_set(
    running: FakeRunning, connect: Connect
) -> None:
    client = await connect(admin_app(running, token=TOKEN))

    status, problem = await client.json("POST", "/api/breakers/app", json={"state": "closed"})

    assert (401, "admin.token", "open") == (status, problem["reason"], running.breakers["app"].state)
