"""The one piece of arithmetic behind every limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.algorithms.gcra import MICROSECONDS, Penalty, Quota, punished, rescaled, take

times = st.integers(-(10**15), 10**15)
quotas = st.builds(
    Quota,
    limit=st.integers(1, 100_000),
    period=st.sampled_from([0.25, 1.0, 7.0, 60.0, 3600.0, 86400.0]),
    burst=st.integers(1, 60),
)


@given(start=times, quota=quotas)
def test_from_any_start_exactly_burst_pass(start: int, quota: Quota) -> None:
    full_at, passed = start, []
    for _ in range(quota.burst + 2):
        passes, used = take(full_at, start, quota)
        full_at = start + used
        passed.append(passes)

    assert [True] * quota.burst + [False, False] == passed


@given(start=times, quota=quotas, gaps=st.lists(st.integers(0, 3 * MICROSECONDS), max_size=60))
def test_never_more_than_burst_and_the_rate_pass_in_any_window(
    start: int, quota: Quota, gaps: list[int]
) -> None:
    full_at = now = start
    passed: list[int] = []
    for gap in gaps:
        now += gap
        passes, used = take(full_at, now, quota)
        if passes:
            full_at = now + used
            passed.append(now)

    rate = quota.limit / quota.period / MICROSECONDS
    windows = [
        (count, last - first)
        for at, first in enumerate(passed)
        for count, last in enumerate(passed[at:], start=1)
    ]
    assert [] == [window for window in windows if window[0] > quota.burst + window[1] * rate]


@given(data=st.data(), quota=quotas)
def test_the_wait_of_a_refusal_is_enough_and_not_too_long(data: st.DataObject, quota: Quota) -> None:
    cost = data.draw(st.integers(1, quota.burst))
    used = data.draw(st.integers(quota.burst - cost + 1, quota.burst))
    _, full_at = take(0, 0, quota, used)

    refused, left = take(full_at, 0, quota, cost)
    wait = quota.wait(left, cost)

    assert (False, full_at, False, True) == (
        refused,
        left,
        take(full_at, wait - 1, quota, cost)[0],
        take(full_at, wait, quota, cost)[0],
    )


@given(start=times, quota=quotas, cost=st.integers(1, 60))
def test_what_is_said_to_be_left_can_be_taken_at_once_and_no_more(
    start: int, quota: Quota, cost: int
) -> None:
    _, used = take(start, start, quota, cost)
    left = quota.remaining(used)

    assert take(start + used, start, quota, left)[0] or not left
    assert not take(start + used, start, quota, left + 1)[0]


@given(data=st.data(), quota=quotas)
def test_the_burst_that_would_have_been_enough_is_the_smallest_one(data: st.DataObject, quota: Quota) -> None:
    cost = data.draw(st.integers(1, 100))
    used = data.draw(st.integers(0, quota.tolerance))
    enough = quota.burst_for(used, cost)

    passes = [take(used, 0, Quota(quota.limit, quota.period, burst), cost)[0] for burst in (enough,)]
    smaller = enough > 1 and take(used, 0, Quota(quota.limit, quota.period, enough - 1), cost)[0]
    assert ([True], False) == (passes, smaller)


def test_the_tenth_of_a_burst_of_ten_at_a_hundred_a_minute_passes() -> None:
    quota = Quota(limit=100, period=60.0, burst=10)
    full_at = now = 1_234_567_890_123

    taken = []
    for _ in range(11):
        taken.append(take(full_at, now, quota))
        full_at = now + taken[-1][1]

    assert [(True, 6_000_000), (False, 6_000_000)] == taken[9:]
    assert 600_000 == quota.wait(6_000_000)


def test_a_cost_of_nothing_only_looks() -> None:
    assert (True, 500_000) == take(500_000, 0, Quota(limit=1, period=1.0, burst=2), 0)


def test_a_cost_above_the_burst_never_passes() -> None:
    quota = Quota(limit=1, period=1.0, burst=2)

    assert [False, False] == [take(0, now, quota, 3)[0] for now in (0, 10**12)]


@given(before=quotas, quota=quotas, share=st.floats(0, 1))
def test_a_new_quota_leaves_the_same_share_used_and_never_less(
    before: Quota, quota: Quota, share: float
) -> None:
    used = round(before.tolerance * share)

    now_used = rescaled(1000 + used, 1000, before, quota) - 1000

    assert now_used * before.tolerance >= used * quota.tolerance
    assert (now_used - 1) * before.tolerance < used * quota.tolerance


def test_a_bucket_that_is_full_stays_full_under_a_new_quota() -> None:
    assert 50 == rescaled(20, 50, Quota(1, 1.0, 1), Quota(1, 60.0, 1))


@pytest.mark.parametrize(
    ("refusals", "wait"),
    [
        pytest.param(0, 0, id="none"),
        pytest.param(2, 0, id="as many as cost nothing"),
        pytest.param(3, 2_000_000, id="the first that costs"),
        pytest.param(5, 8_000_000, id="each multiplies"),
        pytest.param(6, 10_000_000, id="up to the most"),
        pytest.param(10**6, 10_000_000, id="also where floats end"),
    ],
)
def test_a_penalty_grows_with_each_refusal_up_to_the_most(refusals: int, wait: int) -> None:
    penalty = Penalty(after=2, factor=2.0, most=10_000_000)

    assert wait == penalty.wait(refusals, Quota(1, 1.0, 1), 1)


@given(quota=quotas, data=st.data(), wait=st.integers(0, 10**12))
def test_who_is_punished_passes_after_the_wait_and_not_before(
    quota: Quota, data: st.DataObject, wait: int
) -> None:
    cost = data.draw(st.integers(1, quota.burst))
    full_at = punished(quota.tolerance, 0, quota, cost, wait)
    least = max(wait, cost * quota.interval)

    assert (least, False, True) == (
        quota.wait(full_at, cost),
        take(full_at, least - 1, quota, cost)[0],
        take(full_at, least, quota, cost)[0],
    )


@pytest.mark.parametrize(
    ("limit", "period", "interval"),
    [
        pytest.param(100, 60.0, 600_000, id="a whole number of microseconds"),
        pytest.param(3, 1.0, 333_334, id="rounded up, so that it is never faster than the limit"),
        pytest.param(10_000, 86400.0, 8_640_000, id="a day"),
        pytest.param(5_000_000, 1.0, 1, id="never nothing"),
    ],
)
def test_one_token_comes_back_in_the_interval(limit: int, period: float, interval: int) -> None:
    assert (interval, 7 * interval) == (
        Quota(limit, period, 1).interval,
        Quota(limit, period, 7).tolerance,
    )


@pytest.mark.parametrize(
    ("limit", "period", "burst"),
    [
        pytest.param(0, 1.0, 1, id="no limit"),
        pytest.param(1, 0.0, 1, id="no period"),
        pytest.param(1, 1.0, 0, id="no burst"),
    ],
)
def test_a_quota_of_nothing_is_refused_when_it_is_made(limit: int, period: float, burst: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Quota(limit, period, burst)
