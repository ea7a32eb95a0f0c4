"""One spelling for each point in time, and nothing else is one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.algorithms.timestamps import TimeUnit, read_timestamp, write_timestamp


@pytest.mark.parametrize(
    ("text", "unit", "seconds"),
    [
        pytest.param("1531420618", "s", 1531420618.0, id="seconds"),
        pytest.param("0", "s", 0.0, id="the epoch"),
        pytest.param("1531420618123", "ms", 1531420618.123, id="milliseconds"),
        pytest.param("2021-03-25T05:09:27Z", "iso8601", 1616648967.0, id="UTC"),
        pytest.param("2021-03-25T06:09:27+01:00", "iso8601", 1616648967.0, id="an offset"),
        pytest.param("2021-03-25T05:09:27.250Z", "iso8601", 1616648967.25, id="a fraction"),
        pytest.param("2022-07-13T20:30:59.037339943Z", "iso8601", 1657744259.037339, id="nanoseconds"),
    ],
)
def test_a_time_is_read(text: str, unit: TimeUnit, seconds: float) -> None:
    assert seconds == read_timestamp(text, unit)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("1e9", id="an exponent"),
        pytest.param("١٢٣", id="digits of another script"),
        pytest.param("１２３", id="full-width digits"),
        pytest.param("-1531420618", id="a minus sign"),
        pytest.param("+1531420618", id="a plus sign"),
        pytest.param("15314_20618", id="an underscore"),
        pytest.param(" 1531420618", id="a space before it"),
        pytest.param("1531420618\n", id="a line end after it"),
        pytest.param("0x5b47a38a", id="hexadecimal"),
        pytest.param("1531420618.5", id="a fraction"),
        pytest.param("12345678901234567890", id="twenty digits"),
        pytest.param("nan", id="no number"),
        pytest.param("inf", id="infinity"),
        pytest.param("1531420618\udcff", id="a byte that is no text"),
    ],
)
@pytest.mark.parametrize("unit", ["s", "ms", "iso8601"])
def test_what_int_or_float_might_take_is_no_time(text: str, unit: TimeUnit) -> None:
    assert read_timestamp(text, unit) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2021-03-25", id="a date alone"),
        pytest.param("2021-03-25T05:09:27", id="no offset"),
        pytest.param("2021-03-25 05:09:27Z", id="a space in it"),
        pytest.param("2021-03-25t05:09:27z", id="small letters"),
        pytest.param("2021-13-25T05:09:27Z", id="a thirteenth month"),
        pytest.param("2021-03-25T05:09:60Z", id="a leap second"),
        pytest.param("20210325T050927Z", id="the basic format"),
        pytest.param("2021-W12-4T05:09:27Z", id="a week"),
        pytest.param("0000-01-01T00:00:00Z", id="a year that was not"),
        pytest.param("1531420618", id="a number"),
    ],
)
def test_what_is_no_date_with_a_time_and_an_offset(text: str) -> None:
    assert read_timestamp(text, "iso8601") is None


@pytest.mark.parametrize("unit", ["s", "ms", "iso8601"])
@given(at=st.integers(0, 4_000_000_000))
@settings(max_examples=30)
def test_what_is_written_can_be_read_again(unit: TimeUnit, at: int) -> None:
    assert float(at) == read_timestamp(write_timestamp(float(at), unit), unit)


def test_a_time_is_cut_and_not_rounded_up_into_the_future() -> None:
    written = [write_timestamp(1616648967.9996, unit) for unit in ("s", "ms", "iso8601")]

    assert ["1616648967", "1616648967999", "2021-03-25T05:09:27Z"] == written


@given(text=st.text(max_size=40))
@settings(max_examples=100)
def test_whatever_is_read_nothing_is_raised(text: str) -> None:
    read = [read_timestamp(text, unit) for unit in ("s", "ms", "iso8601")]

    assert all(each is None or isinstance(each, float) for each in read)
