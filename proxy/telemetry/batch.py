"""Lines on their way to a writer: they wait until they are many, or the first of them is old."""

from __future__ import annotations

from collections.abc import Callable

Schedule = Callable[[float, Callable[[], None]], object]
"""Call back after so many seconds, on this thread: `loop.call_later`."""

LARGE = 64 * 1024
_OLDEST = 0.2
"""Seconds that a line waits at most before the writer gets it."""


class Batch:
    """All of it on one thread; `put` is given what has come together, and may keep it."""

    __slots__ = ("_put", "_schedule", "lines", "scheduled")

    def __init__(self, put: Callable[[bytearray], None], schedule: Schedule) -> None:
        self._put = put
        self._schedule = schedule
        self.lines = bytearray()
        self.scheduled = False
        """They are handed on in a moment, whatever comes."""

    def add(self, line: bytes) -> None:
        """Let it wait with the others."""
        self.lines += line
        if not self.scheduled or len(self.lines) > LARGE:
            self.grown()

    def grown(self) -> None:
        """There are more: hand them on now where they are many, else in a moment."""
        if len(self.lines) > LARGE:
            self.flush()
        elif not self.scheduled:
            self.scheduled = True
            self._schedule(_OLDEST, self._old)

    def flush(self) -> None:
        """Hand on what there is."""
        if self.lines:
            lines, self.lines = self.lines, bytearray()
            self._put(lines)

    def _old(self) -> None:
        self.scheduled = False
        self.flush()
