"""The last trailer of a message is no field of the next: aiohttp's parser takes it for one, on both sides.

The same bytes go over real sockets to who relies on that parser, and is caught, and through
Seawall, which is not. Where the first half of a test fails, aiohttp has mended it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpResponseParser
from aiohttp.test_utils import RawTestServer

from proxy.exchange import Exchange, Forward, Response
from tests.wire.harness import Peer, RawUpstream, wire
from tests.wire.probes import WAYS, Reads

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
TRAILER = b"X-Leaked: by-the-first"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n%b\r\n\r\n" % TRAILER
FIRST = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n%b\r\n\r\n" % TRAILER
SECOND = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class ReadsAnswers:
    """A policy that reads the whole body of an answer."""

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        response: Response = await forward(exchange)
        await response.body(1000)
        return response


async def connected(port: int | None) -> Peer:
    return Peer(*await asyncio.open_connection("127.0.0.1", port))


async def seen_by_aiohttps_server() -> list[bool]:
    """Whether each of two requests on a connection has the field that is only a trailer of the first."""
    seen: list[bool] = []

    async def serve(request: web.BaseRequest) -> web.Response:
        await request.read()
        seen.append("X-Leaked" in request.headers)
        return web.Response(text="ok")

    async with RawTestServer(serve) as server:
        peer = await connected(server.port)
        for request in (POST, GET):
            peer.send(request)
            await peer.message()
        peer.close()
    return seen


@pytest.mark.parametrize(
    ("policies", "framed_anew"),
    [
        *(pytest.param(*way.values, False, id=way.id) for way in WAYS),
        pytest.param((Reads(),), True, id="a policy reads the body"),
    ],
)
async def test_of_a_request(policies: tuple[Any, ...], framed_anew: bool) -> None:
    seen: list[bytes] = []

    async def serve(peer: Peer) -> None:
        head, _ = await (peer.message() if framed_anew else peer.chunked())
        peer.send(SECOND)
        seen.extend((head, await peer.head()))
        peer.send(SECOND)
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port, *policies) as running:
        peer = await running.connect()
        for request in (POST, GET):
            peer.send(request)
            await peer.message()

    assert [False, True] == await seen_by_aiohttps_server()
    assert [False, False] == [b"X-Leaked" in head for head in seen]


async def answers_in_turn(peer: Peer) -> None:
    for answer in (FIRST, SECOND):
        await peer.head()
        peer.send(answer)
    await peer.rest()


async def seen_by_one_parser(port: int) -> list[bool]:
    """The same of two answers, read by one of aiohttp's parsers, as a proxy for a connection would."""
    loop = asyncio.get_running_loop()
    parser = HttpResponseParser(BaseProtocol(loop), loop, 2**16)
    peer = await connected(port)
    seen = []
    for _ in range(2):
        peer.send(GET)
        found: list[Any] = []
        body = None
        while body is None or not body.is_eof():
            found += parser.feed_data(await peer.reader.read(65536))[0]
            body = found[0][1] if found else None
        seen.append(b"X-Leaked" in dict(found[0][0].raw_headers))
    peer.close()
    return seen


@pytest.mark.parametrize(
    ("policies", "framed_anew"),
    [
        *(pytest.param(*way.values, False, id=way.id) for way in WAYS),
        pytest.param((ReadsAnswers(),), True, id="a policy reads the body"),
    ],
)
async def test_of_an_answer_that_another_client_got(policies: tuple[Any, ...], framed_anew: bool) -> None:
    async with RawUpstream(answers_in_turn) as upstream:
        caught = await seen_by_one_parser(upstream.port)
    async with RawUpstream(answers_in_turn) as upstream, wire(upstream.port, *policies) as running:
        one, other = await running.connect(), await running.connect()
        one.send(GET)
        first, _ = await (one.message() if framed_anew else one.chunked())
        other.send(GET)
        second, body = await other.message()
        connections = upstream.connections

    assert [False, True] == caught
    assert [False, False] == [b"X-Leaked" in head for head in (first, second)]
    assert (b"ok", 1) == (body, connections)
