"""A limit that follows how long an upstream takes."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from proxy.algorithms.gradient import Bounds, Gradient

BOUNDS = Bounds(initial=20, least=5, most=200)


class Trial:
    """Calls in a row, twenty in each window, as many at once as the limit allows."""

    def __init__(self, bounds: Bounds = BOUNDS) -> None:
        self.now = 0.0
        self.gradient = Gradient(bounds, self.now)

    def windows(
        self, count: int, seconds: Callable[[int], float], *, busy: float = 1.0, dropped: bool = False
    ) -> int:
        """`seconds` of the limit is what a call takes; `busy` is the share of the limit in flight."""
        for _ in range(count * 20):
            self.now += 0.05
            limit = self.gradient.limit
            self.gradient.add(self.now, seconds(limit), int(limit * busy), dropped=dropped)
        return self.gradient.limit


def steady(_: int) -> float:
    return 0.1


def queueing_beyond(capacity: int) -> Callable[[int], float]:
    """An upstream that does `capacity` at once, and has the rest wait (Little's law)."""
    return lambda limit: 0.1 * max(1.0, limit / capacity)


def test_it_grows_while_the_upstream_answers_as_ever() -> None:
    assert Trial().windows(60, steady) > 60


def test_it_does_not_grow_beyond_its_bound() -> None:
    assert BOUNDS.most == Trial().windows(1000, steady)


def test_it_shrinks_where_answers_take_longer_than_they_did() -> None:
    trial = Trial()
    before = trial.windows(60, steady)

    after = trial.windows(20, lambda _: 1.0)

    assert after < before / 2


def test_it_never_goes_below_its_floor() -> None:
    trial = Trial()
    trial.windows(60, steady)

    assert BOUNDS.least == trial.windows(200, lambda _: 30.0, dropped=True)


def test_it_comes_back_from_the_floor_when_the_upstream_is_well_again() -> None:
    trial = Trial()
    trial.windows(60, steady)
    trial.windows(100, lambda _: 10.0, dropped=True)

    assert trial.windows(60, steady) > 40


def test_it_is_not_stuck_where_the_upstream_has_become_slower_for_good() -> None:
    trial = Trial()
    trial.windows(60, steady)
    low = trial.windows(40, lambda _: 0.4)

    assert trial.windows(2000, lambda _: 0.4) > low


def test_it_stays_near_what_the_upstream_can_do_at_once() -> None:
    trial = Trial()
    trial.windows(200, lambda limit: 0.1 if limit <= 40 else 0.1 * limit / 40)

    found = [trial.windows(1, queueing_beyond(40)) for _ in range(100)]

    assert 40 <= min(found)
    assert max(found) <= 100


def test_it_does_not_grow_where_nobody_asks_for_more() -> None:
    assert BOUNDS.initial == Trial().windows(60, steady, busy=0.3)


def test_a_few_calls_in_a_quiet_window_decide_nothing() -> None:
    gradient = Gradient(BOUNDS, 0.0)

    changes = [gradient.add(10.0 + n, 5.0, 20) for n in range(9)]

    assert ([False] * 9, BOUNDS.initial) == (changes, gradient.limit)


def test_it_says_when_the_limit_is_another() -> None:
    trial = Trial()

    said = []
    for _ in range(200):
        trial.now += 0.05
        before = trial.gradient.limit
        said.append(trial.gradient.add(trial.now, 0.1, before) == (trial.gradient.limit != before))

    assert all(said)


def test_other_bounds_take_it_with_them() -> None:
    trial = Trial()
    trial.windows(1000, steady)

    trial.gradient.adopt(Bounds(20, 5, 50))

    assert 50 == trial.gradient.limit


@given(
    st.lists(
        st.tuples(st.floats(0, 100), st.floats(0, 1e6), st.integers(0, 10_000), st.booleans()), max_size=200
    )
)
def test_it_stays_within_its_bounds_whatever_it_is_told(
    calls: list[tuple[float, float, int, bool]],
) -> None:
    gradient, now = Gradient(BOUNDS, 0.0), 0.0

    limits = []
    for gap, seconds, in_flight, dropped in calls:
        now += gap
        gradient.add(now, seconds, in_flight, dropped=dropped)
        limits.append(gradient.limit)

    assert all(BOUNDS.least <= limit <= BOUNDS.most for limit in limits)
