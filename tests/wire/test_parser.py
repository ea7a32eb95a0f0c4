"""Heads are taken apart strictly; what is taken, llhttp takes too, and reads alike."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser, HttpResponseParser
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.headers import arrived
from proxy.wire.head import HOP_BY_HOP, UNDERSTOOD, response_head
from proxy.wire.parser import (
    METHODS,
    Fields,
    MalformedError,
    Specials,
    UnknownMethodError,
    parse_fields,
    parse_request_line,
    parse_status_line,
)

SPECIALS = Specials(HOP_BY_HOP | UNDERSTOOD | {b"x-forwarded-"})
LEGAL = bytes([9, *range(0x20, 0x7F), *range(0x80, 0x100)])


def fields_of(lines: bytes) -> Fields:
    return parse_fields(b"\r\n" + lines, SPECIALS)


def spelled(lines: bytes) -> bytes:
    return fields_of(lines).lines


# ---- fields


@pytest.mark.parametrize(
    "lines",
    [
        b"X\r\n",
        b": a\r\n",
        b"X : a\r\n",
        b"X\t: a\r\n",
        b" X: a\r\n",
        b"X: a\r\n b\r\n",
        b"X: a\r\n\tb\r\n",
        b"X: a\nY: b\r\n",
        b"X: a\rY: b\r\n",
        b"X: a\n",
        b"X: a\r",
        b"X: a",
        b"\r\n",
        b"X: a\r\n\r\nY: b\r\n",
        b"X: a\0b\r\n",
        b"X:\0\r\n",
        b"X: a\x0bb\r\n",
        b"X: a\x7f\r\n",
        b"X:\t\x01\r\n",
        b"X\xe9: a\r\n",
        b"X(): a\r\n",
        b"X: \n\x00\r\n",
    ],
    ids=repr,
)
def test_lines_that_are_no_fields_are_refused(lines: bytes) -> None:
    for around in (b"", b"A: 1\r\n", b"A:1\r\n"):
        with pytest.raises(MalformedError):
            fields_of(around + lines)
        with pytest.raises(MalformedError):
            fields_of(lines + around if lines.endswith(b"\r\n") else around + lines)


@pytest.mark.parametrize(
    ("lines", "once"),
    [
        (b"", b""),
        (b"A: 1\r\nb: 2\r\n", b"A: 1\r\nb: 2\r\n"),
        (b"A:1\r\n", b"A: 1\r\n"),
        (b"A: \t 1 \t\r\nB: 2\r\n", b"A: 1\r\nB: 2\r\n"),
        (b"A: 1\t2\r\n", b"A: 1\t2\r\n"),
        (b"A:\r\nB: \r\n", b"A: \r\nB: \r\n"),
        (b"A: a:b: c\r\n", b"A: a:b: c\r\n"),
        (b"X: a" + LEGAL + b"a\r\n", b"X: a" + LEGAL + b"a\r\n"),
        (b"Content-Length:\t5 \r\n", b"Content-Length: 5\r\n"),
        (b"Content-Length: 5\t\r\n", b"Content-Length: 5\t\r\n"),
    ],
)
def test_fields_have_one_spelling_afterwards(lines: bytes, once: bytes) -> None:
    assert b"\r\n" + once == spelled(lines)
    assert b"\r\n" + once == spelled(once) or b"\t" in once


def test_special_fields_are_found_by_their_whole_name() -> None:
    found = fields_of(
        b"HOST: A\r\nX-Host: 1\r\nHostess: 2\r\nX: host: 3\r\nTE:\r\nX-Forwarded-Foo: 4\r\nhost: B\r\n"
    )

    assert {b"host": b"a , b", b"te": b"", b"x-forwarded-": b"foo: 4"} == found.special
    assert ("A,B", "", "") == (found.value(b"host"), found.value(b"te"), found.value(b"none"))


@pytest.mark.parametrize(
    ("lines", "modern", "closes"),
    [
        (b"", True, False),
        (b"", False, True),
        (b"Connection: close\r\n", True, True),
        (b"Connection: x, Close\r\n", True, True),
        (b"Connection: x\r\nConnection: close\r\n", True, True),
        (b"Connection: closed\r\n", True, False),
        (b"Connection: keep-alive\r\n", False, False),
        (b"Connection: Keep-Alive , x\r\n", False, False),
        (b"Connection: keep-alive, close\r\n", False, True),
        (b"X-Connection: close\r\n", True, False),
    ],
)
def test_a_message_ends_the_connection_or_does_not(lines: bytes, modern: bool, closes: bool) -> None:
    assert closes is fields_of(lines).closes(modern=modern)


# ---- first lines


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET",
        b"GET /",
        b"GET / ",
        b"GET  / HTTP/1.1",
        b"GET /  HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b" GET / HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET\t/ HTTP/1.1",
        b"GET / http/1.1",
        b"GET / HTTP/1.2",
        b"GET / HTTP/2.0",
        b"GET / HTTP/1.10",
        b"GET / HTTP/1",
        b"GET /\0 HTTP/1.1",
        b"GET /\x7f HTTP/1.1",
        b"GET /\xe9 HTTP/1.1",
        b"GET /\r HTTP/1.1",
        b"GET /\n HTTP/1.1",
        b"G:T / HTTP/1.1",
        b"CONNECT / HTTP/1.1",
        b"X" * 33 + b" / HTTP/1.1",
    ],
    ids=repr,
)
def test_what_is_no_request_line_is_refused(line: bytes) -> None:
    with pytest.raises(MalformedError) as refused:
        parse_request_line(line)
    assert not isinstance(refused.value, UnknownMethodError)


@pytest.mark.parametrize("method", [b"BREW", b"get", b"GETS", b"PRI", b"X" * 32])
def test_a_method_that_is_not_known_is_told_apart(method: bytes) -> None:
    with pytest.raises(UnknownMethodError):
        parse_request_line(method + b" / HTTP/1.1")


@pytest.mark.parametrize("method", METHODS)
def test_a_request_line_is_taken_apart(method: bytes) -> None:
    target = b"a:80" if method == b"CONNECT" else b"/a?b"

    line = parse_request_line(b"%b %b HTTP/1.0" % (method, target))

    assert (method.decode(), target.decode(), False) == (line.method, line.target, line.modern)


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1",
        b"HTTP/1.1 20",
        b"HTTP/1.1 2000",
        b"HTTP/1.1 099 x",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.2 200 OK",
        b"HTTP/2 200 OK",
        b"http/1.1 200 OK",
        b"ICY 200 OK",
        b"HTTP/1.1 200\tOK",
        b"HTTP/1.1 200 O\nK",
        b"HTTP/1.1 200 O\0K",
        b" HTTP/1.1 200 OK",
        b"HTTP/1.1 +20 OK",
    ],
    ids=repr,
)
def test_what_is_no_status_line_is_refused(line: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_status_line(line)


# ---- beside llhttp

_loop = asyncio.new_event_loop()
_NO_CAP = 2**31 - 1


@pytest.fixture(autouse=True, scope="module")
def _close_the_loop() -> Iterator[None]:
    yield
    _loop.close()


def llhttp(kind: Any, raw: bytes) -> Any:
    """The head, or None where it is refused. Heads only: what follows is the wire's."""
    parser = kind(
        None,
        _loop,
        2**16,
        max_line_size=_NO_CAP,
        max_field_size=_NO_CAP,
        max_headers=_NO_CAP,
        response_with_body=False,
        auto_decompress=False,
    )
    try:
        return parser.feed_data(raw)[0][0][0]
    except HttpProcessingError:
        return None


