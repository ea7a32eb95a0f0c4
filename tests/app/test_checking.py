"""A check that is made again and again, on a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random

import pytest

from proxy.app.checking import Check, CheckError
from proxy.config.health import Schedule
from proxy.config.units import Duration
from proxy.testing import FakeClock

REFUSED = CheckError("GET /health was answered with 503")


class Looked:
    """A check whose looks are scripted: None passes, an error is raised, a number is how long it takes."""

    def __init__(self, *script: object, interval: float = 10, timeout: float = 2) -> None:
        self.clock = FakeClock()
        self.script = list(script)
        self.at: list[float] = []
        self.under_way = self.most = 0
        self.told: list[tuple[str, Mapping[str, object]]] = []
        schedule = Schedule(interval=Duration(interval), timeout=Duration(timeout))
        self.check = Check("upstreams/app", schedule, self.clock, Random(1), self._hear)
        self.check.probe = self._look
        self._began = self.clock.monotonic()

    def _hear(self, text: str, numbers: Mapping[str, object]) -> None:
        self.told.append((text, numbers))

    async def _look(self) -> None:
        self.at.append(self.clock.monotonic() - self._began)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            if isinstance(step, float):
                await self.clock.sleep(step)
            if isinstance(step, Exception):
                raise step
        finally:
            self.under_way -= 1

    async def looks(self, number: int) -> None:
        self.check.start()
        for _ in range(1000):
            if len(self.at) >= number and not self.under_way:
                break
            await self.clock.advance(0.25)
        if self.check._task is not None:
            self.check._task.cancel()


async def test_it_looks_at_once_and_then_every_interval_a_tenth_more_or_less() -> None:
    looked = Looked(None)
    await looked.looks(6)

    assert 0 == looked.at[0]
    assert all(9 <= later - earlier <= 11 for earlier, later in zip(looked.at, looked.at[1:], strict=False))
    assert (
        len({round(later - earlier, 3) for earlier, later in zip(looked.at, looked.at[1:], strict=False)}) > 3
    )


async def test_no_look_begins_before_the_last_has_ended() -> None:
    looked = Looked(8.0, interval=1, timeout=30)
    await looked.looks(4)

    assert 1 == looked.most
    assert all(later - earlier >= 8 for earlier, later in zip(looked.at, looked.at[1:], strict=False))


async def test_one_that_takes_too_long_has_failed() -> None:
    looked = Looked(60.0)
    await looked.looks(3)

    assert ("unhealthy", "no answer within 2s") == (looked.check.state, looked.check.cause)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (REFUSED, "GET /health was answered with 503"),
        (ConnectionRefusedError(111, "refused"), "[Errno 111] refused"),
        (ZeroDivisionError("a bug"), "a bug in Seawall; its log has more"),
    ],
)
async def test_why_it_failed_is_told_and_it_goes_on(error: Exception, cause: str) -> None:
    looked = Looked(error)
    await looked.looks(4)

    assert (True, cause) == (looked.check.fails, looked.check.cause)


async def test_operators_read_of_each_change_with_its_cause_and_numbers() -> None:
    looked = Looked(None, REFUSED, REFUSED, REFUSED, None, None)
    await looked.looks(6)

    assert [
        (
            "upstreams/app: unknown -> healthy, 1 check passed in a row",
            {"from": "unknown", "to": "healthy", "passed": 1, "threshold": 1},
        ),
        (
            f"upstreams/app: healthy -> unhealthy, 3 checks failed in a row, the last one since: {REFUSED}",
            {"from": "healthy", "to": "unhealthy", "failed": 3, "threshold": 3},
        ),
        (
            "upstreams/app: unhealthy -> healthy, 2 checks passed in a row",
            {"from": "unhealthy", "to": "healthy", "passed": 2, "threshold": 2},
        ),
    ] == looked.told


async def test_it_tells_when_it_can_be_well_again_at_the_earliest() -> None:
    looked = Looked(REFUSED)
    await looked.looks(3)
    left = looked.check.seconds_left
    await looked.clock.advance(4)

    assert 19 - 0.25 <= left <= 21
    assert left - 4 == pytest.approx(looked.check.seconds_left)


async def test_nobody_goes_by_one_that_has_stopped() -> None:
    looked = Looked(REFUSED)
    await looked.looks(3)
    looked.check.stop()
    calls = len(looked.at)
    await looked.clock.advance(100)

    assert (False, "unknown", calls) == (looked.check.fails, looked.check.state, len(looked.at))


async def test_without_a_way_to_look_nothing_begins() -> None:
    looked = Looked(REFUSED)
    looked.check.probe = None
    before = len(asyncio.all_tasks())
    looked.check.start()
    await looked.clock.advance(100)
    looked.check.stop()

    assert ("unknown", before) == (looked.check.state, len(asyncio.all_tasks()))
