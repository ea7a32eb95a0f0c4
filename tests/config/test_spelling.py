"""Typed values as they would stand in a file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.model import PoolConfig
from proxy.config.secrets import Secret
from proxy.config.spelling import about, listed, spelled
from proxy.config.units import Duration, HeaderName, Share, Size, StatusSet


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Duration(0), "0ms"),
        (Duration(0.25), "250ms"),
        (Duration(30), "30s"),
        (Duration(60), "1m"),
        (Duration(90), "90s"),
        (Duration(7 * 86400), "7d"),
        (Size(0), "0B"),
        (Size(1000), "1KB"),
        (Size(1023), "1023B"),
        (Size(5_000_000), "5MB"),
        (Size(10 * 2**20), "10MiB"),
        (Share(0.2), "20%"),
        (Share(0.125), "12.5%"),
        (HeaderName("X-A"), "X-A"),
        (Secret("hunter2"), "***"),
        (StatusSet({503, 429}), [429, 503]),
        (StatusSet.parse(["5xx", "502-504", 429]), [429, "5xx"]),
        (StatusSet.parse(["498-503", "505-506"]), [498, 499, "500-503", 505, 506]),
        ((Duration(1), None, True, 5, 0.5), ["1s", None, True, 5, 0.5]),
        ({HeaderName("a"): Size(1024)}, {"a": "1KiB"}),
        (PoolConfig(), {"max_connections": 100, "idle_timeout": "30s", "wait": "1s"}),
    ],
    ids=repr,
)
def test_a_value_is_spelled_with_its_unit(value: object, text: object) -> None:
    assert text == spelled(value)


@given(st.integers(0, 10**9))
def test_what_is_spelled_is_read_as_the_same(amount: int) -> None:
    assert amount / 1000 == pytest.approx(Duration.parse(spelled(Duration(amount / 1000))))
    assert amount == Size.parse(spelled(Size(amount)))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0000015, "1.5µs"),
        (0.6, "600ms"),
        (0.333334, "333.3ms"),
        (1.0, "1s"),
        (8.64, "8.64s"),
        (60.0, "1m"),
        (9000.0, "2.5h"),
        (172800.0, "2d"),
    ],
)
def test_a_time_for_people_has_four_digits(seconds: float, text: str) -> None:
    assert text == about(seconds)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("a",), "a"),
        (("a", "b"), "a and b"),
        (("a", "b", "c"), "a, b and c"),
        (tuple("abcdefg"), "a, b, c and 4 more"),
    ],
)
def test_names_are_listed_and_of_many_the_first(names: tuple[str, ...], told: str) -> None:
    assert told == listed(names)