PIECES = (
    *(b"Host: a\r\n", b"host:b\r\n", b"X: 1\r\n", b"x-Y:\t2 \r\n", b"Empty:\r\n", b"Z: a\tb: c\r\n"),
    *(
        b"Connection: close\r\n",
        b"Connection: keep-alive\r\n",
        b"connection: Upgrade\r\n",
        b"Upgrade: echo\r\n",
    ),
    *(b"X: \xe9\xff\r\n", b"X-Forwarded-For: 1\r\n", b"X_Y: 1\r\n", b"Cookie: a=b; c=d\r\n"),
    *(
        b"\n",
        b"\r",
        b"\r\n",
        b" ",
        b"\t",
        b":",
        b"\0",
        b"\x7f",
        b"\x0b",
        b"a",
        b"\xff",
        b"\r\n x\r\n",
        b" \r\n",
    ),
)
LINES = (b"GET /a?b HTTP/1.1", b"POST / HTTP/1.0", b"OPTIONS * HTTP/1.1", b"GET http://a/ HTTP/1.1")
STATUS_LINES = (b"HTTP/1.1 200 OK", b"HTTP/1.0 404 Not Found", b"HTTP/1.1 204 \xe9", b"HTTP/1.1 304 ")

lines = st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join)


BOTH = frozenset((b"close", b"keep-alive"))


