"""How many of the last calls failed, and how many were slow.

The window is a ring of ten slices, and the oldest is forgotten whole: it holds at least nine
tenths of its span and at most all of it. Time and span are in seconds of one clock that
never goes back.
"""

from __future__ import annotations

SLICES = 10


class RollingWindow:
    """Counts over `span` seconds. What is kept has one size, however many calls there are."""

    __slots__ = ("_counts", "_newest", "_per_second", "calls", "failures", "slow", "span")

    def __init__(self, span: float) -> None:
        if span <= 0:
            raise ValueError("a window spans some time")
        self.span = span
        self.calls = self.failures = self.slow = 0
        """As of the last `add` or `pass_to`."""
        self._per_second = SLICES / span
        self._newest = 0
        self._counts = [[0, 0, 0] for _ in range(SLICES)]

    def add(self, now: float, *, failed: bool, slow: bool) -> None:
        """A call has ended."""
        newest = int(now * self._per_second)
        if newest != self._newest:
            self._pass_to_slice(newest)
        counts = self._counts[self._newest % SLICES]
        counts[0] += 1
        self.calls += 1
        if failed:
            counts[1] += 1
            self.failures += 1
        if slow:
            counts[2] += 1
            self.slow += 1

    def pass_to(self, now: float) -> None:
        """Forget what is too long ago at `now`."""
        self._pass_to_slice(int(now * self._per_second))

    def clear(self) -> None:
        """Forget everything."""
        self.calls = self.failures = self.slow = 0
        for counts in self._counts:
            counts[:] = 0, 0, 0

    def respanned(self, span: float, now: float) -> RollingWindow:
        """A window of another span that starts with what this one holds, as if it had happened now."""
        self.pass_to(now)
        other = RollingWindow(span)
        other.pass_to(now)
        counts = [self.calls, self.failures, self.slow]
        other._counts[other._newest % SLICES] = counts
        other.calls, other.failures, other.slow = counts
        return other

    def _pass_to_slice(self, newest: int) -> None:
        steps = newest - self._newest
        if steps <= 0:  # an answer that is told late belongs to now
            return
        if steps >= SLICES:
            self.clear()
        else:
            for gone in range(self._newest + 1, newest + 1):
                counts = self._counts[gone % SLICES]
                self.calls -= counts[0]
                self.failures -= counts[1]
                self.slow -= counts[2]
                counts[:] = 0, 0, 0
        self._newest = newest
