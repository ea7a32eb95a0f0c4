"""The end of the data port: what is in flight finishes, what is idle is closed, the rest is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.wire.harness import BOTH_LOOPS, Echo, Peer, RawUpstream, Running, until, wire
from tests.wire.probes import GET, OK, Holds, Passes, Permits, answers_half, says_nothing

pytestmark = BOTH_LOOPS


class Gate:
    """An upstream that answers when it is told to."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.asked = 0

    async def __call__(self, peer: Peer) -> None:
        while True:
            await peer.message()
            self.asked += 1
            await self.open.wait()
            peer.send(OK)


@asynccontextmanager
async def draining(running: Running) -> AsyncIterator[asyncio.Task[None]]:
    """Begun, so that no connection is accepted any more; over at the end of the block."""
    task = asyncio.create_task(running.listener.close())
    await until(lambda: all(client.closing for client in running.clients))
    yield task
    async with asyncio.timeout(10):
        await task


async def test_what_is_in_flight_finishes_and_says_that_it_was_the_last() -> None:
    gate = Gate()
    async with RawUpstream(gate) as upstream, wire(upstream.port, drain=30.0) as running:
        peers = [await running.connect() for _ in range(3)]
        for peer in peers:
            peer.send(GET)
        await until(lambda: gate.asked == 3)
        async with draining(running):
            gate.open.set()
            answers = [await peer.message() for peer in peers]
            closed = [await peer.closed() for peer in peers]

    assert [b"ok"] * 3 == [body for _, body in answers]
    assert all(b"Connection: close\r\n" in head for head, _ in answers)
    assert [True] * 3 == closed


async def test_an_upload_and_a_download_that_are_under_way_finish() -> None:
    halfway = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.exactly(5)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        halfway.set()
        peer.send(await peer.exactly(5))
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port, drain=30.0) as running:
        peer = await running.connect()
        peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
        await peer.until(b"hello")
        async with draining(running):
            peer.send(b" you!")
            rest = await peer.rest()

    assert b" you!" == rest


async def test_idle_connections_close_at_once() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, drain=30.0) as running:
        unused, used, begun = [await running.connect() for _ in range(3)]
        used.send(GET)
        await used.message()
        begun.send(b"GET /a HT")
        await until(lambda: len(running.clients) == 3)
        async with draining(running):
            closed = [await peer.closed() for peer in (unused, used, begun)]

    assert [True] * 3 == closed


async def test_new_connections_are_refused() -> None:
    gate = Gate()
    async with RawUpstream(gate) as upstream, wire(upstream.port, drain=30.0) as running:
        peer = await running.connect()
        peer.send(GET)
        await until(lambda: gate.asked == 1)
        async with draining(running):
            with pytest.raises(ConnectionRefusedError):
                await running.connect()
            gate.open.set()
            _, body = await peer.message()

    assert b"ok" == body


async def test_a_request_that_is_pipelined_behind_the_last_one_is_not_begun() -> None:
    gate = Gate()
    async with RawUpstream(gate) as upstream, wire(upstream.port, drain=30.0) as running:
        peer = await running.connect()
        peer.send(GET + GET)
        await until(lambda: gate.asked == 1)
        async with draining(running):
            gate.open.set()
            _, body = await peer.message()
            rest = await peer.rest()

    assert (b"ok", b"", 1) == (body, rest, gate.asked)


async def switches(peer: Peer) -> None:
    await peer.head()
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello")
    await peer.rest()


UPGRADE = GET.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")


@pytest.mark.parametrize(
    ("request_", "serve", "policies", "got"),
    [
        pytest.param(GET, says_nothing, (), b"", id="the upstream thinks"),
        pytest.param(GET, says_nothing, (Passes(),), b"", id="the upstream thinks, and a policy waits"),
        pytest.param(GET, says_nothing, (Holds(),), b"", id="a policy waits"),
        pytest.param(GET, answers_half, (), b"hello", id="half an answer is out"),
        pytest.param(UPGRADE, switches, (), b"hello", id="a tunnel is open"),
    ],
)
async def test_what_takes_longer_is_cut_off_and_gives_everything_back(
    request_: bytes, serve: Any, policies: Any, got: bytes
) -> None:
    permits = Permits()
    async with RawUpstream(serve) as upstream, wire(upstream.port, permits, *policies, drain=0.02) as running:
        peer = await running.connect()
        peer.send(request_)
        await until(lambda: permits.taken == 1)
        if got:
            await peer.until(got)
        async with draining(running):
            rest = await peer.rest()
        await running.settled()
        await until(lambda: not running.upstream_connections)

    assert (b"", 1, 1) == (rest, permits.taken, len(permits.returned))


async def test_a_client_that_does_not_read_its_answer_cannot_hold_up_the_end() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            peer.send(b"x" * 65536)
            await peer.writer.drain()

    async with RawUpstream(serve) as upstream, wire(upstream.port, drain=0.02) as running:
        peer = await running.connect()
        peer.stop_reading()
        peer.send(GET)
        await until(lambda: bool(running.clients) and running.clients[0].write_paused)
        async with draining(running):
            await running.settled()

    assert [(200, False)] == [(outcome.status, outcome.complete) for outcome in running.records.outcomes]


async def test_an_end_that_is_cut_short_by_a_second_signal_leaves_nothing_behind() -> None:
    async with RawUpstream(says_nothing) as upstream, wire(upstream.port, drain=30.0) as running:
        peer = await running.connect()
        peer.send(GET)
        await until(lambda: running.records.in_flight == 1)
        task = asyncio.create_task(running.listener.close())
        await until(lambda: all(client.closing for client in running.clients))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        peer.close()
        await running.settled()

    assert [499] == [outcome.status for outcome in running.records.outcomes]
