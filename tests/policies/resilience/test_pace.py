"""Calls at a pace: what clients get, in which order, and that nothing is lost or let through twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.config.keys import Key
from proxy.config.units import Duration, Rate
from proxy.exchange import Exchange, Outcome
from proxy.pipeline import Waiting
from proxy.policies.resilience.pace import Pace, PaceConfig
from proxy.policies.resilience.pace.crossing import QueueConfig
from proxy.policies.resilience.retry import Retry, RetryConfig
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import Chunks, FakeClock, FakeUpstream, exchange, fake_services, route
from tests.policies.away import Remote
from tests.policies.reading import problems
from tests.policies.resilience.crossing import EXCEEDED, FULL, STORES, TWO, Crossing, turns


@STORES
async def test_the_burst_goes_at_once_and_the_rest_one_by_one_in_the_order_in_which_they_came(
    store: Callable[[FakeClock], Any] | None,
) -> None:
    crossing = Crossing(store=store, burst=5, **TWO)

    for index in range(8):
        await crossing.come(str(index))
    await crossing.clock.advance(3.0)

    assert [str(index) for index in range(8)] == [name for _, name in crossing.calls]
    assert [0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 1.5] == [round(when, 1) for when, _ in crossing.calls]


async def test_a_call_that_finds_a_token_takes_no_task() -> None:
    crossing = Crossing(burst=1, **TWO)

    guests = [await crossing.come(), await crossing.come()]

    assert [True, False] == [guest.plainly for guest in guests]


async def test_without_a_burst_it_is_one_by_one() -> None:
    crossing = Crossing(**TWO)

    for _ in range(3):
        await crossing.come()
    await crossing.clock.advance(5.0)

    assert [0.0, 0.5, 1.0] == crossing.times


@STORES
async def test_who_would_wait_longer_than_max_wait_is_refused_at_once_and_told_when_it_would_be_its_turn(
    store: Callable[[FakeClock], Any] | None,
) -> None:
    crossing = Crossing(store=store, limit=Rate("2/s"), max_wait=Duration(1))
    for _ in range(3):
        await crossing.come()
    await crossing.clock.advance(0.01)

    late = await crossing.come()

    assert EXCEEDED == late.outcome
    assert "2" == late.response.headers.get("Retry-After")
    assert late.asked.refusal is not None
    assert {"limit": "2/s", "burst": 1, "waiting": 2, "max_wait": "1s", "key": "constant *"}.items() <= (
        late.asked.refusal.facts.items()
    )
    assert "time_left" not in late.asked.refusal.facts


@STORES
async def test_a_turn_after_the_deadline_is_refused_at_once(
    store: Callable[[FakeClock], Any] | None,
) -> None:
    crossing = Crossing(store=store, **TWO)
    await crossing.come()

    early, late = await crossing.come(deadline=0.6), await crossing.come(deadline=0.6)
    await crossing.clock.advance(0.02)
    decided = (early.outcome, late.outcome)
    await crossing.clock.advance(0.6)

    assert (None, EXCEEDED) == decided
    assert (200, None) == early.outcome
    assert late.asked.refusal is not None
    assert "600ms" == late.asked.refusal.facts["time_left"]


async def test_who_finds_no_place_is_refused_at_once() -> None:
    crossing = Crossing(queue=QueueConfig(size=2), **TWO)

    guests = [await crossing.come() for _ in range(4)]

    assert [(200, None), None, None, FULL] == [guest.outcome for guest in guests]
    assert "2" == guests[3].response.headers.get("Retry-After")


async def test_a_key_has_a_line_and_places_of_its_own() -> None:
    crossing = Crossing(key=(Key("client.ip"),), queue=QueueConfig(size=3, per_key=1), **TWO)
    ours = [await crossing.come(client_ip="192.0.2.1") for _ in range(3)]
    theirs = [await crossing.come(client_ip="192.0.2.2") for _ in range(2)]

    assert [(200, None), None, FULL] == [guest.outcome for guest in ours]
    assert [(200, None), None] == [guest.outcome for guest in theirs]


async def test_ten_times_more_keys_than_may_wait_are_remembered_by_nobody() -> None:
    crossing = Crossing(key=(Key("client.ip"),), max_keys=10, queue=QueueConfig(size=10), **TWO)
    guests = [await crossing.come(client_ip=f"192.0.2.{n}") for n in range(100) for _ in range(2)]
    waiting = crossing.waiting
    for guest in guests:
        guest.leave()
    await turns()

    [state] = crossing.services.state._kept.values()
    assert (10, 0, {}, {}) == (waiting, crossing.waiting, state.lines._lines, state.full_at)


async def test_a_token_is_not_lost_with_who_leaves_before_its_turn() -> None:
    crossing = Crossing(**TWO)
    guests = [await crossing.come(str(index)) for index in range(4)]

    guests[1].leave()
    guests[2].leave()
    await crossing.clock.advance(0.5)

    assert [(0.0, "0"), (0.5, "3")] == crossing.calls


async def test_who_leaves_in_the_turn_in_which_it_is_told_hands_on_the_turn() -> None:
    crossing = Crossing(**TWO)
    guests = [await crossing.come(str(index)) for index in range(4)]

    guests[1].leave()  # tells the second
    guests[2].leave()
    await crossing.clock.advance(0.5)

    assert ["0", "3"] == [name for _, name in crossing.calls]


async def test_who_leaves_before_its_task_has_run_hands_on_the_turn() -> None:
    crossing = Crossing(**TWO)
    await crossing.come("0")
    gone = exchange()
    assert isinstance(crossing.pipeline.admit(gone), Waiting)

    await crossing.come("1")
    crossing.pipeline.finish(gone, Outcome(499, 0.0))
    await crossing.clock.advance(0.5)

    assert [(0.0, "0"), (0.5, "1")] == crossing.calls


async def test_a_newcomer_does_not_overtake_who_was_told_and_has_not_run_yet() -> None:
    crossing = Crossing(**TWO)
    for name in "ab":
        await crossing.come(name)
    crossing.clock._elapsed = 0.5  # the token is there, and nobody has noticed

    newcomer = await crossing.come("c")
    await crossing.clock.advance(1.0)

    assert ("abc", (200, None)) == ("".join(name for _, name in crossing.calls), newcomer.outcome)


async def test_each_attempt_takes_a_token() -> None:
    clock = FakeClock()
    services = fake_services(clock, name="pace/app")
    times: list[float] = []

    async def serve(_: Exchange) -> int:
        times.append(clock.monotonic())
        return 503

    pace = Hooks.of(Pace(PaceConfig(limit=Rate("1/10s")), services)).at_each_call()
    retry = Retry(RetryConfig(max_retries=2), fake_services(clock))
    pipeline = route(retry, pace, upstream=FakeUpstream(serve))
    responding = asyncio.create_task(pipeline.respond(exchange()))
    await clock.advance(60.0)

    assert [0.0, 10.0, 20.0] == [round(when, 3) for when in times]
    assert 503 == (await responding).status


async def test_a_key_in_the_body_is_read() -> None:
    crossing = Crossing(key=(Key("body:/to"),), on_missing_key="refuse", **TWO)

    guests = [await crossing.come(body=Chunks(f'{{"to": "{to}"}}'.encode())) for to in "aba"]
    missing = await crossing.come(body=Chunks(b"{}"))

    assert [(200, None), (200, None), None] == [guest.outcome for guest in guests]
    assert (400, "pace.key_missing") == missing.outcome


async def test_requests_without_a_key_may_pass() -> None:
    crossing = Crossing(key=(Key("header:X-Account"),), on_missing_key="allow", **TWO)

    guests = [await crossing.come() for _ in range(3)]

    assert [(200, None)] * 3 == [guest.outcome for guest in guests]


# ---- reload


async def test_a_reload_keeps_who_waits_in_front_of_those_who_come_after() -> None:
    crossing = Crossing(**TWO)
    for name in "abc":
        await crossing.come(name)

    after = crossing.reloaded(**TWO)
    await after.come("d")
    await crossing.clock.advance(2.0)

    assert [(0.0, "a"), (0.5, "b"), (1.0, "c"), (1.5, "d")] == crossing.calls


async def test_who_waits_goes_by_the_new_rate_once_somebody_has_asked_for_it() -> None:
    crossing = Crossing(limit=Rate("1/min"), max_wait=Duration(600))
    for name in "abc":
        await crossing.come(name)

    after = crossing.reloaded(limit=Rate("1/s"), max_wait=Duration(600))
    await after.come("d")
    await crossing.clock.advance(3.0)

    assert [(0.0, "a"), (1.0, "b"), (2.0, "c"), (3.0, "d")] == crossing.calls


async def test_the_last_requests_of_an_older_revision_do_not_bring_its_rate_back() -> None:
    crossing = Crossing(limit=Rate("1/s"))
    after = crossing.reloaded(limit=Rate("1/10s"))
    await after.come("a")
    await crossing.come("b")
    await crossing.clock.advance(9.0)

    assert ["a"] == [name for _, name in crossing.calls]


# ---- without the store


@pytest.mark.parametrize(
    ("way", "outcomes"),
    [
        pytest.param("local", [(200, None), None, None], id="at a pace of its own"),
        pytest.param("allow", [(200, None)] * 3, id="without one"),
        pytest.param("refuse", [(503, "pace.unavailable")] * 3, id="not at all"),
    ],
)
async def test_without_the_store_it_does_as_it_says(way: str, outcomes: list[Any]) -> None:
    crossing = Crossing(store=lambda clock: Remote(clock, away=True), when_store_fails=way, **TWO)

    guests = [await crossing.come() for _ in range(3)]

    assert outcomes == [guest.outcome for guest in guests]


async def test_who_waits_when_the_store_goes_and_comes_back_gets_its_turn() -> None:
    crossing = Crossing(store=Remote, **TWO)
    for name in "abcd":
        await crossing.come(name)
    store: Any = crossing.services.store

    store.away = True
    await crossing.clock.advance(0.6)
    store.away = False
    await crossing.clock.advance(2.0)

    assert ["a", "b", "c", "d"] == [name for _, name in crossing.calls]
    assert 0 == crossing.waiting


# ---- in shadow


@STORES
async def test_in_shadow_nobody_waits_and_those_are_reported_who_would_have_waited_too_long(
    store: Callable[[FakeClock], Any] | None,
) -> None:
    crossing = Crossing(store=store, limit=Rate("2/s"), burst=2, max_wait=Duration(1))
    crossing.pipeline = route(
        in_shadow("pace", Hooks.of(crossing.policy)), upstream=FakeUpstream(crossing._serve)
    )

    guests = [await crossing.come() for _ in range(6)]
    await crossing.clock.advance(0.1)

    assert [(200, None)] * 6 == [guest.outcome for guest in guests]
    reported = [[each.reason for each in guest.asked.shadowed or []] for guest in guests]
    assert [[]] * 4 + [["pace.exceeded"]] * 2 == reported


async def test_in_shadow_a_line_is_as_long_as_it_would_be() -> None:
    crossing = Crossing(queue=QueueConfig(size=9, per_key=1), **TWO)
    crossing.pipeline = route(
        in_shadow("pace", Hooks.of(crossing.policy)), upstream=FakeUpstream(crossing._serve)
    )

    guests = [await crossing.come() for _ in range(3)]

    reported = [[each.reason for each in guest.asked.shadowed or []] for guest in guests]
    assert [[], [], ["pace.queue_full"]] == reported


# ---- as it stands in a file


@pytest.mark.parametrize(
    ("policies", "path"),
    [
        pytest.param("pace: {burst: 5}", "pace", id="no rate"),
        pytest.param("pace: {limit: 0/s}", "pace.limit", id="none at all"),
        pytest.param("pace: {limit: 2/s, burst: 0}", "pace.burst", id="an empty bucket"),
        pytest.param("pace: {limit: 2/s, burst: 10%}", "pace.burst", id="less than one"),
        pytest.param("pace: {limit: 2/s, max_wait: 30}", "pace.max_wait", id="no unit"),
        pytest.param("pace: {limit: 2/s, max_wait: 0s}", "pace.max_wait", id="no wait"),
        pytest.param("pace: {limit: 2/s, cost: 2}", "pace.cost", id="a call is a call"),
        pytest.param("pace: {limit: 2/s, queue: {size: 5, per_key: 6}}", "pace.queue.per_key", id="all of 5"),
        pytest.param('pace: {limit: 2/s, key: ["header:X-A"]}', "pace", id="what if it is missing"),
        pytest.param("pace: {limit: 2/s, key: [path.tenant]}", "pace.key[0]", id="no such parameter"),
    ],
)
def test_what_makes_no_sense_is_refused(policies: str, path: str, tmp_path: Path) -> None:
    assert [path] == problems(policies, tmp_path)


def test_it_is_told_in_words() -> None:
    config = PaceConfig(limit=Rate("2/s"), burst=5)

    assert ["at most 5 at once, then one per 500ms, for all together", "waits up to 30s"] == list(
        config.in_words()
    )
