"""State that outlives a reload."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.state import Shared


class Bucket:
    """Something with an identity, such as a breaker."""


def build(state: Shared, *keys: str) -> list[Bucket]:
    """A revision that asks for `keys`, and is not live yet."""
    state.begin()
    return [state.get(key, Bucket) for key in keys]


def go_live(state: Shared, *keys: str) -> list[Bucket]:
    found = build(state, *keys)
    state.commit()
    return found


def test_what_is_asked_for_twice_is_made_once() -> None:
    first, second = build(Shared(), "a", "a")

    assert first is second


def test_state_outlives_a_reload_by_its_key() -> None:
    state = Shared()
    kept, other = go_live(state, "a", "b")

    assert [kept] == go_live(state, "a")
    assert other is not go_live(state, "b")[0]


def test_what_a_revision_does_not_ask_for_is_forgotten_once_it_is_live() -> None:
    state = Shared()
    (before,) = go_live(state, "a")
    go_live(state)

    (after,) = go_live(state, "a")

    assert before is not after


def test_a_revision_that_is_refused_costs_the_live_one_nothing() -> None:
    state = Shared()
    live = go_live(state, "a", "b")
    build(state, "b", "c")
    state.rollback()

    assert live == go_live(state, "a", "b")


def test_what_only_a_refused_revision_asked_for_is_forgotten() -> None:
    state = Shared()
    go_live(state, "a")
    (_, refused) = build(state, "a", "c")
    state.rollback()

    (_, later) = go_live(state, "a", "c")

    assert refused is not later


def test_what_the_live_revision_asks_for_later_is_kept_as_long_as_it_lives() -> None:
    state = Shared()
    go_live(state, "a")
    build(state, "z")
    state.rollback()
    late = state.get("late", Bucket)
    build(state, "z")
    state.rollback()

    assert late is state.get("late", Bucket)


@given(st.lists(st.tuples(st.frozensets(st.sampled_from("abcd")), st.booleans()), max_size=12))
def test_state_is_kept_exactly_from_one_live_revision_to_the_next(
    revisions: list[tuple[frozenset[str], bool]],
) -> None:
    state = Shared()
    live: dict[str, Bucket] = {}
    ever: list[Bucket] = []
    for keys, accepted in revisions:
        found = dict(zip(sorted(keys), build(state, *sorted(keys)), strict=True))
        assert all(found[key] is live[key] for key in keys & live.keys())
        assert not any(found[key] in ever for key in keys - live.keys())
        ever += found.values()
        if accepted:
            state.commit()
            live = found
        else:
            state.rollback()


class Kept:
    """Of another kind."""


def test_state_of_one_kind_is_found_where_the_live_revision_uses_it() -> None:
    state = Shared()
    go_live(state, "a")
    state.get("a#other", Kept)
    build(state, "b")

    assert ["a"] == list(state.live(Bucket))


class Working:
    """Does something by itself."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def start(self) -> None:
        self.told.append("start")

    def stop(self) -> None:
        self.told.append("stop")


def test_what_is_active_starts_and_stops_with_the_revisions_that_use_it() -> None:
    state = Shared()
    lasting, passing, refused, later = (Working() for _ in range(4))
    for keys, accepted in (
        ({"a": lasting, "b": passing}, True),
        ({"a": lasting, "c": refused}, False),
        ({"a": lasting, "c": later}, True),
    ):
        state.begin()
        for key, made in keys.items():
            state.get(key, lambda made=made: made)  # type: ignore[misc]
        (state.commit if accepted else state.rollback)()
    live = [[*each.told] for each in (lasting, passing, refused, later)]
    state.close()

    assert [["start"], ["start", "stop"], [], ["start"]] == live
    assert [["start", "stop"], ["start", "stop"]] == [lasting.told, later.told]
