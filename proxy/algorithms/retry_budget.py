"""How many calls may be repeated, as a share of those that are made: repeating more would make it worse.

As in Linkerd and Finagle, a share of the first calls and some more a second; both over a rolling
window, since a share of what is in flight shrinks just when an upstream answers nothing any more.
"""

from __future__ import annotations

from proxy.algorithms.rolling_window import RollingWindow


class RetryBudget:
    """Counts over `window` seconds; for one thread. Times are of one clock that never goes back."""

    def __init__(self, window: float) -> None:
        self._window = RollingWindow(window)

    def first(self, now: float) -> None:
        """A call was made that repeats none."""
        self._window.add(now, failed=False, slow=False)

    def take(self, now: float, ratio: float, min_per_second: float) -> bool:
        """One more may be repeated, and is counted; or not, and is not."""
        window = self._window
        window.pass_to(now)
        repeated = window.failures
        allowed = ratio * (window.calls - repeated) + min_per_second * window.span
        if repeated + 1 > allowed:
            return False
        window.add(now, failed=True, slow=False)
        return True
