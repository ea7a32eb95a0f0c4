"""Generic cell rate algorithm: a token bucket that needs one number for each key.

The number is the theoretical arrival time (ATM Forum, Traffic Management 4.0): when the
bucket will be full again. All times are whole microseconds, since floats on a monotonic
clock refuse the last of a burst for about one start time in five.
"""

from __future__ import annotations

from dataclasses import dataclass

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Quota:
    """`limit` in `period` seconds sustained; `burst` is the bucket's size, all there at once."""

    limit: int
    period: float
    burst: int

    def __post_init__(self) -> None:
        if self.limit < 1 or self.burst < 1 or self.period <= 0:
            raise ValueError("a quota needs a limit and a burst of at least 1, and a period above 0")

    @property
    def interval(self) -> int:
        """Microseconds that one token takes to come back. Rounded up: never faster than `limit`."""
        return -(-round(self.period * MICROSECONDS) // self.limit)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it passed, what is left, and the wait in seconds until it would have."""

    allowed: bool
    remaining: int
    retry_after: float
    reset_after: float
    """Seconds until the bucket is full again."""


def take(full_at: int, now: int, quota: Quota, cost: int = 1) -> tuple[int, Decision]:
    """The new arrival time of one key, and what became of this request.

    `full_at` and `now` are microseconds of one clock; a refused request consumes nothing.
    """
    interval = quota.interval
    used = max(full_at - now, 0)
    wanted = used + cost * interval
    tolerance = quota.burst * interval
    if wanted > tolerance:
        left = max(0, (tolerance - used) // interval)
        return full_at, Decision(False, left, (wanted - tolerance) / MICROSECONDS, used / MICROSECONDS)
    return now + wanted, Decision(True, (tolerance - wanted) // interval, 0.0, wanted / MICROSECONDS)
