import asyncio
import time

import pytest

from proxy.clock import SystemClock


def test_the_time_of_day_is_that_of_the_system():
    before = time.time()
    now = SystemClock().now()
    after = time.time()

    assert before <= now <= after


def test_durations_come_from_a_clock_that_never_goes_back():
    before = time.monotonic()
    clock = SystemClock()
    first, second = clock.monotonic(), clock.monotonic()

    assert before <= first <= second


async def test_sleeping_lets_others_run():
    ran = []
    other = asyncio.create_task(_append(ran))

    await SystemClock().sleep(0)
    await other

    assert ["ran"] == ran


async def test_what_takes_longer_than_its_time_is_ended():
    with pytest.raises(TimeoutError):
        async with SystemClock().timeout(0):
            await asyncio.Event().wait()


async def test_what_is_ready_in_time_is_left_alone():
    async with SystemClock().timeout(60):
        found = await asyncio.sleep(0, "ready")

    assert "ready" == found


async def _append(ran):
    ran.append("ran")
