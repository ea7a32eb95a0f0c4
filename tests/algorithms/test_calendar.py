from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.algorithms.calendar import DAY, WEEK, is_calendar, period

MONTH = 30 * DAY
"""What limits have as the period of a month."""
_TIMES = st.floats(0, 4_102_444_800)  # to the year 2100
_PERIODS = st.sampled_from([1, 60, 900, 3600, 4 * 3600, DAY, WEEK])


def text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("seconds", "month", "expected"),
    [
        (60, False, ("2024-02-29 13:47:00", "2024-02-29 13:48:00")),
        (3600, False, ("2024-02-29 13:00:00", "2024-02-29 14:00:00")),
        (4 * 3600, False, ("2024-02-29 12:00:00", "2024-02-29 16:00:00")),
        (DAY, False, ("2024-02-29 00:00:00", "2024-03-01 00:00:00")),
        (WEEK, False, ("2024-02-26 00:00:00", "2024-03-04 00:00:00")),
        (MONTH, True, ("2024-02-01 00:00:00", "2024-03-01 00:00:00")),
    ],
)
def test_which_period_a_moment_is_in(seconds: int, month: bool, expected: tuple[str, str]) -> None:
    now = datetime(2024, 2, 29, 13, 47, 11, 500_000, tzinfo=UTC).timestamp()
    start, end = period(now, seconds, month=month)

    assert expected == (text(start), text(end))


def test_a_year_ends_with_december() -> None:
    start, end = period(datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp(), MONTH, month=True)

    assert ("2025-12-01 00:00:00", "2026-01-01 00:00:00") == (text(start), text(end))


def test_the_last_moment_of_a_month_is_in_it() -> None:
    start, end = period(2051222399.9999995, MONTH, month=True)

    assert ("2034-12-01 00:00:00", "2035-01-01 00:00:00") == (text(start), text(end))


@given(_TIMES, _PERIODS, st.booleans())
def test_each_moment_is_in_one_period_and_the_next_begins_where_it_ends(
    now: float, seconds: int, month: bool
) -> None:
    start, end = period(now, seconds, month=month)

    assert start <= now < end
    assert (start, end) == period(start, seconds, month=month)
    assert end == period(end, seconds, month=month)[0]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(1, True), (60, True), (5400, True), (DAY, True), (WEEK, True), (7 * 3600, False), (2 * DAY, False),
     (0.5, False), (1.5, False), (MONTH, False)],
)  # fmt: skip
def test_which_periods_a_calendar_has(seconds: float, expected: bool) -> None:
    assert expected is is_calendar(seconds)
    assert is_calendar(seconds, month=True)
