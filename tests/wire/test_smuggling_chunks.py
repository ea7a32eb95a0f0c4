"""Chunks: what arrives is framed anew, and what could be framed in two ways is refused."""

from __future__ import annotations

import re

import pytest

from tests.wire import sloppy
from tests.wire.attacks import HIDDEN, OK, Attack, Tape, hold, play, post, table
from tests.wire.harness import RawUpstream, until, wire
from tests.wire.sloppy import Reader

CHUNKED = b"Transfer-Encoding: chunked"
N = len(HIDDEN)
LAST = b"\r\n0\r\n\r\n"
LF_CHUNKS = Reader(newline=re.compile(rb"\r?\n"))


def broken(body: bytes, front: Reader, back: Reader = sloppy.BY_THE_BOOK) -> Attack:
    return Attack(post(CHUNKED, body=body), front, back, reason="request.framing")


def sized(size: bytes) -> Attack:
    """A chunk's size that is a number to the front, and none to the back, which takes it for the end."""
    return broken(size + b"\r\n" + HIDDEN + LAST, sloppy.LENIENT_SIZES)


@table(
    {
        "a prefix": sized(b"0x%x" % N),
        "a plus": sized(b"+%x" % N),
        "a minus": sized(b"-%x" % N),
        "a space before": sized(b" %x" % N),
        "a tab before": sized(b"\t%x" % N),
        "a vertical tab behind": sized(b"%x\x0b" % N),
        "a NUL behind": sized(b"%x\0" % N),
        "a letter behind": sized(b"%xg" % N),
        "another number behind": sized(b"%x 5" % N),
        "a comma behind": sized(b"%x,5" % N),
        "an underscore": sized(b"%x_" % N),
        "a quote": sized(b"%x'" % N),
        "16 digits": sized(b"%016x" % N),
        "more than 64 bits": sized(b"1%016x" % N),
        "100 digits": sized(b"%0100x" % N),
        "LF behind the size": broken(b"%x\n%b" % (N, HIDDEN) + LAST, LF_CHUNKS),
        "LF behind the data": broken(b"1\r\na\n%x\r\n%b" % (N, HIDDEN) + LAST, LF_CHUNKS),
        "CR behind the data": broken(b"1\r\na\r%x\r\n%b" % (N, HIDDEN) + LAST, sloppy.CR_ENDS_LINES),
        "CR behind the size": broken(b"1\ra\r\n%x\r\n%b" % (N, HIDDEN) + LAST, sloppy.CR_ENDS_LINES),
        "LF in an extension": broken(b"2;\nxx\r\n%x\r\n%b" % (N, HIDDEN) + LAST, LF_CHUNKS),
        "CR in an extension": broken(b"2;\rxx\r\n%x\r\n%b" % (N, HIDDEN) + LAST, sloppy.CR_ENDS_LINES),
        "no line end behind the data": broken(
            b"1\r\na%x\r\n%b" % (N, HIDDEN) + LAST, sloppy.BY_THE_BOOK, sloppy.SKIPS_TWO
        ),
        "two other bytes behind the data": broken(b"1\r\na!!%x\r\n%b" % (N, HIDDEN) + LAST, sloppy.SKIPS_TWO),
    }
)
async def test_a_chunk_is_one_number_and_so_many_bytes_or_the_request_is_refused(
    attack: Attack, caplog: pytest.LogCaptureFixture
) -> None:
    await hold(attack, caplog)


