"""The forms that responses take for the client, byte for byte."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from tests.wire.harness import BOTH_LOOPS, Echo, Peer, RawUpstream, once, wire
from tests.wire.probes import GET

pytestmark = BOTH_LOOPS


_ID = re.compile(rb"X-Request-ID: [0-9a-f]{32}\r\n")


def without_id(head: bytes) -> bytes:
    """Each response and each request to the upstream has an id that can't be known."""
    assert 1 == len(_ID.findall(head)), head
    return _ID.sub(b"", head)


async def answer_to(request: bytes, answer: bytes, *policies: Any) -> bytes:
    """All that a client gets that sends `request` and then waits for the end of the connection."""
    async with RawUpstream(once(answer)) as upstream, wire(upstream.port, *policies) as running:
        peer = await running.connect()
        peer.send(request)
        return without_id(await peer.rest())


CLOSING = b" /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "answer", "expected"),
    [
        pytest.param(
            b"HEAD" + CLOSING,
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
            id="HEAD: the length of what GET would bring",
        ),
        pytest.param(
            b"HEAD" + CLOSING,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
            id="HEAD: chunked, and so without a length",
        ),
        pytest.param(
            b"HEAD" + CLOSING,
            b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\n\r\n",
            id="HEAD: nothing said about a body",
        ),
        pytest.param(
            b"GET" + CLOSING,
            b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
            id="204: no body, and no length either",
        ),
        pytest.param(
            b"GET" + CLOSING,
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n",
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\nConnection: close\r\n\r\n",
            id="304: no body, whatever its length says",
        ),
        pytest.param(
            b"GET" + CLOSING,
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            id="a body of no bytes",
        ),
        pytest.param(
            b"GET" + CLOSING,
            b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            b"d\r\nuntil the end\r\n0\r\n\r\n",
            id="a body that ends with its connection becomes chunks",
        ),
        pytest.param(
            b"GET" + CLOSING,
            b"HTTP/1.0 200 OK\r\nA: b\r\n\r\nuntil the end",
            b"HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            b"d\r\nuntil the end\r\n0\r\n\r\n",
            id="an upstream that speaks HTTP/1.0",
        ),
        pytest.param(
            b"GET" + CLOSING,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n05;x=y\r\nhello\r\n00\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            b"5\r\nhello\r\n0\r\n\r\n",
            id="chunks are framed anew, without extensions",
        ),
        pytest.param(
            b"GET" + CLOSING,
            b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            b"1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n",
            id="trailers",
        ),
        pytest.param(
            b"GET" + CLOSING,
            b"HTTP/1.1 299 F\xfcr dich\r\nX: \xe9\x80~!\t.\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 299 F\xfcr dich\r\nX: \xe9\x80~!\t.\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            id="phrases and values of any legal byte, and a status nobody knows",
        ),
        pytest.param(
            b"GET" + CLOSING,
            b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nContent-Length: 0\r\n"
            b"Connection: close\r\n\r\n",
            id="the same field twice, each spelled as it was",
        ),
        pytest.param(
            b"GET" + CLOSING,
            b"HTTP/1.1 200 OK\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
            b"Upgrade: h2c\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            id="what is about one connection only is dropped",
        ),
        pytest.param(
            b"GET /a HTTP/1.0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
            id="HTTP/1.0 client: the connection is closed",
        ),
        pytest.param(
            b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok",
            id="HTTP/1.0 client: it knows no chunks, so the end is the connection's",
        ),
        pytest.param(
            b"GET /a HTTP/1.0\r\n\r\n",
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
            id="HTTP/1.0 client: it knows no 1xx",
        ),
    ],
)
async def test_a_response_reaches_the_client_in_a_form_that_it_understands(
    request_: bytes, answer: bytes, expected: bytes
) -> None:
    assert expected == await answer_to(request_, answer)


async def test_an_interim_response_is_passed_on_at_once() -> None:
    asked = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: close\r\n\r\n")
        await asked.wait()
        peer.send(
            b"HTTP/1.1 103 Early Hints\r\nLink: </b.css>\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        )
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET)
        first = await peer.head()
        asked.set()
        second = await peer.head()
        head, body = await peer.message()
        peer.close()

    assert b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" == first
    assert b"HTTP/1.1 103 Early Hints\r\nLink: </b.css>\r\n\r\n" == second
    assert (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"ok") == (without_id(head), body)


@pytest.mark.parametrize("keep_alive", [b"keep-alive", b"Keep-Alive"])
async def test_an_http_10_client_that_asks_for_it_keeps_its_connection(keep_alive: bytes) -> None:
    request = b"GET /a HTTP/1.0\r\nConnection: %b\r\n\r\n" % keep_alive
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(request)
        head, _ = await peer.message()
        peer.send(request)
        _, again = await peer.message()
        peer.close()

    assert b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n" == without_id(head)
    assert b"ok" == again


async def test_responses_are_taken_apart_however_the_bytes_are_cut() -> None:
    answer = (
        b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n4\r\n you\r\n0\r\nX-Sum: 1\r\n\r\n"
    )

    async def serve(peer: Peer) -> None:
        await peer.head()
        for byte in answer:
            peer.send(bytes([byte]))
            await peer.drained()
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET)
        interim = await peer.head()
        head, body = await peer.chunked()
        peer.close()

    assert b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" == interim
    assert b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" == without_id(head)
    assert b"hello you" == b"".join(re.findall(rb"[0-9a-f]+\r\n([a-z ]+)\r\n", body))
    assert body.endswith(b"0\r\nX-Sum: 1\r\n\r\n")
