"""A side that does not read slows the other one, and fills no memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy.exchange import Exchange
from proxy.wire.bodies import HIGH_WATER
from proxy.wire.serving import WireSettings
from tests.wire.harness import BOTH_LOOPS, Echo, Peer, RawUpstream, until, wire
from tests.wire.probes import BLOCK, BUFFERED, GET, WAYS, MiB, held_by_proxy, still

pytestmark = BOTH_LOOPS


class Flood:
    """Sends without an end, as fast as it is let."""

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.sent = 0

    async def __call__(self, peer: Peer) -> None:
        await peer.head()
        peer.send(self.head)
        while True:
            peer.send(BLOCK)
            await peer.writer.drain()
            self.sent += len(BLOCK)


@pytest.mark.parametrize("policies", WAYS)
@pytest.mark.parametrize("length", [b"Content-Length: 99999999999\r\n", b""], ids=["length", "until the end"])
async def test_a_client_that_does_not_read_slows_the_upstream(policies: Any, length: bytes) -> None:
    flood = Flood(b"HTTP/1.1 200 OK\r\n%b\r\n" % length)
    async with RawUpstream(flood) as upstream, wire(upstream.port, *policies) as running:
        peer = await running.connect()
        peer.send(GET)
        await peer.head()
        await until(lambda: running.upstream_paused)
        await still(lambda: flood.sent)
        sent, held = flood.sent, held_by_proxy(running)
        for _ in range(sent // len(BLOCK)):
            await peer.exactly(len(BLOCK))
        await until(lambda: flood.sent > sent)
        peer.close()
        await running.settled()

    assert sent < BUFFERED
    assert held < MiB


class ReadsLater:
    """A policy that waits for something else first, while the client already sends."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.body = b""

    async def on_request(self, exchange: Exchange) -> None:
        await self.go_on.wait()
        self.body = await exchange.body()


async def test_a_body_that_no_policy_asks_for_yet_slows_the_client() -> None:
    policy, echo = ReadsLater(), Echo()
    body = BLOCK * 128
    async with RawUpstream(echo) as upstream, wire(upstream.port, policy) as running:
        peer = await running.connect()
        peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await until(lambda: any(not c._reading for c in running.clients))
        exchange = running.records.exchanges[0]
        waiting = exchange.request.content.size  # type: ignore[union-attr]
        policy.go_on.set()
        head, _ = await peer.message()
        peer.close()

    assert waiting < HIGH_WATER + MiB
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == policy.body
    assert echo.seen[0].endswith(b"\r\n\r\n" + body)


async def test_a_client_that_pipelines_and_never_reads_does_not_fill_the_memory() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BLOCK), BLOCK)
    asked = 0

    async def serve(peer: Peer) -> None:
        nonlocal asked
        while True:
            await peer.head()
            asked += 1
            peer.send(answer)
            await peer.drained()

    requests = 1000
    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.read_ahead(1024)  # so that the test's own end does not read ahead
        peer.send(GET * requests)
        await until(lambda: any(c.write_paused for c in running.clients))
        await still(lambda: asked)
        stopped_at, held = asked, held_by_proxy(running)
        for _ in range(requests):
            await peer.until(b"\r\n\r\n")
            await peer.exactly(len(BLOCK))
        peer.close()

    assert requests == asked
    assert stopped_at * len(BLOCK) < BUFFERED
    assert held < MiB


async def test_a_client_that_never_reads_its_last_answer_is_cut_off() -> None:
    size = 512
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (size * len(BLOCK))

    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(answer)
        for _ in range(size):
            peer.send(BLOCK)
            await peer.drained()
        await peer.rest()

    async with (
        RawUpstream(serve) as upstream,
        wire(upstream.port, settings=WireSettings(body_idle=0.01)) as running,
    ):
        peer = await running.connect()
        peer.stop_reading()
        peer.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        await until(lambda: bool(running.clients) and running.clients[0].write_paused)
        await still(lambda: running.records.in_flight)
        running.advance(61.0)
        await until(lambda: not running.clients)

    assert [False] == [outcome.complete for outcome in running.records.outcomes]
