"""Who is the first, also while the store is away, and what is remembered of that when it is back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.errors import StoreError
from proxy.policies.claims import Claims, WhenStoreFails
from proxy.stores.memory import MemoryStore
from proxy.testing import FakeClock, fake_services
from tests.policies.away import Remote


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def claims(clock: FakeClock, store: Remote | MemoryStore, way: WhenStoreFails = "local") -> Claims:
    return Claims(replace(fake_services(clock), store=store), way)


async def test_the_first_is_told_so_and_others_what_stands_there(clock: FakeClock) -> None:
    made = claims(clock, Remote(clock))

    first, second = await made.claim("k", b"1", 9), await made.claim("k", b"2", 9)
    await made.settle(first, "k", b"1", b"done", 9)

    assert [None, b"1", b"done"] == [
        first.standing,
        second.standing,
        (await made.claim("k", b"3", 9)).standing,
    ]


@pytest.mark.parametrize("way", ["refuse", "allow"])
async def test_who_does_not_go_on_in_memory_is_told_that_the_store_is_away(
    clock: FakeClock, way: WhenStoreFails
) -> None:
    with pytest.raises(StoreError):
        await claims(clock, Remote(clock, away=True), way).claim("k", b"1", 9)


async def test_a_store_in_memory_has_no_other_to_go_on_with(clock: FakeClock) -> None:
    with pytest.raises(StoreError):
        await claims(clock, MemoryStore(clock, max_keys=0)).claim("k", b"1", 9)


async def test_while_the_store_is_away_one_is_the_first_in_memory(clock: FakeClock) -> None:
    made = claims(clock, Remote(clock, away=True))

    first, second = await made.claim("k", b"1", 9), await made.claim("k", b"2", 9)

    assert [None, b"1"] == [first.standing, second.standing]


async def test_what_was_done_meanwhile_is_known_when_the_store_is_back(clock: FakeClock) -> None:
    store = Remote(clock, away=True)
    made = claims(clock, store)
    first = await made.claim("k", b"1", 9)
    await made.settle(first, "k", b"1", b"done", 99)

    store.away = False

    assert b"done" == (await made.claim("k", b"2", 9)).standing


async def test_what_was_claimed_before_the_store_went_is_known_too(
    clock: FakeClock,
) -> None:
    store = Remote(clock)
    made = claims(clock, store)
    first = await made.claim("k", b"1", 9)
    store.away = True
    await made.settle(first, "k", b"1", b"done", 99)
    away = await made.claim("k", b"2", 9)
    store.away = False

    assert [b"done", b"done"] == [away.standing, (await made.claim("k", b"3", 9)).standing]


async def test_what_came_to_nothing_is_not_remembered(clock: FakeClock) -> None:
    store = Remote(clock, away=True)
    made = claims(clock, store)
    first = await made.claim("k", b"1", 9)
    await made.settle(first, "k", b"1", b"", 0)

    assert None is (await made.claim("k", b"2", 9)).standing


async def test_where_nothing_goes_on_in_memory_the_claim_ends_by_itself(clock: FakeClock) -> None:
    store = Remote(clock)
    made = claims(clock, store, "refuse")
    first = await made.claim("k", b"1", 9)
    store.away = {"confirm"}
    await made.settle(first, "k", b"1", b"done", 99)
    before = (await made.claim("k", b"2", 9)).standing
    await clock.advance(9)

    assert [b"1", None] == [before, (await made.claim("k", b"3", 9)).standing]
