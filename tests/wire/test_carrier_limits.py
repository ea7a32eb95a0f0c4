"""Time limits of an exchange: each phase has its own, the deadline is above them all."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from proxy.exchange import Exchange, Response
from proxy.wire.serving import WireSettings
from tests.wire.harness import BOTH_LOOPS, PATIENCE, Echo, Peer, RawUpstream, Running, until, wire
from tests.wire.probes import GET, WAYS, Limits, Reads, received, refusal, says_nothing, send_on, waits


@BOTH_LOOPS
@pytest.mark.parametrize("policies", WAYS)
async def test_an_upstream_that_does_not_answer_in_time_is_answered_for_with_504(policies: Any) -> None:
    left = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.rest()
        left.set()

    async with (
        RawUpstream(serve) as upstream,
        wire(upstream.port, Limits(response=5.0), *policies) as running,
    ):
        peer = await running.connect()
        peer.send(GET)
        await until(lambda: upstream.connections == 1 and waits(running))
        running.advance(4.9)
        early = list(running.records.outcomes)
        running.advance(0.2)
        answer = await peer.message()
        async with asyncio.timeout(PATIENCE):
            await left.wait()
        peer.send(GET)
        await until(lambda: upstream.connections == 2)
        peer.close()

    assert ([], (504, "timeout.response")) == (early, refusal(*answer))
    [(status, error)] = running.records.attempts[:1]
    assert (None, "timeout.response", False) == (status, error.reason, error.nothing_sent)


@pytest.mark.parametrize("policies", WAYS)
async def test_an_upstream_that_stops_in_the_middle_is_cut_off(policies: Any) -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port, Limits(idle=5.0), *policies) as running:
        peer = await running.connect()
        peer.send(GET)
        await peer.head()
        await peer.exactly(5)
        running.advance(5.1)
        assert await peer.closed()
        await until(lambda: not running.upstream_connections)

    assert [(200, False, "timeout.idle")] == [
        (o.status, o.complete, o.reason) for o in running.records.outcomes
    ]


@pytest.mark.parametrize("policies", WAYS)
async def test_a_client_that_stops_in_the_middle_of_its_body_is_answered_408(policies: Any) -> None:
    settings = WireSettings(body_idle=5.0)
    async with (
        RawUpstream(says_nothing) as upstream,
        wire(upstream.port, *policies, settings=settings) as running,
    ):
        peer = await running.connect()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
        await until(lambda: waits(running))
        running.advance(5.1)
        answer = await peer.message()
        assert await peer.closed()
        await until(lambda: not running.upstream_connections)

    assert (408, "request.timeout") == refusal(*answer)
    assert [(None, None)] == running.records.attempts  # which is not the upstream's fault


async def test_a_client_that_stops_in_the_middle_of_a_body_that_a_policy_reads_is_answered_408() -> None:
    settings = WireSettings(body_idle=5.0)
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, Reads(), settings=settings) as running:
        peer = await running.connect()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
        await until(lambda: running.server.buffers.held == 5)
        running.advance(5.1)
        answer = await peer.message()
        assert await peer.closed()

    assert (408, "request.timeout") == refusal(*answer)
    assert 0 == upstream.connections


async def test_a_body_that_a_policy_reads_may_take_long_as_long_as_it_moves() -> None:
    settings = WireSettings(body_idle=5.0)
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, Reads(), settings=settings) as running:
        peer = await running.connect()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
        for number in range(10):
            peer.send(b"x")
            await until(partial(_has_received, running, number + 1))
            running.advance(4.0)
        head, _ = await peer.message()
        peer.close()

    assert head.startswith(b"HTTP/1.1 200 ")


def _has_received(running: Running, size: int) -> bool:
    return received(running) >= size


async def test_once_a_policy_has_the_body_it_may_take_its_time() -> None:
    class Thinks(Reads):
        def __init__(self) -> None:
            self.done = asyncio.Event()

        async def on_request(self, exchange: Exchange) -> None:
            await super().on_request(exchange)
            await self.done.wait()

    thinks = Thinks()
    settings = WireSettings(body_idle=5.0)
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, thinks, settings=settings) as running:
        peer = await running.connect()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel")
        await until(lambda: received(running) >= 3)
        peer.send(b"lo")
        await until(lambda: received(running) >= 5)
        running.advance(60.0)
        thinks.done.set()
        head, _ = await peer.message()
        peer.close()

    assert head.startswith(b"HTTP/1.1 200 ")


async def test_an_upstream_that_stops_reading_is_cut_off() -> None:
    stalled = asyncio.Event()

    async def serve(peer: Peer) -> None:
        peer.stop_reading()
        await stalled.wait()

    async with RawUpstream(serve) as upstream, wire(upstream.port, Limits(idle=5.0)) as running:
        peer = await running.connect()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n")
        await until(lambda: waits(running))
        sending = asyncio.create_task(send_on(peer))
        await until(lambda: any(not client._reading for client in running.clients))
        running.advance(5.1)
        answer = await peer.message()
        sending.cancel()
        await until(lambda: not running.upstream_connections)
        stalled.set()

    assert (504, "timeout.idle") == refusal(*answer)


@BOTH_LOOPS
@pytest.mark.parametrize("policies", WAYS)
async def test_a_deadline_ends_an_exchange_that_waits_for_the_upstream(policies: Any) -> None:
    async with (
        RawUpstream(says_nothing) as upstream,
        wire(upstream.port, Limits(deadline=5.0), *policies) as running,
    ):
        peer = await running.connect()
        peer.send(GET)
        await until(lambda: waits(running))
        running.advance(5.1)
        answer = await peer.message()
        peer.close()

    assert (504, "deadline.exceeded") == refusal(*answer)
    assert ["deadline.exceeded"] == [error.reason for _, error in running.records.attempts]


@BOTH_LOOPS
async def test_a_deadline_ends_a_policy_that_waits() -> None:
    class Waits:
        waiting = cancelled = False

        async def on_request(self, exchange: Exchange) -> None:
            self.waiting = True
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise

    waits_ = Waits()
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, Limits(deadline=5.0), waits_) as running:
        peer = await running.connect()
        peer.send(GET)
        await until(lambda: waits_.waiting)
        running.advance(5.1)
        answer = await peer.message()
        await until(lambda: waits_.cancelled)
        peer.send(GET)  # the connection is none the worse for it
        await until(lambda: running.records.in_flight == 1)
        running.advance(5.1)
        again = await peer.message()
        peer.close()

    assert [(504, "deadline.exceeded")] * 2 == [refusal(*answer), refusal(*again)]
    assert 0 == upstream.connections


async def test_a_deadline_ends_a_response_that_is_under_way() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port, Limits(deadline=5.0)) as running:
        peer = await running.connect()
        peer.send(GET)
        await peer.exactly(5)
        await until(lambda: running.records.exchanges[0].upstream_status == 200)
        running.advance(5.1)
        body = await peer.rest()
        await running.settled()

    assert body.endswith(b"\r\n\r\nhello")
    assert [(200, False, "deadline.exceeded")] == [
        (o.status, o.complete, o.reason) for o in running.records.outcomes
    ]


async def test_a_policy_that_will_not_be_ended_cannot_write_into_the_next_exchange() -> None:
    class Stubborn:
        go_on = asyncio.Event()
        done = False

        async def on_request(self, exchange: Exchange) -> Response | None:
            if exchange.request.path != "/stubborn":
                return None
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await self.go_on.wait()
            self.done = True
            return Response(200, content=b"too late")

    stubborn = Stubborn()
    async with (
        RawUpstream(Echo()) as upstream,
        wire(upstream.port, Limits(deadline=5.0), stubborn) as running,
    ):
        peer = await running.connect()
        peer.send(b"GET /stubborn HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: running.records.in_flight == 1 and running.clients[0].timer.expires_at < 1e9)
        running.advance(5.1)
        answer = await peer.message()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
        await until(lambda: running.records.in_flight == 1)
        stubborn.go_on.set()
        await until(lambda: stubborn.done)
        peer.send(b"ab")
        _, body = await peer.message()
        peer.close()

    assert (504, "deadline.exceeded") == refusal(*answer)
    assert b"ok" == body


async def test_a_client_that_does_not_read_the_answer_is_cut_off_and_it_is_not_the_upstreams_fault() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await send_on(peer)

    async with RawUpstream(serve) as upstream, wire(upstream.port, Limits(idle=5.0)) as running:
        peer = await running.connect()
        peer.stop_reading()
        peer.send(GET)
        await until(lambda: any(client.write_paused for client in running.clients))
        running.advance(4.0)
        still = running.records.in_flight
        running.advance(1.1)
        await running.settled()
        await until(lambda: not running.clients)

    assert 1 == still
    assert [(200, False, "request.timeout")] == [
        (o.status, o.complete, o.reason) for o in running.records.outcomes
    ]
    assert [(200, None)] == running.records.attempts


async def test_a_client_that_reads_slowly_but_reads_is_not_cut_off() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await send_on(peer)

    async with RawUpstream(serve) as upstream, wire(upstream.port, Limits(idle=5.0)) as running:
        peer = await running.connect()
        peer.send(GET)
        await peer.head()
        for _ in range(3):
            await until(lambda: any(client.write_paused for client in running.clients))
            running.advance(4.0)
            while any(client.write_paused for client in running.clients):
                await peer.exactly(2**20)
        in_flight = running.records.in_flight
        peer.abort()
        await running.settled()

    assert 1 == in_flight
