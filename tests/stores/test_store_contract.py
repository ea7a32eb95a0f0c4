"""What every store promises. A new store is one more parameter of the fixture."""

from __future__ import annotations

import asyncio

import pytest

from proxy.algorithms.gcra import Quota
from proxy.stores.memory import MemoryStore
from proxy.stores.protocol import Store
from proxy.testing import FakeClock

TEN_A_SECOND = Quota(limit=10, period=1.0, burst=5)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory"])
def store(request: pytest.FixtureRequest, clock: FakeClock) -> Store:
    stores = {"memory": lambda: MemoryStore(clock)}
    return stores[request.param]()


class TestTake:
    async def test_of_many_callers_at_once_exactly_burst_pass(self, store: Store) -> None:
        taken = await asyncio.gather(*(store.take("k", TEN_A_SECOND) for _ in range(50)))

        assert 5 == sum(decision.allowed for decision in taken)

    async def test_what_is_left_counts_down_to_none(self, store: Store) -> None:
        left = [(await store.take("k", TEN_A_SECOND)).remaining for _ in range(6)]

        assert [4, 3, 2, 1, 0, 0] == left

    async def test_a_refusal_says_when_it_would_pass_and_is_right(
        self, store: Store, clock: FakeClock
    ) -> None:
        for _ in range(5):
            await store.take("k", TEN_A_SECOND)

        refused = await store.take("k", TEN_A_SECOND)
        await clock.advance(refused.retry_after - 0.001)
        too_early = await store.take("k", TEN_A_SECOND)
        await clock.advance(0.001)
        in_time = await store.take("k", TEN_A_SECOND)

        assert (False, 0.1) == (refused.allowed, refused.retry_after)
        assert (False, True) == (too_early.allowed, in_time.allowed)

    async def test_refusals_consume_nothing(self, store: Store, clock: FakeClock) -> None:
        for _ in range(50):
            await store.take("k", TEN_A_SECOND)
        await clock.advance(0.5)

        assert 5 == sum([(await store.take("k", TEN_A_SECOND)).allowed for _ in range(10)])

    async def test_a_request_may_cost_more_than_one(self, store: Store) -> None:
        dear = await store.take("k", TEN_A_SECOND, 4)
        too_dear = await store.take("k", TEN_A_SECOND, 2)
        cheap = await store.take("k", TEN_A_SECOND, 1)

        assert [(True, 1), (False, 1), (True, 0)] == [
            (d.allowed, d.remaining) for d in (dear, too_dear, cheap)
        ]

    async def test_one_key_costs_another_nothing(self, store: Store) -> None:
        for _ in range(10):
            await store.take("mine", TEN_A_SECOND)

        assert (await store.take("yours", TEN_A_SECOND)).allowed


class TestTakeAll:
    async def test_all_buckets_pay_where_all_agree(self, store: Store) -> None:
        taken = await store.take_all([("a", TEN_A_SECOND, 1), ("b", TEN_A_SECOND, 2)])

        assert [(True, 4), (True, 3)] == [(d.allowed, d.remaining) for d in taken]

    async def test_one_that_refuses_costs_the_others_nothing(self, store: Store) -> None:
        for _ in range(5):
            await store.take("empty", TEN_A_SECOND)

        for _ in range(20):
            taken = await store.take_all([("full", TEN_A_SECOND, 1), ("empty", TEN_A_SECOND, 1)])

        assert [(True, 5), (False, 0)] == [(d.allowed, d.remaining) for d in taken]

    async def test_a_key_that_is_named_twice_pays_twice(self, store: Store) -> None:
        first = await store.take_all([("k", TEN_A_SECOND, 3), ("k", TEN_A_SECOND, 3)])
        second = await store.take_all([("k", TEN_A_SECOND, 3), ("k", TEN_A_SECOND, 2)])

        assert [True, False] == [d.allowed for d in first]
        assert [True, True] == [d.allowed for d in second]

    async def test_of_many_callers_at_once_as_many_pass_as_the_tightest_allows(self, store: Store) -> None:
        tight = Quota(limit=1, period=1.0, burst=3)
        wanted = [("wide", TEN_A_SECOND, 1), ("tight", tight, 1)]

        taken = await asyncio.gather(*(store.take_all(wanted) for _ in range(50)))

        assert 3 == sum(all(d.allowed for d in decisions) for decisions in taken)
        assert 1 == (await store.take("wide", TEN_A_SECOND)).remaining

    async def test_nothing_wanted_is_nothing_decided(self, store: Store) -> None:
        assert [] == await store.take_all([])


class TestClaim:
    async def test_of_many_claims_at_once_one_wins_and_the_rest_see_its_value(self, store: Store) -> None:
        seen = await asyncio.gather(*(store.claim("k", b"%d" % n, 60) for n in range(50)))

        winner = seen.index(None)
        assert [b"%d" % winner] * 49 == [value for value in seen if value is not None]

    async def test_an_empty_value_is_a_claim_as_well(self, store: Store) -> None:
        assert (None, b"") == (await store.claim("k", b"", 60), await store.claim("k", b"x", 60))

    async def test_a_claim_stands_until_it_expires(self, store: Store, clock: FakeClock) -> None:
        await store.claim("k", b"first", 60)
        await clock.advance(59.999)
        before = await store.claim("k", b"second", 60)
        await clock.advance(0.001)
        after = await store.claim("k", b"third", 60)

        assert (b"first", None, b"third") == (before, after, await store.get("k"))

    async def test_a_losing_claim_does_not_prolong_the_winner(self, store: Store, clock: FakeClock) -> None:
        await store.claim("k", b"first", 10)
        await clock.advance(9)
        await store.claim("k", b"second", 10)
        await clock.advance(1)

        assert None is await store.get("k")