BROKEN = {
    "data longer than its size": b"1\r\nab\r\n0\r\n\r\n",
    "data shorter than its size": b"3\r\na\r\n0\r\n\r\n",
    "no size": b"\r\n",
    "a NUL in an extension": b"1;\0\r\na\r\n0\r\n\r\n",
    "an extension without end": b"1;" + b"x" * 5000 + b"\r\na\r\n0\r\n\r\n",
    "a trailer without a colon": b"0\r\nabc\r\n\r\n",
    "a trailer with a space before the colon": b"0\r\nX : a\r\n\r\n",
    "a trailer that is folded": b"0\r\nX: a\r\n b\r\n\r\n",
    "a trailer with LF": b"0\r\nX: a\nY: b\r\n\r\n",
    "a trailer with CR": b"0\r\nX: a\rY: b\r\n\r\n",
    "a trailer with a NUL": b"0\r\nX: a\0b\r\n\r\n",
    "a request line for a trailer": b"0\r\n" + HIDDEN,
    "trailers without end": b"0\r\n" + b"X: a\r\n" * 1000 + b"\r\n",
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_a_broken_body_is_refused_once_and_reaches_nobody(
    body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    played = await play(post(CHUNKED, body=body) + HIDDEN)

    assert ((400,), b"", ["request.framing"]) == (played.statuses, played.seen, played.reasons)
    assert "request.framing" == played.problem["reason"]
    assert [] == caplog.records


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_a_refused_request_with_a_broken_body_is_answered_once(body: bytes) -> None:
    played = await play(post(CHUNKED, body=body).replace(b"POST / ", b"POST /%2f ") + HIDDEN)

    assert ((400,), b"", ["request.framing"]) == (played.statuses, played.seen, played.reasons)


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_a_body_that_breaks_later_is_never_ended_for_the_upstream(body: bytes) -> None:
    tape = Tape()
    async with RawUpstream(tape) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(post(CHUNKED, body=b"2\r\nok\r\n"))
        await until(lambda: tape.received.endswith(b"2\r\nok\r\n"))
        peer.send(body + HIDDEN)
        head, _ = await peer.message()
        rest = await peer.rest()
        await until(lambda: not running.upstream_connections)

    assert (True, True, b"") == (b" 400 " in head, b"Connection: close\r\n" in head, rest)
    assert post(CHUNKED, body=b"2\r\nok\r\n") == tape.seen
    assert [400] == [outcome.status for outcome in running.records.outcomes]


SPELLINGS = {
    "as it should be": (CHUNKED, b"2\r\nab\r\n0\r\n\r\n"),
    "upper case": (b"TRANSFER-ENCODING: CHUNKED", b"2\r\nab\r\n0\r\n\r\n"),
    "white space around": (b"Transfer-Encoding:\t chunked ", b"2\r\nab\r\n0\r\n\r\n"),
    "no space": (b"Transfer-Encoding:chunked", b"2\r\nab\r\n0\r\n\r\n"),
    "leading zeros": (CHUNKED, b"000000000000002\r\nab\r\n000\r\n\r\n"),
    "extensions": (CHUNKED, b'2;a=b;c="d;e"\r\nab\r\n0;f\r\n\r\n'),
    "spaces behind the size": (CHUNKED, b"2  \r\nab\r\n0 \r\n\r\n"),
    "two chunks": (CHUNKED, b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize(("line", "body"), SPELLINGS.values(), ids=SPELLINGS)
async def test_odd_but_legal_chunks_are_framed_anew(line: bytes, body: bytes) -> None:
    played = await play(post(line, body=body) + HIDDEN, 2)

    assert post(CHUNKED, body=b"2\r\nab\r\n0\r\n\r\n") + HIDDEN == played.seen
    assert OK[:17] == played.answered[:17]
    assert (200, 200) == played.statuses


async def test_trailers_that_frame_route_or_identify_go_no_further() -> None:
    names = (
        b"Content-Length Transfer-Encoding Host X-Forwarded-For x_forwarded_for X-Real-IP Forwarded"
        b" X-Request-ID X_Request_ID Authorization Cookie Connection Trailer TE"
    )
    trailers = b"X-Sum: 1\r\n" + b"".join(b"%b: 1\r\n" % name for name in names.split())

    played = await play(post(CHUNKED, body=b"0\r\n" + trailers + b"\r\n"))

    assert post(CHUNKED, body=b"0\r\nX-Sum: 1\r\n\r\n") == played.seen
