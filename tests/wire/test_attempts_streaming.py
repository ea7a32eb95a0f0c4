"""Bodies on their way: piece by piece as they come, whole, and both at once."""

from __future__ import annotations

import asyncio
import hashlib
from functools import partial
from typing import Any

import pytest

from proxy.exchange import AttemptLimits, Exchange
from proxy.wire.serving import WireSettings
from tests.wire.harness import BOTH_LOOPS, PATIENCE, Echo, Peer, RawUpstream, Running, until, wire
from tests.wire.probes import BLOCK, GET, WAYS, MiB, ReadsAnswer, held_by_proxy, received

pytestmark = BOTH_LOOPS


@pytest.mark.parametrize("policies", WAYS)
async def test_events_arrive_one_by_one(policies: Any) -> None:
    tell = asyncio.Queue[bytes]()

    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        while event := await tell.get():
            peer.send(event)

    async with RawUpstream(serve) as upstream, wire(upstream.port, *policies) as running:
        peer = await running.connect()
        peer.send(GET)
        head = await peer.head()
        events = []
        for number in range(3):
            tell.put_nowait(b"data: %d\n\n" % number)
            events.append(await peer.until(b"\n\n\r\n"))
        tell.put_nowait(b"")
        end = await peer.until(b"0\r\n\r\n")
        peer.close()

    assert b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n" in head
    assert [b"9\r\ndata: %d\n\n\r\n" % number for number in range(3)] == events
    assert b"0\r\n\r\n" == end


