"""Exchanges on a data port that speaks TLS: what holds without it holds with it."""

from __future__ import annotations

import ssl

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests.wire.harness import BOTH_LOOPS, Echo, Peer, RawUpstream, secured, until, wire

pytestmark = BOTH_LOOPS

LARGE = bytes(range(256)) * 4096


def post(size: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size


async def returns_it(peer: Peer) -> None:
    while True:
        _, body = await peer.message()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def test_large_bodies_pass_both_ways_one_after_the_other(
    tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async with RawUpstream(returns_it) as upstream, wire(upstream.port, tls=tls) as running:
        peer = await secured(running, trusting)
        bodies = []
        for _ in range(3):
            peer.send(post(len(LARGE)) + LARGE)
            bodies.append((await peer.message())[1])

    assert all(LARGE == body for body in bodies)
    assert (3, 1) == (len(bodies), upstream.connections)


async def test_pipelined_requests_are_answered_in_order(
    tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async with RawUpstream(returns_it) as upstream, wire(upstream.port, tls=tls) as running:
        peer = await secured(running, trusting)
        peer.send(b"".join(post(1) + digit for digit in (b"1", b"2", b"3")))
        bodies = [(await peer.message())[1] for _ in range(3)]

    assert [b"1", b"2", b"3"] == bodies


async def test_a_client_that_does_not_read_slows_the_upstream(
    tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    size = 64 * len(LARGE)

    async def sends_much(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(64):
            peer.send(LARGE)
            await peer.drained()
        await peer.rest()

    async with RawUpstream(sends_much) as upstream, wire(upstream.port, tls=tls) as running:
        peer = await secured(running, trusting)
        peer.stop_reading()
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: running.upstream_paused)
        peer.read_on()
        _, body = await peer.message()

    assert size == len(body)


async def test_a_refused_client_that_still_sends_gets_to_read_its_answer(
    tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    """TLS can't be half-closed: what comes behind our close_notify is read and thrown away."""
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, tls=tls) as running:
        peer = await secured(running, trusting)
        peer.send(post(len(LARGE)).replace(b"POST / ", b"POST /%2f "))
        peer.send(LARGE[:500_000])
        head = await peer.head()
        peer.close()
        await until(lambda: running.server.open_connections == 0)

    assert b"400" == head[9:12]


async def test_a_body_that_breaks_off_has_no_proper_end(
    tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async def breaks_off(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await peer.drained()
        peer.abort()

    async with RawUpstream(breaks_off) as upstream, wire(upstream.port, tls=tls) as running:
        peer = await secured(running, trusting)
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        received = await peer.rest()

    # Fewer than announced, and never more: so the client can tell.
    assert received.partition(b"\r\n\r\n")[2] in (b"", b"half")


async def test_websockets_pass_with_their_close_codes(tls: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    codes: list[int | None] = []

    async def handle(connection: ServerConnection) -> None:
        await connection.send(await connection.recv())
        await connection.wait_closed()
        codes.append(connection.close_code)

    async with (
        serve(handle, "127.0.0.1", 0, max_size=2**22) as server,
        wire(next(iter(server.sockets)).getsockname()[1], tls=tls) as running,
    ):
        async with connect(
            f"wss://127.0.0.1:{running.port}/chat",
            ssl=trusting, server_hostname="localhost", max_size=2**22, proxy=None,
        ) as client:  # fmt: skip
            await client.send(LARGE)
            back = await client.recv()
            await client.close(4001)
        await until(lambda: bool(codes))
        await running.settled()

    assert LARGE == back
    assert [4001] == codes
