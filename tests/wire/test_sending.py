"""The forms that requests take for the upstream, byte for byte, and at which pace they go there."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from proxy.wire.serving import WireSettings
from tests.wire.harness import BOTH_LOOPS, Echo, Peer, RawUpstream, until, wire
from tests.wire.probes import BLOCK, BUFFERED, GET, WAYS, MiB, Reads, held_by_proxy, still

pytestmark = BOTH_LOOPS


_ID = re.compile(rb"X-Request-ID: [0-9a-f]{32}\r\n")


def without_id(head: bytes) -> bytes:
    """Each response and each request to the upstream has an id that can't be known."""
    assert 1 == len(_ID.findall(head)), head
    return _ID.sub(b"", head)


async def test_an_http_10_client_without_host_gets_the_upstreams() -> None:
    echo = Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"GET /a HTTP/1.0\r\nA: b\r\n\r\n")
        await peer.rest()
        authority = b"127.0.0.1:%d" % upstream.port

    assert [b"GET /a HTTP/1.1\r\nHost: %b\r\nA: b\r\n\r\n" % authority] == list(map(without_id, echo.seen))


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        pytest.param(
            b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            id="a POST of no bytes says so",
        ),
        pytest.param(
            b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 00\r\n\r\n",
            b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 00\r\n\r\n",
            id="and so does one that spells it oddly",
        ),
        pytest.param(
            b"GET /%7Ea/../%2e%2F?b=c&&d#e HTTP/1.1\r\nHost: a\r\n\r\n",
            b"",
            id="an encoded slash is refused",
        ),
        pytest.param(
            b"GET /%7Ea;b=%20c?d=%zz&&e?f HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /%7Ea;b=%20c?d=%zz&&e?f HTTP/1.1\r\nHost: a\r\n\r\n",
            id="path and query byte for byte",
        ),
        pytest.param(
            b"GET http://b:80/a?c HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /a?c HTTP/1.1\r\nHost: b:80\r\n\r\n",
            id="an absolute target becomes a path, and its host stands above Host",
        ),
        pytest.param(
            b"GET /a HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\nX-Odd: \xff\xe9\t!\r\n\r\n",
            b"GET /a HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\nX-Odd: \xff\xe9\t!\r\n\r\n",
            id="fields twice, in their order and of any legal byte",
        ),
        pytest.param(
            b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"
            b"Proxy-Connection: x\r\nTE: gzip\r\n\r\n",
            b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
            id="what is about one connection only is dropped",
        ),
        pytest.param(
            b"GET /a HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
            b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: TE\r\nTE: trailers\r\n\r\n",
            id="that trailers are welcome is said on",
        ),
        pytest.param(
            b"REPORT /a HTTP/1.1\r\nHost: a\r\n\r\n",
            b"REPORT /a HTTP/1.1\r\nHost: a\r\n\r\n",
            id="a method of WebDAV",
        ),
        pytest.param(
            b"\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
            id="empty lines before a request are skipped",
        ),
        pytest.param(
            b"DELETE /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
            b"DELETE /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
            id="a DELETE with a body",
        ),
    ],
)
async def test_a_request_reaches_the_upstream_as_it_was_sent(sent: bytes, received: bytes) -> None:
    echo = Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(sent)
        await peer.message()
        peer.close()

    assert ([received] if received else []) == list(map(without_id, echo.seen))


async def chunked_echo(peer: Peer, seen: list[bytes]) -> None:
    head, body = await peer.chunked()
    seen.append(without_id(head) + body)
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    await peer.rest()


async def test_a_chunked_upload_is_framed_anew_and_keeps_its_trailers() -> None:
    seen: list[bytes] = []
    async with RawUpstream(lambda peer: chunked_echo(peer, seen)) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(
            b"POST /a HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTransfer-Encoding: Chunked\r\n\r\n"
            b"0005;x=y\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 7\r\n\r\n"
        )
        _, body = await peer.message()
        peer.close()

    assert b"ok" == body
    assert 1 == len(seen)
    assert seen[0] == (
        b"POST /a HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"
    )


async def test_a_chunked_upload_that_a_policy_has_read_goes_on_with_its_length() -> None:
    reads, echo = Reads(), Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port, reads) as running:
        peer = await running.connect()
        peer.send(
            b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n0\r\nA: b\r\n\r\n"
        )
        await peer.message()
        peer.close()

    assert b"hello" == reads.body
    assert [b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"] == list(
        map(without_id, echo.seen)
    )


