"""Heads: what is believed of one, and how one is written."""

from __future__ import annotations

import re
from http import HTTPStatus

import pytest

from proxy.errors import Rejection
from proxy.wire import head as heads
from proxy.wire import target
from proxy.wire.framing import ChunkedDecoder, CloseDecoder, FramingError, LengthDecoder
from proxy.wire.head import (
    HOP_BY_HOP,
    believed,
    colliding,
    interim_head,
    named_by,
    phrase_of,
    request_decoder,
    response_decoder,
    status_line,
)
from proxy.wire.target import host_of
from tests.wire.heads import fields, request, response


def framing(decoder: object) -> object:
    return decoder.left if isinstance(decoder, LengthDecoder) else type(decoder)


NOTHING = type(None)


@pytest.mark.parametrize(
    ("lines", "framed"),
    [
        pytest.param(b"", NOTHING, id="neither length nor coding: no body"),
        pytest.param(b"Content-Length: 0\r\n", NOTHING, id="a length of 0: no body"),
        pytest.param(b"Content-Length: 000\r\n", NOTHING, id="a length of 0, spelled oddly"),
        pytest.param(b"Content-Length: 5\r\n", 5, id="a length"),
        pytest.param(b"content-length: 007\r\n", 7, id="a length with leading zeros"),
        pytest.param(b"Transfer-Encoding: chunked\r\n", ChunkedDecoder, id="chunked"),
        pytest.param(b"TRANSFER-ENCODING: Chunked\r\n", ChunkedDecoder, id="chunked, spelled oddly"),
    ],
)
def test_a_request_says_how_its_body_is_framed(lines: bytes, framed: object) -> None:
    assert framed == framing(request_decoder(*request(lines)))


@pytest.mark.parametrize(
    ("line", "lines", "status", "reason"),
    [
        pytest.param(
            b"POST / HTTP/1.0",
            b"Transfer-Encoding: chunked\r\n",
            400,
            "request.framing",
            id="chunked in HTTP/1.0",
        ),
        pytest.param(
            b"POST / HTTP/1.1",
            b"Transfer-Encoding: gzip, chunked\r\n",
            501,
            "request.transfer_coding",
            id="another coding before chunked",
        ),
        *(
            pytest.param(b"POST / HTTP/1.1", lines, 400, "request.framing", id=name)
            for name, lines in {
                "a length and a coding": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                "two lengths": b"Content-Length: 5\r\nContent-Length: 5\r\n",
                "a list of lengths": b"Content-Length: 5, 5\r\n",
                "a length with a sign": b"Content-Length: +5\r\n",
                "a length in hex": b"Content-Length: 0x5\r\n",
                "no length": b"Content-Length:\r\n",
                "a length with a tab": b"Content-Length: 5\t\r\n",
                "two codings": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                "chunked before another": b"Transfer-Encoding: chunked, gzip\r\n",
                "a length of 19 digits": b"Content-Length: 0000000000000000005\r\n",
            }.items()
        ),
        *(
            pytest.param(b"POST / HTTP/1.1", lines, 501, "request.transfer_coding", id=name)
            for name, lines in {
                "no coding": b"Transfer-Encoding:\r\n",
                "chunked and a tab": b"Transfer-Encoding: chunked\t\r\n",
                "chunked and something": b"Transfer-Encoding: chunked;a\r\n",
                "chunked in quotes": b'Transfer-Encoding: "chunked"\r\n',
            }.items()
        ),
    ],
)
def test_a_request_whose_framing_is_in_doubt_is_refused(
    line: bytes, lines: bytes, status: int, reason: str
) -> None:
    with pytest.raises(Rejection) as refused:
        request_decoder(*request(lines, line))

    assert (status, reason) == (refused.value.status, refused.value.reason)


@pytest.mark.parametrize(
    ("method", "line", "lines", "framed"),
    [
        pytest.param("GET", b"HTTP/1.1 200 OK", b"", CloseDecoder, id="neither: until the connection ends"),
        pytest.param("GET", b"HTTP/1.0 200 OK", b"", CloseDecoder, id="HTTP/1.0"),
        pytest.param("GET", b"HTTP/1.1 200 OK", b"Content-Length: 5\r\n", 5, id="a length"),
        pytest.param("GET", b"HTTP/1.1 200 OK", b"Content-Length: 00\r\n", NOTHING, id="a length of 0"),
        pytest.param(
            "GET", b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked\r\n", ChunkedDecoder, id="chunked"
        ),
        pytest.param("HEAD", b"HTTP/1.1 200 OK", b"Content-Length: 5\r\n", NOTHING, id="HEAD with a length"),
        pytest.param(
            "HEAD", b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked\r\n", NOTHING, id="HEAD, chunked"
        ),
        pytest.param("GET", b"HTTP/1.1 204 No Content", b"", NOTHING, id="204"),
        pytest.param("GET", b"HTTP/1.1 304 Not Modified", b"Content-Length: 5\r\n", NOTHING, id="304"),
    ],
)
def test_a_response_says_how_its_body_is_framed(
    method: str, line: bytes, lines: bytes, framed: object
) -> None:
    assert framed == framing(response_decoder(response(lines, line), method))


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        pytest.param(b"HTTP/1.1 200 OK", b"Transfer-Encoding: gzip\r\n", id="another coding"),
        pytest.param(b"HTTP/1.0 200 OK", b"Transfer-Encoding: chunked\r\n", id="chunked in HTTP/1.0"),
        pytest.param(
            b"HTTP/1.1 200 OK",
            b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            id="length and coding",
        ),
        pytest.param(b"HTTP/1.1 200 OK", b"Content-Length: 5\r\nContent-Length: 5\r\n", id="two lengths"),
        pytest.param(b"HTTP/1.1 200 OK", b"Content-Length: -5\r\n", id="a length that is none"),
    ],
)
def test_a_response_whose_framing_is_in_doubt_is_no_answer(line: bytes, lines: bytes) -> None:
    with pytest.raises(FramingError):
        response_decoder(response(lines, line), "GET")


