"""The relay after a switch: each end as it comes, no faster than it is taken, and closed when it is over."""

from __future__ import annotations

import asyncio

import pytest

from proxy.wire.serving import WireSettings
from tests.wire.harness import BOTH_LOOPS, PATIENCE, Peer, RawUpstream, Running, until, wire
from tests.wire.probes import Limits, held_by_proxy

pytestmark = BOTH_LOOPS

ASK = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
BLOCK = b"x" * 65536
MiB = 2**20


class Scripted:
    """An upstream that switches and hands its end of the tunnel to the test."""

    def __init__(self) -> None:
        self.ends = asyncio.Queue[Peer]()
        self.over = asyncio.Event()

    async def __call__(self, peer: Peer) -> None:
        await peer.head()
        peer.send(SWITCH)
        self.ends.put_nowait(peer)
        await self.over.wait()


async def both_ends(running: Running, scripted: Scripted) -> tuple[Peer, Peer]:
    client = await running.connect()
    client.send(ASK)
    await client.head()
    async with asyncio.timeout(PATIENCE):
        return client, await scripted.ends.get()


async def gone(running: Running) -> None:
    await running.settled()
    await until(lambda: not running.clients and not running.upstream_connections)


async def test_an_end_of_the_clients_direction_leaves_the_other_one_open() -> None:
    scripted = Scripted()
    async with RawUpstream(scripted) as upstream, wire(upstream.port) as running:
        client, server = await both_ends(running, scripted)
        client.send(b"last words")
        client.end()
        heard = await server.rest()
        server.send(b"and an answer")
        answer = await client.exactly(13)
        in_flight = running.records.in_flight
        server.end()
        rest = await client.rest()
        await gone(running)

    assert (b"last words", b"and an answer", b"", 1) == (heard, answer, rest, in_flight)


async def test_an_end_of_the_upstreams_direction_leaves_the_other_one_open() -> None:
    scripted = Scripted()
    async with RawUpstream(scripted) as upstream, wire(upstream.port) as running:
        client, server = await both_ends(running, scripted)
        server.send(b"last words")
        server.end()
        heard = await client.rest()
        client.send(b"and an answer")
        answer = await server.exactly(13)
        client.end()
        rest = await server.rest()
        await gone(running)

    assert (b"last words", b"and an answer", b"") == (heard, answer, rest)


@pytest.mark.parametrize("who", ["client", "server"])
async def test_an_end_that_is_gone_takes_the_other_with_it(who: str) -> None:
    scripted = Scripted()
    async with RawUpstream(scripted) as upstream, wire(upstream.port) as running:
        client, server = await both_ends(running, scripted)
        leaves, stays = (client, server) if who == "client" else (server, client)
        leaves.abort()
        rest = await stays.rest()
        stays.close()
        await gone(running)

    assert b"" == rest


async def test_what_a_response_may_take_does_not_bound_a_conversation_that_begins_late() -> None:
    scripted = Scripted()
    async with (
        RawUpstream(scripted) as upstream,
        wire(upstream.port, Limits(response=5.0, deadline=7.0)) as running,
    ):
        client, server = await both_ends(running, scripted)
        running.advance(60)
        client.send(b"at last")
        heard = await server.exactly(7)
        client.close()
        server.close()
        await gone(running)

    assert b"at last" == heard


async def test_what_was_sent_last_still_arrives() -> None:
    scripted = Scripted()
    async with RawUpstream(scripted) as upstream, wire(upstream.port) as running:
        client, server = await both_ends(running, scripted)
        server.send(BLOCK * 32)
        await server.drained()
        server.close()
        size = len(await client.rest())
        client.close()
        await gone(running)

    assert 32 * len(BLOCK) == size


@pytest.mark.parametrize("who", ["client", "server"])
async def test_an_end_that_does_not_read_slows_the_other(who: str) -> None:
    scripted = Scripted()
    async with RawUpstream(scripted) as upstream, wire(upstream.port) as running:
        client, server = await both_ends(running, scripted)
        reads, sends = (client, server) if who == "client" else (server, client)
        reads.stop_reading()
        sent = 0

        async def send() -> None:
            nonlocal sent
            while True:
                sends.send(BLOCK)
                await sends.writer.drain()
                sent += len(BLOCK)

        sending = asyncio.create_task(send())
        await until(lambda: running.upstream_paused or any(not c._reading for c in running.clients))
        held = held_by_proxy(running)
        reads.read_on()
        stalled = sent
        got = 0
        async with asyncio.timeout(10):
            while got < stalled + MiB:
                got += len(await reads.reader.read(MiB))
        sending.cancel()
        client.abort()
        server.abort()
        await gone(running)

    assert held < MiB


async def test_a_tunnel_on_which_nothing_moves_is_closed() -> None:
    scripted = Scripted()
    settings = WireSettings(tunnel_idle=5.0)
    async with RawUpstream(scripted) as upstream, wire(upstream.port, settings=settings) as running:
        client, server = await both_ends(running, scripted)
        for _ in range(3):
            running.advance(4.0)
            client.send(b"a")
            await server.exactly(1)
            running.advance(4.0)
            server.send(b"b")
            await client.exactly(1)
        running.advance(5.1)
        ends = [await client.rest(), await server.rest()]
        server.close()
        await gone(running)

    assert [b"", b""] == ends


async def test_a_tunnel_whose_upstream_never_reads_its_last_bytes_does_not_stay() -> None:
    scripted = Scripted()
    settings = WireSettings(body_idle=0.01)
    async with RawUpstream(scripted) as upstream, wire(upstream.port, settings=settings) as running:
        client, server = await both_ends(running, scripted)
        server.stop_reading()
        sending = asyncio.create_task(_send_on(client))
        [connection] = running.upstream_connections
        await until(lambda: connection.write_paused)
        sending.cancel()
        client.abort()
        running.advance(settings.tunnel_idle + 1.0)
        await gone(running)


async def _send_on(peer: Peer) -> None:
    while True:
        peer.send(BLOCK)
        await peer.writer.drain()
