"""What every store promises. A new store is one more parameter of the fixture."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from proxy.algorithms.gcra import MICROSECONDS, Penalty, Quota
from proxy.stores.memory import MemoryStore
from proxy.stores.protocol import Buckets, Store
from proxy.stores.redis import RedisStore
from proxy.stores.redis_url import RedisUrl
from proxy.stores.sqlite import SqliteStore
from proxy.testing import FakeClock

TEN_A_SECOND = Buckets("a", Quota(limit=10, period=1.0, burst=5))


_namespaces = count()


@pytest.fixture(params=["memory", "sqlite", "redis", "redis cluster"])
async def store(request: pytest.FixtureRequest, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore(clock)
        return
    made: SqliteStore | RedisStore
    if request.param == "sqlite":
        made = SqliteStore(tmp_path / "store.db", clock)
    else:
        server = request.getfixturevalue("valkey" if request.param == "redis" else "cluster")
        scheme = request.param.replace(" ", "+")
        url = f"{scheme}://127.0.0.1:{server.port}?namespace=contract{next(_namespaces)}"
        made = RedisStore(RedisUrl.parse(url), lambda: round(clock.now() * MICROSECONDS))
    yield made
    await made.close()


class TestTake:
    async def test_of_many_callers_at_once_exactly_burst_pass(self, store: Store) -> None:
        taken = await asyncio.gather(*(store.take(TEN_A_SECOND, "k") for _ in range(50)))

        assert 5 == sum(passed for passed, _ in taken)

    async def test_what_is_used_counts_up_to_the_whole_bucket(self, store: Store) -> None:
        taken = [await store.take(TEN_A_SECOND, "k") for _ in range(6)]

        assert [(True, n * 100_000) for n in range(1, 6)] + [(False, 500_000)] == taken

    async def test_a_bucket_is_there_again_as_fast_as_the_quota_says(
        self, store: Store, clock: FakeClock
    ) -> None:
        for _ in range(5):
            await store.take(TEN_A_SECOND, "k")

        await clock.advance(0.099)
        too_early = await store.take(TEN_A_SECOND, "k")
        await clock.advance(0.001)
        in_time = await store.take(TEN_A_SECOND, "k")

        assert [(False, 401_000), (True, 500_000)] == [too_early, in_time]

    async def test_refusals_consume_nothing(self, store: Store, clock: FakeClock) -> None:
        for _ in range(50):
            await store.take(TEN_A_SECOND, "k")
        await clock.advance(0.5)

        assert 5 == sum([(await store.take(TEN_A_SECOND, "k"))[0] for _ in range(10)])

    async def test_a_request_may_cost_more_than_one(self, store: Store) -> None:
        taken = [await store.take(TEN_A_SECOND, "k", cost) for cost in (4, 2, 1)]

        assert [(True, 400_000), (False, 400_000), (True, 500_000)] == taken

    async def test_one_key_costs_another_nothing(self, store: Store) -> None:
        for _ in range(10):
            await store.take(TEN_A_SECOND, "mine")

        assert (True, 100_000) == await store.take(TEN_A_SECOND, "yours")

    async def test_one_name_costs_another_nothing(self, store: Store) -> None:
        await store.take(TEN_A_SECOND, "k", 5)

        assert (True, 100_000) == await store.take(replace(TEN_A_SECOND, name="b"), "k")

    async def test_the_same_name_is_the_same_limit_whoever_asks(self, store: Store) -> None:
        await store.take(TEN_A_SECOND, "k", 5)

        assert not (await store.take(replace(TEN_A_SECOND), "k"))[0]

    @pytest.mark.parametrize(
        ("quota", "passed"),
        [
            pytest.param(Quota(10, 1.0, 10), 4, id="a larger burst"),
            pytest.param(Quota(10, 1.0, 3), 1, id="a smaller burst"),
            pytest.param(Quota(100, 1.0, 5), 2, id="a higher limit"),
            pytest.param(Quota(1, 60.0, 5), 2, id="a lower limit"),
        ],
    )
    async def test_with_another_quota_the_same_share_is_used(
        self, store: Store, quota: Quota, passed: int
    ) -> None:
        await store.take(TEN_A_SECOND, "k", 3)
        changed = replace(TEN_A_SECOND, quota=quota)

        assert passed == sum([(await store.take(changed, "k"))[0] for _ in range(20)])

    @pytest.mark.parametrize("period", [pytest.param(60.0, id="slower"), pytest.param(0.1, id="faster")])
    async def test_with_another_quota_a_bucket_fills_by_it_also_where_nothing_passes(
        self, store: Store, clock: FakeClock, period: float
    ) -> None:
        changed = replace(TEN_A_SECOND, quota=Quota(10, period, 5))
        await store.take(TEN_A_SECOND, "k", 5)
        await store.take(changed, "k")
        await clock.advance(period / 10 - 0.001)
        too_early = await store.take(changed, "k")
        await clock.advance(0.001)

        assert (False, True) == (too_early[0], (await store.take(changed, "k"))[0])

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            pytest.param(Quota(7, 1.0, 5), Quota(13, 1.0, 7), id="with a rest"),
            pytest.param(Quota(1, 86400.0, 40), Quota(7, 86400.0, 999), id="a product above 2^53"),
            pytest.param(Quota(7, 86400.0, 999), Quota(1, 86400.0, 40), id="and back"),
        ],
    )
    async def test_that_share_is_rounded_up_to_a_microsecond(
        self, store: Store, before: Quota, after: Quota
    ) -> None:
        _, used = await store.take(replace(TEN_A_SECOND, quota=before), "k", 3)
        looked = await store.take(replace(TEN_A_SECOND, quota=after), "k", 10_000)

        assert (False, -(-used * after.tolerance // before.tolerance)) == looked

    async def test_keys_of_any_length_and_content_are_told_apart(self, store: Store) -> None:
        keys = ["", "a", "a b\r\n\0", "é", "\udcff", "\ud801", "k" * 5000, "k" * 4999 + "j"]

        assert [100_000] * len(keys) == [(await store.take(TEN_A_SECOND, key))[1] for key in keys]


class TestPenalty:
    """A bucket of one, a second each; what is past one refusal costs twice as much, up to 10 s."""

    STRICT = Buckets("p", Quota(1, 1.0, 1), penalty=Penalty(1, 2.0, 10_000_000))

    async def waits(self, store: Store, times: int) -> list[float]:
        taken = [await store.take(self.STRICT, "k") for _ in range(times)]
        return [self.STRICT.quota.wait(used) / 1e6 for passed, used in taken if not passed]

    async def test_each_refusal_past_those_that_are_free_makes_the_wait_longer(self, store: Store) -> None:
        assert [1.0, 2.0, 4.0, 8.0, 10.0, 10.0] == await self.waits(store, 7)

    async def test_the_wait_is_kept(self, store: Store, clock: FakeClock) -> None:
        await self.waits(store, 3)
        await clock.advance(1.999)
        before = await store.take(self.STRICT, "k")
        await clock.advance(4.0)
        after = await store.take(self.STRICT, "k")

        assert (False, True) == (before[0], after[0])

    async def test_refusals_are_forgotten_once_the_bucket_is_full(
        self, store: Store, clock: FakeClock
    ) -> None:
        await self.waits(store, 5)
        await clock.advance(9.0)

        assert [1.0, 2.0] == await self.waits(store, 3)

    async def test_they_are_not_forgotten_as_long_as_something_is_used(
        self, store: Store, clock: FakeClock
    ) -> None:
        two = replace(self.STRICT, name="two", quota=Quota(1, 1.0, 2))
        for _ in range(4):
            await store.take(two, "k")
        await clock.advance(2.0)

        taken = [await store.take(two, "k") for _ in range(2)]

        assert ([True, False], 4_000_000) == ([passed for passed, _ in taken], two.quota.wait(taken[1][1]))

    async def test_nobody_else_pays(self, store: Store) -> None:
        await self.waits(store, 5)

        assert (True, 1_000_000) == await store.take(self.STRICT, "somebody else")

    async def test_a_refusal_by_another_limit_does_not_count(self, store: Store) -> None:
        await store.take(TEN_A_SECOND, "empty", 5)
        for _ in range(5):
            await store.take_all([(self.STRICT, "k", 1), (TEN_A_SECOND, "empty", 1)])

        assert [1.0, 2.0] == await self.waits(store, 3)

    async def test_of_several_limits_the_one_that_refuses_counts(self, store: Store) -> None:
        for _ in range(4):
            taken = await store.take_all([(self.STRICT, "k", 1), (TEN_A_SECOND, "k", 1)])

        assert [(False, 4_000_000), (True, 100_000)] == taken


class TestTakeAll:
    async def test_all_buckets_pay_where_all_agree(self, store: Store) -> None:
        taken = await store.take_all([(TEN_A_SECOND, "a", 1), (TEN_A_SECOND, "b", 2)])

        assert [(True, 100_000), (True, 200_000)] == taken

    async def test_one_that_refuses_costs_the_others_nothing(self, store: Store) -> None:
        await store.take(TEN_A_SECOND, "empty", 5)

        for _ in range(20):
            taken = await store.take_all([(TEN_A_SECOND, "full", 1), (TEN_A_SECOND, "empty", 1)])

        assert [(True, 0), (False, 500_000)] == taken

    async def test_a_key_that_is_named_twice_pays_twice(self, store: Store) -> None:
        first = await store.take_all([(TEN_A_SECOND, "k", 3), (TEN_A_SECOND, "k", 3)])
        second = await store.take_all([(TEN_A_SECOND, "k", 3), (TEN_A_SECOND, "k", 2)])

        assert [True, False] == [passed for passed, _ in first]
        assert [(True, 300_000), (True, 500_000)] == second

    async def test_of_many_callers_at_once_as_many_pass_as_the_tightest_allows(self, store: Store) -> None:
        tight = Buckets("tight", Quota(limit=1, period=1.0, burst=3))
        wanted = [(TEN_A_SECOND, "k", 1), (tight, "k", 1)]

        taken = await asyncio.gather(*(store.take_all(wanted) for _ in range(50)))

        assert 3 == sum(all(passed for passed, _ in decisions) for decisions in taken)
        assert (True, 400_000) == await store.take(TEN_A_SECOND, "k")

    async def test_limits_that_nobody_used_before_are_taken_together(self, store: Store) -> None:
        limits = [Buckets(f"new {n}", Quota(1, 60.0, 1)) for n in range(5)]
        wanted = [(limit, "k", 1) for limit in limits]

        await store.take_all(wanted)

        assert [False] * 5 == [passed for passed, _ in await store.take_all(wanted)]

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


class TestPeriod:
    """Ten until the hour is over; nothing comes back before then."""

    QUOTA = Quota(10, 3600.0, 10)

    @staticmethod
    def this_hour(clock: FakeClock, name: str = "hour") -> Buckets:
        start = clock.now() // 3600 * 3600
        return Buckets(f"{name}@{start:.0f}", TestPeriod.QUOTA, ends=start + 3600)

    async def left(self, store: Store, buckets: Buckets, key: str = "k") -> int:
        return self.QUOTA.remaining((await store.take(buckets, key, 11))[1])

    async def test_of_many_callers_at_once_exactly_the_limit_passes(
        self, store: Store, clock: FakeClock
    ) -> None:
        hour = self.this_hour(clock)
        taken = await asyncio.gather(*(store.take(hour, "k") for _ in range(50)))

        assert 10 == sum(passed for passed, _ in taken)

    async def test_nothing_comes_back_before_the_end(self, store: Store, clock: FakeClock) -> None:
        hour = self.this_hour(clock)
        for _ in range(3):
            await store.take(hour, "k")
        await clock.advance(hour.ends - clock.now() - 1)  # type: ignore[operator]

        assert 7 == await self.left(store, hour)

    async def test_the_next_period_begins_anew(self, store: Store, clock: FakeClock) -> None:
        hour = self.this_hour(clock)
        await store.take(hour, "k", 10)
        await clock.advance(hour.ends - clock.now())  # type: ignore[operator]
        taken = await store.take(self.this_hour(clock), "k")

        assert (True, 9) == (taken[0], self.QUOTA.remaining(taken[1]))

    async def test_with_another_limit_the_same_share_is_used(self, store: Store, clock: FakeClock) -> None:
        hour = self.this_hour(clock)
        await store.take(hour, "k", 5)
        wider = replace(hour, quota=Quota(100, 3600.0, 100))

        assert 49 == wider.quota.remaining((await store.take(wider, "k"))[1])

    async def test_it_is_taken_together_with_buckets_that_fill_up(
        self, store: Store, clock: FakeClock
    ) -> None:
        wanted = [(self.this_hour(clock), "k", 4), (TEN_A_SECOND, "k", 1)]
        passed = []
        for _ in range(4):
            passed.append([passes for passes, _ in await store.take_all(wanted)])
            await clock.advance(10)

        assert [[True, True], [True, True], [False, True], [False, True]] == passed
        assert (True, 100_000) == await store.take(TEN_A_SECOND, "k")
        assert 2 == await self.left(store, self.this_hour(clock))

    async def test_keys_and_names_have_counters_of_their_own(self, store: Store, clock: FakeClock) -> None:
        await store.take(self.this_hour(clock), "k", 10)

        assert [10, 10] == [
            await self.left(store, self.this_hour(clock), "other"),
            await self.left(store, self.this_hour(clock, "other")),
        ]
