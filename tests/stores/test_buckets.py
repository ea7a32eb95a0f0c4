"""Who is forgotten where there are more keys than places, and who never is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.algorithms.gcra import Penalty, Quota
from proxy.stores.buckets import BucketTable
from proxy.stores.protocol import Buckets

SECOND = 1_000_000
SLOW = Buckets("slow", Quota(limit=1, period=60.0, burst=3), max_keys=100)
MINUTE = 60 * SECOND


def used(table: BucketTable, key: str, buckets: Buckets = SLOW, now: int = 0) -> int:
    """Minutes until the bucket at `key` is full."""
    return (table.look(buckets, key, now)[1] - now) // MINUTE


def exhaust(table: BucketTable, key: str, buckets: Buckets = SLOW, now: int = 0) -> None:
    for _ in range(buckets.quota.burst):
        table.take(buckets, key, now, 1)


def test_ten_times_more_keys_than_places_do_not_reset_a_caller_who_is_refused() -> None:
    table = BucketTable()
    exhaust(table, "the abuser")

    for n in range(10 * SLOW.max_keys):
        table.take(SLOW, f"flood {n}", 0, 1)

    assert (False, 3 * MINUTE) == table.take(SLOW, "the abuser", 0, 1)


def test_keys_that_are_all_exhausted_do_not_either() -> None:
    table = BucketTable()
    exhaust(table, "the abuser")

    for n in range(10 * SLOW.max_keys):
        exhaust(table, f"flood {n}", now=n)

    assert not table.take(SLOW, "the abuser", 1000, 1)[0]


def test_where_all_are_refused_who_finds_no_place_shares_one_bucket() -> None:
    table, two = BucketTable(), replace(SLOW, max_keys=2)
    exhaust(table, "a", two)
    exhaust(table, "b", two)

    assert [True] * 3 + [False] == [table.take(two, f"new {n}", 0, 1)[0] for n in range(4)]
    assert 0 == table.forgotten


def test_what_they_share_is_as_limited_as_any_bucket() -> None:
    table, one = BucketTable(), replace(SLOW, max_keys=1)
    exhaust(table, "a", one)
    exhaust(table, "new", one)

    assert [False, True] == [
        table.take(one, "other", MINUTE - 1, 1)[0],
        table.take(one, "other", MINUTE, 1)[0],
    ]


def test_a_place_that_is_free_again_goes_to_a_new_key() -> None:
    table, one = BucketTable(), replace(SLOW, max_keys=1)
    exhaust(table, "a", one)
    exhaust(table, "new", one)

    later = 3 * MINUTE + 1
    assert [(True, MINUTE), (True, 2 * MINUTE)] == [table.take(one, "new", later, 1) for _ in range(2)]


def test_buckets_that_are_full_again_are_forgotten_before_any_other() -> None:
    table, three = BucketTable(), replace(SLOW, max_keys=3)
    table.take(three, "old", 0, 1)
    for key in ("mine", "yours", "theirs"):
        table.take(three, key, 61 * SECOND, 1)

    assert ([1, 1, 1], 0) == (
        [used(table, key, three, 61 * SECOND) for key in ("mine", "yours", "theirs")],
        table.forgotten,
    )


def test_the_bound_gives_up_the_bucket_that_would_be_full_soonest_and_counts_it() -> None:
    table, two = BucketTable(), replace(SLOW, max_keys=2)
    table.take(two, "twice", 0, 2)
    table.take(two, "once", 0, 1)
    table.take(two, "new", 0, 1)

    assert ([2, 0, 1], 1) == ([used(table, key, two) for key in ("twice", "once", "new")], table.forgotten)


def test_a_bucket_that_was_used_again_is_judged_by_what_it_is_now() -> None:
    table, two = BucketTable(), replace(SLOW, max_keys=2)
    for key in ("first", "second", "first", "third"):
        table.take(two, key, 0, 1)

    assert [2, 0, 1] == [used(table, key, two) for key in ("first", "second", "third")]


def test_a_refused_request_takes_no_room() -> None:
    table, one = BucketTable(), replace(SLOW, max_keys=1)
    table.take(one, "mine", 0, 1)
    for n in range(10):
        table.take(one, f"too dear {n}", 0, 4)

    assert (1, 0) == (used(table, "mine", one), table.forgotten)


def test_a_bound_that_was_lowered_is_met_again_bit_by_bit() -> None:
    table = BucketTable()
    for n in range(50):
        table.take(SLOW, f"old {n}", 0, 1)
    lower = replace(SLOW, max_keys=10)

    for n in range(100):
        table.take(lower, f"new {n}", 0, 1)

    kept = sum(used(table, f"{age} {n}", lower) > 0 for age in ("old", "new") for n in range(100))
    assert 10 == kept


def test_with_a_new_quota_who_was_refused_still_is() -> None:
    table = BucketTable()
    exhaust(table, "k")
    tighter = replace(SLOW, quota=Quota(limit=1, period=3600.0, burst=1))

    assert (False, 3600 * SECOND) == table.take(tighter, "k", 0, 1)


def test_a_time_that_a_new_quota_brings_nearer_is_not_kept_longer() -> None:
    table = BucketTable()
    exhaust(table, "k")
    faster = replace(SLOW, quota=Quota(limit=1, period=1.0, burst=4), max_keys=1)
    table.take(faster, "k", 0, 1)

    taken = table.take(faster, "new", 5 * SECOND, 1)

    assert ((True, SECOND), 0) == (taken, table.forgotten)


def test_a_penalty_that_is_taken_out_of_the_policy_ends_with_the_wait_it_made() -> None:
    table, strict = BucketTable(), replace(SLOW, penalty=Penalty(0, 10.0, 3600 * SECOND))
    exhaust(table, "k", strict)
    table.take(strict, "k", 0, 1)
    before = table.take(SLOW, "k", 0, 1)

    assert (False, False, True) == (
        before[0],
        table.take(SLOW, "k", 10 * MINUTE - 1, 1)[0],
        table.take(SLOW, "k", 10 * MINUTE, 1)[0],
    )


@pytest.mark.parametrize("quota", [Quota(1, 60.0, 3), Quota(7, 1.0, 7)])
def test_a_table_is_full_once_its_last_bucket_is(quota: Quota) -> None:
    table, buckets = BucketTable(), replace(SLOW, quota=quota)
    table.take(buckets, "a", 0, 1)
    table.take(buckets, "b", 0, 2)

    assert (False, True) == (table.is_full(2 * quota.interval - 1), table.is_full(2 * quota.interval))


@settings(max_examples=50, deadline=None)
@given(
    places=st.integers(1, 5),
    steps=st.lists(
        st.tuples(st.integers(0, 12), st.integers(1, 3), st.sampled_from([0, 1, 30 * SECOND])), max_size=80
    ),
)
def test_whatever_comes_places_stay_bounded_and_who_is_refused_stays_refused(
    places: int, steps: list[tuple[int, int, int]]
) -> None:
    table, buckets = BucketTable(), replace(SLOW, max_keys=places)
    now = 0
    refused_until: dict[str, int] = {}
    for number, cost, pause in steps:
        now += pause
        key = str(number)
        passed, left = table.take(buckets, key, now, cost)
        has_a_place = table.look(buckets, key, now)[0] == key
        if cost == 1 and not passed and has_a_place:
            refused_until[key] = now + buckets.quota.wait(left)
        elif cost == 1 and passed:
            assert refused_until.get(key, now) <= now
        assert len(table._shelf) <= places