@pytest.mark.parametrize(
    ("line", "phrase", "sent"),
    [
        (b"HTTP/1.1 200 OK", "OK", b"HTTP/1.1 200 OK"),
        (b"HTTP/1.0 200 OK", "OK", b"HTTP/1.1 200 OK"),
        (b"HTTP/1.1 200", "", b"HTTP/1.1 200 "),
        (b"HTTP/1.1 200 ", "", b"HTTP/1.1 200 "),
        (b"HTTP/1.1 200 f\xfcr dich", "f\udcfcr dich", b"HTTP/1.1 200 f\xfcr dich"),
    ],
)
def test_a_status_line_goes_on_with_its_phrase_and_our_version(line: bytes, phrase: str, sent: bytes) -> None:
    head = response(b"", line)

    assert (200, phrase, sent) == (head.status, head.phrase, head.line)


@pytest.mark.parametrize(
    ("connection", "named"),
    [
        pytest.param(b"", set(), id="no such field"),
        pytest.param(b"Connection: keep-alive\r\n", set(), id="an ordinary one"),
        pytest.param(b"Connection: close, X-Secret ,, TE\r\n", {b"x-secret", b"te"}, id="fields named"),
        pytest.param(b"Connection: a\r\nConnection: B\r\n", {b"a", b"b"}, id="in two fields"),
        pytest.param(b"Connection: content-length, host\r\n", set(), id="what may not be dropped"),
        pytest.param(b"Connection: Content-Length, X-A\r\n", {b"x-a"}, id="the same beside one that may"),
    ],
)
def test_what_connection_names_is_not_passed_on(connection: bytes, named: set[bytes]) -> None:
    found = fields(connection)

    assert named == named_by(found.connection)


def test_what_is_believed_of_a_request() -> None:
    found = fields(
        b"Host: A:80\r\nX-A: 1\r\nConnection: upgrade, x-a\r\nUpgrade: b\r\n"
        b"TE: trailers\r\nX_Real-IP: 2\r\nX_B: 3\r\n"
    )
    guarded = HOP_BY_HOP | {b"x-real-ip"}

    request = believed(found, HOP_BY_HOP, guarded)

    assert ("a", False, True, True) == (request.host, request.framed, request.upgrade, request.trailers)
    assert b"\r\nHost: A:80\r\nX_B: 3\r\n" == request.kept


def test_odd_names_that_would_collide_are_found() -> None:
    lower = (
        b"\r\nx_forwarded-for: 1\r\nx_other: 2\r\nx-real-ip: x_real-ip\r\ncontent_length: 4\r\n"
        b"x.real~ip: 5\r\nx.other: 6\r\nx-other: x.real.ip: 7\r\n"
    )

    assert {b"x_forwarded-for", b"content_length", b"x.real~ip"} == colliding(
        lower, frozenset((b"x-real-ip",))
    )


def test_remembered_hosts_and_status_lines_are_bounded() -> None:
    for number in range(3000):
        host_of(f"h{number}")
        status_line(200, f"phrase {number}")

    assert len(target._known_hosts) <= 1024
    assert len(heads.STATUS_LINES) <= 1024


@pytest.mark.parametrize(
    ("status", "phrase", "line"),
    [
        (200, "OK", b"HTTP/1.1 200 OK"),
        (299, "", b"HTTP/1.1 299 "),
        (200, "f\udcfcr dich", b"HTTP/1.1 200 f\xfcr dich"),
    ],
)
def test_a_status_line_has_its_phrase_byte_for_byte(status: int, phrase: str, line: bytes) -> None:
    assert line == status_line(status, phrase)


def test_an_interim_response_is_passed_on_without_what_is_of_one_connection() -> None:
    early = response(b"Link: </a.css>\r\nConnection: close\r\n", b"HTTP/1.1 103 Early Hints")

    assert b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" == interim_head(early)


@pytest.mark.parametrize(("status", "phrase"), [(200, "OK"), (299, ""), (600, "")])
def test_a_status_has_its_usual_phrase_or_none(status: int, phrase: str) -> None:
    assert phrase == phrase_of(status)


def test_every_usual_phrase_is_legal() -> None:
    for status in HTTPStatus:
        assert re.fullmatch(rb"HTTP/1\.1 \d{3} [\x20-\x7e]+", status_line(status, phrase_of(status)))
