"""What operators see of a circuit breaker, read, and can do with it."""

from __future__ import annotations

from proxy.config.units import Duration
from proxy.policies.resilience.circuit_breaker.settings import TripConfig
from proxy.state import Switchable
from proxy.testing import exchange
from tests.policies.resilience.breakers import Breakers, FakeHealth, a_config, ask, share

START = 1_700_000_000.0


async def test_it_is_seen_with_what_opened_it_and_since_when() -> None:
    breakers = Breakers()
    await breakers.clock.advance(100)
    await breakers.opened()
    await breakers.clock.advance(12)

    seen = breakers.breaker()._switch.seen()

    assert ("open", START + 100, False) == (seen.state, seen.since, seen.forced)
    assert {
        "failures_in_row": 0,
        "opened_by": {"failures": 5, "threshold": 5},
        "seconds_left": 18.0,
        "probes": 0,
        "successes": 0,
    } == seen.numbers


async def test_counts_of_ratios_are_those_of_now() -> None:
    breakers = Breakers()
    trip = TripConfig(failure_ratio=share(50), window=Duration(10))
    config = a_config(trip=trip)
    pipeline = breakers.route(500, 200, config=config)
    await ask(pipeline)
    await ask(pipeline)
    seen = breakers.breaker(config)._switch.seen()
    await breakers.clock.advance(60)
    later = breakers.breaker(config)._switch.seen()

    assert [(2, 1, 0), (0, 0, 0)] == [
        (each.numbers["calls"], each.numbers["failures"], each.numbers["slow"]) for each in (seen, later)
    ]


async def test_it_is_half_open_when_its_time_is_over_whether_or_not_anybody_asks() -> None:
    breakers = Breakers()
    await breakers.opened()
    await breakers.clock.advance(45)

    seen = breakers.breaker()._switch.seen()

    assert ("half-open", START + 30) == (seen.state, seen.since)


async def test_operators_read_of_each_change_with_cause_and_numbers() -> None:
    breakers = Breakers()
    trip = TripConfig(failure_ratio=share(50), min_requests=5)
    await breakers.opened(a_config(trip=trip))
    await breakers.clock.advance(30)
    breakers.breaker(a_config(trip=trip))._switch.seen()

    assert [
        (
            "circuit_breaker/app: closed -> open, 5 of 5 calls failed {'from': 'closed', 'to': 'open', "
            "'failures': 5, 'calls': 5, 'threshold': '50%', 'open_for': '30s'}"
        ),
        (
            "circuit_breaker/app: open -> half-open, its time is over "
            "{'from': 'open', 'to': 'half-open', 'open_for': '30s'}"
        ),
    ] == breakers.told


async def test_an_operator_holds_it_open_and_closed_and_leaves_it_to_itself() -> None:
    breakers = Breakers()
    pipeline, switch = breakers.route(200), breakers.breaker()._switch

    switch.force("open")
    held_open = await ask(pipeline), switch.seen().forced
    switch.force("closed")
    held_closed = await ask(pipeline), switch.seen().state
    switch.force(None)

    assert ((503, "circuit_breaker.open"), True) == held_open
    assert ((200, None), "closed", False) == (*held_closed, switch.seen().forced)


async def test_while_the_health_check_fails_nothing_is_called_and_then_probes_are_at_once() -> None:
    breakers = Breakers()
    health = breakers.health = FakeHealth()
    pipeline, asked = breakers.route(200), exchange()
    health.fails = True
    refused = await ask(pipeline, asked), await ask(pipeline)
    held = breakers.breaker()._switch.seen()
    await breakers.clock.advance(1000)
    still = await ask(pipeline)
    health.fails = False
    passed = [await ask(pipeline) for _ in range(3)]

    assert [(503, "circuit_breaker.open")] * 3 == [*refused, still]
    assert asked.refusal is not None
    assert (7.0, "the health check of the upstream fails: GET / was answered with 503") == (
        asked.refusal.retry_after,
        asked.refusal.cause,
    )
    assert {"failed": 3, "threshold": 3} == held.numbers["opened_by"]
    assert ("open", 7.0, asked.refusal.cause) == (
        held.state,
        held.numbers["seconds_left"],
        held.numbers["cause"],
    )
    assert [(200, None)] * 3 == passed
    assert ["closed -> open", "open -> half-open", "half-open -> closed"] == [
        told.partition(": ")[2].partition(",")[0] for told in breakers.told
    ]


async def test_a_reload_without_the_check_lets_go() -> None:
    breakers = Breakers()
    health = breakers.health = FakeHealth()
    health.fails = True
    await ask(breakers.route(200))
    breakers.health = None
    pipeline = breakers.route(200)

    assert [(200, None)] * 2 == [await ask(pipeline) for _ in range(2)]
    assert "closed" == breakers.breaker()._switch.seen().state


def test_it_is_what_the_admin_api_looks_for() -> None:
    assert isinstance(Breakers().breaker()._switch, Switchable)
