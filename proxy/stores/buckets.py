"""The token buckets of one limit in memory, one for each key, and no more than `max_keys`.

Who is forgotten at the bound: a bucket that is full again says nothing and goes first. Then
goes the one that would be full soonest, since its owner gains least by it: a flood of new
keys pushes out other new keys. But nobody who is being refused is ever forgotten. Where all
are, the keys that find no place share one bucket, so that neither a flood nor many clients
at once can get anybody's limit reset, nor pass beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from proxy.algorithms import gcra
from proxy.algorithms.gcra import Quota, Taken
from proxy.stores.protocol import Buckets
from proxy.stores.shelf import Shelf, Shelving

EVERYBODY_ELSE = "\ud800"
"""The key of those who find no place. No client can send it: what is no UTF-8 becomes U+DC80 to U+DCFF."""

_PURGED_AT_ONCE = 2
"""More than one key goes for each that comes, so that the dead never pile up."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What is known of a bucket besides its time, once a penalty counts refusals."""

    quota: Quota
    refusals: int


class BucketTable:
    """Times are microseconds of one clock. A bucket is full at its time, and then expires.

    `ends`: the buckets of a period, which all end then, and are asked at time 0 until then.
    """

    __slots__ = ("_ends", "_rest", "_shelf", "forgotten")

    def __init__(self, shelf: Callable[[str], Shelving] = lambda _: Shelf(), ends: int | None = None) -> None:
        self._shelf = shelf("buckets")
        self._rest = shelf("rest")
        """The one bucket of `EVERYBODY_ELSE`, apart since it is never forgotten for another."""
        self._ends = ends
        self.forgotten = 0
        """Buckets that were given up at the bound before they were full again."""

    def take(self, buckets: Buckets, key: str, now: int, cost: int) -> Taken:
        """Spend `cost` at `key`, or learn what is used there."""
        items = self._shelf.items
        item = items.get(key)
        quota = buckets.quota
        if item is None or item[1] is not quota:
            return self._take_slowly(buckets, key, now, cost)
        taken = gcra.take(item[0], now, quota, cost)
        if taken[0]:
            items[key] = (now + taken[1], quota, 0)
        elif buckets.penalty is not None:
            return False, self.refuse(buckets, key, now, cost)
        return taken

    def look(self, buckets: Buckets, key: str, now: int) -> tuple[str, int]:
        """Whose bucket is asked for `key`, and when it will be full; nothing changes."""
        shelf = self._shelf
        if key not in shelf:
            shelf.purge(now, _PURGED_AT_ONCE)
            if len(shelf) >= buckets.max_keys and self._least(buckets, now) is None:
                key = EVERYBODY_ELSE
        return key, self._standing(buckets, key, now)[0]

    def fill(self, buckets: Buckets, key: str, full_at: int, now: int) -> None:
        """The bucket that `look` named will be full at `full_at`."""
        shelf = self._shelf_of(key)
        if shelf is self._shelf and key not in shelf:
            self._make_room(buckets, now)
        refusals = self._standing(buckets, key, now)[1]
        shelf.put(key, full_at, Refused(buckets.quota, refusals) if refusals else buckets.quota)

    def refuse(self, buckets: Buckets, key: str, now: int, cost: int) -> int:
        """Count a refusal at the bucket that `look` named; what is used of it then."""
        full_at, refusals = self._standing(buckets, key, now)
        penalty = buckets.penalty
        if full_at <= now:
            return 0
        if penalty is not None:
            refusals += 1
            wait = penalty.wait(refusals, buckets.quota, cost)
            if wait:
                full_at = gcra.punished(full_at, now, buckets.quota, cost, wait)
        if penalty is not None or self._is_of_another(buckets.quota, key):
            # Kept by the new quota, or it would fill by the old one until something passes.
            state = Refused(buckets.quota, refusals) if refusals else buckets.quota
            self._shelf_of(key).put(key, full_at, state)
        return full_at - now

    def is_full(self, now: int) -> bool:
        """Every bucket is full, so that nothing is lost with this table. Looks at all of them."""
        if self._ends is not None:
            return self._ends <= now
        return self._rest.has_ended(now) and self._shelf.has_ended(now)

    def _take_slowly(self, buckets: Buckets, key: str, now: int, cost: int) -> Taken:
        """A new key, another quota than before, or one who has been refused."""
        key, full_at = self.look(buckets, key, now)
        passed, used = gcra.take(full_at, now, buckets.quota, cost)
        if not passed:
            return False, self.refuse(buckets, key, now, cost)
        self.fill(buckets, key, now + used, now)
        return True, used

    def _standing(self, buckets: Buckets, key: str, now: int) -> tuple[int, int]:
        """When the bucket will be full, by the quota of now, and how many refusals count."""
        item = self._shelf_of(key).items.get(key)
        if item is None or item[0] <= now:
            return now, 0
        full_at, state, _ = item
        quota, refusals = (state.quota, state.refusals) if isinstance(state, Refused) else (state, 0)
        if not refusals:  # more than all is used where the clock of a file went back between two starts
            full_at = min(full_at, now + quota.tolerance)
        if quota.tolerance != buckets.quota.tolerance:
            full_at = gcra.rescaled(full_at, now, quota, buckets.quota)
        return full_at, refusals

    def _is_of_another(self, quota: Quota, key: str) -> bool:
        item = self._shelf_of(key).items.get(key)
        if item is None:
            return False
        stood: Quota = item[1].quota if isinstance(item[1], Refused) else item[1]
        return stood.tolerance != quota.tolerance

    def _shelf_of(self, key: str) -> Shelving:
        return self._rest if key == EVERYBODY_ELSE else self._shelf

    def _least(self, buckets: Buckets, now: int) -> str | None:
        """The key of the bucket that would be full soonest; None where even it has no room for one more."""
        soonest = self._shelf.soonest()
        if soonest is None:
            return None
        full_at, _ = self._standing(buckets, soonest[1], now)
        refused = full_at - now + buckets.quota.interval > buckets.quota.tolerance
        return None if refused else soonest[1]

    def _make_room(self, buckets: Buckets, now: int) -> None:
        """Where the bound was lowered, two go for each that comes, until it is met."""
        shelf = self._shelf
        shelf.purge(now, _PURGED_AT_ONCE)
        for _ in range(_PURGED_AT_ONCE):
            least = self._least(buckets, now) if len(shelf) >= buckets.max_keys else None
            if least is None:
                return
            shelf.drop(least)
            self.forgotten += 1
