"""Who is admitted, who waits, who has to go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from proxy.algorithms.bulkhead import ADMITTED, EVICTED, GONE, WAITING, Bulkhead, Place


def entered(bulkhead: Bulkhead, *ranks: int) -> list[Place]:
    places = [bulkhead.enter(rank) for rank in ranks]
    return [place for place in places if place is not None]


def test_as_many_as_the_limit_are_admitted_and_the_next_is_turned_away() -> None:
    bulkhead = Bulkhead(2)

    places = [bulkhead.enter() for _ in range(3)]

    assert [ADMITTED, ADMITTED, None] == [place and place.state for place in places]


def test_who_came_first_is_admitted_first() -> None:
    bulkhead = Bulkhead(1, room=2)
    inside, first, second = entered(bulkhead, 0, 0, 0)

    bulkhead.leave(inside)

    assert [ADMITTED, WAITING] == [first.state, second.state]


def test_a_better_rank_is_admitted_before_those_who_came_earlier() -> None:
    bulkhead = Bulkhead(1, room=2, ranks=2)
    inside, normal, high = entered(bulkhead, 0, 1, 0)

    bulkhead.leave(inside)

    assert [WAITING, ADMITTED] == [normal.state, high.state]


def test_where_the_queue_is_full_the_last_of_the_worst_rank_makes_room_for_a_better_one() -> None:
    bulkhead = Bulkhead(1, room=3, ranks=3)
    _, middle, early, late = entered(bulkhead, 0, 1, 2, 2)

    high = bulkhead.enter(0)

    assert high is not None
    assert [WAITING, WAITING, EVICTED, WAITING] == [middle.state, early.state, late.state, high.state]


def test_nobody_makes_room_for_their_own_rank() -> None:
    bulkhead = Bulkhead(1, room=1, ranks=2)
    entered(bulkhead, 0, 1)

    assert bulkhead.enter(1) is None


def test_a_place_is_told_once_when_it_is_admitted() -> None:
    bulkhead = Bulkhead(1, room=1)
    inside, waiting = entered(bulkhead, 0, 0)
    told: list[str] = []
    waiting.tell = lambda: told.append(waiting.state)

    bulkhead.leave(inside)
    bulkhead.leave(waiting)

    assert [ADMITTED] == told


def test_giving_back_twice_is_giving_back_once() -> None:
    bulkhead = Bulkhead(2)
    first, _ = entered(bulkhead, 0, 0)

    bulkhead.leave(first)
    bulkhead.leave(first)

    assert (GONE, 1) == (first.state, bulkhead.in_flight)


@pytest.mark.parametrize(
    ("limit", "states"),
    [
        pytest.param(3, [ADMITTED, ADMITTED, ADMITTED, WAITING], id="larger: more are admitted at once"),
        pytest.param(1, [ADMITTED, ADMITTED, WAITING, WAITING], id="smaller: who is in stays in"),
    ],
)
def test_another_limit_takes_nothing_from_anybody(limit: int, states: list[str]) -> None:
    bulkhead = Bulkhead(2, room=2)
    places = entered(bulkhead, 0, 0, 0, 0)

    bulkhead.resize(limit, 2)

    assert states == [place.state for place in places]


def test_a_smaller_limit_is_reached_as_places_are_given_back() -> None:
    bulkhead = Bulkhead(2, room=1)
    first, second, waiting = entered(bulkhead, 0, 0, 0)
    bulkhead.resize(1, 1)

    bulkhead.leave(first)
    one_left = waiting.state
    bulkhead.leave(second)

    assert (WAITING, ADMITTED) == (one_left, waiting.state)


class Orders(RuleBasedStateMachine):
    """Any order of coming, leaving and resizing; what must always hold."""

    def __init__(self) -> None:
        super().__init__()
        self.bulkhead = Bulkhead(2, room=3, ranks=3)
        self.places: list[Place] = []
        self.most = 2

    @rule(rank=st.integers(0, 2))
    def come(self, rank: int) -> None:
        place = self.bulkhead.enter(rank)
        if place is not None:
            self.places.append(place)

    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        if self.places:
            self.bulkhead.leave(data.draw(st.sampled_from(self.places)))

    @rule(limit=st.integers(1, 4), room=st.integers(0, 4))
    def resize(self, limit: int, room: int) -> None:
        self.bulkhead.resize(limit, room)
        self.most = max(self.most, limit)

    def states(self, state: str) -> list[Place]:
        return [place for place in self.places if place.state == state]

    @invariant()
    def the_counts_are_those_of_the_places(self) -> None:
        admitted, waiting = len(self.states(ADMITTED)), len(self.states(WAITING))
        assert (admitted, waiting) == (self.bulkhead.in_flight, self.bulkhead.waiting)

    @invariant()
    def there_are_never_more_than_the_largest_limit_of_before(self) -> None:
        assert len(self.states(ADMITTED)) <= self.most

    @invariant()
    def nobody_waits_where_there_is_a_place(self) -> None:
        assert not (self.states(WAITING) and self.bulkhead.in_flight < self.bulkhead.limit)


TestOrders = Orders.TestCase


@given(st.lists(st.integers(0, 2), max_size=30))
def test_when_all_have_left_nothing_is_held(ranks: list[int]) -> None:
    bulkhead = Bulkhead(3, room=5, ranks=3)
    places = entered(bulkhead, *ranks)

    for place in reversed(places):
        bulkhead.leave(place)

    assert (0, 0) == (bulkhead.in_flight, bulkhead.waiting)
