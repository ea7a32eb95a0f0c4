"""What comes late, early or too often reaches nobody, and no doubtful connection is used again."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Any, cast

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser, HttpResponseParser

from proxy.errors import Rejection
from proxy.exchange import Exchange, Forward, Response
from tests.wire.attacks import OK, get, length, post
from tests.wire.bare import bare
from tests.wire.harness import Peer, RawUpstream, wire
from tests.wire.test_isolation import CHUNKED, PLAIN, answer


def test_a_limit_of_one_exchange_is_none_of_the_next() -> None:
    class Hurries:
        def on_request(self, exchange: Exchange) -> None:
            if exchange.request.path == "/hurried":
                exchange.bound_time(exchange.started + 5.0, Rejection(504, "test.late"))

    with bare(Hurries()) as here:
        client = here.client()
        client.send(get(b"Host: a", target=b"/hurried"))
        here.settle()
        here.advance(5.1)
        late = client.take()
        client.send(PLAIN)
        here.settle()
        here.advance(5.1)
        before = client.take()
        here.upstreams[-1].send(OK)
        here.settle()
        after = client.take()

    assert (b"504", b"", b"200") == (late[9:12], before, after[9:12])


def test_an_answer_that_comes_too_late_reaches_nobody() -> None:
    with bare() as here:
        client = here.client()
        client.send(PLAIN)
        here.settle()
        late = here.upstreams[0]
        here.advance(60.1)
        refused = client.take()
        client.send(PLAIN)
        here.settle()
        late.protocol.data_received(OK.replace(b"ok", b"no"))  # what was on its way when we closed
        here.upstreams[1].send(OK)
        here.settle()
        got = client.take()

    assert (b"504", b"ok") == (refused[9:12], got[-2:])


class GivesUp:
    """A policy that answers itself where the upstream takes its time."""

    def __init__(self) -> None:
        self.goes_on = asyncio.Event()

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        call = asyncio.ensure_future(forward(exchange))
        for _ in range(5):
            await asyncio.sleep(0)
        call.cancel()
        await self.goes_on.wait()
        return Response(200, content=b"own")


def test_an_answer_that_a_policy_gave_up_on_reaches_nobody() -> None:
    gives_up = GivesUp()
    with bare(gives_up) as here:
        client = here.client()
        client.send(PLAIN)
        here.settle()
        aborted = here.upstreams[0].aborted
        here.upstreams[0].protocol.data_received(OK)
        here.settle()
        before = client.take()
        gives_up.goes_on.set()
        here.settle()
        own = client.take()

    assert (True, b"", b"own") == (aborted, before, own[-3:])


def test_an_upstream_that_breaks_off_its_answer_is_not_asked_again() -> None:
    """It has seen the request, so it is not that it closed the connection while that was idle."""
    with bare() as here:
        client = here.client()
        client.send(PLAIN)
        answer(here, client)
        client.send(PLAIN)
        here.settle()
        here.upstreams[0].send(b"HTTP/1.1 2")
        here.upstreams[0].leave()
        here.settle()
        got = client.take()

    assert (b"502", 1) == (got[9:12], len(here.upstreams))


def test_a_connection_whose_upstream_has_not_read_the_request_is_not_used_again() -> None:
    """What it did not read of a body, it would take for the next request."""
    body = b"x" * 100_000
    with bare() as here:
        client = here.client()
        client.send(PLAIN)
        answer(here, client)
        here.upstreams[0].stuck = True
        client.send(post(length(body), body=body))
        here.settle()
        here.upstreams[0].send(OK)
        here.settle()
        got = client.take()

    assert (b"200", False) == (got[9:12], here.upstreams[0].open)


FORGED = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
SPEAKS_OF_A_BODY = {"a length": length(FORGED), "chunks": CHUNKED}


@pytest.mark.parametrize("claim", SPEAKS_OF_A_BODY.values(), ids=SPEAKS_OF_A_BODY)
def test_the_late_body_of_a_204_is_not_the_answer_to_somebody_elses_request(claim: bytes) -> None:
    """It may have none, so its head is all; but an upstream that announces one may send it."""
    with bare() as here:
        one, other = here.client(), here.client()
        one.send(PLAIN)
        here.settle()
        lying = here.upstreams[0]
        lying.send(b"HTTP/1.1 204 No Content\r\n%b\r\n\r\n" % claim)
        here.settle()
        other.send(PLAIN)
        here.settle()
        lying.protocol.data_received(FORGED)
        here.settle()
        before = other.take()
        here.upstreams[1].send(OK)
        here.settle()
        got = other.take()

    assert (b"204", False) == (one.take()[9:12], lying.open)
    assert (b"", b"ok") == (before, got[-2:])


@pytest.mark.parametrize("claim", [b"Content-Length: 0", b"X-A: b"], ids=["a length of 0", "nothing"])
def test_a_204_that_speaks_of_no_body_leaves_its_connection_for_the_next(claim: bytes) -> None:
    with bare() as here:
        client = here.client()
        for _ in range(2):
            client.send(PLAIN)
            answer(here, client, b"HTTP/1.1 204 No Content\r\n%b\r\n\r\n" % claim)

    assert 1 == len(here.upstreams)


def test_interim_answers_for_a_client_that_has_gone_are_not_written() -> None:
    with bare() as here:
        client = here.client()
        client.send(PLAIN)
        here.settle()
        client.close()  # and the loop has not turned yet
        here.upstreams[0].send(b"HTTP/1.1 103 Hints\r\n\r\n" * 1000)
        wasted = client.wasted

    assert (0, b"") == (wasted, client.written)


async def test_what_is_behind_a_switch_of_protocols_stays_on_its_connection() -> None:
    async def serve(peer: Peer) -> None:
        head = await peer.head()
        if b"Upgrade" in head:
            peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: frob\r\n\r\nhi")
            tunnelled.append(await peer.until(b"!"))
        peer.send(OK)
        await peer.rest()

    tunnelled: list[bytes] = []
    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        one, other = await running.connect(), await running.connect()
        one.send(get(b"Host: a", b"Connection: upgrade", b"Upgrade: frob") + PLAIN)
        head, greeting = await one.head(), await one.exactly(2)
        other.send(PLAIN)
        _, body = await other.message()
        one.send(b"!")
        raw = await one.exactly(len(OK))

    assert (b"101", b"hi", b"ok", OK) == (head[9:12], greeting, body, raw)
    assert [PLAIN + b"!"] == tunnelled


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("first", ["client", "upstream"])
def test_one_direction_of_a_tunnel_may_end_first_where_the_connection_can_do_that(
    first: str, secure: bool
) -> None:
    """TLS can't; and asyncio logs a warning each time that a protocol asks for it."""
    with bare() as here:
        client = here.client()
        client.protocol.secure = secure
        client.send(get(b"Host: a", b"Connection: upgrade", b"Upgrade: frob"))
        here.settle()
        upstream = here.upstreams[0]
        cast(Any, upstream)._extra["sslcontext"] = object() if secure else None
        upstream.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: frob\r\n\r\n")
        here.settle()
        one, other = (client, upstream) if first == "client" else (upstream, client)
        kept_open = one.protocol.eof_received()

    assert (not secure, True) == (kept_open, other.ended)


