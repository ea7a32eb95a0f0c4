"""Whatever happens, in whichever order: the pace is kept, and no turn is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.algorithms.lines import Lines
from proxy.config.units import Duration, Rate
from proxy.policies.resilience.pace import Pace
from proxy.policies.resilience.pace.crossing import QueueConfig
from proxy.testing import FakeClock
from tests.policies.away import Remote
from tests.policies.resilience.crossing import EXCEEDED, FULL, STORES, Crossing, Guest, turns

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["come", "come", "leave", "leave first", "wait", "a moment", "reload", "away"]),
        st.integers(0, 9),
    ),
    max_size=40,
)
LIMIT, BURST, MAX_WAIT = Rate("2/s"), 3, 4.0


class Storm:
    """Requests, cancellations, reloads and a store that comes and goes, in any order."""

    def __init__(self, store: Callable[[FakeClock], Any] | None) -> None:
        self._config = {"limit": LIMIT, "burst": BURST, "max_wait": Duration(MAX_WAIT)}
        self.crossing = Crossing(store=store, queue=QueueConfig(size=6), **self._config)
        self.came: list[Guest] = []
        self._names = count()

    async def play(self, event: str, number: int) -> None:
        clock, store = self.crossing.clock, self.crossing.services.store
        if event == "come":
            self.came.append(await self.crossing.come(str(next(self._names))))
        elif event.startswith("leave"):
            waiting = [guest for guest in self.came if guest.outcome is None]
            if waiting:
                self.came.remove(gone := waiting[0 if event == "leave first" else number % len(waiting)])
                gone.leave()
        elif event in ("wait", "a moment"):
            await clock.advance(0.37 * number if event == "wait" else 0.0004 * number)
        elif event == "reload":
            self.crossing = self.crossing.reloaded(queue=QueueConfig(size=4 + number), **self._config)
        elif isinstance(store, Remote):
            store.takes = 0.001 * number
        await turns()

    async def end(self) -> None:
        await self.crossing.clock.advance(MAX_WAIT + 1)
        last = await self.crossing.come("last")
        await self.crossing.clock.advance(2.0)
        self.came.append(last)


async def stormed(events: list[tuple[str, int]], store: Callable[[FakeClock], Any] | None) -> Storm:
    storm = Storm(store)
    for event, number in events:
        await storm.play(event, number)
    await storm.end()
    return storm


def most_in_any_window(calls: list[tuple[float, str]]) -> bool:
    """Whether no window has more than the burst and what the rate gives in it."""
    times = [when for when, _ in calls]
    return all(
        later - earlier + 1 <= BURST + (times[later] - times[earlier]) * 2 + 1e-3
        for earlier in range(len(times))
        for later in range(earlier, len(times))
    )


@STORES
@settings(deadline=None, max_examples=60)
@given(events=EVENTS)
def test_whatever_happens_the_rate_is_kept_in_order_and_no_place_is_lost(
    store: Callable[[FakeClock], Any] | None, events: list[tuple[str, int]]
) -> None:
    storm = asyncio.run(stormed(events, store))
    names = [int(name) for _, name in storm.crossing.calls if name != "last"]

    assert most_in_any_window(storm.crossing.calls)
    assert sorted(names) == names
    assert 0 == storm.crossing.waiting
    assert "last" == storm.crossing.calls[-1][1]
    assert {(200, None), EXCEEDED, FULL} >= {guest.outcome for guest in storm.came}


def test_that_storm_finds_a_turn_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    # The planted fault: who leaves while waiting is not taken out of the line.
    monkeypatch.setattr(Pace, "on_finish", lambda *_: None)
    monkeypatch.setattr("proxy.policies.resilience.pace.Crossing.leave", lambda self, turn: None)

    storm = asyncio.run(stormed([("come", 0)] * 5 + [("leave first", 0)], None))

    assert 0 != storm.crossing.waiting


def test_that_storm_finds_who_overtakes(monkeypatch: pytest.MonkeyPatch) -> None:
    # The planted fault: newcomers do not see who waits.
    monkeypatch.setattr(Lines, "ahead", lambda *_: 0)

    async def storming() -> list[str]:
        storm = Storm(None)
        for _ in range(5):
            await storm.play("come", 0)
        storm.crossing.clock._elapsed += 0.5
        await storm.play("come", 0)
        return [name for _, name in storm.crossing.calls]

    assert ["0", "1", "2", "5"] == asyncio.run(storming())[:4]


def test_that_window_finds_one_call_too_many() -> None:
    assert most_in_any_window([(0.0, ""), (0.0, ""), (0.0, ""), (0.5, "")])
    assert not most_in_any_window([(0.0, ""), (0.0, ""), (0.0, ""), (0.49, "")])
