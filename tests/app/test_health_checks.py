"""Upstreams that Seawall looks at by itself: away and back, over real sockets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from proxy.admin.answers import answer
from proxy.app.health_checks import Checks
from tests.app.served import Served, served
from tests.app.trial import Files, some_parts
from tests.wire.harness import Peer, RawUpstream, until

CHECKED = """\
version: 1
upstreams:
  app:
    url: "http://127.0.0.1:{port}"
    health_check: {{path: "/health?full=1", interval: 100ms, timeout: 1s, {check}}}
policies:
  circuit_breaker:
    app: {{trip: {{consecutive_failures: 1000}}, half_open: {{probes: 1}}, {breaker}}}
routes:
  - {{name: all, match: {{path: "/**"}}, policies: {{circuit_breaker: app}}}}
"""
NAMED = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:3000"}}}}
health:
  paths: {{/api/v2/health: details, /api/v2/health/ready: readiness}}
  checks:
    db: {{tcp: "127.0.0.1:{db}", interval: 100ms, timeout: 1s, unhealthy_after: 1, readiness: true}}
    cache: {{redis: "127.0.0.1:1", interval: 100ms, unhealthy_after: 1}}
    disk: {{disk: {{path: /, min_free: 1B}}}}
    memory: {{memory: {{max: 100%}}}}
routes:
  - {{name: all, match: {{path: "/**"}}}}
"""
OK, BAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Patient:
    """An upstream that is well or not, and knows which requests were checks."""

    well: bool = True
    checks: list[bytes] = field(default_factory=list)
    requests: int = 0

    async def __call__(self, peer: Peer) -> None:
        while True:
            head, _ = await peer.message()
            if head.startswith(b"GET /health?full=1 "):
                self.checks.append(head)
                peer.send(OK if self.well else BAD)
            else:
                self.requests += 1
                peer.send(OK)


@asynccontextmanager
async def checked(
    files: Files, check: str = "readiness: true", breaker: str = "health_check: true", **more: Any
) -> AsyncIterator[tuple[Served, Patient]]:
    patient = Patient()
    async with RawUpstream(patient) as upstream:
        files.write(CHECKED.format(port=upstream.port, check=check, breaker=breaker))
        async with served(files, **more) as running:
            yield running, patient


def ready(running: Served) -> bool:
    return running.proxy.ready()[0]


async def test_readiness_falls_and_rises_with_the_upstream(files: Files) -> None:
    async with checked(files) as (running, patient):
        await until(lambda: ready(running))
        patient.well = False
        await until(lambda: not ready(running))
        away = answer("readiness", running.proxy)
        patient.well = True
        await until(lambda: ready(running))

    assert (503, b"not ready: upstream\n") == (away.status, away.content)


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (CHECKED.format(port=1, check="readiness: true", breaker="health_check: true"), "upstream"),
        (CHECKED.format(port=1, check="readiness: false", breaker="health_check: true"), ""),
        (NAMED.format(db=1), "check db"),
    ],
)
def test_what_nobody_has_looked_at_yet_is_not_ready(files: Files, text: str, missing: str) -> None:
    files.write(text)
    parts = some_parts()
    checks = Checks(files.compile(parts).configuration, parts)

    assert missing == checks.missing()
    assert {"upstream": {}, "check": {}} == checks.healthy()


async def test_nothing_is_called_while_it_fails_and_a_probe_is_when_it_passes(files: Files) -> None:
    async with checked(files) as (running, patient):
        await until(lambda: ready(running))
        patient.well = False
        await until(lambda: not ready(running))
        refused = [await running.get() for _ in range(3)]
        decision = running.proxy.decisions.recent(1)[0]
        seen, calls = running.proxy.breakers_seen()["app"], patient.requests
        patient.well = True
        await until(lambda: ready(running))
        half_open = running.proxy.breakers()["app"]
        passed = await running.get()

        assert ([503] * 3, 0) == ([each.status_code for each in refused], calls)
        assert "circuit_breaker.open" == refused[0].json()["reason"]
        assert 1 == int(refused[0].headers["Retry-After"])
        cause = "the health check of the upstream fails: GET /health?full=1 was answered with 503"
        assert (cause, "open", cause) == (decision.cause, seen.state, seen.numbers["cause"])
        assert ("half-open", 200) == (half_open, passed.status_code)
        assert "closed" == running.proxy.breakers()["app"]


