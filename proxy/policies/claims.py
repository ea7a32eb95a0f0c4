"""Claims in a store: who is the first with a key, and what became of that.

With `when_store_fails: local` they are made in memory while the store is away, and what stands there counts
before what the store says, also when it is back: this process does not forget what it did meanwhile.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from proxy.errors import StoreError
from proxy.policy import Services
from proxy.stores.protocol import LocalStore, Remote, Store

WhenStoreFails = Annotated[
    Literal["refuse", "allow", "local"],
    Meta(
        description="Without the store: `refuse` with 503, `allow` without a guard, or go on in memory, each "
        "replica by itself (`local`)."
    ),
]


class Claim(NamedTuple):
    """Where it was made, and what stood there; None for who is the first."""

    store: Store
    standing: bytes | None


class Claims:
    """Of one policy."""

    def __init__(self, services: Services, when_store_fails: WhenStoreFails) -> None:
        self._store = services.store
        self._local: LocalStore | None = None
        if when_store_fails == "local" and isinstance(services.store, Remote):
            self._local = services.store.local

    async def claim(self, key: str, mine: bytes, ttl: float) -> Claim:
        """Raises StoreError where nobody can tell."""
        local = self._local
        if local is not None and await local.get(key) is not None:
            return Claim(local, await local.claim(key, mine, ttl))
        try:
            return Claim(self._store, await self._store.claim(key, mine, ttl))
        except StoreError:
            if local is None:
                raise
            return Claim(local, await local.claim(key, mine, ttl))

    async def settle(self, claim: Claim, key: str, mine: bytes, word: bytes, ttl: float) -> None:
        """What became of who was the first: `word`, or with a `ttl` of 0 nothing.

        Where the store fails now, the claim ends by itself.
        """
        try:
            await claim.store.confirm(key, mine, word, ttl)
        except StoreError:
            if self._local is not None and claim.store is not self._local and ttl > 0:
                with suppress(StoreError):  # full
                    await self._local.set(key, word, ttl)
