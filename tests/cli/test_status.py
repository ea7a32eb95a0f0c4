"""`seawall status`, against an admin port as it is served."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from proxy.admin.api import admin_app
from proxy.admin.running import LastReload
from proxy.admin.site import serve
from proxy.cli import main
from proxy.state import Switched
from tests.admin.conftest import FakeRunning
from tests.telemetry.shadowed import AT, follow, would_be_refused

TOKEN = "correct-horse-battery"

Serve = Callable[[web.Application], Awaitable[str]]


async def status(*arguments: str, **env: str) -> Result:
    """In a thread, since the port is served by this one's loop."""
    runner = CliRunner()
    return await asyncio.to_thread(runner.invoke, main, ["status", *arguments], env=env)


@pytest.fixture
def running() -> FakeRunning:
    return FakeRunning()


@pytest.fixture
async def port() -> AsyncIterator[Serve]:
    """Serve an application; gives `host:port`."""
    runners: list[web.AppRunner] = []

    async def start(app: web.Application) -> str:
        runners.append(await serve(app, "127.0.0.1", 0))
        return f"127.0.0.1:{runners[-1].addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def admin(running: FakeRunning, port: Serve) -> str:
    return await port(admin_app(running))


async def test_a_healthy_one_tells_what_is_live_and_what_changed(admin: str) -> None:
    result = await status("--admin", f"http://{admin}")

    assert (0, "") == (result.exit_code, result.stderr)
    assert [
        "seawall 1.2.3: ready; up 12 s",
        "  revision     5f3a, live since 2023-11-14T22:13:20.000Z",
        "  last change  tickets: size_limit.body 10MiB → 5MiB",
        "  last reload  2023-11-14T22:13:20.000Z: live",
        "  watching     looking every 2 s",
        "  in flight    3",
        "  access log   lines are being lost: Broken pipe",
        "connections to upstreams",
        "  app  2 open, 1 idle",
        "circuit breakers",
        "  app  open since 2023-11-14T22:13:20.000Z, failures 5",
    ] == result.stdout.splitlines()


async def test_refused_files_are_told_with_every_problem_and_fail(running: FakeRunning, admin: str) -> None:
    problems = ["a.yaml:3:1: rotes: unknown key\n  rotes:\n  ^", "a.yaml:9:1: bad"]
    running.last_reload = LastReload(ok=False, at=1_700_000_060.0, problems=problems)

    result = await status("--admin", admin)

    lines = result.stdout.splitlines()
    first = lines.index("  last reload  2023-11-14T22:14:20.000Z: REFUSED; what was live before still is")
    assert (1, ["a.yaml:3:1: rotes: unknown key", "rotes:", "^", "a.yaml:9:1: bad"]) == (
        result.exit_code,
        [line.strip() for line in lines[first + 1 : first + 5]],
    )


async def test_one_that_is_not_ready_says_why_and_fails(running: FakeRunning, admin: str) -> None:
    running.readiness = (False, "draining")

    result = await status(SEAWALL_ADMIN=admin)

    assert (1, "seawall 1.2.3: not ready: draining; up 12 s") == (
        result.exit_code,
        result.stdout.splitlines()[0],
    )


@pytest.mark.parametrize(
    ("store", "line"),
    [
        pytest.param({"kind": "memory", "reachable": True}, None, id="nothing to tell of memory"),
        pytest.param(
            {"kind": "redis", "url": "redis://cache:6379/0", "reachable": True},
            "  store        redis://cache:6379/0: reachable",
            id="reachable",
        ),
        pytest.param(
            {
                "kind": "redis",
                "url": "redis://cache:6379/0",
                "reachable": False,
                "breaker": "open",
                "seconds_in_this_state": 12.5,
                "last_error": "ConnectionError: refused",
            },
            "  store        redis://cache:6379/0: AWAY, its circuit breaker open for 12 s: "
            "ConnectionError: refused",
            id="away",
        ),
    ],
)
async def test_a_store_that_can_be_away_is_told_with_how_it_is(
    running: FakeRunning, admin: str, store: dict[str, object], line: str | None
) -> None:
    running.store = store

    result = await status("--admin", admin)

    assert (0, [line] if line else []) == (
        result.exit_code,
        [each for each in result.stdout.splitlines() if each.startswith("  store")],
    )


