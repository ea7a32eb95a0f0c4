"""Upstreams over TLS whose connection ends: properly, cut off on the way, or while it was idle."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trustme

from proxy.wire.pool import Address
from tests.wire.harness import BOTH_LOOPS, Peer, RawUpstream, Running, until, wire
from tests.wire.probes import OK, WAYS, ask, refusal

pytestmark = BOTH_LOOPS

CLOSING = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
LARGE = bytes(range(256)) * 16 * 1024


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def in_front_of(
    authority: trustme.CA, serve: Callable[[Peer], Awaitable[None]], *policies: object
) -> AsyncIterator[tuple[Running, RawUpstream]]:
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("app.test").configure_cert(theirs)
    authority.configure_trust(ours)
    upstream = RawUpstream(serve)
    upstream._server = await asyncio.start_server(upstream._accept, "127.0.0.1", 0, ssl=theirs)
    address = Address("app.test", "127.0.0.1", upstream.port, tls=ours, server_name="app.test")
    try:
        async with wire(0, *policies, address=address) as running:
            yield running, upstream
    finally:
        await upstream.__aexit__(None)


def cut_off(peer: Peer) -> None:
    """What somebody on the way can do: end the connection below TLS."""
    below = peer.writer.get_extra_info("socket")
    with socket.socket(fileno=os.dup(below.fileno())) as connection:
        connection.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("policies", WAYS)
async def test_a_body_that_ends_with_the_connection_is_whole_where_tls_says_so(
    authority: trustme.CA, policies: tuple[object, ...]
) -> None:
    async def serve(peer: Peer) -> None:
        await peer.message()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + LARGE)

    async with in_front_of(authority, serve, *policies) as (running, _):
        peer = await running.connect()
        peer.send(b"GET /a HTTP/1.0\r\n\r\n")
        answer = await peer.rest()
        await running.settled()

    assert LARGE == answer.partition(b"\r\n\r\n")[2]
    assert [True] == [outcome.complete for outcome in running.records.outcomes]


@pytest.mark.parametrize("policies", WAYS)
async def test_a_body_that_is_cut_off_below_tls_is_not_taken_for_a_whole_one(
    authority: trustme.CA, policies: tuple[object, ...]
) -> None:
    """RFC 9112, section 9.8: else anybody on the way could leave out the end of an answer."""

    async def serve(peer: Peer) -> None:
        await peer.message()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\npay 1")
        await got.wait()
        cut_off(peer)
        await peer.rest()

    got = asyncio.Event()
    async with in_front_of(authority, serve, *policies) as (running, _):
        peer = await running.connect()
        peer.send(CLOSING)
        head = await peer.until(b"pay 1\r\n")
        got.set()
        rest = await peer.rest()
        await running.settled()
        [(status, error)] = running.records.attempts

    assert (b"HTTP/1.1 200 OK", b"") == (head.partition(b"\r\n")[0], rest)
    assert (200, "upstream.reset") == (status, error.reason)
    assert "without saying so" in error.cause
    assert [False] == [outcome.complete for outcome in running.records.outcomes]


async def test_a_body_whose_length_is_known_is_whole_however_tls_ends(authority: trustme.CA) -> None:
    async def serve(peer: Peer) -> None:
        await peer.message()
        peer.send(OK)
        cut_off(peer)
        await peer.rest()

    async with in_front_of(authority, serve) as (running, upstream):
        bodies = [(await ask(running))[1] for _ in range(2)]

    assert ([b"ok", b"ok"], 2) == (bodies, upstream.connections)


class ClosesAtReuse:
    """Answers the first request, and closes the connection when the second arrives on it."""

    def __init__(self, end: Callable[[Peer], None], times: int = 1) -> None:
        self.end = end
        self.times = times
        self.seen: list[bytes] = []

    async def __call__(self, peer: Peer) -> None:
        while True:
            head, _ = await peer.message()
            again = head[:4] in self.seen
            self.seen.append(head[:4])
            if again and self.times:
                self.times -= 1
                self.end(peer)
                return
            peer.send(OK)


@pytest.mark.parametrize("end", [Peer.close, Peer.abort, cut_off], ids=["closes", "resets", "cut off"])
@pytest.mark.parametrize(("request_", "times"), [(CLOSING, 3), (POST, 2)], ids=["GET", "POST"])
async def test_one_that_closes_at_the_moment_of_reuse_is_asked_again_only_where_that_does_no_harm(
    authority: trustme.CA, end: Callable[[Peer], None], request_: bytes, times: int
) -> None:
    api = ClosesAtReuse(end)
    async with in_front_of(authority, api) as (running, _):
        first = await ask(running, request_)
        await until(lambda: running.pool.summary()["idle"] == 1)
        second = await ask(running, request_)

    assert (b"ok", [request_[:4]] * times) == (first[1], api.seen)
    if request_ is POST:
        assert (502, "upstream.reset") == refusal(*second)
    else:
        assert b"ok" == second[1]


async def test_one_that_closes_after_each_answer_gets_a_connection_for_each(authority: trustme.CA) -> None:
    async def serve(peer: Peer) -> None:
        await peer.message()
        peer.send(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n", 1))

    async with in_front_of(authority, serve) as (running, upstream):
        bodies = [(await ask(running, POST))[1] for _ in range(5)]
        await until(lambda: running.pool.summary()["open"] == 0)

    assert ([b"ok"] * 5, 5) == (bodies, upstream.connections)


async def test_one_that_speaks_http_2_is_called_that(authority: trustme.CA) -> None:
    async def serve(peer: Peer) -> None:
        peer.send(b"\0\0\0\4\0\0\0\0\0")
        await peer.rest()

    async with in_front_of(authority, serve) as (running, _):
        answer = await ask(running)
        [(_, error)] = running.records.attempts

    assert (502, "upstream.bad_response") == refusal(*answer)
    assert "this is HTTP/2; expected HTTP/1.1" in error.cause
