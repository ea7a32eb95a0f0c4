"""State in this process: the default. Nothing to run beside it; a restart forgets all of it.

What is bounded, and who is forgotten at the bound:

- Buckets (`take`, `take_all`): `max_keys` of each limit; `proxy.stores.buckets` says who goes.
- Values (`claim`, `confirm`, `set`): `max_keys` and, keys and values together, `max_bytes`.
  Only what has expired is forgotten. A claim that is forgotten lets a duplicate pass, so
  that a new key meets StoreError at the bound, and the policy says what happens then.
- Leases: `max_keys` keys of `limit` holders each; StoreError at the bound, as for values.

Every verb takes O(1) amortised, and O(log n) where a key is new. Nothing awaits, so that
everything is atomic on one event loop; no instance may be shared between threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from proxy.algorithms import gcra
from proxy.algorithms.gcra import MICROSECONDS, Taken
from proxy.clock import Clock
from proxy.errors import StoreError
from proxy.stores.buckets import BucketTable
from proxy.stores.protocol import Buckets, Wanted
from proxy.stores.shelf import Shelf

_LONGEST_KEY = 256
_NEVER = 2**63
_PURGED_AT_ONCE = 2
"""More than one expired key goes for each that comes, so that the dead never pile up."""


class MemoryStore:
    """Implements `proxy.stores.protocol.Store`; also without awaiting, where every request asks."""

    def __init__(self, clock: Clock, *, max_keys: int = 100_000, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._monotonic = clock.monotonic
        self._max_keys = max_keys
        self._max_bytes = max_bytes
        self._tables: dict[str, BucketTable] = {}
        self._values: Shelf[bytes] = Shelf()
        self._bytes = 0
        self._leases: Shelf[_Places] = Shelf()

    async def take(self, buckets: Buckets, key: str, cost: int = 1) -> Taken:
        return self.take_now(buckets, key, cost)

    async def take_all(self, wanted: Sequence[Wanted]) -> list[Taken]:
        return self.take_all_now(wanted)

    def take_now(self, buckets: Buckets, key: str, cost: int = 1) -> Taken:
        """`take`, for a hook that must not be a coroutine."""
        now = round(self._monotonic() * MICROSECONDS)
        table = self._tables.get(buckets.name)
        if table is None:
            table = self._table(buckets.name, now)
        return table.take(buckets, key if len(key) <= _LONGEST_KEY else _bounded(key), now, cost)

    def take_all_now(self, wanted: Sequence[Wanted]) -> list[Taken]:
        """`take_all`, for a hook that must not be a coroutine."""
        now = self._now()
        filled: dict[tuple[str, str], tuple[Buckets, int]] = {}
        found: list[tuple[Buckets, str, int, int]] = []
        decisions: list[Taken] = []
        for buckets, name, cost in wanted:
            key, stands_at = self._table(buckets.name, now).look(buckets, _bounded(name), now)
            _, full_at = filled.get((buckets.name, key), (buckets, stands_at))
            passed, used = decision = gcra.take(full_at, now, buckets.quota, cost)
            if passed:
                filled[buckets.name, key] = buckets, now + used
            found.append((buckets, key, stands_at, cost))
            decisions.append(decision)
        if all(passed for passed, _ in decisions):
            for (name, key), (buckets, full_at) in filled.items():
                self._table(name, now).fill(buckets, key, full_at, now)
            return decisions
        return [
            (True, max(full_at - now, 0)) if passed else (False, self._refuse(buckets, key, now, cost))
            for (passed, _), (buckets, key, full_at, cost) in zip(decisions, found, strict=True)
        ]

    @property
    def forgotten(self) -> int:
        """Buckets that were given up at the bound before they were full again."""
        return sum(table.forgotten for table in self._tables.values())

    def _refuse(self, buckets: Buckets, key: str, now: int, cost: int) -> int:
        return self._table(buckets.name, now).refuse(buckets, key, now, cost)

    def _table(self, name: str, now: int) -> BucketTable:
        """The table of `name`. A new one takes the place of those that have nothing left to say."""
        table = self._tables.get(name)
        if table is None:
            self._tables = {name: table for name, table in self._tables.items() if not table.is_full(now)}
            table = self._tables[name] = BucketTable()
        return table

    async def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        key = _bounded(key)
        now = self._now()
        standing = self._values.get(key, now)
        if standing is None:
            self._write(key, value, ttl, now)
        return standing

    async def confirm(self, key: str, expected: bytes, value: bytes, ttl: float) -> bool:
        key = _bounded(key)
        now = self._now()
        if self._values.get(key, now) != expected:
            return False
        self._write(key, value, ttl, now)
        return True

    async def get(self, key: str) -> bytes | None:
        return self._values.get(_bounded(key), self._now())

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        self._write(_bounded(key), value, ttl, self._now())

    async def lease(self, key: str, holder: str, limit: int, ttl: float) -> bool:
        key = _bounded(key)
        now = self._now()
        until = now + _microseconds(ttl)
        places = self._leases.get(key, now) or _Places()
        if not places.has(holder, now) and places.taken(now) >= limit:
            return False
        self._make_room(self._leases, key, 0, now)
        places.hold(holder, until)
        self._leases.put(key, places.until, places)
        return True

    async def release(self, key: str, holder: str) -> None:
        key = _bounded(key)
        places = self._leases.get(key, self._now())
        if places is not None and places.leave(holder):
            self._leases.drop(key)

    def _now(self) -> int:
        return round(self._monotonic() * MICROSECONDS)

    def _write(self, key: str, value: bytes, ttl: float, now: int) -> None:
        until = now + _microseconds(ttl)
        if until <= now:
            self._values.drop(key)
            return
        size = len(key) + len(value)
        self._make_room(self._values, key, size, now)
        self._values.put(key, until, value, size)

    def _make_room(self, shelf: Shelf[Any], key: str, size: int, now: int) -> None:
        """Let go of what has expired until `key` fits; raises StoreError where it does not."""
        shelf.purge(now, _PURGED_AT_ONCE)
        while not shelf.has_room(key, size, self._max_keys, self._max_bytes):
            if not shelf.purge(now, 1):
                bounds = f"{self._max_keys} keys, {self._max_bytes} bytes"
                raise StoreError(f"the memory store is full ({bounds}), and nothing in it has expired")


class _Places:
    """Who holds a place at one key, and until when."""

    __slots__ = ("_holders", "_soonest", "until")

    def __init__(self) -> None:
        self._holders: dict[str, int] = {}
        self._soonest = _NEVER
        """No holder ends before this, so that a full house is refused without a search."""
        self.until = -_NEVER

    def has(self, holder: str, now: int) -> bool:
        return self._holders.get(holder, now) > now

    def taken(self, now: int) -> int:
        if now >= self._soonest:
            self._holders = {holder: until for holder, until in self._holders.items() if until > now}
            self._soonest = min(self._holders.values(), default=_NEVER)
        return len(self._holders)

    def hold(self, holder: str, until: int) -> None:
        self._holders[holder] = until
        self._soonest = min(self._soonest, until)
        self.until = max(self.until, until)

    def leave(self, holder: str) -> bool:
        """Whether that was the last."""
        self._holders.pop(holder, None)
        return not self._holders


def _microseconds(seconds: float) -> int:
    return round(seconds * MICROSECONDS)


def _bounded(key: str) -> str:
    """`key`, or its digest where it is long: keys may be made of what clients send."""
    if len(key) <= _LONGEST_KEY:
        return key
    return f"sha256:{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"