async def test_upstreams_that_are_looked_at_are_told_with_how_they_are(
    running: FakeRunning, admin: str
) -> None:
    since, cause = "2023-11-14T22:13:20.000Z", "GET / was answered with 503"
    running.upstreams = {
        "app": {"open": 2, "idle": 1, "health": {"state": "healthy", "since": since}},
        "backup": {"open": 0, "health": {"state": "unhealthy", "since": since, "cause": cause}},
    }

    lines = (await status("--admin", admin)).stdout.splitlines()

    assert [
        f"  app     2 open, 1 idle; healthy since {since}",
        f"  backup  0 open; unhealthy since {since}: {cause}",
    ] == lines[lines.index("connections to upstreams") + 1 :][:2]


async def test_what_is_looked_at_is_told_with_how_it_is(running: FakeRunning, admin: str) -> None:
    since = "2023-11-14T22:13:20.000Z"
    running.checks = {
        "db": {"state": "unhealthy", "since": since, "cause": "db:5432 takes no connection"},
        "disk": {"state": "healthy", "since": since},
    }

    lines = (await status("--admin", admin)).stdout.splitlines()

    assert [
        f"  db    unhealthy since {since}: db:5432 takes no connection",
        f"  disk  healthy since {since}",
    ] == lines[lines.index("checks") + 1 :][:2]


async def test_circuit_breakers_that_are_not_closed_are_told_and_the_others_counted(
    running: FakeRunning, admin: str
) -> None:
    opened = {"opened_by": {"failures": 5, "threshold": 5}, "seconds_left": 12.3}
    running.breakers = {
        "app": Switched("open", 1_700_000_000.0, forced=False, numbers=opened),
        "mail": Switched("half-open", 1_700_000_001.0, forced=False, numbers={}),
        "shop": Switched("closed", 1_700_000_002.0, forced=True, numbers={"seconds_left": None}),
        "sick": Switched("open", 1_700_000_000.0, forced=False, numbers={"cause": "its check fails"}),
        "a": Switched("closed", 1_700_000_003.0, forced=False, numbers={}),
        "b": Switched("closed", 1_700_000_003.0, forced=False, numbers={}),
    }

    result = await status("--admin", admin)

    lines = result.stdout.splitlines()
    assert 0 == result.exit_code
    assert [
        "  app  open since 2023-11-14T22:13:20.000Z, failures 5, threshold 5, tries again in 13 s",
        "  mail  half-open since 2023-11-14T22:13:21.000Z",
        "  shop  closed since 2023-11-14T22:13:22.000Z, held so by an operator",
        "  sick  open since 2023-11-14T22:13:20.000Z, its check fails",
        "  2 closed",
    ] == lines[lines.index("circuit breakers") + 1 :]


async def test_what_shadow_would_have_refused_is_summed_up(running: FakeRunning, admin: str) -> None:
    follow(running.shadow_report, ["tickets", *(f"r{number}" for number in range(25))])
    running.counted = {"/tickets/{id}": {"GET": 200}}
    for number in range(3):
        running.shadow_report.add(would_be_refused(f"d-{number}", client_ip=f"192.0.2.{number}"), AT)

    result = await status("--admin", admin)

    lines = result.stdout.splitlines()
    begin = lines.index("in shadow")
    summed = "would have refused 3 of 200 requests (1.50%) since 2023-11-14T22:13:20.000Z"
    assert [
        f"  tickets: size_limit/tickets (shadow) {summed}",
        "    size_limit.body: 3 times, from 3 callers, last 2023-11-14T22:13:20.000Z",
        "      seawall explain d-2",
    ] == lines[begin + 1 : begin + 4]
    assert (0, "  and 6 more: /api/shadow") == (result.exit_code, lines[-1])


