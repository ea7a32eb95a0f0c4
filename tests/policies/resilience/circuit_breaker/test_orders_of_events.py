"""A circuit breaker whose calls are repeated, reloaded, shadowed, and end in any order."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.patterns import Name
from proxy.config.units import Duration
from proxy.errors import Rejection
from proxy.exchange import Attempt, Exchange, Forward, Outcome, Response
from proxy.policies.resilience.circuit_breaker import CircuitBreaker
from proxy.policies.resilience.circuit_breaker.settings import AnswerConfig, BackOffConfig
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import FakeUpstream, exchange, route
from tests.policies.resilience.breakers import Breakers, a_config, ask

OPEN = (503, "circuit_breaker.open")
BACKUP = AnswerConfig(upstream=Name("backup"))


@pytest.fixture
def breakers() -> Breakers:
    return Breakers()


# ---- repeated calls


class Repeats:
    """Calls up to four times, as `retry` does: it drops what it doesn't like, and the wire tells later."""

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        for _ in range(3):
            response = await forward(exchange)
            if response.status < 500:
                return response
        return await forward(exchange)


class LateUpstream:
    """Tells of an attempt when the next one is made, as the wire does of a body that nobody read."""

    def __init__(self, breaker: CircuitBreaker, *script: int) -> None:
        self.breaker, self.script, self.calls = breaker, list(script), 0

    async def __call__(self, exchange: Exchange) -> Response:
        if exchange.attempts:
            told = Attempt(exchange.attempts, "app", 0.0, 0.0, exchange.upstream_status)
            self.breaker.on_attempt(exchange, told)
        exchange.attempts += 1
        self.calls += 1
        exchange.upstream_status = self.script.pop(0)
        return Response(exchange.upstream_status)


async def test_a_policy_that_repeats_is_stopped_when_it_opens(breakers: Breakers) -> None:
    breaker = breakers.breaker(a_config(2))
    upstream = LateUpstream(breaker, *[503] * 9)
    hooks = Hooks.of(breaker).at_each_call()
    assert hooks.around is not None

    with pytest.raises(Rejection, match=r"circuit_breaker\.open"):
        await Repeats().around(exchange(), lambda asked: hooks.around(asked, upstream))  # type: ignore[misc]

    assert 2 == upstream.calls


async def test_a_call_that_was_repeated_counts_once(breakers: Breakers) -> None:
    breaker = breakers.breaker(a_config(3))
    upstream = LateUpstream(breaker, 503, 503, 200)
    hooks = Hooks.of(breaker).at_each_call()
    assert hooks.around is not None
    asked = exchange()

    await Repeats().around(asked, lambda asked: hooks.around(asked, upstream))  # type: ignore[misc]
    before = breaker._breaker.failures
    breaker.on_attempt(asked, Attempt(3, "app", 0.0, 0.0, 200))

    assert (2, 0) == (before, breaker._breaker.failures)


async def test_a_call_that_was_never_made_is_no_failure_when_it_is_repeated(breakers: Breakers) -> None:
    breaker, asked = breakers.breaker(a_config(2)), exchange()
    breaker.on_request(asked)
    asked.attempts, asked.upstream_status = 1, 503
    breaker.on_attempt(asked, Attempt(1, "app", 0.0, 0.0, 503))

    for _ in range(3):
        breaker.on_request(asked)  # and something in between refused, every time

    assert "closed" == breaker._switch.seen().state


async def test_each_call_that_is_repeated_is_asked_about_anew_where_another_upstream_answers(
    breakers: Breakers,
) -> None:
    breaker, asked = breakers.breaker(a_config(2, on_open=BACKUP)), exchange()
    upstream, called = LateUpstream(breaker, 503, 503, 503, 200), list[str | None]()
    hooks = Hooks.of(breaker).at_each_call()

    async def forward(exchange: Exchange) -> Response:
        called.append(exchange.upstream)
        if len(called) == 3:
            await breakers.clock.advance(30)  # so that the next one is a probe
        return await upstream(exchange)

    await Repeats().around(asked, lambda asked: hooks.around(asked, forward))  # type: ignore[misc]
    breaker.on_attempt(asked, Attempt(4, "app", 0.0, 0.0, 200))

    assert [None, None, "backup", None] == called
    assert (0, 1) == (breaker._breaker.probing, breaker._breaker.successes)


async def test_a_second_breaker_counts_no_call_that_the_first_sends_elsewhere(breakers: Breakers) -> None:
    first = breakers.breaker(a_config(1, on_open=BACKUP))
    second = breakers.breaker(a_config(1), name="circuit_breaker/second")
    first._switch.force("open")
    pipeline = route(first, second, upstream=FakeUpstream(500), clock=breakers.clock)

    assert [(500, None)] * 3 == [await ask(pipeline) for _ in range(3)]
    assert ("closed", 0) == (second._switch.seen().state, second._breaker.probing)


