"""Retry-After, in both its forms and in none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.algorithms.retry_after import seconds_asked

NOW = datetime(2026, 1, 5, 9, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("999999999", 999_999_999.0),
        ("Mon, 05 Jan 2026 09:01:30 GMT", 90.0),
        ("Mon, 05 Jan 2026 08:00:00 GMT", 0.0),
        ("Mon, 31 Feb 2026 08:00:00 GMT", None),
        ("Mon, 05 Jan 0000 08:00:00 GMT", None),
        ("Monday, 05-Jan-26 09:01:30 GMT", None),
        ("Mon Jan  5 09:01:30 2026", None),
        ("Mon, 05 Jan 2026 09:01:30 CET", None),
        ("-1", None),
        ("1.5", None),
        ("1e9", None),
        ("٣", None),
        ("1234567890", None),
        ("5, 6", None),
        ("", None),
    ],
)
def test_what_a_server_says(value: str, seconds: float | None) -> None:
    assert seconds == seconds_asked(value, NOW)


@given(st.text(max_size=40))
def test_nothing_breaks_it(value: str) -> None:
    seconds = seconds_asked(value, NOW)

    assert seconds is None or seconds >= 0


@given(st.datetimes(min_value=datetime(2026, 1, 6), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001
def test_every_date_is_understood(date: datetime) -> None:
    date = date.replace(microsecond=0, tzinfo=UTC)

    assert date.timestamp() - NOW == seconds_asked(date.strftime("%a, %d %b %Y %H:%M:%S GMT"), NOW)
