"""Ends that are none: whoever waits for the rest of a body can tell that it broke off."""

from __future__ import annotations

import asyncio

import pytest

from tests.wire.harness import BOTH_LOOPS, PATIENCE, Peer, RawUpstream, once, until, wire
from tests.wire.probes import GET, ReadsAnswer

pytestmark = BOTH_LOOPS


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


BROKEN = [
    pytest.param(LENGTH, b"hello", "upstream.reset", id="a length that is not reached"),
    pytest.param(CHUNKED, b"5\r\nhello\r\n", "upstream.reset", id="no last chunk"),
    pytest.param(CHUNKED, b"5\r\nhello\r\nxyz\r\n", "upstream.bad_response", id="a chunk that is none"),
]


@pytest.mark.parametrize(("head", "body", "reason"), BROKEN)
async def test_a_body_that_breaks_off_has_no_proper_end_for_the_client_either(
    head: bytes, body: bytes, reason: str
) -> None:
    head_arrived = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(head)
        await head_arrived.wait()
        peer.send(body)

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET)
        await peer.head()
        head_arrived.set()
        got = await peer.rest()
        await running.settled()

    assert body.startswith(got)
    assert not got.endswith(b"0\r\n\r\n")
    [outcome] = running.records.outcomes
    assert (200, False, reason) == (outcome.status, outcome.complete, outcome.reason)
    [(status, error)] = running.records.attempts
    assert (200, reason) == (status, getattr(error, "reason", None))


async def test_a_body_that_is_broken_from_its_start_is_answered_502() -> None:
    async with RawUpstream(once(CHUNKED + b"xyz\r\n")) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET)
        answer, _ = await peer.message()
        peer.close()
        await running.settled()

    assert answer.startswith(b"HTTP/1.1 502 ")
    assert [(502, True)] == [(outcome.status, outcome.complete) for outcome in running.records.outcomes]


async def test_an_http_10_client_can_tell_by_a_reset_that_a_body_broke_off() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await told.wait()

    told = asyncio.Event()
    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"GET /a HTTP/1.0\r\n\r\n")
        await peer.until(b"hello")
        told.set()
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(PATIENCE):
                await peer.reader.read(100)


@pytest.mark.parametrize(("head", "body", "reason"), BROKEN)
async def test_a_body_that_breaks_off_while_a_policy_reads_it_is_answered_502(
    head: bytes, body: bytes, reason: str
) -> None:
    async with RawUpstream(once(head + body)) as upstream, wire(upstream.port, ReadsAnswer(1000)) as running:
        peer = await running.connect()
        peer.send(GET)
        answer, problem = await peer.message()
        peer.close()

    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b'"reason":"%b"' % reason.encode() in problem
    assert b"hello" not in problem
    assert [(200, reason)] == [(status, error.reason) for status, error in running.records.attempts]


async def test_an_upload_that_breaks_off_is_broken_off_at_the_upstream() -> None:
    seen = b""
    done = asyncio.Event()

    async def serve(peer: Peer) -> None:
        nonlocal seen
        await peer.head()
        seen = await peer.rest()
        done.set()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await until(lambda: upstream.connections == 1)
        peer.close()
        async with asyncio.timeout(PATIENCE):
            await done.wait()
        await running.settled()

    assert not seen.endswith(b"0\r\n\r\n")
    assert [(499, False)] == [(o.status, o.complete) for o in running.records.outcomes]


async def test_an_upload_whose_framing_breaks_is_answered_400_and_broken_off_at_the_upstream() -> None:
    seen = b""
    done = asyncio.Event()

    async def serve(peer: Peer) -> None:
        nonlocal seen
        await peer.head()
        seen = await peer.rest()
        done.set()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await until(lambda: upstream.connections == 1)
        peer.send(b"xyz\r\n")
        answer = await peer.rest()
        async with asyncio.timeout(PATIENCE):
            await done.wait()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Connection: close\r\n" in answer
    assert not seen.endswith(b"0\r\n\r\n")
    assert [(None, None)] == running.records.attempts  # it is not the upstream's fault
