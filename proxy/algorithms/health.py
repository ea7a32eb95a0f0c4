"""Healthy or not, by checks in a row: a single one that fails, or passes, changes nothing.

Before anything is known, one that passes is enough: nobody should wait for a second where
there is no first impression to correct.
"""

from __future__ import annotations

from typing import Literal

State = Literal["unknown", "healthy", "unhealthy"]


class Health:
    """For one thread."""

    def __init__(self, unhealthy_after: int, healthy_after: int) -> None:
        self.state: State = "unknown"
        self.in_row = 0
        """Checks that ended as the last one did, one after the other."""
        self.passed = True
        """The last one did."""
        self._unhealthy_after = unhealthy_after
        self._healthy_after = healthy_after

    @property
    def threshold(self) -> int:
        """So many in a row as the last one change the state."""
        if not self.passed:
            return self._unhealthy_after
        return 1 if self.state == "unknown" else self._healthy_after

    @property
    def missing(self) -> int:
        """So many have to pass until it is healthy."""
        passed = self.in_row if self.passed else 0
        needed = {"unknown": 1, "unhealthy": self._healthy_after, "healthy": 0}[self.state]
        return max(needed - passed, 0)

    def record(self, *, passed: bool) -> State | None:
        """One check has ended; returns the state before, where this one has changed it."""
        self.in_row = self.in_row + 1 if passed == self.passed else 1
        self.passed = passed
        before, state = self.state, "healthy" if passed else "unhealthy"
        if state == before or self.in_row < self.threshold:
            return None
        self.state = "healthy" if passed else "unhealthy"
        return before
