"""A limit on all of an attempt: what moves, but too slowly, is given up, and nothing else is."""

from __future__ import annotations

import asyncio
import ssl
from math import inf
from typing import Any

import pytest

from proxy.errors import UpstreamError
from proxy.exchange import Exchange, Forward, Response
from proxy.wire.pool import Address
from tests.wire.harness import BOTH_LOOPS, Echo, Peer, RawUpstream, Running, until, wire
from tests.wire.probes import GET, WAYS, Limits, refusal, says_nothing, waits
from tests.wire.test_tunnel import Scripted, both_ends, gone

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
FIVE = Limits(attempt=5.0)


class Again:
    """A policy that waits for longer than an attempt may take, and calls a second time."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.go_on = asyncio.Event()

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        try:
            await forward(exchange)
        except UpstreamError:
            self.waiting.set()
            await self.go_on.wait()
        return await forward(exchange)


@BOTH_LOOPS
@pytest.mark.parametrize("policies", WAYS)
async def test_no_answer_by_then_is_a_504_that_names_the_limit(policies: Any) -> None:
    async with RawUpstream(says_nothing) as upstream, wire(upstream.port, FIVE, *policies) as running:
        peer = await running.connect()
        peer.send(GET)
        await until(lambda: upstream.connections == 1 and waits(running))
        running.advance(4.9)
        early = list(running.records.outcomes)
        running.advance(0.2)
        answer = await peer.message()

    assert ([], (504, "timeout.attempt")) == (early, refusal(*answer))
    [(status, error)] = running.records.attempts
    assert (None, "timeout.attempt", False) == (status, error.reason, error.nothing_sent)


@pytest.mark.parametrize("policies", WAYS)
async def test_an_answer_that_trickles_is_cut_off(policies: Any) -> None:
    moved = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(HEAD + b"h")
        await moved.wait()
        peer.send(b"e")
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port, FIVE, *policies) as running:
        peer = await running.connect()
        peer.send(GET)
        await peer.head()
        await peer.exactly(1)
        running.advance(4.0)
        moved.set()
        await peer.exactly(1)
        running.advance(1.1)
        assert await peer.closed()
        await until(lambda: not running.upstream_connections)

    assert [(200, False, "timeout.attempt")] == [
        (o.status, o.complete, o.reason) for o in running.records.outcomes
    ]


async def test_where_nobody_shakes_hands_by_then_the_request_is_unsent() -> None:
    limits, tls = Limits(attempt=5.0, connect=60.0), ssl.create_default_context()
    async with RawUpstream(says_nothing) as upstream:
        address = Address("a", "127.0.0.1", upstream.port, tls=tls, server_name="a")
        async with wire(upstream.port, limits, address=address) as running:
            answer = await given_up(running, upstream)

    assert (504, "timeout.attempt") == refusal(*answer)
    assert running.records.attempts[0][1].nothing_sent


async def test_who_only_waits_for_a_place_is_told_so_and_the_upstream_is_not_to_blame() -> None:
    limits, pool = Limits(), {"max_connections": 1, "wait": 60.0}
    async with RawUpstream(says_nothing) as upstream, wire(upstream.port, limits, pool=pool) as running:
        first, second = await running.connect(), await running.connect()
        first.send(GET)
        await until(lambda: upstream.connections == 1)
        limits.limits = FIVE.limits
        second.send(GET)
        await until(lambda: running.pool.summary()["waiting"] == 1)
        running.advance(5.1)
        answer = await second.message()

    assert (503, "upstream.busy") == refusal(*answer)
    assert ["upstream.busy"] == [error.reason for _, error in running.records.attempts[:1]]


@pytest.mark.parametrize("policies", WAYS)
async def test_a_client_that_sends_too_slowly_for_it_is_told_and_the_upstream_is_not_to_blame(
    policies: Any,
) -> None:
    arrived = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.head()
        arrived.set()
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port, FIVE, *policies) as running:
        peer = await running.connect()
        peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nab")
        await arrived.wait()
        running.advance(5.1)
        answer = await peer.message()

    assert (408, "request.timeout") == refusal(*answer)
    assert [(None, None)] == running.records.attempts


@pytest.mark.parametrize("policies", WAYS)
async def test_where_the_deadline_is_at_the_same_moment_that_is_the_reason(policies: Any) -> None:
    deadline = Limits(attempt=5.0, deadline=5.0)
    async with RawUpstream(says_nothing) as upstream, wire(upstream.port, deadline, *policies) as running:
        answer = await given_up(running, upstream)

    assert (504, "deadline.exceeded") == refusal(*answer)
    assert 1 == len(running.records.attempts)


async def given_up(running: Running, upstream: RawUpstream) -> tuple[bytes, bytes]:
    peer = await running.connect()
    peer.send(GET)
    await until(lambda: upstream.connections == 1)
    running.advance(5.1)
    return await peer.message()


async def test_a_wait_between_two_attempts_is_part_of_none_and_each_has_its_own_time() -> None:
    again = Again()
    async with RawUpstream(says_nothing) as upstream, wire(upstream.port, FIVE, again) as running:
        peer = await running.connect()
        peer.send(GET)
        await until(lambda: upstream.connections == 1 and waits(running))
        running.advance(5.1)
        await asyncio.wait_for(again.waiting.wait(), 5)
        running.advance(60)
        again.go_on.set()
        await until(lambda: upstream.connections == 2 and waits(running))
        running.advance(4.9)
        early = list(running.records.outcomes)
        running.advance(0.2)
        answer = await peer.message()

    assert ([], (504, "timeout.attempt")) == (early, refusal(*answer))
    assert 2 == len(running.records.attempts)


@pytest.mark.parametrize("policies", WAYS)
async def test_a_connection_that_stays_open_is_not_bounded_by_the_call_before(policies: Any) -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, FIVE, *policies) as running:
        peer = await running.connect()
        statuses = []
        for _ in range(3):
            peer.send(GET)
            statuses.append((await peer.message())[0].split()[1])
            await running.settled()
            running.advance(4.0)

    assert [b"200"] * 3 == statuses


async def test_a_tunnel_is_a_conversation_and_not_bounded() -> None:
    scripted = Scripted()
    async with RawUpstream(scripted) as upstream, wire(upstream.port, FIVE) as running:
        client, server = await both_ends(running, scripted)
        running.advance(100)  # nor by what a response may take, though nobody has said a word yet
        client.send(b"still here")
        heard = await server.exactly(10)
        client.close()
        server.close()
        await gone(running)

    assert b"still here" == heard


def test_without_it_an_attempt_takes_as_long_as_it_takes() -> None:
    assert inf == Limits().limits.attempt
