"""Counts of the last while are those of the last while."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.algorithms.rolling_window import RollingWindow

CALLS = st.lists(st.tuples(st.integers(0, 400), st.booleans(), st.booleans()), max_size=40)
"""Each so many hundredths of a second after the one before it."""


def counts(window: RollingWindow) -> tuple[int, int, int]:
    return window.calls, window.failures, window.slow


@settings(max_examples=150, deadline=None)
@given(CALLS, st.integers(0, 10**6))
def test_it_holds_what_was_in_the_last_nine_tenths_and_nothing_older_than_its_span(
    calls: list[tuple[int, bool, bool]], start: int
) -> None:
    window, now, seen = RollingWindow(10.0), start, []
    for later, failed, slow in calls:
        now += later
        window.add(now / 100, failed=failed, slow=slow)
        seen.append((now, failed, slow))
        least = [each for each in seen if now - each[0] <= 890]
        most = [each for each in seen if now - each[0] <= 1001]

        for place, count in enumerate(counts(window)):
            floor = sum(place == 0 or each[place] for each in least)
            ceiling = sum(place == 0 or each[place] for each in most)
            assert floor <= count <= ceiling


def test_time_alone_empties_it() -> None:
    window = RollingWindow(10.0)
    window.add(100.0, failed=True, slow=True)

    window.pass_to(109.0)
    before = counts(window)
    window.pass_to(110.0)

    assert ((1, 1, 1), (0, 0, 0)) == (before, counts(window))


def test_news_that_come_late_count_as_of_now() -> None:
    window = RollingWindow(10.0)
    window.add(100.0, failed=False, slow=False)

    window.add(50.0, failed=True, slow=False)

    assert (2, 1, 0) == counts(window)


def test_another_span_starts_with_what_was_counted() -> None:
    window = RollingWindow(10.0)
    window.add(100.0, failed=True, slow=False)

    longer = window.respanned(60.0, 105.0)
    longer.pass_to(150.0)

    assert (60.0, (1, 1, 0)) == (longer.span, counts(longer))


def test_it_forgets_all_on_request() -> None:
    window = RollingWindow(10.0)
    window.add(100.0, failed=True, slow=True)

    window.clear()
    window.add(100.5, failed=False, slow=False)

    assert (1, 0, 0) == counts(window)


def test_a_window_without_a_span_is_none() -> None:
    with pytest.raises(ValueError, match="spans some time"):
        RollingWindow(0)