async def test_a_breaker_counts_no_call_that_a_later_one_sends_elsewhere(breakers: Breakers) -> None:
    first = breakers.breaker(a_config(1))
    second = breakers.breaker(a_config(1, on_open=BACKUP), name="circuit_breaker/second")
    second._switch.force("open")
    pipeline = route(first, second, upstream=FakeUpstream(500), clock=breakers.clock)

    assert [(500, None)] * 3 == [await ask(pipeline) for _ in range(3)]
    assert "closed" == first._switch.seen().state


async def test_in_shadow_nothing_is_sent_elsewhere(breakers: Breakers) -> None:
    config = a_config(1, on_open=BACKUP)
    breaker = breakers.breaker(config, name="circuit_breaker/app?shadow")
    breaker._switch.force("open")
    asked, upstream = exchange(), FakeUpstream(200)
    shadowed = in_shadow("circuit_breaker", Hooks.of(breaker))

    await ask(route(shadowed, upstream=upstream, clock=breakers.clock), asked)

    assert asked.upstream is None
    assert ["backup"] == [found.facts["upstream"] for found in asked.shadowed or ()]


# ---- reloads, shadow


async def test_a_reload_keeps_the_state_and_goes_by_the_new_settings(breakers: Breakers) -> None:
    old = breakers.route(500)
    for _ in range(4):
        await ask(old)
    new = breakers.route(500, config=a_config(9))
    for _ in range(2):
        await ask(new)
        await ask(old)  # still on their way, by a revision that is no more

    assert [(500, None), OPEN] == [await ask(new), await ask(new)]


async def test_settings_of_a_revision_that_was_refused_never_count(breakers: Breakers) -> None:
    pipeline = breakers.route(500)
    breakers.breaker(a_config(1))

    assert [(500, None)] * 5 == [await ask(pipeline) for _ in range(5)]


async def test_longer_each_time_stays_so_over_a_reload(breakers: Breakers) -> None:
    config = a_config(open_for=BackOffConfig(base=Duration(5)))
    await breakers.opened(config)
    await breakers.clock.advance(5)
    await ask(breakers.route(500, config=config))
    asked = exchange()
    await breakers.route(200, config=config).respond(asked)

    assert asked.refusal is not None
    assert (10.0, "10s") == (asked.refusal.retry_after, asked.refusal.facts["open_for"])


async def test_in_shadow_it_reports_what_it_would_have_refused(breakers: Breakers) -> None:
    upstream = FakeUpstream(500)
    hooks = in_shadow("circuit_breaker", Hooks.of(breakers.breaker(name="circuit_breaker/app?shadow")))
    pipeline = route(hooks, upstream=upstream, clock=breakers.clock)
    asked = [exchange() for _ in range(7)]

    answers = [await ask(pipeline, each) for each in asked]

    assert ([(500, None)] * 7, 7) == (answers, len(upstream.seen))
    assert [[]] * 5 + [["circuit_breaker.open"]] * 2 == [
        [found.reason for found in each.shadowed or ()] for each in asked
    ]


# ---- whatever happens, in whatever order


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["call", "good", "bad", "leave", "refuse", "cancel", "wait", "reload"]),
            st.integers(0, 12),
        ),
        max_size=50,
    )
)
def test_no_request_keeps_its_place_however_it_ends(happenings: list[tuple[str, int]]) -> None:
    breakers = Breakers()
    asyncio.run(_live(breakers, happenings))


async def _live(breakers: Breakers, happenings: list[tuple[str, int]]) -> None:
    breaker, calling = breakers.breaker(a_config(2)), []
    for what, number in happenings:
        if what == "wait":
            await breakers.clock.advance(number * 5)
        elif what == "reload":
            breaker = breakers.breaker(a_config(2 + number % 2))
        elif what == "call":
            asked = exchange()
            try:
                breaker.on_request(asked)
            except Rejection:
                breaker.on_finish(asked, Outcome(503, 0.0))
            else:
                calling.append((breaker, asked))
        elif calling:
            whose, asked = calling.pop(number % len(calling))
            if what in ("good", "bad", "leave"):
                asked.attempts = 1
                status = {"good": 200, "bad": 500, "leave": None}[what]
                now = breakers.clock.monotonic()
                whose.on_attempt(asked, Attempt(1, "app", now, now, status))
            whose.on_finish(asked, Outcome(499, 0.0))
        assert breaker._breaker.probing <= min(2, len(calling))
    for whose, asked in calling:
        whose.on_finish(asked, Outcome(499, 0.0))

    assert 0 == breaker._breaker.probing
    await breakers.clock.advance(30)
    well = breakers.route(200, config=a_config(2))
    assert [(200, None)] * 5 == [await ask(well) for _ in range(5)]
    assert "closed" == breaker._switch.seen().state
