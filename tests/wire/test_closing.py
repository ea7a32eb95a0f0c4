"""Ends of connections: after all is written, or with a reset; and what can still be read of a broken one."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest

from proxy.wire.closing import close_when_written, last_words, reset
from tests.wire.harness import BOTH_LOOPS, until

BLOCK = b"x" * 65536


class Recorder(asyncio.Protocol):
    """Hears of the end; what `at_the_end` says then is kept."""

    transport: asyncio.Transport
    lost = False
    words = b""
    limit = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        if self.limit:
            self.words = last_words(self.transport, self.limit)
        self.lost = True


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Recorder, socket.socket]]:
    """A transport, and the other end as a plain socket that reads when the test does."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    _, protocol = await asyncio.get_running_loop().create_connection(Recorder, sock=ours)
    yield protocol, theirs
    theirs.close()
    if not protocol.lost:
        protocol.transport.abort()
    await until(lambda: protocol.lost)


@asynccontextmanager
async def connected_by_tcp() -> AsyncIterator[tuple[Recorder, socket.socket]]:
    """The same over TCP, which alone knows a reset."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(Recorder, *server.getsockname())
        theirs, _ = server.accept()
        theirs.setblocking(False)
    yield protocol, theirs
    theirs.close()
    if not protocol.lost:
        protocol.transport.abort()
    await until(lambda: protocol.lost)


async def everything(end: socket.socket) -> int:
    """Reads to the end; how many bytes that were."""
    size = 0
    async with asyncio.timeout(10):
        while piece := await asyncio.get_running_loop().sock_recv(end, 2**20):
            size += len(piece)
    return size


@BOTH_LOOPS
async def test_what_is_written_goes_out_before_the_end() -> None:
    async with connected() as (protocol, theirs):
        for _ in range(64):
            protocol.transport.write(BLOCK)
        close_when_written(asyncio.get_running_loop(), protocol.transport, 60.0)
        size = await everything(theirs)
        await until(lambda: protocol.lost)

    assert 64 * len(BLOCK) == size


class Stepped:
    """A loop whose only timer the test fires, and a transport whose buffer it empties."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.closing = self.aborted = False
        self.calls: list[Callable[[], None]] = []

    def call_later(self, _: float, callback: Callable[..., None], *args: object) -> None:
        self.calls.append(partial(callback, *args))

    def get_write_buffer_size(self) -> int:
        return self.left

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.aborted = True


@pytest.mark.parametrize(
    ("left", "aborted"),
    [
        pytest.param([30, 20, 10, 0], False, id="slowly, but to the end"),
        pytest.param([30, 20, 20], True, id="slowly, and then nothing any more"),
        pytest.param([30, 30], True, id="nothing at all"),
    ],
)
def test_who_reads_slowly_may_go_on_while_some_is_taken(left: list[int], aborted: bool) -> None:
    stepped = Stepped(left[0])
    close_when_written(stepped, stepped, 5.0)  # type: ignore[arg-type]
    for now in left[1:]:
        stepped.left = now
        stepped.calls.pop()()

    assert (True, aborted, []) == (stepped.closing, stepped.aborted, stepped.calls)


@BOTH_LOOPS
async def test_who_takes_nothing_any_more_is_cut_off() -> None:
    async with connected() as (protocol, _):
        while not protocol.transport.get_write_buffer_size():
            protocol.transport.write(BLOCK)
        close_when_written(asyncio.get_running_loop(), protocol.transport, 0.001)
        await until(lambda: protocol.lost)

    assert protocol.transport.is_closing()


@BOTH_LOOPS
async def test_closing_twice_is_closing_once() -> None:
    async with connected() as (protocol, theirs):
        protocol.transport.write(b"last")
        for _ in range(2):
            close_when_written(asyncio.get_running_loop(), protocol.transport, 0.001)
        size = await everything(theirs)

    assert 4 == size


@BOTH_LOOPS
async def test_a_reset_is_no_proper_end() -> None:
    async with connected_by_tcp() as (protocol, theirs):
        reset(protocol.transport)
        await until(lambda: protocol.lost)
        with pytest.raises(ConnectionResetError):
            await asyncio.get_running_loop().sock_recv(theirs, 1)


@BOTH_LOOPS
async def test_a_reset_of_what_is_no_tcp_connection_ends_it_all_the_same() -> None:
    async with connected() as (protocol, theirs):
        reset(protocol.transport)
        await until(lambda: protocol.lost)

        assert b"" == theirs.recv(1)


@BOTH_LOOPS
async def test_an_answer_that_came_before_a_write_failed_can_still_be_read() -> None:
    async with connected_by_tcp() as (protocol, theirs):
        protocol.limit = 2**20
        protocol.transport.pause_reading()
        theirs.sendall(b"last words")
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()  # with a reset
        while not protocol.transport.is_closing():
            protocol.transport.write(BLOCK)
            await asyncio.sleep(0)
        await until(lambda: protocol.lost)

    assert b"last words" == protocol.words
