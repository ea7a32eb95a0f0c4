"""Threads for slow work, and the queue in front of them."""

from __future__ import annotations

import asyncio
import os
import sys
import threading

import pytest

from proxy.app.workers import Workers
from proxy.errors import Busy


async def test_work_is_done_on_another_thread() -> None:
    workers = Workers()

    assert threading.get_ident() != await workers(threading.get_ident)
    workers.close()


async def test_what_work_raises_is_raised() -> None:
    workers = Workers()

    with pytest.raises(ZeroDivisionError):
        await workers(lambda: 1 / 0)
    workers.close()


async def test_over_the_queue_nothing_waits_and_afterwards_there_is_room_again() -> None:
    workers, held = Workers(threads=1, most_waiting=2), threading.Event()
    waiting = [asyncio.ensure_future(workers(held.wait)) for _ in range(3)]
    await asyncio.sleep(0)

    with pytest.raises(Busy):
        await workers(int)
    held.set()
    done = await asyncio.gather(*waiting)

    assert ([True] * 3, 0) == (done, await workers(int))
    workers.close()


async def test_who_leaves_gives_its_place_back() -> None:
    workers, held = Workers(threads=1, most_waiting=1), threading.Event()
    first, second = (asyncio.ensure_future(workers(held.wait)) for _ in range(2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)

    third = asyncio.ensure_future(workers(int))
    held.set()

    assert (True, 0) == (await first, await third)
    workers.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no niceness of their own")
async def test_work_stands_back_for_requests() -> None:
    workers = Workers()

    nice = await workers(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < nice or nice == 19
    workers.close()
