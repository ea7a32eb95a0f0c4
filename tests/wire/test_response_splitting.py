"""What an upstream answers is one answer, to this request, for this client; else it is none: 502."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.exchange import Exchange
from tests.wire import sloppy
from tests.wire.harness import BOTH_LOOPS, RawUpstream, once, until, wire
from tests.wire.sloppy import STATUS_LINE, Reader

pytestmark = BOTH_LOOPS

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LINE = b"HTTP/1.1 200 OK\r\n"
FORGED = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nSet-Cookie: forged=1\r\n\r\nforged"


class Waits:
    """A policy that waits, so that the exchange is carried by a task."""

    async def on_request(self, exchange: Exchange) -> None:
        return None


CARRIED = pytest.mark.parametrize("policies", [(), (Waits(),)], ids=["by callbacks", "by a task"])


def client(reader: Reader) -> Reader:
    return replace(reader, start=STATUS_LINE)


def lines(*fields: bytes, body: bytes = b"") -> bytes:
    return LINE + b"\r\n".join((*fields, b"", body))


def split_for(reader: Reader, raw: bytes) -> bool:
    """A client that reads like this, and is sent `raw` as it is, believes what is forged."""
    messages = client(reader).messages(raw)
    return any(
        b"set-cookie" in client(reader).fields(message.partition(b"forged\r")[0]) for message in messages
    )


SPLITTING = {
    "LF in a value": (lines(b"X: x\nSet-Cookie: forged"), sloppy.LF_ENDS_LINES),
    "CR in a value": (lines(b"X: x\rSet-Cookie: forged"), sloppy.CR_ENDS_LINES),
    "LF in the phrase": (lines(b"").replace(b"OK", b"OK\nSet-Cookie: forged"), sloppy.LF_ENDS_LINES),
    "CR in the phrase": (lines(b"").replace(b"OK", b"OK\rSet-Cookie: forged"), sloppy.CR_ENDS_LINES),
    "LF behind the status line": (
        b"HTTP/1.1 200 OK\nSet-Cookie: forged\r\nX: x\r\n\r\n",
        sloppy.LF_ENDS_LINES,
    ),
    "an empty line of LF": (lines(b"X: x\n\n" + FORGED), sloppy.LF_ENDS_LINES),
    "an empty line of CR": (lines(b"X: x\r\r" + FORGED), sloppy.CR_ENDS_LINES),
    "a fold": (lines(b"X: x\r\n Set-Cookie: forged"), sloppy.IGNORES_FOLDS),
    "a fold by a tab": (lines(b"X: x\r\n\tSet-Cookie: forged"), sloppy.IGNORES_FOLDS),
    "a fold of the first line": (LINE + b" Set-Cookie: forged\r\nX: x\r\n\r\n", sloppy.IGNORES_FOLDS),
    "a space before the colon of a length": (lines(b"Content-Length : 0", body=FORGED), sloppy.LENIENT_NAMES),
    "a space before the colon of a coding": (
        lines(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n" + FORGED),
        sloppy.LENIENT_NAMES,
    ),
    "a tab before the colon of a coding": (
        lines(b"Transfer-Encoding\t: chunked", body=b"0\r\n\r\n" + FORGED),
        sloppy.LENIENT_NAMES,
    ),
    "a NUL in a name": (lines(b"Set-Cookie\0: forged"), sloppy.LENIENT_NAMES),
    "a space in a name": (lines(b"Set-Cookie : forged"), sloppy.LENIENT_NAMES),
    "two lengths": (lines(b"Content-Length: 90", b"Content-Length: 0", body=FORGED), sloppy.LAST_LENGTH),
    "twice the same length": (
        lines(b"Content-Length: 0", b"Content-Length: 0", body=FORGED),
        sloppy.LAST_LENGTH,
    ),
    "a list of lengths": (lines(b"Content-Length: 90, 0", body=FORGED), sloppy.BY_THE_BOOK),
    "a length with a sign": (lines(b"Content-Length: +90", body=FORGED), sloppy.BY_THE_BOOK),
    "a length in other digits": (lines("Content-Length: \u0669".encode(), body=FORGED), sloppy.BY_THE_BOOK),
    "an endless length": (lines(b"Content-Length: 1" + b"0" * 30, body=b"0" * 30), None),
    "a length of 5000 digits": (lines(b"Content-Length: " + b"0" * 5000 + b"9", body=b"123456789"), None),
    "an empty length": (lines(b"Content-Length:", body=FORGED), sloppy.BY_THE_BOOK),
    "length, then coding": (
        lines(b"Content-Length: 95", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + FORGED),
        sloppy.BY_THE_BOOK,
    ),
    "coding, then length": (
        lines(b"Transfer-Encoding: chunked", b"Content-Length: 0", body=b"0\r\n\r\n" + FORGED),
        sloppy.LENGTH_FIRST,
    ),
    "two codings": (
        lines(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n" + FORGED),
        sloppy.LENIENT_CODINGS,
    ),
    "two codings, the other first": (
        lines(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + FORGED),
        sloppy.LENIENT_CODINGS,
    ),
    "chunked twice": (
        lines(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + FORGED),
        sloppy.LENIENT_CODINGS,
    ),
    "chunked, chunked": (
        lines(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n" + FORGED),
        sloppy.LENIENT_CODINGS,
    ),
    "another coding": (
        lines(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + FORGED),
        sloppy.LENIENT_CODINGS,
    ),
    "chunked and a tab": (
        lines(b"Transfer-Encoding: chunked\t", body=b"0\r\n\r\n" + FORGED),
        sloppy.LENIENT_CODINGS,
    ),
    "chunked with a K that is none": (
        lines("Transfer-Encoding: chun\u212aed".encode(), body=b"0\r\n\r\n" + FORGED),
        replace(sloppy.BY_THE_BOOK, chunked=bool),
    ),
    "chunked in HTTP/1.0": (
        lines(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + FORGED).replace(b"1.1", b"1.0", 1),
        sloppy.BY_THE_BOOK,
    ),
    "junk before it": (b"junk\r\n" + FORGED, sloppy.BY_THE_BOOK),
    "a head before it": (b"X: x\r\n\r\n" + FORGED, sloppy.BY_THE_BOOK),
    "an empty line before it": (b"\r\n" + FORGED, sloppy.BY_THE_BOOK),
    "HTTP/2.0": (FORGED.replace(b"1.1", b"2.0"), sloppy.BY_THE_BOOK),
    "HTTP/0.9": (FORGED.replace(b"1.1", b"0.9"), sloppy.BY_THE_BOOK),
    "RTSP": (FORGED.replace(b"HTTP", b"RTSP"), sloppy.BY_THE_BOOK),
    "Icecast": (FORGED.replace(b"HTTP", b"ICE"), sloppy.BY_THE_BOOK),
    "a status of four digits": (FORGED.replace(b"200", b"2000"), sloppy.BY_THE_BOOK),
    "a status of two digits": (FORGED.replace(b"200", b"20"), sloppy.BY_THE_BOOK),
    "a status below 100": (FORGED.replace(b"200", b"099"), sloppy.BY_THE_BOOK),
    "a status of 000": (FORGED.replace(b"200", b"000"), sloppy.BY_THE_BOOK),
    "no HTTP at all": (b"forged" * 10, None),
    "TLS": (b"\x15\x03\x01\x00\x02\x02\x50", None),
    "a line without a colon": (lines(b"forged"), None),
    "a line without a name": (lines(b": forged"), None),
    "a byte over 127 in a name": (lines(b"forged\xe9: 1"), None),
    "a parenthesis in a name": (lines(b"forged(: 1"), None),
    "a NUL in a value": (lines(b"X: forged\0"), None),
    "a control character in a value": (lines(b"X: forged\x01"), None),
    "an escape in the phrase": (lines(b"").replace(b"OK", b"forged\x1b[2J"), None),
    "a DEL in a value": (lines(b"X: forged\x7f"), None),
    "101, unasked": (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nforged"
        + FORGED,
        sloppy.BY_THE_BOOK,
    ),
    "101, unasked, to nothing": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + FORGED, sloppy.BY_THE_BOOK),
    "a head of over 256 KiB": (lines(b"X: " + b"a" * 2**18, b"Set-Cookie: forged"), sloppy.BY_THE_BOOK),
    "over 256 KiB of interim heads": (
        b"HTTP/1.1 103 Hints\r\nX: x\r\n\r\n" * 9999 + FORGED,
        sloppy.BY_THE_BOOK,
    ),
    "an interim head that is none": (b"HTTP/1.1 103 Hints\r\nX: x\n\r\n\r\n" + FORGED, sloppy.BY_THE_BOOK),
}


@CARRIED
@pytest.mark.parametrize(("raw", "believes"), SPLITTING.values(), ids=SPLITTING)
async def test_an_answer_that_can_be_read_in_two_ways_is_none(
    raw: bytes, believes: Reader | None, policies: tuple[Waits, ...], caplog: pytest.LogCaptureFixture
) -> None:
    assert believes is None or split_for(believes, raw)

    async with (
        RawUpstream(once(raw, then_close=False)) as upstream,
        wire(upstream.port, *policies) as running,
    ):
        peer = await running.connect()
        peer.send(GET)
        head = await peer.head()
        while head.startswith(b"HTTP/1.1 103"):
            head = await peer.head()
        await until(lambda: not running.upstream_connections)
        peer.send(GET)
        await until(lambda: upstream.connections == 2)

    outcome = running.records.outcomes[0]
    assert (b"HTTP/1.1 502 Bad Gateway", "upstream.bad_response") == (
        head.partition(b"\r\n")[0],
        outcome.reason,
    )
    assert (b"forged" in head, b"\r\nConnection: close" in head) == (False, False)
    assert [] == caplog.records
