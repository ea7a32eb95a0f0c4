"""Answers that come while the request is still being sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy.wire.serving import WireSettings
from tests.wire.harness import BOTH_LOOPS, Peer, RawUpstream, until, wire
from tests.wire.probes import BLOCK, WAYS, send_on

pytestmark = BOTH_LOOPS


EARLY = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig"


@pytest.mark.parametrize("policies", WAYS)
async def test_an_answer_while_the_upload_still_goes_on_reaches_the_client(policies: Any) -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.exactly(len(BLOCK))
        peer.send(EARLY)
        await peer.drained()  # and is gone, with a reset, since it leaves so much unread

    async with RawUpstream(serve) as upstream, wire(upstream.port, *policies) as running:
        for _ in range(20):
            peer = await running.connect()
            peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n")
            sending = asyncio.create_task(send_on(peer))
            head, body = await peer.message()
            sending.cancel()
            peer.close()

            assert head.startswith(b"HTTP/1.1 413 Content Too Large\r\n")
            assert b"Connection: close\r\n" in head
            assert b"big" == body
        await running.settled()

    assert {("", 413)} == {(outcome.reason, outcome.status) for outcome in running.records.outcomes}


async def test_a_client_that_sends_on_after_an_early_answer_still_gets_to_read_it() -> None:
    """Closing at once would reset its connection, and the answer with it (RFC 9112, section 9.6)."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(EARLY)

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (64 * len(BLOCK)))
        await until(lambda: running.records.outcomes)
        for _ in range(64):
            peer.send(BLOCK)
            await peer.drained()
        answer = await peer.rest()

    assert answer.endswith(b"\r\n\r\nbig")


async def test_a_client_that_sends_on_without_an_end_is_cut_off() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(EARLY)

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n")
        await running.settled()
        peer.send(BLOCK)
        await peer.head()
        running.advance(WireSettings().linger + 0.1)
        await until(lambda: not running.clients)
