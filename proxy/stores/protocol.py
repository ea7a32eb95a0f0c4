"""What a policy may ask of shared state. Each verb is atomic in every store, and bounded.

Times to live are seconds. Every verb may raise StoreError where the store is out of reach;
the policy's schema says what happens then. `tests/stores/test_store_contract.py` is the
specification that every store passes.
"""

from __future__ import annotations

from typing import Protocol

from proxy.algorithms.gcra import Decision, Quota


class Store(Protocol):
    """Atomic verbs over keys that policies choose."""

    async def take(self, key: str, quota: Quota, cost: int = 1) -> Decision:
        """Spend `cost` of the bucket at `key`, or learn when that will be possible."""
        ...

    async def take_all(self, wanted: list[tuple[str, Quota, int]]) -> list[Decision]:
        """Spend from every bucket or from none: one that refuses costs the others nothing."""
        ...

    async def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        """Write `value` if nobody has: None for the winner, for the rest what stands there."""
        ...

    async def confirm(self, key: str, expected: bytes, value: bytes, ttl: float) -> bool:
        """Replace `expected` by `value`; False, and no change, where something else stands there."""
        ...

    async def get(self, key: str) -> bytes | None:
        """What stands at `key`, or None."""
        ...

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Write `value`, whatever stood there."""
        ...

    async def lease(self, key: str, holder: str, limit: int, ttl: float) -> bool:
        """Hold one of `limit` places at `key` until released or expired; again to renew."""
        ...

    async def release(self, key: str, holder: str) -> None:
        """Give the place back; nothing happens where `holder` has none."""
        ...
