"""How many calls may be repeated, as a share of those that are made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.algorithms.retry_budget import RetryBudget


def taken(budget: RetryBudget, now: float, ratio: float, min_per_second: float, tries: int) -> int:
    return sum(budget.take(now, ratio, min_per_second) for _ in range(tries))


@pytest.mark.parametrize(
    ("firsts", "ratio", "a_second", "repeated"),
    [
        pytest.param(100, 0.2, 0.0, 20, id="a share"),
        pytest.param(0, 0.2, 3.0, 30, id="with little traffic"),
        pytest.param(100, 0.2, 3.0, 50, id="both together"),
        pytest.param(100, 0.0, 0.0, 0, id="nothing"),
    ],
)
def test_so_many_are_repeated(firsts: int, ratio: float, a_second: float, repeated: int) -> None:
    budget = RetryBudget(10.0)
    for _ in range(firsts):
        budget.first(1.0)

    assert repeated == taken(budget, 1.0, ratio, a_second, 1000)


def test_what_is_long_ago_is_forgotten() -> None:
    budget = RetryBudget(10.0)
    for _ in range(100):
        budget.first(0.5)

    assert [20, 0, 0] == [taken(budget, at, 0.2, 0.0, 1000) for at in (0.5, 9.0, 11.0)]


def never_too_many(budget: RetryBudget, happenings: list[tuple[float, bool]]) -> None:
    now, events = 0.0, []
    for pause, repeats in happenings:
        now += pause
        if not repeats:
            budget.first(now)
            events.append((now, False))
        elif budget.take(now, 0.2, 0.5):
            events.append((now, True))
            # The window holds its span at most. Later there may be more than a share of what is left in it.
            recent = [repeated for at, repeated in events if at > now - 9.0]
            firsts = sum(not repeated for at, repeated in events if at > now - 10.0)
            assert sum(recent) <= 0.2 * firsts + 5.0


HAPPENINGS = st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=200)


@given(HAPPENINGS)
def test_none_is_repeated_beyond_what_the_window_allows(happenings: list[tuple[float, bool]]) -> None:
    never_too_many(RetryBudget(10.0), happenings)


class Generous(RetryBudget):
    def take(self, now: float, ratio: float, min_per_second: float) -> bool:
        return super().take(now, ratio, min_per_second) or True


def test_a_budget_with_a_mistake_is_found() -> None:
    with pytest.raises(AssertionError):
        never_too_many(Generous(10.0), [(0.0, True)] * 10)
