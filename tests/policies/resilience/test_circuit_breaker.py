"""A circuit breaker, as clients and the upstream feel it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from proxy.config.units import Duration, HeaderName, HeaderValue, StatusSet
from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Attempt, Exchange, Outcome, Response
from proxy.policies.resilience.circuit_breaker import REASONS
from proxy.policies.resilience.circuit_breaker.settings import (
    AnswerConfig,
    FailuresConfig,
    TripConfig,
)
from proxy.policy import Hooks
from proxy.testing import FakeUpstream, exchange, route
from tests.policies.reading import fields

from .breakers import Breakers, a_config, ask, share

OPEN = (503, "circuit_breaker.open")


@pytest.fixture
def breakers() -> Breakers:
    return Breakers()


# ---- opening


async def test_after_the_fifth_failure_in_a_row_nothing_reaches_the_upstream(breakers: Breakers) -> None:
    upstream = FakeUpstream(500)
    pipeline = route(breakers.breaker(), upstream=upstream, clock=breakers.clock)

    answers = [await ask(pipeline) for _ in range(7)]

    assert ([(500, None)] * 5 + [OPEN] * 2, 5) == (answers, len(upstream.seen))


def failing(*arguments: Any, **more: Any) -> UpstreamError:
    return UpstreamError(*arguments, **more)


UNREACHABLE = failing(502, "upstream.unreachable")
NO_CONNECTION = failing(504, "timeout.connect")
NO_ANSWER = failing(504, "timeout.response")
RESET = failing(502, "upstream.reset")


@pytest.mark.parametrize(
    ("outcome", "failures", "opens"),
    [
        pytest.param(500, FailuresConfig(), True, id="a 500"),
        pytest.param(599, FailuresConfig(), True, id="any 5xx"),
        pytest.param(404, FailuresConfig(), False, id="a 404"),
        pytest.param(429, FailuresConfig(), False, id="a 429"),
        pytest.param(429, FailuresConfig(status=StatusSet({429})), True, id="a 429, where it is asked for"),
        pytest.param(500, FailuresConfig(status=StatusSet({503})), False, id="a status that is not listed"),
        pytest.param(UNREACHABLE, FailuresConfig(), True, id="no connection"),
        pytest.param(NO_CONNECTION, FailuresConfig(errors=("connect",)), True, id="no connection in time"),
        pytest.param(NO_CONNECTION, FailuresConfig(errors=("timeout",)), False, id="that is no time-out"),
        pytest.param(NO_ANSWER, FailuresConfig(errors=("timeout",)), True, id="no answer in time"),
        pytest.param(NO_ANSWER, FailuresConfig(errors=("reset",)), False, id="not counted: time-outs"),
        pytest.param(RESET, FailuresConfig(errors=("reset",)), True, id="a reset"),
        pytest.param(failing(502, "upstream.bad_response"), FailuresConfig(), True, id="no HTTP"),
        pytest.param(failing(503, "upstream.busy"), FailuresConfig(), False, id="no place in the pool"),
        pytest.param(Rejection(504, "deadline.exceeded"), FailuresConfig(), True, id="a deadline"),
        pytest.param(Rejection(503, "buffers.full"), FailuresConfig(), False, id="a refusal of ours"),
        pytest.param(ValueError("a bug"), FailuresConfig(), False, id="a bug of ours"),
    ],
)
async def test_it_opens_by_what_is_the_upstreams_fault(
    breakers: Breakers, outcome: object, failures: FailuresConfig, opens: bool
) -> None:
    pipeline = breakers.route(outcome, config=a_config(1, failures=failures))
    await ask(pipeline)

    assert opens == (OPEN == await ask(pipeline))


@pytest.mark.parametrize(
    ("status", "error", "state"),
    [
        pytest.param(200, RESET, "open", id="the body broke off"),
        pytest.param(200, failing(504, "timeout.idle"), "open", id="the body stopped"),
        pytest.param(503, None, "open", id="given up after a bad head"),
        pytest.param(None, None, "closed", id="the client left before the head"),
    ],
)
def test_how_an_attempt_ends_counts(
    breakers: Breakers, status: int | None, error: Exception | None, state: str
) -> None:
    breaker, asked = breakers.breaker(a_config(1)), exchange()
    breaker.on_request(asked)

    breaker.on_attempt(asked, Attempt(1, "app", 0.0, 1.0, status, error))

    assert state == breaker._switch.seen().state


async def test_a_call_that_says_nothing_leaves_the_row_of_failures_alone(breakers: Breakers) -> None:
    pipeline = breakers.route(500, 500, failing(503, "upstream.busy"), 500, 500, 500)

    answers = [await ask(pipeline) for _ in range(7)]

    assert OPEN == answers[6] != answers[5]


async def test_slow_calls_open_it(breakers: Breakers) -> None:
    trip = TripConfig(slow_ratio=share(50), slow_after=Duration(2), min_requests=2)
    breaker = breakers.breaker(a_config(trip=trip))
    for _ in range(2):
        asked = exchange()
        breaker.on_request(asked)
        breaker.on_attempt(asked, Attempt(1, "app", 0.0, 2.5, 200))

    with pytest.raises(Rejection, match=r"circuit_breaker\.open"):
        breaker.on_request(exchange())


# ---- what the client sees


async def test_a_refusal_says_when_to_come_back_and_its_numbers(breakers: Breakers) -> None:
    await breakers.opened()
    await breakers.clock.advance(12)
    asked = exchange()

    response = await breakers.route(200).respond(asked)

    assert isinstance(response.content, bytes)
    assert (503, ["18"], REASONS[0][2]) == (
        response.status,
        response.headers.get_all("Retry-After"),
        json.loads(response.content)["detail"],
    )
    assert asked.refusal is not None
    facts = {"state": "open", "failures": 5, "threshold": 5, "open_for": "30s"}
    assert (facts, 18.0, "circuit_breaker/app") == (
        asked.refusal.facts,
        asked.refusal.retry_after,
        asked.refusal.policy,
    )
    assert asked.refusal.change is None


@pytest.mark.parametrize(
    ("answer", "body", "kind"),
    [
        (AnswerConfig(status=200, json={"queued": True}), b'{"queued":true}', ["application/json"]),
        (AnswerConfig(status=200, text="later"), b"later", ["text/plain; charset=utf-8"]),
        (
            AnswerConfig(status=200, headers={HeaderName("content-type"): HeaderValue("a/b")}, text="x"),
            b"x",
            ["a/b"],
        ),
        (AnswerConfig(status=200), b"", []),
    ],
    ids=["json", "text", "a type of its own", "nothing"],
)
async def test_an_answer_of_the_operators_own_stands_in(
    breakers: Breakers, answer: AnswerConfig, body: bytes, kind: list[str]
) -> None:
    await breakers.opened()
    pipeline = breakers.route(500, config=a_config(on_open=answer))

    first, response = await pipeline.respond(exchange()), await pipeline.respond(exchange())
    first.headers.add("X-Other", "1")

    assert (200, body, kind) == (response.status, response.content, response.headers.get_all("Content-Type"))
    assert "x-other" not in fields(response)


# ---- half-open


async def test_after_its_time_good_probes_close_it(breakers: Breakers) -> None:
    await breakers.opened()
    pipeline = breakers.route(200)
    await breakers.clock.advance(29.9)
    before = await ask(pipeline)
    await breakers.clock.advance(0.1)

    assert [OPEN, (200, None), (200, None)] == [before, await ask(pipeline), await ask(pipeline)]
    assert breakers.told[-1].startswith("circuit_breaker/app: half-open -> closed, 2 probes succeeded")


async def test_no_more_than_its_probes_reach_the_upstream_at_a_time(breakers: Breakers) -> None:
    await breakers.opened()
    await breakers.clock.advance(30)
    entered: list[Exchange] = []

    async def hang(asked: Exchange) -> Response:
        entered.append(asked)
        await breakers.clock.sleep(5)
        return Response(200)

    pipeline = route(breakers.breaker(), upstream=FakeUpstream(hang), clock=breakers.clock)
    asking = [asyncio.create_task(ask(pipeline)) for _ in range(5)]
    await breakers.clock.advance(5)

    assert ([200, 200, 503, 503, 503], 2) == ([(await each)[0] for each in asking], len(entered))


async def test_who_leaves_gives_the_place_back(breakers: Breakers) -> None:
    await breakers.opened()
    await breakers.clock.advance(30)
    breaker = breakers.breaker()
    for _ in range(10):
        asked = exchange()
        breaker.on_request(asked)
        breaker.on_attempt(asked, Attempt(1, "app", 30.0, 30.1))
        breaker.on_finish(asked, Outcome(499, 30.1))

    assert ("half-open", 0) == (breaker._switch.seen().state, breaker._breaker.probing)


async def test_who_is_refused_behind_the_breaker_gives_the_place_back(breakers: Breakers) -> None:
    await breakers.opened()
    await breakers.clock.advance(30)

    def refuse(_: Exchange) -> None:
        raise Rejection(503, "pace.exceeded")

    pipeline = route(breakers.breaker(), Hooks(on_request=refuse))
    answers = [await ask(pipeline) for _ in range(5)]

    assert [(503, "pace.exceeded")] * 5 == answers


@pytest.mark.parametrize(("status", "state"), [(200, "closed"), (503, "open"), (None, "open")])
async def test_a_probe_whose_time_is_over_is_judged_by_its_head(
    breakers: Breakers, status: int | None, state: str
) -> None:
    await breakers.opened()
    await breakers.clock.advance(30)
    breaker = breakers.breaker()
    for _ in range(2):
        asked = exchange()
        breaker.on_request(asked)
        asked.attempts, asked.upstream_status = 1, status
    await breakers.clock.advance(10)

    assert state == breaker._switch.seen().state