LEAKY = {
    "request": (HttpRequestParser, post(CHUNKED, body=b"0\r\nX-First: leaked\r\n\r\n"), PLAIN),
    "response": (
        HttpResponseParser,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nSet-Cookie: leaked\r\n\r\n",
        OK,
    ),
}


@pytest.mark.parametrize(("kind", "first", "second"), LEAKY.values(), ids=LEAKY)
def test_a_parser_that_is_fed_bodies_leaks_the_last_trailer_and_nothing_does_here(
    kind: Any, first: bytes, second: bytes
) -> None:
    """Where the first half of this fails, aiohttp has mended it."""
    with closing(asyncio.new_event_loop()) as loop:
        unguarded = kind(BaseProtocol(loop), loop, 2**16)
        unguarded.feed_data(first)
        [(leaking, _)] = unguarded.feed_data(second)[0]
    with bare() as here:
        client = here.client()
        client.send(first if kind is HttpRequestParser else PLAIN)
        here.settle()
        here.upstreams[0].send(OK if kind is HttpRequestParser else first)
        here.settle()
        client.take(), here.upstreams[0].take()
        client.send(PLAIN)
        here.settle()
        here.upstreams[0].send(OK)
        here.settle()
        later = here.upstreams[0].take() + client.take()

    assert (True, False) == ("leaked" in str(leaking.raw_headers), b"leaked" in later)
    assert OK[-2:] == later[-2:], "the second exchange ran"
