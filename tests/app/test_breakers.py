"""Circuit breakers of a running proxy: metrics and log show them, operators hold them, reloads keep them."""

from __future__ import annotations

import logging

import pytest

from proxy.app.compile import KINDS
from proxy.errors import ConfigError
from proxy.exchange import Exchange, Forward, Response
from proxy.policy import PolicyType, Services
from proxy.state import Switched
from proxy.testing import FakeUpstream, exchange
from tests.app.served import Served, served
from tests.app.trial import UPSTREAM, Files, TrialConfig, routes

DOWN = """\
version: 1
upstreams: {app: {url: "http://127.0.0.1:1"}}
policies: {circuit_breaker: {app: {trip: {consecutive_failures: 3}}}}
routes:
  - {name: all, match: {path: "/**"}, policies: {circuit_breaker: app}}
  - {name: more, match: {path: "/more"}, policies: {circuit_breaker: app}}
  - {name: inline, match: {path: "/inline"}, policies: {circuit_breaker: {}}}
  - {name: tried, match: {path: "/tried"}, policies: {circuit_breaker: {mode: shadow}}}
"""
OPEN = 'seawall_circuit_breaker_state{name="app"}'


async def opened(running: Served) -> None:
    for path in ("/app", "/more", "/app"):
        await running.get(path)


async def test_a_named_breaker_is_one_and_an_unnamed_one_is_called_as_its_route(files: Files) -> None:
    files.write(DOWN)
    async with served(files) as running:
        await opened(running)
        reasons = [(await running.get(path)).json()["reason"] for path in ("/more", "/inline", "/tried")]

        assert {"app": "open", "inline": "closed"} == running.proxy.breakers()
    assert ["circuit_breaker.open", "upstream.unreachable", "upstream.unreachable"] == reasons


async def test_metrics_have_its_state_as_a_number(files: Files) -> None:
    files.write(DOWN)
    async with served(files) as running:
        before = running.metrics()[OPEN]
        await opened(running)
        after = running.metrics()[OPEN]
        running.proxy.force_breaker("app", "closed")
        running.proxy.force_breaker("inline", "open")
        running.proxy.force_breaker("inline", None)

        assert ["0.0", "1.0", "0.0"] == [before, after, running.metrics()[OPEN]]
        assert "2.0" == running.metrics()['seawall_circuit_breaker_state{name="inline"}']


async def test_the_log_has_each_change_with_its_cause_and_numbers(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    files.write(DOWN)
    async with served(files) as running:
        await opened(running)

    assert (
        "circuit_breaker/app: closed -> open, 3 failures in a row "
        '{"from": "closed", "to": "open", "failures": 3, "threshold": 3, "open_for": "30s"}'
    ) in caplog.messages


async def test_a_reload_keeps_it_open_and_one_that_is_refused_changes_nothing(files: Files) -> None:
    files.write(DOWN)
    async with served(files) as running:
        await opened(running)
        running.edit("consecutive_failures: 3", "consecutive_failures: 9")
        await running.proxy.reload()
        reloaded = (await running.get()).json()["reason"]
        running.edit("consecutive_failures: 9", "consecutive_failures: none")
        with pytest.raises(ConfigError, match="consecutive_failures"):
            await running.proxy.reload()

        assert ("circuit_breaker.open", "open") == (reloaded, running.proxy.breakers()["app"])


async def test_one_that_is_no_more_is_not_shown(files: Files) -> None:
    files.write(DOWN)
    async with served(files) as running:
        running.edit("policies: {circuit_breaker: {}}}", "policies: {}}")
        await running.proxy.reload()

        assert {"app": "closed"} == running.proxy.breakers()
        assert 'seawall_circuit_breaker_state{name="inline"}' not in running.metrics()


async def test_an_operator_can_hold_it_and_nobody_else(files: Files) -> None:
    files.write(DOWN)
    async with served(files) as running:
        seen = running.proxy.force_breaker("app", "open")
        refused = (await running.get()).json()["reason"]
        held = running.proxy.breakers_seen()["app"]

        assert isinstance(seen, Switched)
        assert ("circuit_breaker.open", "open", True) == (refused, held.state, held.forced)
        assert [None, None] == [
            running.proxy.force_breaker(name, "open") for name in ("none", "tried?shadow")
        ]


def test_settings_that_differ_where_the_state_is_one_are_refused(files: Files) -> None:
    before, after = DOWN.split("  - {name: inline")
    after = "  - {name: inline" + after
    files.write(before.replace('/more"}, policies: {circuit_breaker: app}', CHANGED) + after)

    where = "a.yaml:6:91: routes[1].policies.circuit_breaker.open_for"
    assert [f"{where}: `open_for` is 5s here and 30s elsewhere"] == [
        problem.partition(",")[0] for problem in files.problems()
    ]


CHANGED = '/more"}, policies: {circuit_breaker: {use: app, open_for: 5s}}'


class Repeats:
    """Stands in front, owns the call, and calls twice."""

    def __init__(self, config: TrialConfig, services: Services) -> None:
        pass

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        await forward(exchange)
        return await forward(exchange)


@pytest.mark.parametrize("mode", ["enforce", "shadow"])
async def test_behind_a_policy_that_repeats_it_is_asked_before_each_call(
    files: Files, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setitem(KINDS, "trial", PolicyType("trial", TrialConfig, Repeats))
    breaker = f"{{mode: {mode}, trip: {{consecutive_failures: 1}}}}"
    files.write(UPSTREAM + routes(a=f"{{trial: {{}}, circuit_breaker: {breaker}}}"))
    upstream, asked = FakeUpstream(500), exchange()
    pipeline = files.compile(upstream=upstream).routes[0].pipeline

    await pipeline.respond(asked)

    refusals = [asked.refusal] if mode == "enforce" else asked.shadowed or []
    assert ["circuit_breaker.open"] == [refusal.reason for refusal in refusals if refusal]
    assert (1 if mode == "enforce" else 2) == len(upstream.seen)


def test_where_nothing_owns_the_call_it_costs_no_task(files: Files) -> None:
    files.write(DOWN)

    assert [True] * 4 == [route.pipeline.plain for route in files.compile().routes]
