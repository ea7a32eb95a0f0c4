"""Nobody waits for a store that is away, and it is back without a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from proxy.algorithms.gcra import Quota
from proxy.errors import StoreError
from proxy.stores.guarded import GuardedStore, Patience
from proxy.stores.memory import MemoryStore
from proxy.stores.protocol import Buckets, Remote
from proxy.testing import FakeClock

BUCKETS = Buckets("a", Quota(10, 1.0, 10))


class Ailing(MemoryStore):
    """Answers, fails, or hangs, as a test says."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.asked = 0
        self.ails: Exception | asyncio.Event | None = None
        self.closed = False

    async def get(self, key: str) -> bytes | None:
        self.asked += 1
        if isinstance(self.ails, Exception):
            raise self.ails
        if self.ails is not None:
            await self.ails.wait()
        return await super().get(key)

    async def close(self) -> None:
        self.closed = True


class Guarded:
    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.behind = Ailing(clock)
        self.told: list[str] = []
        self.store = GuardedStore(
            self.behind,
            MemoryStore(clock),
            clock,
            kind="redis",
            where="redis://cache:6379/0",
            patience=Patience(0.05),
            tell=self._tell,
        )

    def _tell(self, text: str, numbers: Mapping[str, object]) -> None:
        self.told.append(text)
        assert isinstance(numbers, Mapping)

    async def fail(self, times: int, error: Exception | None = None) -> None:
        self.behind.ails = error or StoreError("connection refused")
        for _ in range(times):
            with pytest.raises(StoreError):
                await self.store.get("k")


@pytest.fixture
def guarded(clock: FakeClock) -> Guarded:
    return Guarded(clock)


async def test_every_verb_gets_through(guarded: Guarded) -> None:
    store: Any = guarded.store
    await store.set("k", b"1", 60)

    assert [
        (True, 100_000),
        [(True, 200_000)],
        None,
        True,
        b"1",
        True,
        None,
    ] == [
        await store.take(BUCKETS, "k"),
        await store.take_all([(BUCKETS, "k", 1)]),
        await store.claim("c", b"2", 60),
        await store.confirm("c", b"2", b"3", 60),
        await store.get("k"),
        await store.lease("l", "me", 1, 60),
        await store.release("l", "me"),
    ]
    assert {"set", "take", "take_all", "claim", "confirm", "get", "lease", "release"} == set(store.operations)


async def test_it_is_a_store_that_can_be_out_of_reach(guarded: Guarded) -> None:
    assert isinstance(guarded.store, Remote)
    assert (True, 100_000) == guarded.store.local.take_now(BUCKETS, "k")


async def test_who_waits_too_long_is_told_so(guarded: Guarded) -> None:
    guarded.behind.ails = asyncio.Event()
    waiting = asyncio.create_task(guarded.store.get("k"))
    await guarded.clock.advance(0.05)

    with pytest.raises(StoreError, match="no answer to get in 50 ms"):
        await waiting


class LateClock(FakeClock):
    """Of a process that has no CPU: what is due comes a second later."""

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[None]:
        return super().timeout(seconds + 1.0)


async def test_a_time_out_that_comes_late_is_our_own_fault() -> None:
    guarded = Guarded(LateClock())
    guarded.behind.ails = asyncio.Event()
    for _ in range(6):
        waiting = asyncio.create_task(guarded.store.get("k"))
        await guarded.clock.advance(1.05)
        with pytest.raises(StoreError, match="no answer"):
            await waiting

    assert ("closed", {"timeout": 6}) == (
        guarded.store.condition().breaker,
        guarded.store.operations["get"].statuses,
    )


async def test_after_five_failures_nobody_asks_for_thirty_seconds(guarded: Guarded) -> None:
    await guarded.fail(50)
    asked = guarded.behind.asked
    await guarded.clock.advance(29.999)
    await guarded.fail(1)

    assert (5, 5) == (asked, guarded.behind.asked)


async def test_then_one_tries_and_the_others_are_not_kept_waiting(guarded: Guarded) -> None:
    await guarded.fail(5)
    guarded.behind.ails = asyncio.Event()
    await guarded.clock.advance(30)

    first = asyncio.create_task(guarded.store.get("k"))
    await asyncio.sleep(0)
    with pytest.raises(StoreError, match="away"):
        await guarded.store.get("k")
    guarded.behind.ails.set()

    assert (None, None) == (await first, await guarded.store.get("k"))


async def test_a_try_that_fails_keeps_it_away_for_as_long_again(guarded: Guarded) -> None:
    await guarded.fail(5)
    await guarded.clock.advance(30)
    await guarded.fail(10)

    assert 6 == guarded.behind.asked


async def test_each_transition_is_told_of_once(guarded: Guarded) -> None:
    await guarded.fail(20)
    await guarded.clock.advance(30)
    guarded.behind.ails = None
    for _ in range(5):
        await guarded.store.get("k")

    assert [
        "the redis store is away: 5 failures in a row",
        "the redis store is tried again: its time is over",
        "the redis store is back: 1 probe succeeded",
    ] == guarded.told


async def test_one_that_is_full_is_not_away(guarded: Guarded) -> None:
    await guarded.fail(50, StoreError("full", full=True))

    assert (50, {"full": 50}) == (guarded.behind.asked, guarded.store.operations["get"].statuses)
    assert guarded.store.condition().reachable


async def test_who_leaves_while_waiting_says_nothing_of_the_store(guarded: Guarded) -> None:
    guarded.behind.ails = asyncio.Event()
    for _ in range(10):
        waiting = asyncio.create_task(guarded.store.get("k"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])

    assert "closed" == guarded.store.condition().breaker


async def test_a_probe_whose_caller_leaves_does_not_keep_the_store_away(guarded: Guarded) -> None:
    await guarded.fail(5)
    await guarded.clock.advance(30)
    guarded.behind.ails = asyncio.Event()
    probe = asyncio.create_task(guarded.store.get("k"))
    await asyncio.sleep(0)
    probe.cancel()
    await asyncio.wait([probe])
    guarded.behind.ails = None

    assert None is await guarded.store.get("k")


async def test_what_became_of_each_is_counted(guarded: Guarded) -> None:
    await guarded.store.get("k")
    await guarded.fail(8)
    counted = guarded.store.operations["get"]

    assert ({"ok": 1, "error": 5, "skipped": 3}, 6) == (counted.statuses, sum(counted.counts))


async def test_operators_see_how_it_is(guarded: Guarded) -> None:
    before = guarded.store.condition()
    await guarded.fail(1)
    shaky = guarded.store.condition()
    await guarded.fail(4)
    away = guarded.store.condition()

    assert [
        (True, "closed", ""),
        (False, "closed", "connection refused"),
        (False, "open", "connection refused"),
    ] == [(seen.reachable, seen.breaker, seen.last_error) for seen in (before, shaky, away)]
    assert ("redis", "redis://cache:6379/0") == (away.kind, away.where)


async def test_it_closes_what_is_behind_it(guarded: Guarded) -> None:
    await guarded.store.close()

    assert guarded.behind.closed
