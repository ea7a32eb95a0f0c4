"""The body of an answer ends where it says, or breaks off so that the client can tell."""

from __future__ import annotations

import asyncio

import pytest

from tests.wire.attacks import OK, get
from tests.wire.harness import BOTH_LOOPS, Peer, RawUpstream, once, until, wire
from tests.wire.test_response_splitting import CARRIED, FORGED, GET, LINE, Waits, lines
from tests.wire.test_smuggling_chunks import BROKEN

pytestmark = BOTH_LOOPS

CHUNKED = lines(b"Transfer-Encoding: chunked")
MORE_BROKEN = {
    "a prefix": b"0x1\r\na\r\n0\r\n\r\n",
    "a sign": b"+1\r\na\r\n0\r\n\r\n",
    "a negative size": b"-1\r\na\r\n0\r\n\r\n",
    "16 digits": b"0000000000000001\r\na\r\n0\r\n\r\n",
    "LF behind the size": b"1\na\r\n0\r\n\r\n",
    "LF behind the data": b"1\r\na\n0\r\n\r\n",
    "no end of the data": b"1\r\na0\r\n\r\n",
}


@CARRIED
@pytest.mark.parametrize("body", (BROKEN | MORE_BROKEN).values(), ids=BROKEN | MORE_BROKEN)
async def test_a_broken_body_is_no_answer_where_that_can_still_be_said(
    body: bytes, policies: tuple[Waits, ...], caplog: pytest.LogCaptureFixture
) -> None:
    raw = CHUNKED + body + FORGED
    async with (
        RawUpstream(once(raw, then_close=False)) as upstream,
        wire(upstream.port, *policies) as running,
    ):
        peer = await running.connect()
        peer.send(GET)
        head, _ = await peer.message()
        await until(lambda: not running.upstream_connections)

    reasons = [outcome.reason for outcome in running.records.outcomes]
    assert (b"502", False, ["upstream.bad_response"]) == (head[9:12], b"forged" in head, reasons)
    assert [] == caplog.records


@CARRIED
@pytest.mark.parametrize("body", (BROKEN | MORE_BROKEN).values(), ids=BROKEN | MORE_BROKEN)
async def test_a_body_that_breaks_later_is_broken_off(body: bytes, policies: tuple[Waits, ...]) -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(CHUNKED + b"2\r\nok\r\n")
        await begun.wait()
        peer.send(body + FORGED)
        await peer.rest()

    begun = asyncio.Event()
    async with RawUpstream(serve) as upstream, wire(upstream.port, *policies) as running:
        peer = await running.connect()
        peer.send(GET)
        head = await peer.head()
        first = await peer.exactly(7)
        begun.set()
        rest = await peer.rest()
        await running.settled()

    outcome = running.records.outcomes[0]
    assert (b"200", b"2\r\nok\r\n") == (head[9:12], first)
    assert (False, False) == (b"forged" in rest, rest.endswith(b"0\r\n\r\n"))
    assert (200, False, "upstream.bad_response") == (outcome.status, outcome.complete, outcome.reason)
    assert [] == running.upstream_connections


@CARRIED
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(OK + FORGED, id="behind a length"),
        pytest.param(CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + FORGED, id="behind the last chunk"),
        pytest.param(lines(b"Content-Length: 0") + FORGED, id="behind no body"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n" + FORGED, id="behind 204"),
        pytest.param(
            b"HTTP/1.1 204 No Content\r\nContent-Length: 90\r\n\r\n" + FORGED, id="as the body of 204"
        ),
        pytest.param(
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 90\r\n\r\n" + FORGED, id="as the body of 304"
        ),
        pytest.param(
            b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5a\r\n"
            + FORGED
            + b"\r\n0\r\n\r\n",
            id="as a chunk of 204",
        ),
        pytest.param(OK + b"\r\n", id="an empty line"),
        pytest.param(OK + b"forged", id="what is no answer"),
    ],
)
async def test_bytes_behind_an_answer_reach_nobody(answer: bytes, policies: tuple[Waits, ...]) -> None:
    async with (
        RawUpstream(once(answer, then_close=False)) as upstream,
        wire(upstream.port, *policies) as running,
    ):
        answers = []
        peer = await running.connect()
        for _ in range(2):
            peer.send(GET)
            head = await peer.head()
            answers.append(head + (await peer.until(b"ok") if b"Content-Length: 2" in head else b""))
            if b"chunked" in head:
                answers[-1] += await peer.until(b"0\r\n\r\n")
            await until(lambda: not running.upstream_connections)
        running.advance(1000.0)
        rest = await peer.rest()

    assert [False, False] == [b"forged" in each for each in answers]
    assert (b"", 2) == (rest, upstream.connections)


