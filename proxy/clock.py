"""Time, as something that is handed in rather than looked up."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class Clock(Protocol):
    """All durations are seconds."""

    def now(self) -> float:
        """Seconds since the epoch; may jump. For timestamps that leave us."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back. For durations."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        ...

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[Any]:
        """Raise TimeoutError inside the block once `seconds` have passed."""
        ...


class SystemClock:
    """The real one; the only module that touches `time`, `asyncio.sleep` and `asyncio.timeout`."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[Any]:
        return asyncio.timeout(seconds)