async def test_a_single_refusal_is_told_in_the_singular(running: FakeRunning, admin: str) -> None:
    follow(running.shadow_report, ["tickets"])
    running.shadow_report.add(would_be_refused(), AT)

    result = await status("--admin", admin)

    assert result.stdout.splitlines()[-2].startswith("    size_limit.body: once, from 1 caller, last ")


async def test_programs_get_all_of_it_as_json(running: FakeRunning, admin: str) -> None:
    running.last_reload = LastReload(ok=False, at=1_700_000_060.0, problems=["a.yaml:3:1: bad"])

    result = await status("--admin", admin, "--format", "json")

    told = json.loads(result.stdout)
    assert (1, False, "5f3a", ["a.yaml:3:1: bad"], 0) == (
        result.exit_code,
        told["healthy"],
        told["health"]["revision"],
        told["revision"]["last_reload"]["problems"],
        told["shadow"]["total"],
    )


@pytest.mark.parametrize(
    ("uptime", "said"),
    [(0.2, "0 s"), (59.9, "59 s"), (3600, "1 h"), (93784, "1 d 2 h"), (86400 * 400 + 61, "400 d 1 min")],
)
async def test_the_time_since_the_start_is_in_words(
    running: FakeRunning, admin: str, uptime: float, said: str
) -> None:
    running.uptime = uptime

    result = await status("--admin", admin)

    assert f"seawall 1.2.3: ready; up {said}" == result.stdout.splitlines()[0]


class TestNoAnswer:
    """One line on standard error, and exit code 1."""

    async def test_nobody_listens(self) -> None:
        with socket.socket() as bound:  # and does not listen
            bound.bind(("127.0.0.1", 0))
            admin = f"127.0.0.1:{bound.getsockname()[1]}"
            result = await status("--admin", admin)

        assert (1, "", 1) == (result.exit_code, result.stdout, len(result.stderr.splitlines()))
        assert f"can't reach http://{admin}: connection refused" in result.stderr

    async def test_the_token_is_wrong(self, port: Serve, tmp_path: Path) -> None:
        async def refuse(_: web.Request) -> web.Response:
            body = {"type": "about:blank", "reason": "admin.token", "detail": "This needs the admin token."}
            return web.json_response(body, status=401, content_type="application/problem+json")

        app = web.Application()
        app.router.add_get("/{all:.*}", refuse)
        (tmp_path / "token").write_text("not-the-right-one")

        result = await status("--admin", await port(app), "--token-file", str(tmp_path / "token"))

        assert (1, "") == (result.exit_code, result.stdout)
        assert result.stderr.endswith(" answered 401: admin.token: This needs the admin token.\n")

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            pytest.param("<html>", "did not answer with JSON; is it the admin port?", id="a web page"),
            pytest.param(
                '{"status": "UP"}', "does not answer as a Seawall of this version", id="another app"
            ),
        ],
    )
    async def test_something_else_answers(self, port: Serve, body: str, words: str) -> None:
        async def answer(_: web.Request) -> web.Response:
            return web.Response(text=body, content_type="application/json")

        app = web.Application()
        app.router.add_get("/{all:.*}", answer)

        result = await status("--admin", await port(app))

        assert (1, "", 1) == (result.exit_code, result.stdout, len(result.stderr.splitlines()))
        assert words in result.stderr


async def test_the_token_is_shown_where_one_is_given(port: Serve, tmp_path: Path) -> None:
    shown: list[str | None] = []
    served = admin_app(FakeRunning())

    async def note(request: web.Request, _: web.StreamResponse) -> None:
        shown.append(request.headers.get("Authorization"))

    served.on_response_prepare.append(note)
    (tmp_path / "token").write_text(f"{TOKEN}\n")

    result = await status(SEAWALL_ADMIN=await port(served), SEAWALL_ADMIN_TOKEN_FILE=str(tmp_path / "token"))

    assert (0, [f"Bearer {TOKEN}"] * 4) == (result.exit_code, shown)
