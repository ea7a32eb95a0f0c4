"""How many requests at once an upstream can take, learnt from how long it takes to answer.

The Gradient2 algorithm of Netflix's concurrency-limits (`Gradient2Limit.java`, with its window and
its defaults): where answers take longer than they did on average over a long time, requests
queue somewhere behind, and the limit shrinks with the ratio of the two; where they don't, it
grows by a little more than there is. Nothing is measured by holding traffic back.

Beside it, as in its `AIMDLimit`: a window in which calls failed for being too slow shrinks the
limit to nine tenths, whatever the others took. The limit stays between `least` and `most`, and is
never stuck at either: the long average follows what the upstream takes now.

Times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

_LONG = 600
"""Windows that the long average goes back."""
_WARM_UP = 10
"""Windows of which it is the plain mean, before it is an exponential one."""
_SMOOTHING = 0.2
_QUEUE = 4
"""How much more than the estimate is allowed, so that it can be found to be too low."""
_BACK_OFF = 0.9
_SHORTEST = 1e-4
"""Answers that come sooner tell of nothing that queues."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where the limit begins, and how far it may go; how long a window is, and what must be in it."""

    initial: int
    least: int
    most: int
    window: float = 1.0
    samples: int = 10


class Gradient:
    """One limit. Tell it how long each call took (`add`); `limit` is what follows."""

    __slots__ = (
        "_bounds", "_count", "_dropped", "_ends", "_estimate", "_long", "_most_in_flight", "_sum", "_windows"
    )  # fmt: skip

    def __init__(self, bounds: Bounds, now: float) -> None:
        self._bounds = bounds
        self._estimate = float(bounds.initial)
        self._most_in_flight = 0
        self._dropped = False
        self._long = 0.0
        self._windows = 0
        self._start(now)

    @property
    def limit(self) -> int:
        """At the moment."""
        return int(self._estimate)

    @property
    def usual(self) -> float:
        """What calls took on average over a long time; 0 before the first window is over."""
        return self._long

    def adopt(self, bounds: Bounds) -> None:
        """From now on within these."""
        self._bounds = bounds
        self._estimate = max(bounds.least, min(bounds.most, self._estimate))

    def add(self, now: float, seconds: float, in_flight: int, *, dropped: bool = False) -> bool:
        """A call that `in_flight`, itself among them, had been under way with; whether `limit` is new.

        `dropped`: it failed for being too slow.
        """
        self._count += 1
        self._sum += seconds
        self._most_in_flight = max(self._most_in_flight, in_flight)
        self._dropped |= dropped
        bounds = self._bounds
        if now < self._ends or (self._count < bounds.samples and not self._dropped):
            return False
        before = self.limit
        self._judge(max(self._sum / self._count, _SHORTEST))
        self._estimate = max(bounds.least, min(bounds.most, self._estimate))
        self._start(now)
        return before != self.limit

    def _judge(self, short: float) -> None:
        """The window is over: what its calls took on average says how it goes on."""
        if self._dropped:
            self._estimate *= _BACK_OFF
            return
        self._windows += 1
        weight = 1 / self._windows if self._windows <= _WARM_UP else 2 / (_LONG + 1)
        self._long += weight * (short - self._long)
        usual = self._long
        if usual > 2 * short:
            # The load is over: without waiting for the average to notice.
            self._long *= _BACK_OFF
        if self._most_in_flight < self._estimate / 2:
            return  # nobody asked for more, so that nothing is known of more
        gradient = max(0.5, min(1.0, usual / short))
        self._estimate += _SMOOTHING * (self._estimate * gradient + _QUEUE - self._estimate)

    def _start(self, now: float) -> None:
        self._ends = now + self._bounds.window
        self._count = 0
        self._sum = 0.0
        self._most_in_flight = 0
        self._dropped = False
