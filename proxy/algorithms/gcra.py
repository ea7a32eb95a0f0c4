"""Generic cell rate algorithm: a token bucket that needs one number for each key.

The number is the theoretical arrival time (ATM Forum, Traffic Management 4.0): when the
bucket will be full again. All times are whole microseconds, since floats on a monotonic
clock refuse the last of a burst for about one start time in five.

What is *used* of a bucket is the time in microseconds until it is full again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

MICROSECONDS = 1_000_000

Taken = tuple[bool, int]
"""Whether it passed, and what is used of the bucket now. A plain tuple: every request makes one."""


@dataclass(frozen=True, slots=True)
class Quota:
    """`limit` in `period` seconds sustained; `burst` is the bucket's size, all there at once."""

    limit: int
    period: float
    burst: int
    interval: int = field(init=False, repr=False)
    """Microseconds that one token takes to come back. Rounded up: never faster than `limit`."""
    tolerance: int = field(init=False, repr=False)
    """Microseconds that an empty bucket takes until it is full."""

    def __post_init__(self) -> None:
        if self.limit < 1 or self.burst < 1 or self.period <= 0:
            raise ValueError("a quota needs a limit and a burst of at least 1, and a period above 0")
        interval = -(-round(self.period * MICROSECONDS) // self.limit)
        object.__setattr__(self, "interval", interval)
        object.__setattr__(self, "tolerance", interval * self.burst)

    def remaining(self, used: int) -> int:
        """How many are there at once."""
        return (self.tolerance - used) // self.interval if used < self.tolerance else 0

    def wait(self, used: int, cost: int = 1) -> int:
        """Microseconds until `cost` could be taken; 0 where it could be now."""
        return max(0, used + cost * self.interval - self.tolerance)

    def burst_for(self, used: int, cost: int = 1) -> int:
        """The smallest burst with which `cost` could be taken at once."""
        return -(-(used + cost * self.interval) // self.interval)


@dataclass(frozen=True, slots=True)
class Penalty:
    """Who is refused again and again waits longer: `factor` times for each refusal past `after`."""

    after: int
    """Refusals that cost nothing extra."""
    factor: float
    most: int
    """Microseconds; no refusal adds a longer wait."""

    def wait(self, refusals: int, quota: Quota, cost: int) -> int:
        """Microseconds that the last of so many refusals is to cost; they count until the bucket is full."""
        if refusals <= self.after:
            return 0
        try:
            return min(self.most, math.ceil(cost * quota.interval * self.factor ** (refusals - self.after)))
        except OverflowError:
            return self.most


def take(full_at: int, now: int, quota: Quota, cost: int = 1) -> Taken:
    """What became of a request, given when the bucket will be full: `now` and that are of one clock.

    One that passes leaves a bucket that is full at `now` and what is used; one that is refused
    consumes nothing.
    """
    used = full_at - now if full_at > now else 0
    wanted = used + cost * quota.interval
    return (False, used) if wanted > quota.tolerance else (True, wanted)


def rescaled(full_at: int, now: int, before: Quota, quota: Quota) -> int:
    """When a bucket will be full whose quota was `before`: the same share of it is used."""
    used = max(full_at - now, 0)
    return now + -(-used * quota.tolerance // before.tolerance)


def punished(full_at: int, now: int, quota: Quota, cost: int, wait: int) -> int:
    """When the bucket will be full where `cost` is to wait at least `wait` microseconds."""
    return max(full_at, now + wait + quota.tolerance - cost * quota.interval)
