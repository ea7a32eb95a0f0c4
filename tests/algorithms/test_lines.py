"""Who stands where, who is told, and that places are given back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.algorithms.lines import Lines, Turn


def joined(lines: Lines, *keys: str) -> list[Turn]:
    turns = [lines.join(key) for key in keys]
    return [turn for turn in turns if turn is not None]


def test_who_came_first_is_the_first_and_each_key_has_a_line_of_its_own() -> None:
    lines = Lines(9, 9)

    turns = joined(lines, "a", "a", "b")

    assert [True, False, True] == [lines.is_first(turn) for turn in turns]
    assert [2, 1, 0] == [lines.ahead(key) for key in "abc"]


def test_the_next_is_told_when_the_first_leaves_and_nobody_when_another_does() -> None:
    lines, told = Lines(9, 9), list[int]()
    turns = joined(lines, "a", "a", "a")
    for index, turn in enumerate(turns):
        turn.tell = lambda index=index: told.append(index)

    lines.leave(turns[1])
    lines.leave(turns[0])

    assert ([2], True) == (told, lines.is_first(turns[2]))


def test_it_is_told_how_many_stand_before_somebody() -> None:
    lines = Lines(9, 9)
    turns = joined(lines, "a", "b", "a", "a")

    assert [0, 0, 1, 2] == [lines.before(turn) for turn in turns]


@pytest.mark.parametrize(
    ("size", "per_line", "keys", "places"),
    [
        pytest.param(2, 2, "aaa", 2, id="no more in a line"),
        pytest.param(2, 2, "abc", 2, id="nor in all of them"),
        pytest.param(9, 1, "aab", 2, id="one in each"),
    ],
)
def test_there_is_room_for_so_many(size: int, per_line: int, keys: str, places: int) -> None:
    lines = Lines(size, per_line)

    assert (places, places) == (len(joined(lines, *keys)), lines.waiting)


def test_who_leaves_twice_gives_one_place_back() -> None:
    lines = Lines(9, 9)
    first, _ = joined(lines, "a", "a")

    lines.leave(first)
    lines.leave(first)

    assert 1 == lines.waiting


def test_a_smaller_bound_takes_no_place_away() -> None:
    lines = Lines(2, 2)
    first, _ = joined(lines, "a", "a")

    lines.resize(1, 1)
    refused = lines.join("a")
    lines.leave(first)

    assert (None, 1) == (refused, lines.waiting)


def test_the_first_of_each_line_is_told_to_look_again() -> None:
    lines, told = Lines(9, 9), list[int]()
    for index, turn in enumerate(joined(lines, "a", "a", "b")):
        turn.tell = lambda index=index: told.append(index)

    lines.look_again()

    assert [0, 2] == told


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-1, 5)), max_size=60))
def test_lines_are_what_lists_would_be(events: list[tuple[str, int]]) -> None:
    lines, model = Lines(6, 3), dict[str, list[Turn]](a=[], b=[], c=[])
    for key, leaves in events:
        line = model[key]
        if leaves >= 0 and line:
            lines.leave(line.pop(leaves % len(line)))
        else:
            turn = lines.join(key)
            assert (turn is None) is (len(line) >= 3 or sum(map(len, model.values())) >= 6)
            line += [turn] if turn else []

    assert sum(map(len, model.values())) == lines.waiting
    assert {key: len(line) for key, line in model.items()} == {key: lines.ahead(key) for key in model}
    assert all(lines.is_first(turn) is (turn is line[0]) for line in model.values() for turn in line)
