"""Connections in memory behave as sockets do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from proxy.rehearsal.transport import End, connected
from proxy.rehearsal.virtual_loop import VirtualLoop
from tests.rehearsal.test_virtual_loop import NoNetwork


class Side(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self, *, half_open: bool = False) -> None:
        self.told: list[object] = []
        self.half_open = half_open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def eof_received(self) -> bool:
        self.told.append("end")
        return self.half_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost" if exc is None else type(exc))

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


class Pair:
    """Two sides, connected."""

    def __init__(self, loop: VirtualLoop, *, half_open: bool = False) -> None:
        self.loop = loop
        self.here, self.there = Side(half_open=half_open), Side(half_open=half_open)
        self.end, self.other = connected(loop, self.here, self.there, {"peername": ("192.0.2.1", 1)}, {})

    def settle(self) -> None:
        self.loop.run_until_complete(self.loop.settle())


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop(NoNetwork())
    yield loop
    loop.close()


@pytest.fixture
def pair(loop: VirtualLoop) -> Pair:
    return Pair(loop)


def test_what_is_written_arrives_in_order_and_not_at_once(pair: Pair) -> None:
    pair.end.write(b"a")
    pair.end.write(bytearray(b"b"))
    before = list(pair.there.told)
    pair.settle()

    assert (["made"], ["made", b"a", b"b"]) == (before, pair.there.told)


def test_closing_delivers_what_was_written_and_then_the_end(pair: Pair) -> None:
    pair.end.write(b"a")
    pair.end.close()
    pair.end.write(b"too late")
    pair.settle()

    assert ["made", b"a", "end", "lost"] == pair.there.told
    assert (["made", "lost"], True) == (pair.here.told, pair.end.is_closing())


def test_aborting_delivers_what_was_written_and_then_a_reset(pair: Pair) -> None:
    pair.end.write(b"a")
    pair.end.abort()
    pair.end.abort()
    pair.settle()

    assert (["made", b"a", ConnectionResetError], ["made", "lost"]) == (pair.there.told, pair.here.told)


def test_a_side_that_ended_can_still_read_where_the_other_stays(loop: VirtualLoop) -> None:
    pair = Pair(loop, half_open=True)
    pair.end.write_eof()
    pair.end.write_eof()
    pair.end.write(b"not any more")
    pair.settle()
    pair.other.write(b"still")
    pair.settle()

    assert (["made", "end"], ["made", b"still"]) == (pair.there.told, pair.here.told)
    assert pair.end.can_write_eof()


def test_a_side_that_does_not_read_gets_nothing_until_it_does(pair: Pair) -> None:
    pair.other.pause_reading()
    pair.end.write(b"a")
    pair.settle()
    before = list(pair.there.told), pair.other.is_reading()
    pair.other.resume_reading()
    pair.settle()

    assert ((["made"], False), ["made", b"a"]) == (before, pair.there.told)


def test_who_writes_more_than_is_read_is_told_to_pause_and_to_go_on(pair: Pair) -> None:
    pair.other.pause_reading()
    pair.end.write(b"x" * 100_000)
    waiting = pair.end.get_write_buffer_size()
    pair.other.resume_reading()
    pair.settle()

    assert (100_000, ["made", "pause", "resume"]) == (waiting, pair.here.told)


def test_a_reset_is_read_behind_what_was_not_read_yet(pair: Pair) -> None:
    pair.other.pause_reading()
    pair.end.write(b"a")
    pair.end.abort()
    pair.settle()
    before = list(pair.there.told)
    pair.other.resume_reading()
    pair.settle()

    assert (["made"], ["made", b"a", ConnectionResetError]) == (before, pair.there.told)


def test_writing_to_a_side_that_has_gone_loses_the_connection(loop: VirtualLoop) -> None:
    pair = Pair(loop, half_open=True)
    pair.other.close()
    pair.settle()
    pair.end.write(b"a")
    pair.settle()

    assert ["made", "end", BrokenPipeError] == pair.here.told


def test_it_tells_who_the_other_side_is_and_has_no_socket_worth_the_name(pair: Pair) -> None:
    end: End = pair.end
    stand_in = end.get_extra_info("socket")
    stand_in.setsockopt(1, 2, 3)

    assert (("192.0.2.1", 1), 0) == (end.get_extra_info("peername"), stand_in.family)
    with pytest.raises(OSError, match="no file"):
        stand_in.fileno()
