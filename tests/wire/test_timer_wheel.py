"""The timer wheel on a loop whose time the test moves: late by at most a tick, never early, never lost."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.timer_wheel import TICK, TimerWheel
from tests.wire.harness import PATIENCE


class _Handle:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """Just `call_later`, and time that stands still until `run_until`."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.calls: list[tuple[float, int, _Handle, Callable[[], None]]] = []
        self.errors: list[dict[str, Any]] = []
        self.scheduled = 0

    def call_later(self, delay: float, callback: Callable[[], None]) -> _Handle:
        handle = _Handle()
        self.scheduled += 1
        heapq.heappush(self.calls, (self.now + delay, self.scheduled, handle, callback))
        return handle

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(context)

    def run_until(self, at: float) -> None:
        while self.calls and self.calls[0][0] <= at:
            self.now, _, handle, callback = heapq.heappop(self.calls)
            if not handle.cancelled:
                callback()
        self.now = at

    @property
    def armed(self) -> int:
        return sum(not handle.cancelled for _, _, handle, _ in self.calls)


class Bench:
    """A wheel, and when each of its timers expired."""

    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.wheel = TimerWheel(self.loop, lambda: self.loop.now)  # type: ignore[arg-type]
        self.expired: list[tuple[str, float]] = []

    def timer(self, name: str, then: Callable[[], None] = lambda: None) -> Any:
        def expire() -> None:
            self.expired.append((name, self.loop.now))
            then()

        return self.wheel.timer(expire)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.expired]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_timer_expires_once_at_its_time_or_within_a_tick_after_it(bench: Bench) -> None:
    bench.timer("a").set(1001.234)

    bench.loop.run_until(1001.22)
    early = list(bench.expired)
    bench.loop.run_until(1100.0)

    assert ([], ["a"]) == (early, bench.names)
    assert 1001.234 <= bench.expired[0][1] <= 1001.234 + TICK


def test_a_timer_that_is_moved_on_expires_at_the_later_time_only(bench: Bench) -> None:
    timer = bench.timer("a")
    timer.set(1001.0)
    timer.set(1005.0)

    bench.loop.run_until(1004.9)
    early = list(bench.expired)
    bench.loop.run_until(1006.0)

    assert ([], ["a"]) == (early, bench.names)


def test_moving_a_timer_on_asks_nothing_of_the_loop(bench: Bench) -> None:
    timer = bench.timer("a")
    timer.set(1001.0)
    before = bench.loop.scheduled
    for _ in range(100):
        timer.set(1002.0)

    assert before == bench.loop.scheduled


def test_a_timer_that_is_moved_forward_expires_at_the_earlier_time(bench: Bench) -> None:
    timer = bench.timer("a")
    timer.set(1060.0)
    timer.set(1001.0)

    bench.loop.run_until(1002.0)

    assert ["a"] == bench.names


def test_a_timer_filed_again_does_not_make_the_others_wait_for_it(bench: Bench) -> None:
    moved = bench.timer("moved")
    moved.set(1001.0)
    bench.timer("next").set(1001.05)
    moved.set(1075.0)

    bench.loop.run_until(1002.0)

    assert ["next"] == bench.names


def test_a_timer_that_is_set_while_another_expires_does_not_make_the_others_wait(bench: Bench) -> None:
    late = bench.timer("late")
    bench.timer("first", lambda: late.set(1060.0)).set(1001.0)
    bench.timer("second").set(1002.0)

    bench.loop.run_until(1003.0)

    assert ["first", "second"] == bench.names


@pytest.mark.parametrize("way", ["cancelled", "set to never"])
def test_a_timer_that_is_called_off_never_expires(bench: Bench, way: str) -> None:
    timer = bench.timer("a")
    timer.set(1001.0)
    if way == "cancelled":
        timer.cancel()
    else:
        timer.set(math.inf)

    bench.loop.run_until(1100.0)

    assert [] == bench.expired


def test_a_cancelled_timer_can_be_set_again(bench: Bench) -> None:
    timer = bench.timer("a")
    timer.set(1001.0)
    timer.cancel()
    timer.set(1002.0)

    bench.loop.run_until(1003.0)

    assert ["a"] == bench.names


def test_cancelling_one_that_was_never_set_is_nothing(bench: Bench) -> None:
    bench.timer("a").cancel()

    assert 0 == bench.loop.armed


def test_a_timer_may_set_itself_again_when_it_expires(bench: Bench) -> None:
    timer = bench.timer("a", lambda: timer.set(bench.loop.now + 1.0))
    timer.set(1001.0)

    bench.loop.run_until(1004.5)

    assert ["a"] * 4 == bench.names


def test_timers_of_one_tick_may_cancel_each_other(bench: Bench) -> None:
    timers: list[Any] = []

    def cancel_all() -> None:
        for timer in timers:
            timer.cancel()

    timers += [bench.timer(name, cancel_all) for name in "abc"]
    for timer in timers:
        timer.set(1001.0)

    bench.loop.run_until(1002.0)

    assert 1 == len(bench.expired)


def test_an_expiry_that_fails_is_reported_and_the_others_still_expire(bench: Bench) -> None:
    def fail() -> None:
        raise RuntimeError("a bug")

    for name in "abc":
        bench.timer(name, fail).set(1001.0)
    bench.timer("later").set(1002.0)

    bench.loop.run_until(1003.0)

    assert ["a", "b", "c", "later"] == sorted(bench.names)
    assert 3 == len(bench.loop.errors)


def test_nothing_wakes_the_loop_while_nothing_is_set(bench: Bench) -> None:
    bench.timer("a").set(1001.0)
    bench.loop.run_until(1002.0)

    assert 0 == bench.loop.armed


def test_a_time_that_has_passed_expires_at_once(bench: Bench) -> None:
    bench.timer("a").set(5.0)

    bench.loop.run_until(1000.0)

    assert ["a"] == bench.names


def test_a_closed_wheel_wakes_nobody(bench: Bench) -> None:
    bench.timer("a").set(1001.0)
    bench.wheel.close()
    bench.wheel.close()

    bench.loop.run_until(1100.0)

    assert ([], 0) == (bench.expired, bench.loop.armed)


MOVES = st.lists(
    st.tuples(
        st.sampled_from(("set", "never", "cancel")),
        st.integers(0, 4),
        st.floats(0.0, 3.0),
        st.floats(0.0, 0.5),
    ),
    max_size=30,
)


@given(MOVES)
def test_whatever_is_set_and_moved_each_timer_expires_in_its_tick(
    moves: list[tuple[str, int, float, float]],
) -> None:
    bench = Bench()
    timers = [bench.timer(str(number)) for number in range(5)]
    due: dict[str, float] = {}
    for what, number, ahead, passes in moves:
        timer, name = timers[number], str(number)
        if what == "set":
            due[name] = bench.loop.now + ahead
            timer.set(due[name])
        else:
            timer.cancel() if what == "cancel" else timer.set(math.inf)
            due.pop(name, None)
        bench.loop.run_until(bench.loop.now + passes)
        for expired, at in bench.expired:
            assert due[expired] - TICK / 2 - 1e-9 <= at <= due[expired] + TICK + 1e-9
            del due[expired]
        bench.expired.clear()
        assert all(bench.loop.now <= at + TICK + 1e-9 for at in due.values())


async def test_on_a_real_loop_a_timer_wakes_it() -> None:
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    wheel = TimerWheel(loop, loop.time)
    wheel.timer(woken.set).set(loop.time() + 0.001)

    async with asyncio.timeout(PATIENCE):
        await woken.wait()
