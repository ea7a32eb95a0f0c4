"""State in this process: the default. Nothing to run beside it; a restart forgets all of it.

What is bounded, and who is forgotten at the bound:

- Buckets (`take`, `take_all`): `max_keys`. A bucket that is full again says nothing and goes
  first. Then goes the one that would be full soonest, since its owner gains least by it: a
  flood of new keys pushes out other new keys, not a caller who is being refused.
  `forgotten` counts these.
- Values (`claim`, `confirm`, `set`): `max_keys` and, keys and values together, `max_bytes`.
  Only what has expired is forgotten. A claim that is forgotten lets a duplicate pass, so
  that a new key meets StoreError at the bound, and the policy says what happens then.
- Leases: `max_keys` keys of `limit` holders each; StoreError at the bound, as for values.

Every verb takes O(1) amortised, and O(log n) where a key is new. Nothing awaits, so that
everything is atomic on one event loop; no instance may be shared between threads.
"""

from __future__ import annotations

from hashlib import sha256
from heapq import heapify, heappop, heappush, heapreplace
from typing import Any, Generic, TypeVar

from proxy.algorithms import gcra
from proxy.algorithms.gcra import MICROSECONDS, Decision, Quota
from proxy.clock import Clock
from proxy.errors import StoreError

T = TypeVar("T")

_LONGEST_KEY = 256
_NEVER = 2**63
_PURGED_AT_ONCE = 2
"""More than one expired key goes for each that comes, so that the dead never pile up."""


class MemoryStore:
    """Implements `proxy.stores.protocol.Store`; also without awaiting, where every request asks."""

    def __init__(self, clock: Clock, *, max_keys: int = 100_000, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._max_bytes = max_bytes
        self._buckets: _Shelf[None] = _Shelf()
        self._values: _Shelf[bytes] = _Shelf()
        self._bytes = 0
        self._leases: _Shelf[_Places] = _Shelf()
        self.forgotten = 0
        """Buckets that were given up at the bound before they were full again."""

    async def take(self, key: str, quota: Quota, cost: int = 1) -> Decision:
        return self.take_now(key, quota, cost)

    async def take_all(self, wanted: list[tuple[str, Quota, int]]) -> list[Decision]:
        return self.take_all_now(wanted)

    def take_now(self, key: str, quota: Quota, cost: int = 1) -> Decision:
        """`take`, for a hook that must not be a coroutine."""
        key = _bounded(key)
        now = self._now()
        full_at, decision = gcra.take(self._buckets.until(key, now), now, quota, cost)
        if decision.allowed:
            self._fill(key, full_at, now)
        return decision

    def take_all_now(self, wanted: list[tuple[str, Quota, int]]) -> list[Decision]:
        """`take_all`, for a hook that must not be a coroutine."""
        now = self._now()
        filled: dict[str, int] = {}
        decisions = []
        for name, quota, cost in wanted:
            key = _bounded(name)
            full_at, decision = gcra.take(filled.get(key, self._buckets.until(key, now)), now, quota, cost)
            filled[key] = full_at
            decisions.append(decision)
        if all(decision.allowed for decision in decisions):
            for key, full_at in filled.items():
                self._fill(key, full_at, now)
            return decisions
        return [
            self._left(name, quota, now) if decision.allowed else decision
            for (name, quota, _), decision in zip(wanted, decisions, strict=True)
        ]

    def _left(self, name: str, quota: Quota, now: int) -> Decision:
        """What is there to take, with nothing taken."""
        return gcra.take(self._buckets.until(_bounded(name), now), now, quota, 0)[1]

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
        return _microseconds(self._clock.monotonic())

    def _fill(self, key: str, full_at: int, now: int) -> None:
        buckets = self._buckets
        if key not in buckets:
            buckets.purge(now, _PURGED_AT_ONCE)
            if len(buckets) >= self._max_keys:
                buckets.purge(_NEVER, 1)
                self.forgotten += 1
        buckets.put(key, full_at, None)

    def _write(self, key: str, value: bytes, ttl: float, now: int) -> None:
        until = now + _microseconds(ttl)
        if until <= now:
            self._values.drop(key)
            return
        size = len(key) + len(value)
        self._make_room(self._values, key, size, now)
        self._values.put(key, until, value, size)

    def _make_room(self, shelf: _Shelf[Any], key: str, size: int, now: int) -> None:
        """Let go of what has expired until `key` fits; raises StoreError where it does not."""
        shelf.purge(now, _PURGED_AT_ONCE)
        while not shelf.has_room(key, size, self._max_keys, self._max_bytes):
            if not shelf.purge(now, 1):
                bounds = f"{self._max_keys} keys, {self._max_bytes} bytes"
                raise StoreError(f"the memory store is full ({bounds}), and nothing in it has expired")


class _Shelf(Generic[T]):
    """Things by key, each until its time; knows what ends next without looking at the rest.

    The heap has an entry for every key that is no later than the truth. A time that moves on
    is put right when its entry comes up; one that moves back gets another entry.
    """

    __slots__ = ("_heap", "_items", "_size")

    def __init__(self) -> None:
        self._items: dict[str, tuple[int, T, int]] = {}
        self._heap: list[tuple[int, str]] = []
        self._size = 0

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: str) -> bool:
        return key in self._items

    def until(self, key: str, now: int) -> int:
        """When `key` ends; `now` for one that is not here."""
        item = self._items.get(key)
        return now if item is None else item[0]

    def get(self, key: str, now: int) -> T | None:
        """What is kept at `key` and has not ended."""
        item = self._items.get(key)
        return None if item is None or item[0] <= now else item[1]

    def put(self, key: str, until: int, thing: T, size: int = 0) -> None:
        """Keep `thing` at `key`, instead of what was there."""
        old = self._items.get(key)
        self._items[key] = (until, thing, size)
        self._size += size - (0 if old is None else old[2])
        if old is None or until < old[0]:
            heappush(self._heap, (until, key))
            if len(self._heap) > 2 * len(self._items) + 64:
                self._heap = [(item[0], key) for key, item in self._items.items()]
                heapify(self._heap)

    def drop(self, key: str) -> None:
        """Forget `key`. Its heap entry goes when it comes up."""
        item = self._items.pop(key, None)
        if item is not None:
            self._size -= item[2]

    def purge(self, now: int, at_most: int) -> int:
        """Forget up to `at_most` keys that have ended; how many it were."""
        for done in range(at_most):
            soonest = self._soonest()
            if soonest is None or soonest[0] > now:
                return done
            self.drop(soonest[1])
        return at_most

    def has_room(self, key: str, size: int, max_keys: int, max_size: int) -> bool:
        """Both bounds hold with `size` at `key`."""
        old = self._items.get(key)
        keys, held = (len(self._items) + 1, 0) if old is None else (len(self._items), old[2])
        return keys <= max_keys and self._size - held + size <= max_size

    def _soonest(self) -> tuple[int, str] | None:
        heap = self._heap
        while heap:
            at, key = heap[0]
            item = self._items.get(key)
            if item is None:
                heappop(heap)
            elif item[0] > at:
                heapreplace(heap, (item[0], key))
            else:
                return heap[0]
        return None


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
