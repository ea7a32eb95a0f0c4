"""When lines that wait are handed on, and that each is, once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.telemetry.batch import LARGE, Batch


class Waiting:
    """A batch, what it has handed on, and the timers that it has set."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.timers: list[Callable[[], None]] = []
        self.batch = Batch(lambda lines: self.written.append(bytes(lines)), self._schedule)

    def _schedule(self, seconds: float, call: Callable[[], None]) -> None:
        assert 0.2 == seconds
        self.timers.append(call)


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


def test_lines_wait_for_others_until_the_first_is_old(waiting: Waiting) -> None:
    waiting.batch.add(b"one\n")
    waiting.batch.add(b"two\n")
    before = [*waiting.written]
    waiting.timers.pop()()

    assert ([], [b"one\ntwo\n"], []) == (before, waiting.written, waiting.timers)


def test_many_do_not_wait(waiting: Waiting) -> None:
    waiting.batch.add(b"small\n")
    waiting.batch.add(b"x" * LARGE)

    assert [LARGE + 6] == [len(lines) for lines in waiting.written]


def test_where_all_were_handed_on_already_nothing_is(waiting: Waiting) -> None:
    waiting.batch.add(b"one\n")
    waiting.batch.flush()
    waiting.timers.pop()()
    waiting.batch.flush()

    assert [b"one\n"] == waiting.written


@given(st.lists(st.integers(1, 2 * LARGE) | st.sampled_from(["old", "flush"]), max_size=30))
def test_each_line_is_handed_on_once_in_order_and_none_waits_without_a_timer(
    events: list[int | str],
) -> None:
    waiting, added = Waiting(), bytearray()
    for number, event in enumerate(events):
        if event == "flush":
            waiting.batch.flush()
        elif event == "old":
            for timer in waiting.timers:
                timer()
            waiting.timers.clear()
        else:
            line = bytes([number]) * int(event)
            added += line
            waiting.batch.add(line)
        assert len(waiting.batch.lines) <= LARGE
        assert len(waiting.timers) <= 1
        assert not waiting.batch.lines or waiting.timers
    waiting.batch.flush()

    assert added == b"".join(waiting.written)