EXPECTS = b"POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"


async def test_on_a_route_that_streams_100_continue_is_the_upstreams_to_say() -> None:
    order: list[str] = []

    async def serve(peer: Peer) -> None:
        assert b"Expect: 100-continue\r\n" in await peer.head()
        order.append("upstream asked")
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert b"hello" == await peer.exactly(5)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(EXPECTS)
        interim = await peer.head()
        order.append("client may go on")
        peer.send(b"hello")
        head, body = await peer.message()
        peer.close()

    assert ["upstream asked", "client may go on"] == order
    assert b"HTTP/1.1 100 Continue\r\n\r\n" == interim
    assert (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"ok") == (without_id(head), body)


async def test_an_upload_that_the_upstream_does_not_want_is_not_asked_for() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno")
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(EXPECTS)
        answer = without_id(await peer.rest())
        await running.settled()
        kept = running.pool.summary()["idle"]

    assert b"HTTP/1.1 417 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno" == answer
    assert 0 == kept


async def test_where_a_policy_reads_the_body_100_continue_is_said_here() -> None:
    reads, echo = Reads(), Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port, reads) as running:
        peer = await running.connect()
        peer.send(EXPECTS)
        interim = await peer.head()
        peer.send(b"hello")
        head, _ = await peer.message()
        peer.close()

    assert b"HTTP/1.1 100 Continue\r\n\r\n" == interim
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert [b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"] == list(
        map(without_id, echo.seen)
    )


async def test_where_a_policy_reads_the_body_an_http_10_client_is_not_told_to_continue() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, Reads()) as running:
        peer = await running.connect()
        peer.send(EXPECTS.replace(b"HTTP/1.1", b"HTTP/1.0"))
        await until(lambda: running.records.in_flight == 1)
        peer.send(b"hello")
        answer = await peer.rest()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_body_that_is_too_large_for_a_policy_is_refused_before_it_is_sent() -> None:
    async with (
        RawUpstream(Echo()) as upstream,
        wire(upstream.port, Reads(), settings=WireSettings(max_body=4)) as running,
    ):
        peer = await running.connect()
        peer.send(EXPECTS)
        answer = await peer.rest()

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"reason":"request.body_too_large"' in answer
    assert 0 == upstream.connections


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("OPTIONS", "*", 404),
        ("OPTIONS", "http://a", 404),
        ("CONNECT", "a:443", 405),
        ("BREW", "/a", 501),
        ("GET", "ftp://a/", 400),
        ("GET", "*", 400),
    ],
)
async def test_targets_and_methods_that_are_not_for_a_reverse_proxy_are_refused_and_not_passed_on(
    method: str, target: str, status: int
) -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(f"{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        head, body = await peer.message()
        peer.close()

    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b'"status":%d' % status in body
    assert 0 == upstream.connections


async def test_requests_are_taken_apart_however_the_bytes_are_cut() -> None:
    echo = Echo()
    request = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + GET
    async with RawUpstream(echo) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        for byte in request:
            peer.send(bytes([byte]))
            await peer.drained()
        await peer.message()
        await peer.message()
        peer.close()

    assert [b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", GET] == list(
        map(without_id, echo.seen)
    )


@pytest.mark.parametrize("policies", WAYS)
@pytest.mark.parametrize("framing", [b"Content-Length: 99999999999", b"Transfer-Encoding: chunked"])
async def test_an_upstream_that_does_not_read_slows_the_client(policies: Any, framing: bytes) -> None:
    go_on = asyncio.Event()
    read = 0

    async def serve(peer: Peer) -> None:
        nonlocal read
        await peer.head()
        peer.stop_reading()
        await go_on.wait()
        peer.read_on()
        while piece := await peer.reader.read(MiB):
            read += len(piece)

    block = BLOCK if b"Length" in framing else b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK)
    async with RawUpstream(serve) as upstream, wire(upstream.port, *policies) as running:
        peer = await running.connect()
        peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % framing)
        sent = 0

        async def send() -> None:
            nonlocal sent
            while True:
                peer.send(block)
                await peer.writer.drain()
                sent += len(block)

        sending = asyncio.create_task(send())
        await until(lambda: any(not c._reading for c in running.clients))
        await still(lambda: sent)
        stalled, held = sent, held_by_proxy(running)
        go_on.set()
        await until(lambda: sent > stalled + MiB)
        sending.cancel()
        peer.abort()
        await running.settled()

    assert stalled < BUFFERED
    assert held < MiB
