"""What is remembered of callers and upstreams goes on over edits, by the names of the policies."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.testing import FakeClock
from tests.app.served import Served, served
from tests.app.trial import Files
from tests.wire.harness import Echo, RawUpstream

POLICIES = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:{port}"}}, down: {{url: "http://127.0.0.1:1"}}}}
clients: {{trusted_proxies: [127.0.0.1/32]}}
policies:
  rate_limit: {{few: {{limit: 3/day, burst: 3}}}}
  circuit_breaker: {{app: {{trip: {{consecutive_failures: 2}}, open_for: 1h}}}}
defaults:
  security_headers: {{preset: none, set: {{X-Revision: r0}}}}
routes:
  - {{name: limited, match: {{path: /limited}}, upstream: app, policies: {{rate_limit: few}}}}
  - {{name: broken, match: {{path: /broken}}, upstream: down, policies: {{circuit_breaker: app}}}}
  - {{name: once, match: {{path: /once}}, upstream: app, policies: {{replay_guard: {{key: [body.sha256]}}}}}}
  - name: some
    match: {{path: /some}}
    upstream: app
    policies: {{ip_list: {{deny: [0.0.0.0/0], mode: "40%"}}}}
"""
CALLERS = [f"198.51.100.{number}" for number in range(40)]


async def edit(running: Served, number: int) -> None:
    """One that concerns none of the policies that remember, and all of the file."""
    running.edit(f"X-Revision: r{number}", f"X-Revision: r{number + 1}")
    await running.proxy.reload()
    assert f"r{number + 1}" == (await running.get("/limited")).headers["X-Revision"]


async def refused(running: Served) -> Sequence[str]:
    """Whom `some` refuses."""
    asked = [
        (caller, await running.client.get("/some", headers={"X-Forwarded-For": caller})) for caller in CALLERS
    ]
    return [caller for caller, answer in asked if answer.status_code == 403]


async def test_buckets_breakers_messages_and_shares_are_as_they_were(files: Files) -> None:
    echo = Echo()
    async with RawUpstream(echo) as upstream:
        files.write(POLICIES.format(port=upstream.port))
        async with served(files, clock=FakeClock()) as running:
            for path in ("/broken", "/broken"):
                await running.get(path)
            await running.client.post("/once", content=b"a message")
            some = await refused(running)
            calls = len(echo.seen)
            for number in range(3):  # each edit takes one of three tokens
                await edit(running, number)
            limited, broken = await running.get("/limited"), await running.get("/broken")
            again = await running.client.post("/once", content=b"a message")
            decision = running.proxy.decisions.get(again.json()["decision_id"])
            called = len(echo.seen) - calls

            assert (429, "rate_limit.exceeded") == (limited.status_code, limited.json()["reason"])
            assert (503, "circuit_breaker.open") == (broken.status_code, broken.json()["reason"])
            assert (200, 3) == (again.status_code, called)
            assert decision is not None
            assert "replay_guard.acknowledged" == decision.reason
            assert some == await refused(running)
            assert 0 < len(some) < len(CALLERS)


async def test_a_time_of_day_that_jumps_forgets_nothing_and_stops_no_reload(files: Files) -> None:
    clock = FakeClock()
    async with RawUpstream(Echo()) as upstream:
        files.write(POLICIES.format(port=upstream.port))
        async with served(files, clock=clock) as running:
            for number, year in enumerate((-1, 2, -1)):
                clock.jump(year * 31_536_000)
                await edit(running, number)
            limited = await running.get("/limited")
            details = running.proxy.details()

    assert (429, True, 0) == (limited.status_code, details.last_reload.ok, details.uptime)
