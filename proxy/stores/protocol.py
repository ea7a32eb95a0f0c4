"""What a policy may ask of shared state. Each verb is atomic in every store, and bounded.

Times to live are seconds. Every verb may raise StoreError where the store is out of reach;
the policy's schema says what happens then. `tests/stores/test_store_contract.py` is the
specification that every store passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from proxy.algorithms.gcra import Penalty, Quota, Taken


@dataclass(frozen=True, slots=True)
class Buckets:
    """The buckets of one limit, one for each key.

    State belongs to `name`. Where another quota comes with it, each bucket goes on with the same
    share of it used.
    """

    name: str
    quota: Quota
    max_keys: int = 100_000
    """Of this name, where the store is bounded by numbers: it says who is forgotten there."""
    penalty: Penalty | None = None
    ends: float | None = None
    """Seconds since the epoch. Where given, nothing comes back before then, and all is forgotten
    then: the counters of one period, which `name` tells from the next."""


Wanted = tuple[Buckets, str, int]
"""Which bucket, by its key, and how much of it."""


class Store(Protocol):
    """Atomic verbs over keys that policies choose."""

    async def take(self, buckets: Buckets, key: str, cost: int = 1) -> Taken:
        """Spend `cost` of the bucket at `key`, or learn what is used of it.

        A refusal consumes nothing, but for what a penalty adds.
        """
        ...

    async def take_all(self, wanted: Sequence[Wanted]) -> list[Taken]:
        """Spend from every bucket or from none: one that refuses costs the others nothing.

        Where one refuses, the others tell what is used of them without this request.
        """
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


@runtime_checkable
class Remote(Protocol):
    """A store that can be out of reach: then its verbs raise StoreError, and soon."""

    @property
    def local(self) -> LocalStore:
        """What to go on with then (`when_store_fails: local`): empty at first, and of this process alone."""
        ...


@runtime_checkable
class AtHand(Protocol):
    """A store in this process: it cannot fail, and a hook need not be a coroutine to ask it."""

    def take_now(self, buckets: Buckets, key: str, cost: int = 1) -> Taken:
        """As `take`."""
        ...

    def take_all_now(self, wanted: Sequence[Wanted]) -> list[Taken]:
        """As `take_all`."""
        ...


class LocalStore(Store, AtHand, Protocol):
    """Both at once."""