async def test_metrics_log_and_details_tell_how_it_is(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    gauge, state = 'seawall_upstream_healthy{upstream="app"}', 'seawall_circuit_breaker_state{name="app"}'
    async with checked(files) as (running, patient):
        unknown = gauge in running.metrics()
        await until(lambda: ready(running))
        well = running.metrics()[gauge]
        patient.well = False
        await until(lambda: not ready(running))
        metrics, health = running.metrics(), running.proxy.details().upstreams["app"]

    assert (False, "1.0", "0.0", "1.0") == (unknown, well, metrics[gauge], metrics[state])
    assert isinstance(health, dict)
    assert ("unhealthy", "GET /health?full=1 was answered with 503") == (
        health["health"]["state"],
        health["health"]["cause"],
    )
    assert (
        "upstreams/app: healthy -> unhealthy, 3 checks failed in a row, the last one since: "
        "GET /health?full=1 was answered with 503 "
        '{"from": "healthy", "to": "unhealthy", "failed": 3, "threshold": 3}'
    ) in caplog.messages
    assert any("circuit_breaker/app: closed -> open, the health check" in each for each in caplog.messages)


async def test_an_upstream_that_is_away_fails_and_what_is_sent_is_what_stands_there(files: Files) -> None:
    check = "headers: {Host: app.example, X-Check: one}, status: [204], readiness: true"
    async with checked(files, check) as (running, patient):
        await until(lambda: bool(running.proxy.details().upstreams["app"]["health"].get("cause")))  # type: ignore[index]
        (head, *_) = patient.checks
        first = running.proxy.details().upstreams["app"]["health"]["cause"]  # type: ignore[index]

    assert "GET /health?full=1 was answered with 200" == first
    assert b"host: app.example\r\n" in head.lower()
    assert b"x-check: one\r\n" in head.lower()


async def test_a_port_that_refuses_is_no_bug(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    files.write(CHECKED.format(port=1, check="readiness: true", breaker="health_check: true"))
    async with served(files) as running:
        await until(lambda: running.proxy.breakers()["app"] == "open")
        cause = running.proxy.breakers_seen()["app"].numbers["cause"]

    assert "Connect call failed" in str(cause) or "refused" in str(cause)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_reload_keeps_what_is_known_and_an_edit_of_the_check_begins_anew(files: Files) -> None:
    async with checked(files) as (running, patient):
        await until(lambda: ready(running))
        connections = running.proxy._pools.live["app"].pool
        running.edit("half_open: {probes: 1}", "half_open: {probes: 2}")
        await running.proxy.reload()
        kept = ready(running)
        patient.well = False
        running.edit("interval: 100ms", "interval: 110ms")
        await running.proxy.reload()

        assert (True, False) == (kept, ready(running))
        assert connections is running.proxy._pools.live["app"].pool


async def test_nothing_looks_any_more_once_no_file_says_so(files: Files) -> None:
    async with checked(files) as (running, patient):
        patient.well = False
        await until(lambda: running.proxy.breakers()["app"] == "open")
        text = (files.folder / "a.yaml").read_text(encoding="utf-8")
        text = text.replace(", health_check: true", "").replace("health_check: {path", "x: {path")
        lines = [line for line in text.splitlines() if "x: {path" not in line]
        (files.folder / "a.yaml").write_text("\n".join(lines).replace("health_check: true", "recovery: 0s"))
        await running.proxy.reload()
        checks = len(patient.checks)
        passed = await running.get()
        await asyncio.sleep(0.3)

        assert (200, checks) == (passed.status_code, len(patient.checks))
        assert "closed" == running.proxy.breakers()["app"]
        assert (True, "") == running.proxy.ready()


async def test_what_an_operator_holds_is_not_opened_by_it(files: Files) -> None:
    async with checked(files) as (running, patient):
        running.proxy.force_breaker("app", "closed")
        patient.well = False
        await until(lambda: running.metrics().get('seawall_upstream_healthy{upstream="app"}') == "0.0")
        held = await running.get()
        running.proxy.force_breaker("app", None)
        left = await running.get()

    assert [200, 503] == [held.status_code, left.status_code]


UPSTREAMS = """\
version: 1
upstreams:
  a: {{url: "http://a", {check}}}
  b: {{url: "http://b", health_check: {{path: /}}}}
policies: {{circuit_breaker: {{one: {{health_check: true}}}}}}
routes:
  - {{name: a, match: {{path: /a}}, upstream: a, policies: {{circuit_breaker: one}}}}
  - {{name: b, match: {{path: /b}}, upstream: b, policies: {{circuit_breaker: {b}}}}}
"""


@pytest.mark.parametrize(
    ("check", "b", "problem"),
    [
        ("pool: {}", "{}", "`health_check` is that of the route's upstream, and a has none"),
        ("health_check: {path: /}", "one", "`health_check` is that of a elsewhere, and here of b"),
    ],
)
def test_a_breaker_goes_by_the_check_of_one_upstream_that_has_one(
    files: Files, check: str, b: str, problem: str
) -> None:
    files.write(UPSTREAMS.format(check=check, b=b))

    (found,) = files.problems()
    assert found.startswith(f"a.yaml:5:50: policies.circuit_breaker.one.health_check: {problem}")


def states(running: Served) -> dict[str, object]:
    return {name: check["state"] for name, check in running.proxy.details().checks.items()}


async def test_what_else_files_name_is_told_and_counts_where_they_say_so(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def hang_up(peer: Peer) -> None:
        peer.close()

    async with RawUpstream(hang_up) as db:
        port = db.port
        files.write(NAMED.format(db=port))
        async with served(files) as running:
            await until(lambda: "unknown" not in states(running).values())
            well = await running.get("/api/v2/health")
            await db.__aexit__(None)
            await until(lambda: states(running)["db"] == "unhealthy")
            away, ready = await running.get("/api/v2/health"), await running.get("/api/v2/health/ready")
            metrics, cause = running.metrics(), running.proxy.details().checks["db"]["cause"]
            db._server = await asyncio.start_server(db._accept, "127.0.0.1", port)
            await until(lambda: states(running)["db"] == "healthy")

    checks = {"db": "healthy", "cache": "unhealthy", "disk": "healthy", "memory": "healthy"}
    assert (200, checks) == (well.status_code, well.json()["checks"])
    assert (503, checks | {"db": "unhealthy"}) == (away.status_code, away.json()["checks"])
    assert (503, "not ready: check db\n") == (ready.status_code, ready.text)
    assert ("0.0", "0.0", "1.0") == tuple(
        metrics[f'seawall_check_healthy{{check="{name}"}}'] for name in ("db", "cache", "disk")
    )
    assert "takes no connection" in str(cause)
    assert any(each.startswith("checks/db: healthy -> unhealthy, 1 check failed") for each in caplog.messages)