def closes(oracle: Any, connection: frozenset[bytes]) -> bool:
    """As llhttp says, but for HTTP/1.0 with both: it keeps that open, and `close` counts (RFC 9112, 9.3)."""
    return bool(oracle.should_close) or (oracle.version == (1, 0) and connection >= BOTH)


@given(st.sampled_from(LINES), lines)
@example(b"POST / HTTP/1.0", b"Connection: close\r\nConnection: keep-alive\r\n")
@example(b"GET /a HTTP/1.1", b"Host: a\r\nX: \n\0\r\n")
def test_a_request_that_is_taken_llhttp_takes_and_reads_alike(first: bytes, rest: bytes) -> None:
    raw = b"%b\r\nHost: a\r\n%b\r\n" % (first, rest)
    if b"\r\n\r\n" in raw[:-1] and raw.index(b"\r\n\r\n") + 4 < len(raw):
        return  # two heads: the wire finds the end before anything is parsed
    try:
        line = parse_request_line(first)
        found = fields_of(raw[len(first) + 2 : -2])
    except MalformedError:
        return
    if " , " in found.special.get(b"host", b"").decode("latin-1"):
        return  # refused a step later, as a host
    oracle = llhttp(HttpRequestParser, raw)

    assert oracle is not None
    assert (line.method, line.target, line.modern) == (oracle.method, oracle.path, oracle.version == (1, 1))
    assert list(oracle.raw_headers) == list(arrived(found.lines, found.lines))
    assert closes(oracle, found.connection) == found.closes(modern=line.modern)
    assert oracle.upgrade == (b"upgrade" in found.connection and b"upgrade" in found.special)


@given(st.sampled_from(STATUS_LINES), lines)
@example(b"HTTP/1.0 404 Not Found", b"Connection: close\r\nConnection: keep-alive\r\n")
@example(b"HTTP/1.0 404 Not Found", b"Connection: keep-alive\r\nConnection: close\r\n")
def test_a_response_that_is_taken_llhttp_takes_and_reads_alike(first: bytes, rest: bytes) -> None:
    raw = b"%b\r\n%bContent-Length: 0\r\n\r\n" % (first, rest)
    if raw.index(b"\r\n\r\n") + 4 < len(raw):
        return
    try:
        head = response_head(raw, SPECIALS, HOP_BY_HOP)
    except MalformedError:
        return
    oracle = llhttp(HttpResponseParser, raw)

    assert oracle is not None
    assert (head.status, head.phrase) == (oracle.code, oracle.reason)
    assert list(oracle.raw_headers) == list(arrived(head.fields.lines, head.fields.lines))
    assert closes(oracle, head.fields.connection) == head.should_close


@pytest.mark.parametrize(
    "connection",
    [
        b"close, keep-alive",
        b"keep-alive, close",
        b"close\r\nConnection: keep-alive",
        b"Keep-Alive\r\nConnection: CLOSE",
    ],
    ids=repr,
)
@pytest.mark.parametrize("version", [b"1.0", b"1.1"], ids=repr)
def test_a_response_that_says_both_closes_whatever_its_version(version: bytes, connection: bytes) -> None:
    raw = b"HTTP/%b 200 OK\r\nConnection: %b\r\nContent-Length: 0\r\n\r\n" % (version, connection)

    assert response_head(raw, SPECIALS, HOP_BY_HOP).should_close
    # Should llhttp come to agree, `closes` above has nothing left to say.
    assert (version == b"1.1") == llhttp(HttpResponseParser, raw).should_close