@CARRIED
async def test_the_body_of_an_answer_to_head_reaches_nobody(policies: tuple[Waits, ...]) -> None:
    answer = lines(b"Content-Length: %d" % len(FORGED), body=FORGED)
    async with (
        RawUpstream(once(answer, then_close=False)) as upstream,
        wire(upstream.port, *policies) as running,
    ):
        peer = await running.connect()
        for _ in range(2):
            peer.send(GET.replace(b"GET", b"HEAD"))
            head = await peer.head()
            await until(lambda: not running.upstream_connections)

    assert (True, False, 2) == (
        b"Content-Length: %d" % len(FORGED) in head,
        b"forged" in head,
        upstream.connections,
    )


async def test_an_upstream_that_speaks_unasked_loses_its_connection() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(OK)
        await until(lambda: len(running.records.outcomes) == upstream.connections)
        peer.send(FORGED)

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        for _ in range(2):
            peer.send(GET)
            _, body = await peer.message()
            await until(lambda: not running.upstream_connections)

    assert (b"ok", 2) == (body, upstream.connections)


async def test_the_head_that_comes_byte_by_byte_is_the_same() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        for byte in b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + OK:
            peer.send(bytes((byte,)))
            await peer.drained()
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET)
        hints = await peer.head()
        head, body = await peer.message()

    assert b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" == hints
    assert (b"200", b"ok") == (head[9:12], body)


async def test_an_interim_answer_frames_nothing_and_keeps_its_hop_by_hop_fields() -> None:
    interim = (
        b"HTTP/1.1 103 Hints\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\nConnection: x-odd\r\n"
        b"X-Odd: 1\r\nX-Request-ID: forged\r\nLink: a\r\n\r\n"
    ).replace(b"Transfer-Encoding: chunked\r\n", b"")
    async with RawUpstream(once(interim + OK)) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET)
        hints = await peer.head()
        _, body = await peer.message()

    assert (b"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n", b"ok") == (hints, body)


async def test_an_answer_keeps_what_is_of_its_connection_and_our_request_id_stands() -> None:
    answer = lines(
        b"Content-Length: 2",
        b"Connection: keep-alive, x-odd",
        b"Connection: content-length, y-odd",
        b"Keep-Alive: timeout=5",
        b"X-Odd: 1",
        b"Y-Odd: 1",
        b"X-Request-ID: forged",
        b"Upgrade: h2c",
        b"Proxy-Connection: close",
        b"X-Kept: 1",
        body=b"ok",
    )
    async with RawUpstream(once(answer)) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET)
        head, body = await peer.message()
        request_id = running.records.exchanges[0].request_id.encode()

    expected = LINE + b"Content-Length: 2\r\nX-Kept: 1\r\nX-Request-ID: " + request_id + b"\r\n\r\n"
    assert (expected, b"ok") == (head, body)


async def test_trailers_that_frame_or_set_cookies_go_no_further() -> None:
    names = (b"Set-Cookie", b"Content-Length", b"X-Request-ID", b"Connection", b"X_Request_ID")
    trailers = b"X-Sum: 1\r\n" + b"".join(name + b": 1\r\n" for name in names)
    async with (
        RawUpstream(once(CHUNKED + b"0\r\n" + trailers + b"\r\n")) as upstream,
        wire(upstream.port) as running,
    ):
        peer = await running.connect()
        peer.send(GET)
        _, rest = await peer.chunked()

    assert b"0\r\nX-Sum: 1\r\n\r\n" == rest


async def test_101_for_another_protocol_than_was_asked_for_is_no_answer() -> None:
    answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: frob\r\n\r\n" + FORGED
    async with RawUpstream(once(answer, then_close=False)) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(get(b"Host: a", b"Connection: upgrade", b"Upgrade: websocket"))
        head, _ = await peer.message()
        await until(lambda: not running.upstream_connections)

    assert (b"502", "upstream.bad_response") == (head[9:12], running.records.outcomes[0].reason)


async def test_101_before_the_request_is_complete_is_no_answer() -> None:
    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        lines_ = (b"Host: a", b"Connection: upgrade", b"Upgrade: websocket", b"Content-Length: 5")
        peer.send(get(*lines_) + b"ab")
        head, _ = await peer.message()

    assert (b"502", "upstream.bad_response") == (head[9:12], running.records.outcomes[0].reason)