class TestConfirm:
    async def test_a_claim_is_confirmed_by_whoever_holds_it(self, store: Store, clock: FakeClock) -> None:
        await store.claim("k", b"pending", 10)
        confirmed = await store.confirm("k", b"pending", b"done", 60)
        await clock.advance(30)

        assert (True, b"done") == (confirmed, await store.get("k"))

    async def test_of_many_confirmations_at_once_one_wins(self, store: Store) -> None:
        await store.claim("k", b"pending", 10)

        done = await asyncio.gather(*(store.confirm("k", b"pending", b"%d" % n, 60) for n in range(50)))

        assert (1, b"%d" % done.index(True)) == (sum(done), await store.get("k"))

    @pytest.mark.parametrize(
        "standing", [pytest.param(None, id="nothing"), pytest.param(b"mine", id="another value")]
    )
    async def test_something_else_stays_as_it_is(self, store: Store, standing: bytes | None) -> None:
        if standing is not None:
            await store.set("k", standing, 10)

        assert (False, standing) == (await store.confirm("k", b"pending", b"done", 60), await store.get("k"))

    async def test_what_has_expired_can_not_be_confirmed(self, store: Store, clock: FakeClock) -> None:
        await store.claim("k", b"pending", 10)
        await clock.advance(10)

        assert (False, None) == (await store.confirm("k", b"pending", b"done", 60), await store.get("k"))

    async def test_a_claim_is_released_by_confirming_it_with_no_time_to_live(self, store: Store) -> None:
        await store.claim("k", b"pending", 10)
        released = await store.confirm("k", b"pending", b"", 0)

        assert (True, None, None) == (released, await store.get("k"), await store.claim("k", b"again", 10))


class TestSetAndGet:
    async def test_what_was_never_set_is_none(self, store: Store) -> None:
        assert None is await store.get("k")

    async def test_the_last_one_stands_with_its_own_time_to_live(
        self, store: Store, clock: FakeClock
    ) -> None:
        await store.set("k", b"long", 60)
        await store.set("k", b"\x00\xff short", 5)
        await clock.advance(4.9)
        before = await store.get("k")
        await clock.advance(0.1)

        assert (b"\x00\xff short", None) == (before, await store.get("k"))

    async def test_a_longer_time_to_live_counts_from_then_on(self, store: Store, clock: FakeClock) -> None:
        await store.set("k", b"v", 5)
        await store.set("k", b"v", 60)
        await clock.advance(59)

        assert b"v" == await store.get("k")

    async def test_no_time_to_live_takes_it_away(self, store: Store) -> None:
        await store.set("k", b"v", 60)
        await store.set("k", b"v", 0)

        assert None is await store.get("k")

    async def test_any_text_is_a_key(self, store: Store) -> None:
        keys = ["", "a", "a b\r\n", "é", "\udcff", "k" * 5000, "k" * 4999 + "j"]
        for number, key in enumerate(keys):
            await store.set(key, b"%d" % number, 60)

        assert [b"%d" % number for number in range(len(keys))] == [await store.get(key) for key in keys]


class TestLease:
    async def test_of_many_callers_at_once_limit_get_a_place(self, store: Store) -> None:
        held = await asyncio.gather(*(store.lease("k", f"h{n}", 3, 60) for n in range(50)))

        assert 3 == sum(held)

    async def test_a_place_that_is_given_back_is_free(self, store: Store) -> None:
        await store.lease("k", "a", 1, 60)
        refused = await store.lease("k", "b", 1, 60)
        await store.release("k", "a")

        assert (False, True) == (refused, await store.lease("k", "b", 1, 60))

    async def test_giving_back_what_one_does_not_hold_changes_nothing(self, store: Store) -> None:
        await store.release("k", "a")
        await store.lease("k", "a", 1, 60)
        await store.release("k", "b")

        assert not await store.lease("k", "b", 1, 60)

    async def test_a_place_expires(self, store: Store, clock: FakeClock) -> None:
        await store.lease("k", "a", 1, 10)
        await clock.advance(10)

        assert await store.lease("k", "b", 1, 10)

    async def test_one_of_several_places_expires_by_itself(self, store: Store, clock: FakeClock) -> None:
        await store.lease("k", "a", 2, 10)
        await store.lease("k", "b", 2, 60)
        await clock.advance(10)

        assert [True, False] == [await store.lease("k", "c", 2, 60), await store.lease("k", "d", 2, 60)]

    async def test_asking_again_renews_and_takes_no_second_place(
        self, store: Store, clock: FakeClock
    ) -> None:
        await store.lease("k", "a", 2, 10)
        await clock.advance(9)
        await store.lease("k", "a", 2, 10)
        await clock.advance(9)

        assert [True, False] == [await store.lease("k", "b", 2, 10), await store.lease("k", "c", 2, 10)]

    async def test_a_full_house_renews_its_own(self, store: Store) -> None:
        await store.lease("k", "a", 1, 10)

        assert await store.lease("k", "a", 1, 10)

    async def test_keys_have_places_of_their_own(self, store: Store) -> None:
        assert [True, True] == [await store.lease("k", "a", 1, 10), await store.lease("j", "a", 1, 10)]

    async def test_no_place_is_no_place(self, store: Store) -> None:
        assert not await store.lease("k", "a", 0, 10)
