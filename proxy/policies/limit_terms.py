"""By which rules a limit gives back what it took: evenly, or all of it when the period is over."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import Protocol

from proxy.algorithms.calendar import period
from proxy.algorithms.gcra import MICROSECONDS, Quota
from proxy.clock import Clock
from proxy.config.units import Rate
from proxy.errors import Change
from proxy.stores.protocol import Buckets


class Terms(Protocol):
    """Times are microseconds."""

    @property
    def quota(self) -> Quota:
        """How much."""
        ...

    @property
    def buckets(self) -> Buckets:
        """Those of now."""
        ...

    def wait(self, used: int, cost: int) -> int:
        """Until `cost` could be taken."""
        ...

    def until_full(self, used: int) -> int:
        """Until there is more."""
        ...

    def change(self, used: int, cost: int) -> Change | None:
        """The smallest edit with which `cost` could have been taken."""
        ...


class Rolling:
    """A bucket that fills up evenly."""

    def __init__(self, buckets: Buckets) -> None:
        self.buckets = buckets
        self.quota = buckets.quota

    def wait(self, used: int, cost: int) -> int:
        return self.quota.wait(used, cost)

    def until_full(self, used: int) -> int:
        return used

    def change(self, used: int, cost: int) -> Change | None:
        quota = self.quota
        # A wait beyond an empty bucket's is a penalty, which a larger burst would not have forgiven.
        return Change("burst", quota.burst_for(used, cost)) if used <= quota.tolerance else None


class Calendar:
    """A counter that begins anew with each period of the calendar, in UTC."""

    def __init__(self, buckets: Buckets, limit: Rate, clock: Clock) -> None:
        self.quota = buckets.quota
        self._of_all = buckets
        self._limit = limit
        self._now = clock.now
        self._end = 0
        self._buckets = buckets

    @property
    def buckets(self) -> Buckets:
        now = self._now()
        if not 0 < self._end - now <= self._limit.longest_period:  # over, or the clock has jumped
            start, self._end = period(now, self._limit.period, month=self._limit.is_month)
            name = f"{self._of_all.name}@{start}"
            self._buckets = replace(self._of_all, name=name, ends=float(self._end))
        return self._buckets

    def wait(self, used: int, cost: int) -> int:
        return self._left() if self.quota.wait(used, cost) else 0

    def until_full(self, used: int) -> int:
        return self._left() if used else 0

    def change(self, used: int, cost: int) -> Change | None:
        enough = self.quota.burst_for(used, cost)
        return Change("limit", Rate(f"{enough}/{self._limit.partition('/')[2]}"), "set")

    def _left(self) -> int:
        return max(0, ceil((self._end - self._now()) * MICROSECONDS))
