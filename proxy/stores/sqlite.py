"""State in one file, that survives a restart. One process at a time may use it.

**What is lost.** An answer is given once it is committed to the write-ahead log. What ends the
process (also `kill -9`) loses nothing. What ends the machine loses nothing of `claim`, `confirm`
and `set`, which wait for the disk; of `take`, `take_all`, `lease` and `release` it may lose the
last moments, since nobody would wait for a disk to count a request. The file stays whole either way.

**What is bounded.** As in memory (`proxy.stores.shelved`), with a million values of 512 MiB together,
and the file with 2 GiB; StoreError where it is full. What has expired goes in small steps with
each transaction, so that nobody waits for a sweep.

**Time.** The wall clock as it was at the start, moved on by the monotonic one: a jump of the wall
clock is noticed with the next restart. If it went forward, what was kept ends sooner by that; if it
went back, values last longer, and of a bucket at most all is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from proxy.algorithms.gcra import MICROSECONDS, Taken
from proxy.clock import Clock
from proxy.stores.protocol import Buckets, Wanted
from proxy.stores.shelved import Bounds, ShelvedStore
from proxy.stores.sqlite_file import open_file
from proxy.stores.sqlite_shelf import SqliteShelves
from proxy.stores.sqlite_writer import Writer

_SWEPT = 32
"""And two more for each job, so that the dead never pile up."""
_MOST_BYTES_OF_FILE = 2 * 2**30


class SqliteStore:
    """Implements `proxy.stores.protocol.Store`. Made inside the running loop; raises ValueError."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        max_keys: int = 1_000_000,
        max_bytes: int = 512 * 2**20,
        max_file: int = _MOST_BYTES_OF_FILE,
    ) -> None:
        connection = open_file(path, max_file)
        monotonic = clock.monotonic
        start = clock.now() - monotonic()

        def now() -> int:
            return round((start + monotonic()) * MICROSECONDS)

        shelves = SqliteShelves(connection)
        bounds = Bounds("sqlite", max_keys, max_bytes)
        self._there = ShelvedStore(now, clock.now, shelves.shelf, bounds)
        self._writer = Writer(connection, lambda jobs: shelves.sweep(now(), _SWEPT + 2 * jobs), self._undone)
        self._shelves = shelves

    async def take(self, buckets: Buckets, key: str, cost: int = 1) -> Taken:
        return await self._writer.ask(partial(self._there.take_now, buckets, key, cost), durable=False)

    async def take_all(self, wanted: Sequence[Wanted]) -> list[Taken]:
        return await self._writer.ask(partial(self._there.take_all_now, wanted), durable=False)

    async def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        return await self._writer.ask(partial(self._there.claim_now, key, value, ttl), durable=True)

    async def confirm(self, key: str, expected: bytes, value: bytes, ttl: float) -> bool:
        return await self._writer.ask(
            partial(self._there.confirm_now, key, expected, value, ttl), durable=True
        )

    async def get(self, key: str) -> bytes | None:
        return await self._writer.ask(partial(self._there.get_now, key), durable=False)

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        await self._writer.ask(partial(self._there.set_now, key, value, ttl), durable=True)

    async def lease(self, key: str, holder: str, limit: int, ttl: float) -> bool:
        return await self._writer.ask(partial(self._there.lease_now, key, holder, limit, ttl), durable=False)

    async def release(self, key: str, holder: str) -> None:
        await self._writer.ask(partial(self._there.release_now, key, holder), durable=False)

    async def close(self) -> None:
        """Once all that waits is done; what comes later meets StoreError."""
        await self._writer.close()

    def _undone(self) -> None:
        self._shelves.rolled_back()
        self._there.forget_tables()
