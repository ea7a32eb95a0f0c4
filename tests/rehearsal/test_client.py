"""A client that sends one request and reads one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from proxy.rehearsal.client import PATIENCE, Client, Received
from proxy.rehearsal.messages import Request
from proxy.rehearsal.virtual_loop import VirtualLoop
from tests.rehearsal.test_virtual_loop import NoNetwork


class Server(asyncio.Protocol):
    """Says what it is told to, and then closes, resets, or waits."""

    def __init__(self, pieces: Sequence[bytes], end: str) -> None:
        self.pieces = pieces
        self.end = end
        self.transport: asyncio.Transport
        self.facts: tuple[object, object] = (None, None)
        self.got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.facts = transport.get_extra_info("peername")[0], transport.get_extra_info("sslcontext")

    def data_received(self, data: bytes) -> None:
        self.got += data
        for piece in self.pieces:
            self.transport.write(piece)
        if self.end:
            getattr(self.transport, self.end)()


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop(NoNetwork())
    yield loop
    loop.close()


def talked(loop: VirtualLoop, server: Server, request: Request) -> Received:
    async def talk() -> Received:
        return await Client(loop, request).talk(loop, server)

    return loop.run_until_complete(talk())


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "end", "method", "status", "body", "complete"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "", "GET", 200, b"ab", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "", "HEAD", 200, b"", True),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", "", "GET", 304, b"", True),
        (CHUNKED, "", "GET", 200, b"ab", True),
        (b"HTTP/1.1 200 OK\r\n\r\nab", "close", "GET", 200, b"ab", True),
        (b"HTTP/1.1 200 OK\r\n\r\nab", "abort", "GET", 200, b"ab", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "close", "GET", 200, b"ab", False),
        (INTERIM, "", "GET", 201, b"", True),
        (b"", "close", "GET", 0, b"", False),
        (b"HTTP/1.1 200", "abort", "GET", 0, b"", False),
    ],
    ids=[
        "a length", "HEAD", "304", "chunks", "until the end", "a reset where the end counts", "too short",
        "an interim response", "no answer", "half a head",
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 10_000], ids=["byte for byte", "at once"])
def test_an_answer_is_read_to_its_end(
    loop: VirtualLoop, raw: bytes, end: str, method: str, status: int, body: bytes, complete: bool, size: int
) -> None:
    server = Server([raw[at : at + size] for at in range(0, len(raw), size)], end)
    received = talked(loop, server, Request(method))

    assert (status, body, complete) == (received.status, received.body, received.complete)


def test_the_server_sees_the_address_and_whether_it_is_https(loop: VirtualLoop) -> None:
    plain, secure = Server([b""], "close"), Server([b""], "close")
    talked(loop, plain, Request(client_ip="192.0.2.9"))
    talked(loop, secure, Request(https=True))

    assert (("192.0.2.9", None), ("192.0.2.1", True)) == (plain.facts, secure.facts)


def test_interim_statuses_are_noted(loop: VirtualLoop) -> None:
    server = Server([b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"], "")

    assert [103] == talked(loop, server, Request()).interim


def test_a_client_gives_up_after_an_hour(loop: VirtualLoop) -> None:
    received = talked(loop, Server([], ""), Request())

    assert (0, PATIENCE) == (received.status, loop.time())


def test_a_header_is_found_whatever_its_case_and_joined_where_there_are_several() -> None:
    received = Received(headers=[("Via", "a"), ("VIA", "b"), ("X", "")])

    assert ("a, b", "", None) == (received.header("via"), received.header("x"), received.header("y"))
