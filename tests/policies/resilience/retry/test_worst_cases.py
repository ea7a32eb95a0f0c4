"""Whatever upstreams do: no more calls than were promised, and no longer than the deadline.

The production proxy on a virtual clock. Each property is tried against mistakes, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.algorithms.backoff import BackOff
from proxy.config.configuration import Configuration
from proxy.exchange import Exchange
from proxy.policies.resilience.retry import Retry, RetryConfig
from proxy.policies.resilience.retry.classes import Class
from proxy.policies.resilience.retry.plan import Past, Plan
from proxy.rehearsal.messages import Answer, Request
from proxy.rehearsal.rehearsal import Rehearsal, Rehearsed
from proxy.wire.reply import NEVER, Reply
from tests.rehearsal.plays import configured

POLICIES = """\
version: 1
upstreams: {app: {url: "http://127.0.0.1:3000"}}
routes:
  - name: all
    match: {path: "/**"}
    policies:
      deadline: {total: 10s, propagate: X-Left}
      timeout: {connect: 1s, response: 2s, idle: 3s}
      mask_errors: {}
      retry:
        max_retries: 2
        budget: {min_per_second: 10000}
        backoff: {base: 100ms, factor: 3.0, max: 4s, jitter: equal}
        classes:
          network_error: {max_retries: 4}
          timeout: {max_retries: 1, multiplier: 1.5}
          rate_limited: {}
          gateway_error: {}
          odd: {body: {pointer: /code, values: ["7"]}}
"""
TICK = 0.011
"""Seconds by which a limit of the wire may be late."""

FAULTS = st.sampled_from(["", "", "", "hang", "hang_connect", "hang_body", "reset", "reset_body", "refuse"])
ANSWERS = st.builds(
    lambda status, body, seconds, latency, fault: Answer(
        status,
        (("Retry-After", str(seconds)),) if seconds is not None else (),
        body,
        latency=latency,
        fault=fault,
    ),
    st.sampled_from([200, 404, 429, 500, 501, 502, 503, 504]),
    st.sampled_from([b"", b"ok", b'{"code": 7}', b"Traceback (most recent call last)"]),
    st.none() | st.integers(0, 100),
    st.floats(0, 4),
    FAULTS,
)
REQUESTS = st.builds(
    lambda method, body: Request(method, "/a", (("Host", "a"), ("Content-Length", str(len(body)))), body),
    st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    st.sampled_from([b"", b"hello", b"x" * 70_000]),
)


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    return configured(tmp_path_factory.mktemp("worst"), POLICIES)


def play(policies: Configuration, request: Request, script: list[Answer]) -> Rehearsed:
    """What came of it, and what must always hold."""
    with Rehearsal(policies) as rehearsal:
        rehearsal.script(script)
        done = rehearsal.send(request)
        most = next(
            p.config for p in policies.routes[0].policies if isinstance(p.config, RetryConfig)
        ).most_retries
        assert done.upstream_calls <= 1 + most, "calls"
        assert done.elapsed <= 10 + TICK, "time"
        left = [int(value) for call in done.calls for name, value in call.headers if name == "X-Left"]
        assert left == sorted(left, reverse=True), "what the upstream is told grows"
        if request.method == "POST" and done.upstream_calls > 1:
            assert all(not call.method for call in done.calls[:-1]), "a POST that was sent"
        assert all(len(call.body) in (0, len(request.body)) for call in done.calls)
    return done


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(request=REQUESTS, script=st.lists(ANSWERS, min_size=1, max_size=7))
def test_neither_calls_nor_time_exceed_what_was_promised(
    policies: Configuration, request: Request, script: list[Answer]
) -> None:
    play(policies, request, script)


GET = Request("GET", "/a", (("Host", "a"),), b"")
RESET, HANG, BUSY = Answer(fault="reset"), Answer(fault="hang"), Answer(503, (("Retry-After", "100"),))
HANGS_LATE = Answer(503, (), b"", latency=1.9)


def test_the_worst_that_is_promised_happens(policies: Configuration) -> None:
    assert 5 == play(policies, GET, [RESET]).upstream_calls


def test_a_wait_that_the_deadline_cannot_hold_is_not_begun(policies: Configuration) -> None:
    done = play(policies, GET, [BUSY])

    assert (503, 1, True) == (done.status, done.upstream_calls, done.elapsed < 0.1)


def test_the_upstream_is_told_anew_what_is_left(policies: Configuration) -> None:
    done = play(policies, GET, [HANG])

    left = [int(value) for call in done.calls for name, value in call.headers if name == "X-Left"]
    assert [10_000, True] == [left[0], 7_800 <= left[1] <= 7_930]


# ---- mistakes, each of which is found


def mistake_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Plan._reason_against

    def wrong(self: Plan, exchange: Exchange, found: Class, past: Past, wait: float) -> str:
        return right(self, exchange, replace(found, max_retries=found.max_retries + 1), past, wait)

    monkeypatch.setattr(Plan, "_reason_against", wrong)


def mistake_each_class_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(self: Plan, exchange: Exchange, found: Class, past: Past, wait: float) -> str:
        return "exhausted" if past.of_class.get(found.name, 0) >= found.max_retries else ""

    monkeypatch.setattr(Plan, "_reason_against", wrong)


def mistake_waits_without_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Reply.limit

    def wrong(self: Any, seconds: float) -> None:
        if seconds != NEVER:
            right(self, seconds)
        else:
            self.client.timer.set(NEVER)

    monkeypatch.setattr(Reply, "limit", wrong)
    monkeypatch.setattr(Plan, "_reason_against", lambda *_: "")


def mistake_posts_are_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retry, "_is_repeatable", lambda *_: True)


def mistake_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Exchange] = []
    right = Exchange.tell_time_left

    def wrong(self: Exchange, now: float) -> None:
        right(self, now + 5 if self.attempts == 0 else now)
        told.append(self)

    monkeypatch.setattr(Exchange, "tell_time_left", wrong)


POST = Request("POST", "/a", (("Host", "a"), ("Content-Length", "1")), b"x")


@pytest.mark.parametrize(
    ("mistake", "request_", "script"),
    [
        (mistake_one_more, GET, [RESET]),
        (mistake_each_class_for_itself, GET, [RESET, RESET, RESET, RESET, Answer(429), Answer(429)]),
        (mistake_waits_without_a_deadline, GET, [BUSY]),
        (mistake_posts_are_repeated, POST, [RESET]),
        (mistake_told_once, GET, [RESET]),
    ],
)
def test_a_mistake_is_found(
    mistake: Callable[[pytest.MonkeyPatch], None],
    request_: Request,
    script: list[Answer],
    policies: Configuration,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play(policies, request_, script)
    mistake(monkeypatch)

    with pytest.raises(AssertionError):
        play(policies, request_, script)


def test_waits_of_a_whole_proxy_stay_in_bounds(policies: Configuration) -> None:
    waits = BackOff(0.1, 3.0, 4.0, "equal")
    done = play(policies, GET, [RESET])

    shortest, longest = (sum(waits.bounds(step)[side] for step in range(1, 5)) for side in (0, 1))
    assert shortest <= done.elapsed <= longest + TICK
