"""What the memory store promises beyond the contract: its bounds, and who is forgotten."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.algorithms.gcra import Quota
from proxy.errors import StoreError
from proxy.stores.memory import MemoryStore
from proxy.stores.protocol import Buckets
from proxy.testing import FakeClock

SLOW = Buckets("slow", Quota(limit=1, period=60.0, burst=3))


class StoppedClock(FakeClock):
    """Stands at any time one likes, without an event loop."""

    def __init__(self, monotonic: float) -> None:
        super().__init__()
        self.at = monotonic

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock(1000.0)


@given(
    start=st.floats(-1e9, 1e9),
    limit=st.integers(1, 10_000),
    period=st.sampled_from([1.0, 60.0, 3600.0, 86400.0]),
    burst=st.integers(1, 50),
)
def test_from_any_start_exactly_burst_pass(start: float, limit: int, period: float, burst: int) -> None:
    store = MemoryStore(StoppedClock(start))
    buckets = Buckets("b", Quota(limit, period, burst))

    assert [True] * burst + [False] == [store.take_now(buckets, "k")[0] for _ in range(burst + 1)]


def test_limits_are_bounded_each_by_itself(clock: StoppedClock) -> None:
    store = MemoryStore(clock)
    small, large = replace(SLOW, name="small", max_keys=1), SLOW
    for key in "ab":
        store.take_now(small, key)
        store.take_now(large, key)

    assert (1, [120_000_000] * 2) == (store.forgotten, [store.take_now(large, key)[1] for key in "ab"])


def test_a_limit_that_nobody_uses_any_more_is_forgotten_once_all_its_buckets_are_full(
    clock: StoppedClock,
) -> None:
    store = MemoryStore(clock)
    store.take_now(replace(SLOW, name="old"), "k")
    store.take_now(replace(SLOW, name="older"), "k", 3)
    clock.at += 61
    store.take_now(replace(SLOW, name="new"), "k")

    assert ["older", "new"] == list(store._tables)


async def test_a_full_store_refuses_a_new_claim_rather_than_forget_an_old_one(clock: StoppedClock) -> None:
    store = MemoryStore(clock, max_keys=2)
    await store.claim("a", b"1", 60)
    await store.claim("b", b"2", 60)

    with pytest.raises(StoreError, match=r"full \(2 keys, 67108864 bytes\), and nothing in it has expired"):
        await store.claim("c", b"3", 60)

    assert [b"1", b"2"] == [await store.claim("a", b"x", 60), await store.claim("b", b"x", 60)]


async def test_a_full_store_takes_new_claims_once_old_ones_expire(clock: StoppedClock) -> None:
    store = MemoryStore(clock, max_keys=3)
    for n in range(3):
        await store.claim(f"old {n}", b"", 60)
    clock.at += 60

    won = [await store.claim(f"new {n}", b"", 60) for n in range(3)]

    assert [None] * 3 == won


async def test_a_full_store_still_confirms_what_it_holds(clock: StoppedClock) -> None:
    store = MemoryStore(clock, max_keys=1, max_bytes=10)
    await store.claim("a", b"pending", 60)

    assert await store.confirm("a", b"pending", b"123456789", 60)


async def test_values_together_are_bounded_in_bytes(clock: StoppedClock) -> None:
    store = MemoryStore(clock, max_bytes=10)
    await store.set("a", b"1234", 60)
    with pytest.raises(StoreError):
        await store.set("b", b"12345", 60)
    await store.set("b", b"1234", 60)

    assert [b"1234", b"1234"] == [await store.get("a"), await store.get("b")]


async def test_bytes_are_given_back_when_values_shrink_go_or_expire(clock: StoppedClock) -> None:
    store = MemoryStore(clock, max_bytes=10)
    for _ in range(20):
        await store.set("a", b"123456789", 60)
        await store.set("a", b"1", 60)
        await store.set("b", b"1234567", 60)
        await store.set("b", b"", 0)
        clock.at += 60
        await store.set("c", b"123456789", 1)
        clock.at += 1

    assert None is await store.get("c")


async def test_many_small_values_that_expired_make_room_for_a_large_one(clock: StoppedClock) -> None:
    store = MemoryStore(clock, max_bytes=100)
    for n in range(20):
        await store.set(f"{n:02d}", b"abc", 60)
    clock.at += 60
    await store.set("k", b"x" * 99, 60)

    assert 99 == len(await store.get("k") or b"")


async def test_a_full_store_refuses_a_lease_at_a_new_key_but_not_at_a_known_one(clock: StoppedClock) -> None:
    store = MemoryStore(clock, max_keys=1)
    await store.lease("known", "a", 5, 60)
    with pytest.raises(StoreError):
        await store.lease("new", "a", 5, 60)

    assert await store.lease("known", "b", 5, 60)


async def test_a_key_whose_last_place_is_given_back_makes_room(clock: StoppedClock) -> None:
    store = MemoryStore(clock, max_keys=1)
    await store.lease("first", "a", 5, 60)
    await store.lease("first", "b", 5, 60)
    await store.release("first", "a")
    await store.release("first", "b")

    assert await store.lease("second", "a", 5, 60)


async def test_kinds_of_state_do_not_take_room_from_each_other(clock: StoppedClock) -> None:
    store = MemoryStore(clock, max_keys=1)
    await store.claim("k", b"", 60)
    await store.lease("k", "a", 1, 60)

    assert (True, 60_000_000) == await store.take(SLOW, "k")


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"), st.sampled_from([0.0, 1.0, 5.0, 60.0]), st.sampled_from([0.0, 0.5, 7.0])
        )
    )
)
def test_values_live_exactly_as_long_as_the_last_one_said(steps: list[tuple[str, float, float]]) -> None:
    clock = StoppedClock(0.0)
    store = MemoryStore(clock)
    ends: dict[str, float] = {}

    async def play() -> list[tuple[bool, bool]]:
        seen = []
        for key, ttl, pause in steps:
            await store.set(key, b"v", ttl)
            ends[key] = clock.at + ttl
            clock.at += pause
            seen += [(ends[k] > clock.at, await store.get(k) is not None) for k in ends]
        return seen

    assert [] == [pair for pair in asyncio.run(play()) if pair[0] != pair[1]]


async def test_keys_that_are_dropped_and_come_back_live_as_long_as_they_say(clock: StoppedClock) -> None:
    store = MemoryStore(clock, max_keys=4)
    for n in range(1000):
        await store.set("k", b"v", 2000.0 - n)
        await store.set("k", b"v", 0)
        await store.set("k", b"w", 5000.0 - n)
    clock.at += 4000.0

    before = await store.get("k")
    clock.at += 1.0

    assert (b"w", None) == (before, await store.get("k"))


async def test_keys_that_come_and_go_behind_one_that_stays_leave_nothing_behind(clock: StoppedClock) -> None:
    store = MemoryStore(clock)
    await store.set("stays", b"v", 10)
    for _ in range(1000):
        await store.set("k", b"v", 60)
        await store.set("k", b"", 0)

    assert len(store._values._heap) < 100
    assert (b"v", None) == (await store.get("stays"), await store.get("k"))


class Model:
    """The contract, written as plainly as can be: every key in a list that is searched."""

    def __init__(self, clock: StoppedClock) -> None:
        self.clock = clock
        self.values: dict[str, tuple[float, bytes]] = {}
        self.holders: dict[tuple[str, str], float] = {}
        self.used: dict[str, list[float]] = {}

    def get(self, key: str) -> bytes | None:
        until, value = self.values.get(key, (self.clock.at, b""))
        return value if until > self.clock.at else None

    def set(self, key: str, value: bytes, ttl: float) -> None:
        self.values[key] = (self.clock.at + ttl, value)

    def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        standing = self.get(key)
        if standing is None:
            self.set(key, value, ttl)
        return standing

    def confirm(self, key: str, expected: bytes, value: bytes, ttl: float) -> bool:
        fits = self.get(key) == expected
        if fits:
            self.set(key, value, ttl)
        return fits

    def lease(self, key: str, holder: str, limit: int, ttl: float) -> bool:
        held = {who for (at, who), until in self.holders.items() if at == key and until > self.clock.at}
        allowed = holder in held or len(held) < limit
        if allowed:
            self.holders[key, holder] = self.clock.at + ttl
        return allowed

    def release(self, key: str, holder: str) -> None:
        self.holders.pop((key, holder), None)

    def take_all(self, wanted: list[tuple[Buckets, str, int]]) -> list[bool]:
        """For `SLOW` only: a token that was used comes back a minute after the one before it."""
        spent = {key: list(times) for key, times in self.used.items()}
        allowed = []
        for buckets, key, cost in wanted:
            back = [at for at in spent.get(key, []) if at > self.clock.at]
            allowed.append(len(back) + cost <= buckets.quota.burst)
            if allowed[-1]:
                for _ in range(cost):
                    back.append(max([self.clock.at, *back]) + buckets.quota.period)
                spent[key] = back
        if all(allowed):
            self.used = spent
        return allowed


KEYS = st.sampled_from("ab")
VALUES = st.sampled_from([b"", b"x", b"pending"])
TTLS = st.sampled_from([0.0, 1.0, 20.0, 300.0])
STEPS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([0.0, 1.0, 19.5, 60.0, 120.0])),
    st.tuples(st.just("get"), KEYS),
    st.tuples(st.just("set"), KEYS, VALUES, TTLS),
    st.tuples(st.just("claim"), KEYS, VALUES, TTLS),
    st.tuples(st.just("confirm"), KEYS, VALUES, VALUES, TTLS),
    st.tuples(st.just("lease"), KEYS, st.sampled_from("xyz"), st.integers(0, 2), TTLS.filter(bool)),
    st.tuples(st.just("release"), KEYS, st.sampled_from("xyz")),
    st.tuples(st.just("take_all"), st.lists(st.tuples(st.just(SLOW), KEYS, st.integers(1, 3)), max_size=3)),
)


@settings(deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_any_run_of_verbs_does_what_the_plainest_store_would_do(steps: list[tuple[Any, ...]]) -> None:
    clock = StoppedClock(0.0)
    store, model = MemoryStore(clock), Model(clock)

    async def play() -> None:
        for verb, *arguments in steps:
            if verb == "wait":
                clock.at += arguments[0]
                continue
            told = await getattr(store, verb)(*arguments)
            if verb == "take_all":
                told = [passed for passed, _ in told]
            assert (verb, getattr(model, verb)(*arguments)) == (verb, told)

    asyncio.run(play())


async def test_keys_as_long_as_clients_like_are_told_apart(clock: StoppedClock) -> None:
    store = MemoryStore(clock, max_bytes=1000)
    await store.set("k" * 100_000 + "\udcff", b"1", 60)
    await store.set("k" * 100_000, b"2", 60)

    assert (b"1", b"2") == (await store.get("k" * 100_000 + "\udcff"), await store.get("k" * 100_000))
