"""State in this process: the default. Nothing to run beside it; a restart forgets all of it.

`proxy.stores.shelved` says what is bounded, and who is forgotten at the bound.

Every verb takes O(1) amortised, and O(log n) where a key is new. Nothing awaits, so that
everything is atomic on one event loop; no instance may be shared between threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from proxy.algorithms.gcra import MICROSECONDS, Taken
from proxy.clock import Clock
from proxy.stores.protocol import Buckets, Wanted
from proxy.stores.shelf import Shelf
from proxy.stores.shelved import LONGEST_KEY, Bounds, ShelvedStore


class MemoryStore(ShelvedStore):
    """Implements `proxy.stores.protocol.Store`; also without awaiting, where every request asks."""

    def __init__(self, clock: Clock, *, max_keys: int = 100_000, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._monotonic = monotonic = clock.monotonic
        super().__init__(
            lambda: round(monotonic() * MICROSECONDS),
            clock.now,
            _shelf,
            Bounds("memory", max_keys, max_bytes),
        )

    def take_now(self, buckets: Buckets, key: str, cost: int = 1) -> Taken:
        """`take`, for a hook that must not be a coroutine; what is usual without another call."""
        if buckets.ends is not None or len(key) > LONGEST_KEY:
            return super().take_now(buckets, key, cost)
        now = round(self._monotonic() * MICROSECONDS)
        table = self._tables.get(buckets.name)
        if table is None:
            table = self._table(buckets, now)
        return table.take(buckets, key, now, cost)

    async def take(self, buckets: Buckets, key: str, cost: int = 1) -> Taken:
        return self.take_now(buckets, key, cost)

    async def take_all(self, wanted: Sequence[Wanted]) -> list[Taken]:
        return self.take_all_now(wanted)

    async def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        return self.claim_now(key, value, ttl)

    async def confirm(self, key: str, expected: bytes, value: bytes, ttl: float) -> bool:
        return self.confirm_now(key, expected, value, ttl)

    async def get(self, key: str) -> bytes | None:
        return self.get_now(key)

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        self.set_now(key, value, ttl)

    async def lease(self, key: str, holder: str, limit: int, ttl: float) -> bool:
        return self.lease_now(key, holder, limit, ttl)

    async def release(self, key: str, holder: str) -> None:
        self.release_now(key, holder)


def _shelf(_name: str, _ends: int | None) -> Shelf[Any]:
    return Shelf()
