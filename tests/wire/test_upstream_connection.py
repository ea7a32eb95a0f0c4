"""One connection to an upstream: what it says is read strictly, and what can't be read is no answer."""

from __future__ import annotations

import asyncio
import json

import pytest

from proxy.wire.upstream_connection import MAX_RESPONSE_HEAD
from tests.wire.harness import BOTH_LOOPS, PATIENCE, Echo, Peer, RawUpstream, once, until, wire
from tests.wire.probes import ask

pytestmark = BOTH_LOOPS

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


NO_ANSWERS = {
    "no HTTP": b"hello\r\n\r\n",
    "no HTTP, and no end of a line": b"hello",
    "another version": b"HTTP/2.0 200 OK\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "a field without a colon": b"HTTP/1.1 200 OK\r\nfield\r\n\r\n",
    "a folded line": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "a bare LF": b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
    "a length and a coding": OK.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "a head without an end": b"HTTP/1.1 200 OK\r\nA: " + b"b" * MAX_RESPONSE_HEAD,
    "a head that is too large": b"HTTP/1.1 200 OK\r\nA: " + b"b" * MAX_RESPONSE_HEAD + b"\r\n\r\n",
    "interim heads without an end": b"HTTP/1.1 103 Early\r\nA: %b\r\n\r\n" % (b"b" * 1000) * 300,
    "a switch that nobody asked for": b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
}


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS)
async def test_what_is_no_answer_is_answered_502_and_the_connection_is_not_used_again(answer: bytes) -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(answer)
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        got = await peer.rest()
        await until(lambda: not running.upstream_connections)
        [(_, error)] = running.records.attempts

    head, _, body = got[got.index(b"HTTP/1.1 502") :].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert "upstream.bad_response" == json.loads(body)["reason"]
    assert ("upstream.bad_response", True) == (error.reason, bool(error.cause))


async def test_a_head_may_be_as_large_as_is_allowed_however_it_is_cut() -> None:
    field = b"b" * (MAX_RESPONSE_HEAD - 100)
    answer = b"HTTP/1.1 200 OK\r\nA: %b\r\nContent-Length: 2\r\n\r\nok" % field

    async def serve(peer: Peer) -> None:
        await peer.head()
        for at in range(0, len(answer), 999):
            peer.send(answer[at : at + 999])
            await peer.drained()
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.read_ahead(2**20)
        peer.send(GET)
        head, body = await peer.message()
        peer.close()

    assert field in head
    assert b"ok" == body


@pytest.mark.parametrize("cut", range(1, 60, 7))
async def test_interim_heads_and_the_last_one_may_be_cut_anywhere(cut: int) -> None:
    answer = b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" * 2 + OK

    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(answer[:cut])
        await peer.drained()
        await asyncio.sleep(0)
        peer.send(answer[cut:])
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET)
        heads = [await peer.head() for _ in range(3)]
        body = await peer.exactly(2)
        peer.close()

    assert [b"103", b"103", b"200"] == [head[9:12] for head in heads]
    assert b"ok" == body


@pytest.mark.parametrize(
    "interim",
    [b"HTTP/1.0 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n"],
    ids=["as old servers say it", "with a word on the connection"],
)
async def test_an_interim_head_that_seems_to_close_does_not(interim: bytes) -> None:
    async with RawUpstream(Echo(answer=interim + OK)) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        codes = []
        for _ in range(2):
            peer.send(GET)
            codes += [(await peer.head())[9:12], (await peer.message())[0][9:12]]
        peer.close()

    assert [interim[9:12], b"200"] * 2 == codes
    assert 1 == upstream.connections


async def test_a_body_that_ends_with_the_connection_is_whole_only_by_a_proper_end() -> None:
    async with RawUpstream(once(b"HTTP/1.1 200 OK\r\n\r\nhello")) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET)
        _, body = await peer.chunked()
        peer.close()
        await running.settled()

    assert b"5\r\nhello\r\n0\r\n\r\n" == body
    assert [(200, None)] == running.records.attempts


