"""The verbs of a store over shelves, plain functions: in memory as they are, in a file by a thread.

What is bounded, and who is forgotten at the bound:

- Buckets (`take`, `take_all`): `max_keys` of each limit; `proxy.stores.buckets` says who goes.
- Values (`claim`, `confirm`, `set`): `max_keys` and, keys and values together, `max_bytes`.
  Only what has expired is forgotten. A claim that is forgotten lets a duplicate pass, so
  that a new key meets StoreError at the bound, and the policy says what happens then.
- Leases: `max_keys` keys of `limit` holders each; StoreError at the bound, as for values.

Times are microseconds of the clock that is handed in, which never goes back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from proxy.algorithms import gcra
from proxy.algorithms.gcra import MICROSECONDS, Taken
from proxy.errors import StoreError
from proxy.stores.buckets import BucketTable
from proxy.stores.protocol import Buckets, Wanted
from proxy.stores.shelf import Shelving

LONGEST_KEY = 256
_NEVER = 2**63
_PURGED_AT_ONCE = 2
"""More than one expired key goes for each that comes, so that the dead never pile up."""

Shelves = Callable[[str, int | None], Shelving]
"""The shelf of a name; of a period's counters, also when the period ends."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one store; also what it is called where one is met."""

    store: str
    max_keys: int
    max_bytes: int


class ShelvedStore:
    """Implements `proxy.stores.protocol.AtHand`, and every other verb without waiting."""

    def __init__(
        self, now: Callable[[], int], wall: Callable[[], float], shelves: Shelves, bounds: Bounds
    ) -> None:
        self._now = now
        self._wall = wall
        self._shelves = shelves
        self._bounds = bounds
        self._tables: dict[str, BucketTable] = {}
        self._values = shelves("values", None)
        self._leases = shelves("leases", None)

    def take_now(self, buckets: Buckets, key: str, cost: int = 1) -> Taken:
        """`take`, for a hook that must not be a coroutine."""
        now = self._now()
        table = self._tables.get(buckets.name)
        if table is None:
            table = self._table(buckets, now)
        if buckets.ends is not None:
            now = 0
        return table.take(buckets, key if len(key) <= LONGEST_KEY else bounded(key), now, cost)

    def take_all_now(self, wanted: Sequence[Wanted]) -> list[Taken]:
        """`take_all`, for a hook that must not be a coroutine."""
        time = self._now()
        filled: dict[tuple[str, str], tuple[Buckets, int, int]] = {}
        found: list[tuple[Buckets, str, int, int, int]] = []
        decisions: list[Taken] = []
        for buckets, name, cost in wanted:
            now = time if buckets.ends is None else 0
            key, stands_at = self._table(buckets, time).look(buckets, bounded(name), now)
            _, full_at, _ = filled.get((buckets.name, key), (buckets, stands_at, now))
            passed, used = decision = gcra.take(full_at, now, buckets.quota, cost)
            if passed:
                filled[buckets.name, key] = buckets, now + used, now
            found.append((buckets, key, stands_at, cost, now))
            decisions.append(decision)
        if all(passed for passed, _ in decisions):
            for (_, key), (buckets, full_at, now) in filled.items():
                self._table(buckets, time).fill(buckets, key, full_at, now)
            return decisions
        return [
            (True, max(full_at - now, 0))
            if passed
            else (False, self._table(buckets, time).refuse(buckets, key, now, cost))
            for (passed, _), (buckets, key, full_at, cost, now) in zip(decisions, found, strict=True)
        ]

    def claim_now(self, key: str, value: bytes, ttl: float) -> bytes | None:
        """`claim`."""
        key = bounded(key)
        now = self._now()
        standing: bytes | None = self._values.get(key, now)
        if standing is None:
            self._write(key, value, ttl, now)
        return standing

    def confirm_now(self, key: str, expected: bytes, value: bytes, ttl: float) -> bool:
        """`confirm`."""
        key = bounded(key)
        now = self._now()
        if self._values.get(key, now) != expected:
            return False
        self._write(key, value, ttl, now)
        return True

    def get_now(self, key: str) -> bytes | None:
        """`get`."""
        value: bytes | None = self._values.get(bounded(key), self._now())
        return value

    def set_now(self, key: str, value: bytes, ttl: float) -> None:
        """`set`."""
        self._write(bounded(key), value, ttl, self._now())

    def lease_now(self, key: str, holder: str, limit: int, ttl: float) -> bool:
        """`lease`."""
        key = bounded(key)
        now = self._now()
        until = now + _microseconds(ttl)
        places: Places = self._leases.get(key, now) or Places({})
        if not places.has(holder, now) and places.taken(now) >= limit:
            return False
        self._make_room(self._leases, key, 0, now)
        places.hold(holder, until)
        self._leases.put(key, places.until, places)
        return True

    def release_now(self, key: str, holder: str) -> None:
        """`release`."""
        key = bounded(key)
        places: Places | None = self._leases.get(key, self._now())
        if places is None:
            return
        if places.leave(holder):
            self._leases.drop(key)
        else:
            self._leases.put(key, places.until, places)

    @property
    def forgotten(self) -> int:
        """Buckets that were given up at the bound before they were full again."""
        return sum(table.forgotten for table in self._tables.values())

    def forget_tables(self) -> None:
        """Where a transaction was undone, and with it the shelves that it made."""
        self._tables = {}

    def _table(self, buckets: Buckets, now: int) -> BucketTable:
        """The table of a name. A new one takes the place of those that have nothing left to say."""
        name = buckets.name
        table = self._tables.get(name)
        if table is None:
            self._tables = {name: table for name, table in self._tables.items() if not table.is_full(now)}
            ends = None
            if buckets.ends is not None:
                ends = now + _microseconds(buckets.ends - self._wall())
            shelves = self._shelves
            table = BucketTable(lambda kind: shelves(f"{kind} {name}", ends), ends)
            self._tables[name] = table
        return table

    def _write(self, key: str, value: bytes, ttl: float, now: int) -> None:
        until = now + _microseconds(ttl)
        if until <= now:
            self._values.drop(key)
            return
        size = len(key) + len(value)
        self._make_room(self._values, key, size, now)
        self._values.put(key, until, value, size)

    def _make_room(self, shelf: Shelving, key: str, size: int, now: int) -> None:
        """Let go of what has expired until `key` fits; raises StoreError where it does not."""
        shelf.purge(now, _PURGED_AT_ONCE)
        most = self._bounds
        while not shelf.has_room(key, size, most.max_keys, most.max_bytes):
            if not shelf.purge(now, 1):
                bounds = f"{most.max_keys} keys, {most.max_bytes} bytes"
                message = f"the {most.store} store is full ({bounds}), and nothing in it has expired"
                raise StoreError(message, full=True)


