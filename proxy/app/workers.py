"""A few threads for work that would hold up every request, and a short queue in front of them."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from proxy.errors import Busy

T = TypeVar("T")

THREADS = 2
"""Slow hashes need processors, of which a sidecar has few."""
MOST_WAITING = 64
_NICENESS = 10
"""More than the process has: where processors are scarce, the loop with everybody's requests comes first."""


class Workers:
    """Threads start with the first work. For one event loop."""

    def __init__(self, threads: int = THREADS, most_waiting: int = MOST_WAITING) -> None:
        self._pool = ThreadPoolExecutor(threads, "seawall-worker", _stand_back)
        self._most = threads + most_waiting
        self._taken = 0

    async def __call__(self, work: Callable[[], T]) -> T:
        """What `work` returns, done in a thread. Raises Busy, and what `work` raises."""
        if self._taken >= self._most:
            raise Busy(f"{self._taken} pieces of work are waiting")
        self._taken += 1
        try:
            return await asyncio.wrap_future(self._pool.submit(work))
        finally:
            # Of one that is given up, too: it is taken out of the queue, or about to end.
            self._taken -= 1

    def close(self) -> None:
        """What has begun comes to its end, what waits does not; nobody waits for either."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _stand_back() -> None:
    """A thread has a niceness of its own on Linux alone."""
    if sys.platform == "linux":
        with suppress(OSError):
            thread = threading.get_native_id()
            before = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, min(before + _NICENESS, 19))
