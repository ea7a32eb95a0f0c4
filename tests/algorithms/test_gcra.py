"""The one piece of arithmetic behind every limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.algorithms.gcra import MICROSECONDS, Decision, Quota, take

times = st.integers(-(10**15), 10**15)
quotas = st.builds(
    Quota,
    limit=st.integers(1, 100_000),
    period=st.sampled_from([0.25, 1.0, 7.0, 60.0, 3600.0, 86400.0]),
    burst=st.integers(1, 60),
)


@given(start=times, quota=quotas)
def test_from_any_start_exactly_burst_pass(start: int, quota: Quota) -> None:
    full_at, allowed = start, []
    for _ in range(quota.burst + 2):
        full_at, decision = take(full_at, start, quota)
        allowed.append(decision.allowed)

    assert [True] * quota.burst + [False, False] == allowed


@given(start=times, quota=quotas, gaps=st.lists(st.integers(0, 3 * MICROSECONDS), max_size=60))
def test_never_more_than_burst_and_the_rate_pass(start: int, quota: Quota, gaps: list[int]) -> None:
    full_at, now, passed = start, start, 0
    for gap in gaps:
        now += gap
        full_at, decision = take(full_at, now, quota)
        passed += decision.allowed

    assert passed <= quota.burst + (now - start) / MICROSECONDS * quota.limit / quota.period


@given(data=st.data(), quota=quotas)
def test_a_refusal_consumes_nothing_and_its_wait_is_enough_and_not_too_long(
    data: st.DataObject, quota: Quota
) -> None:
    cost = data.draw(st.integers(1, quota.burst))
    used = data.draw(st.integers(quota.burst - cost + 1, quota.burst))
    full_at, _ = take(0, 0, quota, used)

    after, refused = take(full_at, 0, quota, cost)
    wait = round(refused.retry_after * MICROSECONDS)
    _, too_early = take(after, wait - 1, quota, cost)
    _, in_time = take(after, wait, quota, cost)

    assert (full_at, False, False, True) == (after, refused.allowed, too_early.allowed, in_time.allowed)


@given(start=times, quota=quotas, cost=st.integers(1, 60))
def test_what_is_said_to_be_left_can_be_taken_at_once_and_no_more(
    start: int, quota: Quota, cost: int
) -> None:
    full_at, decision = take(start, start, quota, cost)

    if decision.remaining:
        assert take(full_at, start, quota, decision.remaining)[1].allowed
    assert not take(full_at, start, quota, decision.remaining + 1)[1].allowed


@given(start=times, quota=quotas, cost=st.integers(1, 60))
def test_after_the_time_to_reset_the_bucket_is_full(start: int, quota: Quota, cost: int) -> None:
    full_at, decision = take(start, start, quota, cost)
    later = start + round(decision.reset_after * MICROSECONDS)

    assert quota.burst == take(full_at, later, quota, 0)[1].remaining


def test_the_tenth_of_a_burst_of_ten_at_a_hundred_a_minute_passes() -> None:
    quota = Quota(limit=100, period=60.0, burst=10)
    full_at = now = 1_234_567_890_123

    decisions = []
    for _ in range(11):
        full_at, decision = take(full_at, now, quota)
        decisions.append(decision)

    assert [Decision(True, 0, 0.0, 6.0), Decision(False, 0, 0.6, 6.0)] == decisions[9:]


def test_a_cost_of_nothing_only_looks() -> None:
    quota = Quota(limit=1, period=1.0, burst=2)
    full_at, _ = take(0, 0, quota)

    assert (full_at, Decision(True, 1, 0.0, 1.0)) == take(full_at, 0, quota, 0)


def test_a_cost_above_the_burst_never_passes() -> None:
    quota = Quota(limit=1, period=1.0, burst=2)

    assert [False, False] == [take(0, now, quota, 3)[1].allowed for now in (0, 10**12)]


def test_a_smaller_burst_after_a_reload_leaves_nothing_rather_than_less_than_nothing() -> None:
    full_at, _ = take(0, 0, Quota(limit=1, period=1.0, burst=10), 10)

    assert Decision(False, 0, 9.0, 10.0) == take(full_at, 0, Quota(limit=1, period=1.0, burst=2))[1]


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
    assert interval == Quota(limit, period, 1).interval


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