class Places:
    """Who holds a place at one key, and until when."""

    __slots__ = ("_soonest", "holders", "until")

    def __init__(self, holders: dict[str, int]) -> None:
        self.holders = holders
        self._soonest = min(holders.values(), default=_NEVER)
        """No holder ends before this, so that a full house is refused without a search."""
        self.until = max(holders.values(), default=-_NEVER)

    def has(self, holder: str, now: int) -> bool:
        """Whether it is one of them."""
        return self.holders.get(holder, now) > now

    def taken(self, now: int) -> int:
        """How many there are."""
        if now >= self._soonest:
            self.holders = {holder: until for holder, until in self.holders.items() if until > now}
            self._soonest = min(self.holders.values(), default=_NEVER)
        return len(self.holders)

    def hold(self, holder: str, until: int) -> None:
        """Come in, or stay for longer."""
        self.holders[holder] = until
        self._soonest = min(self._soonest, until)
        self.until = max(self.until, until)

    def leave(self, holder: str) -> bool:
        """Whether that was the last."""
        self.holders.pop(holder, None)
        return not self.holders


def _microseconds(seconds: float) -> int:
    return round(seconds * MICROSECONDS)


def bounded(key: str) -> str:
    """`key`, or its digest where it is long: keys may be made of what clients send."""
    if len(key) <= LONGEST_KEY:
        return key
    return f"sha256:{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"