async def test_an_answer_that_comes_before_the_connection_breaks_is_heard() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 413 Big\r\nContent-Length: 3\r\n\r\nbig")
        await peer.drained()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        for _ in range(20):
            peer = await running.connect()
            peer.send(POST + b"x" * 1_000_000)
            head, body = await peer.message()
            peer.abort()

            assert (b"HTTP/1.1 413 Big", b"big") == (head[:16], body)


async def test_an_upstream_that_breaks_without_a_word_is_answered_502() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.abort()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(POST + b"x" * 1_000_000)
        head, body = await peer.message()
        peer.abort()

    assert head.startswith(b"HTTP/1.1 502 ")
    assert "upstream.reset" == json.loads(body)["reason"]


async def test_an_answer_to_half_a_request_ends_the_connection() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(OK)
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
        _, body = await peer.message()
        await until(lambda: not running.upstream_connections)
        peer.close()

    assert b"ok" == body


async def test_what_comes_unasked_on_an_idle_connection_closes_it() -> None:
    async def serve(peer: Peer) -> None:
        await peer.message()
        peer.send(OK)
        await speak.wait()
        peer.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        await peer.rest()

    speak = asyncio.Event()
    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        await ask(running)
        kept = running.pool.summary()["idle"]
        speak.set()
        await until(lambda: not running.upstream_connections)

    assert 1 == kept


async def test_both_ends_of_an_upgraded_connection_may_close_one_after_the_other() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nfirst ")
        peer.end()
        heard.append(await peer.rest())

    heard: list[bytes] = []
    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET[:-2] + b"Connection: upgrade\r\nUpgrade: echo\r\n\r\n")
        await peer.head()
        said = await peer.rest()
        peer.send(b"x" * 1_000_000)
        peer.end()
        await until(lambda: bool(heard))
        await until(lambda: not running.upstream_connections)

    assert (b"first ", 1_000_000) == (said, len(heard[0]))


async def test_an_upgraded_connection_that_breaks_takes_the_client_with_it() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        await peer.exactly(1)
        peer.abort()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET[:-2] + b"Connection: upgrade\r\nUpgrade: echo\r\n\r\n")
        await peer.head()
        peer.send(b"x")
        rest = await peer.rest()
        async with asyncio.timeout(PATIENCE):
            while running.records.in_flight:
                peer.send(b"for nobody")  # the first is answered with a reset, the next one hears of it
                await asyncio.sleep(0.001)

    assert b"" == rest


async def test_a_slow_reader_pauses_the_upstream_and_gets_everything() -> None:
    size = 16 * 2**20

    async def serve(peer: Peer) -> None:
        _, body = await peer.message()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        peer.send(body)
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        peer.stop_reading()
        await until(lambda: running.upstream_paused)
        peer.read_on()
        _, body = await peer.message()
        peer.close()

    assert size == len(body)


@pytest.mark.parametrize(
    ("hint", "used_again"), [(b"timeout=5", False), (b"timeout=60", True), (b"max=9", True)]
)
async def test_the_upstreams_word_on_how_long_it_keeps_the_connection_is_heeded(
    hint: bytes, used_again: bool
) -> None:
    answer = OK.replace(b"\r\n\r\n", b"\r\nKeep-Alive: %b\r\n\r\n" % hint)
    async with RawUpstream(Echo(answer=answer)) as upstream, wire(upstream.port) as running:
        await ask(running)
        running.advance(4.5)
        await ask(running)

    assert upstream.connections == 2 - used_again


@pytest.mark.parametrize("fields", [b"", b"Connection: close\r\n"], ids=["kept", "closed"])
async def test_a_response_without_a_body_is_complete_with_its_head(fields: bytes) -> None:
    answer = b"HTTP/1.1 204 No Content\r\n%b\r\n" % fields
    async with RawUpstream(Echo(answer=answer)) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        for _ in range(2):
            peer.send(GET)
            assert (await peer.head()).startswith(b"HTTP/1.1 204 ")
        peer.close()

    assert upstream.connections == (2 if fields else 1)


async def test_an_exchange_that_is_given_up_ends_the_connection() -> None:
    left = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.rest()
        left.set()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET)
        await until(lambda: bool(running.upstream_connections))
        peer.close()
        async with asyncio.timeout(PATIENCE):
            await left.wait()
        await until(lambda: not running.upstream_connections)