@pytest.mark.parametrize("policies", WAYS)
async def test_an_upload_arrives_piece_by_piece(policies: Any) -> None:
    pieces = asyncio.Queue[bytes]()

    async def serve(peer: Peer) -> None:
        await peer.head()
        while (piece := await peer.until(b"\r\n")) != b"0\r\n":
            pieces.put_nowait(piece)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port, *policies) as running:
        peer = await running.connect()
        peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        arrived = []
        async with asyncio.timeout(PATIENCE):
            for letter in (b"a", b"b", b"c"):
                peer.send(b"1\r\n%b\r\n" % letter)
                arrived += [await pieces.get(), await pieces.get()]
        peer.send(b"0\r\n\r\n")
        head = await peer.head()
        peer.close()

    assert [b"1\r\n", b"a\r\n", b"1\r\n", b"b\r\n", b"1\r\n", b"c\r\n"] == arrived
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_large_download_arrives_whole() -> None:
    blocks = 64 * MiB // len(BLOCK)

    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (blocks * len(BLOCK)))
        for _ in range(blocks):
            peer.send(BLOCK)
            await peer.drained()
        await peer.rest()

    got, most = hashlib.sha256(), 0
    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET)
        await peer.head()
        for _ in range(blocks):
            got.update(await peer.exactly(len(BLOCK)))
            most = max(most, held_by_proxy(running))
        peer.close()

    assert hashlib.sha256(BLOCK * blocks).digest() == got.digest()
    assert most < MiB


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_large_upload_arrives_whole(framing: str) -> None:
    blocks = 64 * MiB // len(BLOCK)
    got, most = hashlib.sha256(), 0

    async def serve(peer: Peer) -> None:
        nonlocal most
        await peer.head()
        left = blocks * len(BLOCK)
        while left:
            most = max(most, held_by_proxy(running))
            size = left if framing == "length" else int(await peer.until(b"\r\n"), 16)
            for part in (size, 0) if framing == "chunked" else (min(size, len(BLOCK)),):
                piece = await peer.exactly(part) if part else await peer.exactly(2)
                if part:
                    got.update(piece)
                    left -= len(piece)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        length = b"Content-Length: %d" % (blocks * len(BLOCK))
        peer.send(
            b"POST /a HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n"
            % (length if framing == "length" else b"Transfer-Encoding: chunked")
        )
        for _ in range(blocks):
            peer.send(BLOCK if framing == "length" else b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK))
            await peer.drained()
        if framing == "chunked":
            peer.send(b"0\r\n\r\n")
        _, body = await peer.message()
        peer.close()

    assert b"ok" == body
    assert hashlib.sha256(BLOCK * blocks).digest() == got.digest()
    assert most < MiB


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_both_directions_can_go_on_at_once() -> None:
    """An upstream that answers what it has read so far, such as one that converts."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
        for _ in range(3):
            peer.send((await peer.exactly(1)).upper())
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n")
        await peer.head()
        back = b""
        for letter in (b"a", b"b", b"c"):
            peer.send(letter)
            back += await peer.exactly(1)
        peer.close()

    assert b"ABC" == back


async def test_a_body_that_moves_in_one_direction_keeps_the_other_from_expiring() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await peer.exactly(4)
        peer.send(b"ok")
        await peer.rest()

    class Limits:
        def on_request(self, exchange: Exchange) -> None:
            exchange.limits = AttemptLimits(idle=5.0)

    async with RawUpstream(serve) as upstream, wire(upstream.port, Limits()) as running:
        peer = await running.connect()
        peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
        await peer.head()
        for number in range(4):
            running.advance(4.0)
            peer.send(b"x")
            await until(partial(_has_received, running, number + 1))
        answer = await peer.exactly(2)
        peer.close()

    assert b"ok" == answer


def _has_received(running: Running, size: int) -> bool:
    return received(running) >= size


@pytest.mark.parametrize(
    ("limit", "seen"),
    [(5, b"hello"), (4, None), (0, None)],
    ids=["within the limit", "over it", "none allowed"],
)
@pytest.mark.parametrize("head", [CHUNKED, LENGTH.replace(b"10", b"5")], ids=["chunked", "length"])
async def test_a_policy_reads_an_answers_body_and_the_client_gets_it_all_the_same(
    limit: int, seen: bytes | None, head: bytes
) -> None:
    async def serve(peer: Peer) -> None:
        while True:
            await peer.head()
            peer.send(head)
            for piece in (b"h", b"el", b"lo"):
                peer.send(b"%x\r\n%b\r\n" % (len(piece), piece) if head == CHUNKED else piece)
                await peer.drained()
            if head == CHUNKED:
                peer.send(b"0\r\nX-Sum: 1\r\n\r\n")

    policy = ReadsAnswer(limit)
    bodies = []
    async with RawUpstream(serve) as upstream, wire(upstream.port, policy) as running:
        peer = await running.connect()
        for _ in range(2):
            peer.send(GET)
            got = await peer.head()
            streams_on = b"chunked" in got
            body = await peer.until(b"0\r\nX-Sum: 1\r\n\r\n") if streams_on else await peer.exactly(5)
            bodies.append(b"".join(body.split(b"\r\n")[1:-4:2]) if streams_on else body)
        peer.close()
        await running.settled()
        held = running.server.buffers.held

    assert [b"hello"] * 2 == bodies
    assert [seen] * 2 == policy.read
    assert streams_on is (head == CHUNKED and seen is None)
    assert (0, 1) == (held, upstream.connections)


async def test_what_all_policies_hold_together_is_bounded() -> None:
    class ReadsBody:
        async def on_request(self, exchange: Exchange) -> None:
            await exchange.body()

    settings = WireSettings(max_buffered=8)
    post = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n"
    async with (
        RawUpstream(Echo()) as upstream,
        wire(upstream.port, ReadsBody(), settings=settings) as running,
    ):
        first, second = await running.connect(), await running.connect()
        first.send(post + b"abcd")
        await until(lambda: running.server.buffers.held == 4)
        second.send(post + b"abcdef")
        refused = await second.message()
        first.send(b"ef")
        passed = await first.message()
        second.send(post + b"abcdef")
        again = await second.message()
        first.close()
        second.close()
        await running.settled()

    assert refused[0].startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 1\r\n" in refused[0]
    assert b'"reason":"buffers.full"' in refused[1]
    assert (b"ok", b"ok", 0) == (passed[1], again[1], running.server.buffers.held)


async def test_what_was_held_is_given_back_when_the_client_leaves() -> None:
    class ReadsBody:
        async def on_request(self, exchange: Exchange) -> None:
            await exchange.body()

    async with RawUpstream(Echo()) as upstream, wire(upstream.port, ReadsBody()) as running:
        peer = await running.connect()
        peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcd")
        await until(lambda: running.server.buffers.held == 4)
        peer.close()
        await running.settled()

    assert 0 == running.server.buffers.held
