"""Heads of messages, as the wire reads them."""

from __future__ import annotations

from proxy.wire.head import HOP_BY_HOP, UNDERSTOOD, ResponseHead, response_head
from proxy.wire.parser import Fields, RequestLine, Specials, parse_fields, parse_request_line

SPECIALS = Specials(HOP_BY_HOP | UNDERSTOOD)


def fields(lines: bytes) -> Fields:
    return parse_fields(b"\r\n" + lines, SPECIALS)


def request(lines: bytes, line: bytes = b"POST / HTTP/1.1") -> tuple[RequestLine, Fields]:
    return parse_request_line(line), fields(b"Host: a\r\n" + lines)


def response(lines: bytes, line: bytes = b"HTTP/1.1 200 OK") -> ResponseHead:
    return response_head(b"%b\r\n%b\r\n" % (line, lines), SPECIALS, HOP_BY_HOP)
