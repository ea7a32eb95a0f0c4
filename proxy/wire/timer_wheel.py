"""Time limits for many connections at the cost of an attribute write each.

Every connection has one `Timer`. Moving its expiry later, the common case, only writes a
number: when the bucket that it is filed in comes up, it is filed again. The loop is woken
once per bucket of 10 ms that holds something, and never while nothing is filed.

Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (SOSP 1987), with a heap in
place of the wheel's array since expiries lie far apart.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable

TICK = 0.01
"""Width of a bucket in seconds: a limit is enforced at most this much late."""


class Timer:
    """One expiry that moves; `on_expiry` is called once each time that it is reached."""

    __slots__ = ("_bucket", "_wheel", "expires_at", "filed", "on_expiry")

    def __init__(self, wheel: TimerWheel, on_expiry: Callable[[], None]) -> None:
        self._wheel = wheel
        self._bucket: dict[Timer, None] | None = None
        self.on_expiry = on_expiry
        self.expires_at = math.inf
        self.filed = math.inf

    def set(self, at: float) -> None:
        """Expire at `at` (monotonic); infinity for never."""
        self.expires_at = at
        if at < self.filed:
            self._wheel.file(self)

    def cancel(self) -> None:
        """Never expire, and be forgotten by the wheel at once."""
        self.expires_at = self.filed = math.inf
        if self._bucket is not None:
            self._bucket.pop(self, None)
            self._bucket = None


class TimerWheel:
    """Files timers by their tick and wakes the loop when the next bucket is due."""

    def __init__(self, loop: asyncio.AbstractEventLoop, monotonic: Callable[[], float]) -> None:
        self._loop = loop
        self._monotonic = monotonic
        self._buckets: dict[int, dict[Timer, None]] = {}
        self._ticks: list[int] = []
        self._armed: tuple[int, asyncio.TimerHandle] | None = None

    def timer(self, on_expiry: Callable[[], None]) -> Timer:
        """A timer that is not set yet."""
        return Timer(self, on_expiry)

    def file(self, timer: Timer) -> None:
        """Put `timer` into the bucket of its expiry; called by the timer."""
        if timer._bucket is not None:  # noqa: SLF001  # the two classes are one mechanism
            timer._bucket.pop(timer, None)  # noqa: SLF001
        tick = math.ceil(timer.expires_at / TICK)
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = {}
            heapq.heappush(self._ticks, tick)
            if self._armed is None or tick < self._armed[0]:
                self._arm(tick)
        bucket[timer] = None
        timer._bucket = bucket  # noqa: SLF001
        timer.filed = tick * TICK

    def close(self) -> None:
        """Forget every timer."""
        if self._armed is not None:
            self._armed[1].cancel()
            self._armed = None
        self._buckets.clear()
        self._ticks.clear()

    def _arm(self, tick: int) -> None:
        if self._armed is not None:
            self._armed[1].cancel()
        delay = max(0.0, tick * TICK - self._monotonic())
        self._armed = (tick, self._loop.call_later(delay, self._wake))

    def _wake(self) -> None:
        self._armed = None
        now = self._monotonic()
        # The loop's own clock may be up to a millisecond behind ours.
        due = now + TICK / 2
        while self._ticks and self._ticks[0] * TICK <= due:
            bucket = self._buckets.pop(heapq.heappop(self._ticks))
            while bucket:  # not a loop over it: one that expires may cancel others
                self._reach(bucket.popitem()[0], due)
        # What was filed meanwhile has armed its own tick, which may lie behind the next one.
        if self._ticks and (self._armed is None or self._ticks[0] < self._armed[0]):
            self._arm(self._ticks[0])

    def _reach(self, timer: Timer, due: float) -> None:
        timer._bucket = None  # noqa: SLF001
        timer.filed = math.inf
        if timer.expires_at <= due:
            timer.expires_at = math.inf
            try:
                timer.on_expiry()
            except Exception as error:  # one exchange's bug is not to cost all the others their limits
                self._loop.call_exception_handler({"message": "bug in a time limit", "exception": error})
        elif timer.expires_at < math.inf:
            self.file(timer)
