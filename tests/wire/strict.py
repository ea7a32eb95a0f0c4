"""HTTP/1.1 as strictly as RFC 9112 allows, written apart from Seawall: what fuzzing measures it by."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rb"(%b) +([\x21-\x7e]+) +HTTP/(1\.[01])" % _TOKEN)
_STATUS_LINE = re.compile(rb"HTTP/(1\.[01]) ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
_FIELD = re.compile(
    rb"(%b):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*" % _TOKEN
)
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")


class Broken(Exception):
    """The stream is no HTTP from here on."""


class Incomplete(Exception):
    """The stream ends in the middle of a message."""


@dataclass(frozen=True)
class Message:
    """One message, its body decoded."""

    line: tuple[bytes, ...]
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    end: int
    """Where the next one begins."""

    def values(self, name: bytes) -> list[bytes]:
        return [value for given, value in self.fields if given.lower() == name]


def request(data: bytes, at: int) -> Message:
    """The request that begins at `at`; empty lines before it are skipped."""
    while data[at : at + 1] in (b"\r", b"\n"):
        at += 1
    line, fields, at = _head(data, at, _REQUEST_LINE)
    if line[2] == b"1.1" and len(_values(fields, b"host")) != 1:
        raise Broken
    coded, length = _framing(fields, line[2])
    body, at = _chunks(data, at) if coded else _exactly(data, at, length or 0)
    return Message(line, fields, body, at)


def requests(data: bytes) -> tuple[list[Message], bool]:
    """All complete requests, and whether what follows is broken."""
    found: list[Message] = []
    try:
        while True:
            found.append(request(data, found[-1].end if found else 0))
    except Broken:
        return found, True
    except Incomplete:
        return found, False


def response(data: bytes, at: int, method: bytes, *, ended: bool) -> Message:
    """The response that begins at `at`, after any interim ones; `ended`: no more bytes will come."""
    while True:
        line, fields, at = _head(data, at, _STATUS_LINE)
        status = int(line[1])
        if status >= 200:
            break
        if status == 101:
            raise Broken
    if method == b"HEAD" or status in (204, 304):
        return Message(line, fields, b"", at)
    coded, length = _framing(fields, line[0])
    if coded:
        body, at = _chunks(data, at)
    elif length is not None:
        body, at = _exactly(data, at, length)
    elif ended:
        body, at = data[at:], len(data)
    else:
        raise Incomplete
    return Message(line, fields, body, at)


Fields = tuple[tuple[bytes, bytes], ...]


def _head(data: bytes, at: int, first: re.Pattern[bytes]) -> tuple[tuple[bytes, ...], Fields, int]:
    end = data.find(b"\r\n\r\n", at)
    if end < 0:
        raise Incomplete
    start, *rest = data[at:end].split(b"\r\n")
    line = first.fullmatch(start)
    fields = [_FIELD.fullmatch(field) for field in rest]
    if line is None or None in fields:
        raise Broken
    return line.groups(), tuple((field[1], field[2]) for field in fields if field), end + 4


def _values(fields: Fields, name: bytes) -> list[bytes]:
    return [value for given, value in fields if given.lower() == name]


def _framing(fields: Fields, version: bytes) -> tuple[bool, int | None]:
    codings, lengths = _values(fields, b"transfer-encoding"), _values(fields, b"content-length")
    if codings:
        if version == b"1.0" or lengths or [coding.lower() for coding in codings] != [b"chunked"]:
            raise Broken
        return True, None
    if not lengths:
        return False, None
    if len(lengths) > 1 or not re.fullmatch(rb"[0-9]{1,18}", lengths[0]):
        raise Broken
    return False, int(lengths[0])


def _exactly(data: bytes, at: int, length: int) -> tuple[bytes, int]:
    if len(data) < at + length:
        raise Incomplete
    return data[at : at + length], at + length


def _line(data: bytes, at: int) -> tuple[bytes, int]:
    end = data.find(b"\r\n", at)
    if end < 0:
        raise Incomplete
    return data[at:end], end + 2


def _chunks(data: bytes, at: int) -> tuple[bytes, int]:
    body = b""
    while True:
        line, at = _line(data, at)
        size = _SIZE.fullmatch(line)
        if size is None:
            raise Broken
        if not int(size[1], 16):
            break
        piece, at = _exactly(data, at, int(size[1], 16))
        body += piece
        line, at = _exactly(data, at, 2)
        if line != b"\r\n":
            raise Broken
    while True:
        line, at = _line(data, at)
        if not line:
            return body, at
        if not _FIELD.fullmatch(line):
            raise Broken
