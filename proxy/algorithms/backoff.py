"""How long to wait before a call is repeated. Pure: the chance is a number handed in.

The four ways to spread waits are those of Marc Brooker, "Exponential Backoff And Jitter" (AWS
Architecture Blog, 2015), whose simulation shows that callers who wait equally long come back
all at once, and that `full` and `decorrelated` cost the fewest calls. The jitter of what
a server asks for (`asked_for`) is Envoy's, of its `rate_limited_retry_back_off`: upwards only.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

Jitter = Literal["full", "equal", "decorrelated", "none"]

AT_MOST_LONGER = 1.5
"""By how much a wait that a server asked for is stretched at most."""
_APART = 3
"""Of decorrelated jitter: how much longer the next wait may be."""


def grown(base: float, factor: float, most: float, step: int) -> float:
    """`base`, multiplied with `factor` at each step after the first, up to `most`; never an overflow."""
    try:
        return min(most, base * factor ** (step - 1))
    except OverflowError:
        return most


@dataclass(frozen=True, slots=True)
class BackOff:
    """Waits in seconds, the first before the first repetition (1)."""

    base: float
    factor: float = 2.0
    most: float = 10.0
    jitter: Jitter = "full"

    def bounds(self, step: int, multiplier: float = 1.0) -> tuple[float, float]:
        """Between which the wait before repetition `step` lies; all are `multiplier` times as long."""
        if self.jitter == "decorrelated":
            floor = min(self.most, self.base * multiplier)
            return floor, max(floor, grown(floor, _APART, self.most, step + 1))
        ceiling = grown(self.base * multiplier, self.factor, self.most, step)
        return {"none": ceiling, "equal": ceiling / 2, "full": 0.0}[self.jitter], ceiling

    def wait(self, step: int, multiplier: float, before: float, random: Random) -> float:
        """The wait before repetition `step`; `before` is the last one, 0 where there was none."""
        floor, ceiling = self.bounds(step, multiplier)
        if self.jitter == "decorrelated":
            ceiling = max(floor, min(ceiling, _APART * before if before else _APART * floor))
        return floor if floor == ceiling else min(ceiling, random.uniform(floor, ceiling))


def asked_for(seconds: float, most: float, random: Random) -> float:
    """The wait where a server asked for `seconds`, of which `most` are honoured: that long or longer.

    Longer by chance, by half at most: whom it told the same does not come back at the same moment.
    """
    honoured = min(max(seconds, 0.0), most)
    return max(honoured, min(honoured * AT_MOST_LONGER, random.uniform(honoured, honoured * AT_MOST_LONGER)))
