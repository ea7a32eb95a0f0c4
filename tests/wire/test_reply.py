"""The client's half of an exchange: the last words on framing, and the books at the end.

`test_reply_http_forms.py` has the forms of messages byte for byte.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy.errors import Rejection
from proxy.exchange import Exchange, Forward, Outcome, Response
from proxy.headers import Headers
from tests.wire.harness import Echo, Peer, RawUpstream, once, wire

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


class Answers:
    """A policy that answers by itself."""

    def __init__(self, response: Response) -> None:
        self.response = response

    def on_request(self, exchange: Exchange) -> Response:
        return self.response


@pytest.mark.parametrize(
    ("response", "head", "body"),
    [
        pytest.param(
            Response(200, content=b"hello"),
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
            b"hello",
            id="a body",
        ),
        pytest.param(Response(200), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", b"", id="no body"),
        pytest.param(Response(204, content=b"x"), b"HTTP/1.1 204 No Content\r\nX-Request-ID", b"", id="204"),
        pytest.param(Response(304), b"HTTP/1.1 304 Not Modified\r\nX-Request-ID", b"", id="304"),
        pytest.param(
            Response(200, Headers([(b"Content-Length", b"99")]), b"hello"),
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
            b"hello",
            id="a wrong length is put right",
        ),
        pytest.param(
            Response(299), b"HTTP/1.1 299 \r\nContent-Length: 0\r\n", b"", id="a status without a phrase"
        ),
    ],
)
async def test_an_answer_of_a_policy_is_framed_here(response: Response, head: bytes, body: bytes) -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, Answers(response)) as running:
        peer = await running.connect()
        peer.send(LAST)
        answer = await peer.rest()

    got_head, _, got_body = answer.partition(b"\r\n\r\n")
    assert got_head.startswith(head)
    assert body == got_body
    assert 0 == upstream.connections


async def test_a_refusal_carries_what_response_hooks_add() -> None:
    class Refuses:
        def on_request(self, exchange: Exchange) -> None:
            raise Rejection(403, "test.refused", "Not you.")

        def on_response(self, exchange: Exchange, response: Response) -> None:
            response.headers.set("X-Added", "1")

    async with RawUpstream(Echo()) as upstream, wire(upstream.port, Refuses()) as running:
        peer = await running.connect()
        peer.send(GET)
        head, body = await peer.message()
        peer.send(GET)
        again, _ = await peer.message()
        peer.close()

    assert head.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert (True, True) == (b"X-Added: 1\r\n" in head, b"X-Added: 1\r\n" in again)
    assert b'"reason":"test.refused"' in body


class Books:
    """A policy that keeps the outcomes."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def on_finish(self, exchange: Exchange, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


async def test_the_books_say_how_much_went_each_way() -> None:
    books = Books()
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, books) as running:
        peer = await running.connect()
        peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        await peer.message()
        peer.close()
        await running.settled()

    [outcome] = books.outcomes
    assert (200, "", 5, 2, True) == (
        outcome.status,
        outcome.reason,
        outcome.bytes_received,
        outcome.bytes_sent,
        outcome.complete,
    )
    assert outcome.ended >= running.records.exchanges[0].started


async def test_the_books_say_why_the_answer_was_a_refusal() -> None:
    books = Books()
    async with RawUpstream(once(b"nonsense")) as upstream, wire(upstream.port, books) as running:
        peer = await running.connect()
        peer.send(GET)
        await peer.message()
        peer.close()
        await running.settled()

    [outcome] = books.outcomes
    assert (502, "upstream.bad_response", True) == (outcome.status, outcome.reason, outcome.complete)


async def test_a_head_that_is_not_out_yet_is_taken_back_where_its_body_turns_out_to_be_broken() -> None:
    broken = b"HTTP/1.1 200 OK\r\nX-Secret: 1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"
    async with RawUpstream(once(broken)) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET)
        head, _ = await peer.message()
        peer.send(GET)
        await peer.message()
        peer.close()

    assert head.startswith(b"HTTP/1.1 502 ")
    assert b"X-Secret" not in head


async def test_a_head_that_is_out_is_followed_by_no_other() -> None:
    go_on = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        await go_on.wait()

    books = Books()
    async with RawUpstream(serve) as upstream, wire(upstream.port, books) as running:
        peer = await running.connect()
        peer.send(GET)
        await peer.until(b"hello")
        go_on.set()
        rest = await peer.rest()
        await running.settled()

    assert b"" == rest
    [outcome] = books.outcomes
    assert (200, "upstream.reset", 5, False) == (
        outcome.status,
        outcome.reason,
        outcome.bytes_sent,
        outcome.complete,
    )


@pytest.mark.parametrize(
    ("missing", "expects", "closes"),
    [
        pytest.param(10, b"", False, id="little is missing: it is read and thrown away"),
        pytest.param(100_000, b"", True, id="much is missing"),
        pytest.param(10, b"Expect: 100-continue\r\n", True, id="the client waits to be asked for it"),
    ],
)
async def test_whether_a_connection_outlives_a_body_that_nobody_read(
    missing: int, expects: bytes, closes: bool
) -> None:
    answers = Answers(Response(200, content=b"early"))
    request = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%b\r\n" % (missing, expects)
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, answers) as running:
        peer = await running.connect()
        peer.send(request)
        head, _ = await peer.message()
        if not closes:
            peer.send(b"x" * missing + request)
            head, _ = await peer.message()
        peer.close()

    assert (b"Connection: close\r\n" in head) is closes


async def test_a_chunked_body_that_nobody_read_ends_the_connection() -> None:
    answers = Answers(Response(200, content=b"early"))
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, answers) as running:
        peer = await running.connect()
        peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        head, _ = await peer.message()
        peer.close()

    assert b"Connection: close\r\n" in head


@pytest.mark.parametrize(
    ("request_", "connection"),
    [
        (GET, None),
        (LAST, b"close"),
        (b"GET /a HTTP/1.0\r\n\r\n", b"close"),
        (b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", b"keep-alive"),
    ],
    ids=["1.1", "1.1 that closes", "1.0", "1.0 that keeps"],
)
async def test_connection_says_what_happens_to_it(request_: bytes, connection: bytes | None) -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(request_)
        head, _ = await peer.message()
        peer.close()

    said = [line.partition(b": ")[2] for line in head.split(b"\r\n") if line.startswith(b"Connection:")]
    assert ([] if connection is None else [connection]) == said


@pytest.mark.parametrize(
    ("version", "framed"), [(b"1.1", b"5\r\nhello\r\n0\r\nA: b\r\n\r\n"), (b"1.0", b"hello")]
)
async def test_a_body_of_unknown_length_is_framed_for_the_client(version: bytes, framed: bytes) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n"
    async with RawUpstream(once(chunked)) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(LAST.replace(b"1.1", version))
        answer = await peer.rest()

    assert framed == answer.partition(b"\r\n\r\n")[2]


async def test_204_from_the_upstream_loses_its_length() -> None:
    answer = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
    async with RawUpstream(Echo(answer=answer)) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET)
        head = await peer.head()
        peer.close()

    assert b"Content-Length" not in head


async def test_an_answer_that_is_no_bytes_is_a_bug_that_ends_the_connection(caplog: Any) -> None:
    class Buggy:
        async def around(self, exchange: Exchange, forward: Forward) -> Response:
            return Response(200, content="text")  # type: ignore[arg-type]

    async with RawUpstream(Echo()) as upstream, wire(upstream.port, Buggy()) as running:
        peer = await running.connect()
        peer.send(GET)
        closed = await peer.closed()

    assert closed
    assert "TypeError" in caplog.text
