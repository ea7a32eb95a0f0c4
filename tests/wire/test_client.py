"""A client's connection: requests one after the other, limits in time, and an end in good order."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import partial
from ipaddress import ip_network

import pytest

from proxy.exchange import Response
from proxy.router import Match
from proxy.wire.peers import TrustedPeers
from proxy.wire.serving import WireSettings
from tests.wire.harness import BOTH_LOOPS, PATIENCE, Echo, Peer, RawUpstream, Running, once, until, wire

pytestmark = BOTH_LOOPS

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def echoes_path(peer: Peer) -> None:
    while True:
        path = (await peer.message())[0].split()[1]
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))


async def test_more_requests_than_may_be_kept_are_answered_in_order_all_the_same() -> None:
    padding = b"X-Padding: %b\r\n" % (b"x" * 2000)
    requests = [b"GET /%d HTTP/1.1\r\nHost: a\r\n%b\r\n" % (n, padding) for n in range(200)]
    async with RawUpstream(echoes_path) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"".join(requests))
        bodies = [(await peer.message())[1] for _ in requests]
        peer.close()

    assert [b"/%d" % n for n in range(200)] == bodies


async def test_requests_with_bodies_may_be_pipelined() -> None:
    echo = Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(POST + GET + POST)
        bodies = [(await peer.message())[1] for _ in range(3)]
        peer.close()

    assert [b"ok"] * 3 == bodies
    assert [b"POST", b"GET ", b"POST"] == [seen[:4] for seen in echo.seen]
    assert [True, False, True] == [seen.endswith(b"hello") for seen in echo.seen]


async def test_nothing_is_read_behind_a_request_that_closes() -> None:
    echo = Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(LAST + GET)
        answer = await peer.rest()

    assert (1, 1) == (answer.count(b"HTTP/1.1 200 OK"), len(echo.seen))
    assert b"Connection: close\r\n" in answer


async def test_a_client_that_sends_nothing_is_closed() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        await until(lambda: len(running.clients) == 1)
        running.advance(WireSettings().head_timeout + 0.1)
        closed = await peer.closed()

    assert closed
    assert [] == running.records.exchanges


async def test_a_head_that_comes_too_slowly_is_answered_408() -> None:
    settings = WireSettings(head_timeout=5.0)
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, settings=settings) as running:
        peer = await running.connect()
        for piece in (b"GET /a HT", b"TP/1.1\r\n", b"Host:"):
            peer.send(piece)
            await until(partial(_kept, running, piece))
            running.advance(2.0)
        head, body = await peer.message()
        closed = await peer.closed()

    assert head.startswith(b"HTTP/1.1 408 ")
    assert "request.timeout" == json.loads(body)["reason"]
    assert closed


def _kept(running: Running, end: bytes) -> bool:
    return any(client._kept.endswith(end) for client in running.clients)


async def test_a_connection_that_is_idle_for_too_long_is_closed() -> None:
    settings = WireSettings(keep_alive=5.0)
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, settings=settings) as running:
        peer = await running.connect()
        for _ in range(3):
            peer.send(GET)
            await peer.message()
            running.advance(4.0)
        kept = len(running.clients)
        running.advance(1.1)
        closed = await peer.closed()

    assert (1, True) == (kept, closed)


async def test_only_so_many_connections_are_taken() -> None:
    settings = WireSettings(max_connections=2)
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, settings=settings) as running:
        first, second = await running.connect(), await running.connect()
        for peer in (first, second):
            peer.send(GET)
            await peer.message()
        third = await running.connect()
        refused = await third.closed()
        first.close()
        await until(lambda: len(running.clients) == 1)
        fourth = await running.connect()
        fourth.send(GET)
        _, body = await fourth.message()

    assert (True, b"ok") == (refused, body)


async def test_a_reload_is_seen_by_the_next_request_on_an_open_connection() -> None:
    echo = Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET)
        await peer.message()
        trusting = TrustedPeers([ip_network("127.0.0.0/8")])
        running.server.serving = replace(running.server.serving, peers=trusting)
        peer.send(GET.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"))
        await peer.message()

    assert ["127.0.0.1", "192.0.2.1"] == [exchange.client_ip for exchange in running.records.exchanges]


# ---- the end


async def test_what_a_refused_client_still_sends_is_read_so_that_it_gets_to_read_the_answer() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"this is no HTTP\r\n\r\n")
        await running.settled()
        for _ in range(64):
            peer.send(b"x" * 65536)
            await peer.drained()
        answer = await peer.rest()

    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_it_is_read_for_a_while_only() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"this is no HTTP\r\n\r\n")
        await peer.message()
        running.advance(WireSettings().linger + 0.1)
        await until(lambda: not running.clients)


async def test_a_client_that_closes_in_turn_ends_it_at_once() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"this is no HTTP\r\n\r\n")
        await peer.rest()
        peer.close()
        await until(lambda: not running.clients)


async def test_the_rest_of_a_small_body_is_skipped_and_the_connection_kept() -> None:
    """An upstream that answers before it has read the body, such as one that needs no more of it."""
    served = 0

    async def serve(peer: Peer) -> None:
        nonlocal served
        served += 1
        if served == 2:
            await echoes_path(peer)
        await peer.head()
        peer.send(OK)
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(POST[:-3])
        head, _ = await peer.message()
        peer.send(POST[-3:-1])
        peer.send(POST[-1:] + b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        _, body = await peer.message()
        peer.close()

    assert b"Connection: close" not in head
    assert b"/next" == body


async def test_a_connection_that_skips_a_body_ends_with_the_others() -> None:
    async with RawUpstream(once(OK)) as upstream, wire(upstream.port, drain=5.0) as running:
        upstream._serve = _answers_at_once
        peer = await running.connect()
        peer.send(POST[:-3])
        await peer.message()
        await asyncio.wait_for(running.listener.close(), 3)
        rest = await peer.rest()

    assert b"" == rest


async def _answers_at_once(peer: Peer) -> None:
    await peer.head()
    peer.send(OK)
    await peer.rest()


async def test_a_client_that_never_reads_what_was_answered_is_cut_off() -> None:
    """Its last answer is written, as far as exchanges go, and would wait for it for ever."""
    size = 100_000
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, b"x" * size)
    settings = WireSettings(body_idle=0.01, keep_alive=5.0)
    async with (
        RawUpstream(Echo(answer=answer)) as upstream,
        wire(upstream.port, settings=settings) as running,
    ):
        peer = await running.connect()
        peer.stop_reading()
        peer.send(GET * 500)
        await until(lambda: any(client.write_paused for client in running.clients))
        await running.settled()
        running.advance(5.1)
        await until(lambda: not running.clients)

    assert 0 < len(running.records.outcomes) < 500


# ---- what else happens on one


async def test_empty_lines_before_a_request_are_skipped_even_alone() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        for piece in (b"\r\n", b"\r\n\r\nGE", GET[2:]):
            peer.send(piece)
            await peer.drained()
            await asyncio.sleep(0)
        _, body = await peer.message()
        peer.close()

    assert b"ok" == body


async def test_a_head_that_the_parser_does_not_take_is_answered_400() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET[:-2] + b"no colon\r\n\r\n")
        answer = await peer.rest()

    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(("size", "count"), [(2**20, 20), (100_000, 200)], ids=["large", "many"])
async def test_a_slow_reader_gets_every_answer(size: int, count: int) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, b"x" * size)
    async with RawUpstream(Echo(answer=answer)) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.stop_reading()
        peer.send(GET * count)
        await until(lambda: bool(running.clients) and running.clients[0].write_paused)
        peer.read_on()
        bodies = [len((await peer.message())[1]) for _ in range(count)]
        peer.close()

    assert [size] * count == bodies


async def test_a_client_that_leaves_ends_its_exchange() -> None:
    async with RawUpstream(Peer.rest) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET)
        await until(lambda: running.records.in_flight == 1)
        peer.close()
        await running.settled()
        await until(lambda: not running.clients)

    assert [499] == [outcome.status for outcome in running.records.outcomes]


async def test_a_half_closed_upgraded_connection_is_relayed_until_it_is_over() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        peer.send(await peer.rest())

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET[:-2] + b"Connection: upgrade\r\nUpgrade: echo\r\n\r\nearly ")
        await peer.head()
        peer.send(b"late")
        peer.end()
        back = await peer.rest()
        await until(lambda: not running.clients)

    assert b"early late" == back


@pytest.mark.parametrize("way", ["in time", "too late"])
async def test_an_exchange_that_is_under_way_may_finish_before_the_end(way: str) -> None:
    go_on = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.head()
        await go_on.wait()
        peer.send(OK)
        await peer.rest()

    async with (
        RawUpstream(serve) as upstream,
        wire(upstream.port, drain=30.0 if way == "in time" else 0.01) as running,
    ):
        peer = await running.connect()
        peer.send(GET)
        await until(lambda: running.records.in_flight == 1)
        closing = asyncio.create_task(running.listener.close())
        await until(lambda: all(client.closing for client in running.clients))
        if way == "in time":
            go_on.set()
        answer = await peer.rest()
        async with asyncio.timeout(PATIENCE):
            await closing
        await running.settled()

    assert (b"Connection: close\r\n" in answer) is (way == "in time")
    assert [way == "in time"] == [outcome.complete for outcome in running.records.outcomes]


async def test_a_connection_that_was_accepted_a_moment_too_late_answers_once() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        running.server.draining = True
        peer = await running.connect()
        peer.send(GET + GET)
        answer = await peer.rest()

    assert (1, 1) == (answer.count(b"HTTP/1.1 200"), answer.count(b"Connection: close\r\n"))


async def test_an_http_10_answer_that_breaks_off_ends_with_a_reset() -> None:
    head_arrived = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        await head_arrived.wait()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"GET /a HTTP/1.0\r\n\r\n")
        await peer.until(b"\r\n\r\nx")
        head_arrived.set()
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(PATIENCE):
                await peer.reader.read(100)


async def test_what_cannot_become_a_request_is_answered_before_it_is_complete() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"GET / HTTP/1.1\nHost")
        answer = await peer.rest()

    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("path", [b"/health", b"/none"], ids=["answered here", "no route"])
async def test_what_needs_no_upstream_is_answered_and_its_body_skipped(path: bytes) -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, match=Match("/a")) as running:
        local = {"/health": lambda: Response(200, content=b"fine")}
        running.server.serving = replace(running.server.serving, local=local)
        peer = await running.connect()
        peer.send(b"GET %b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" % path + GET)
        first, second = await peer.message(), await peer.message()
        peer.close()

    assert (b"200" if path == b"/health" else b"404") == first[0][9:12]
    assert b"ok" == second[1]
