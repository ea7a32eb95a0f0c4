"""Where a message's body ends (RFC 9112, sections 6 and 7).

A decoder is fed what arrives and gives back the payload and what lies behind the body.
Chunked bodies are decoded and framed anew, so that chunk extensions and odd but legal
spellings never reach the other side. Anything that could be read in two ways is an error.
"""

from __future__ import annotations

import re
from typing import Protocol

from proxy.header_lines import FORWARDED, Field
from proxy.wire.parser import AS_CGI


class FramingError(Exception):
    """The body's framing is broken; where it ends can't be known, so the connection is lost."""


class Decoder(Protocol):
    """Takes a body off a stream of bytes."""

    done: bool
    trailers: tuple[Field, ...]

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """`(payload, rest)`: what belongs to the body, and what follows it once `done`."""
        ...

    def end(self) -> bool:
        """The connection has ended: True where that is a good end of this body."""
        ...


class LengthDecoder:
    """A body of `length` bytes, as Content-Length says."""

    __slots__ = ("done", "left")
    trailers: tuple[Field, ...] = ()

    def __init__(self, length: int) -> None:
        self.left = length
        self.done = length == 0

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        left = self.left - len(data)
        if left > 0:
            self.left = left
            return data, b""
        self.done = True
        if left == 0:
            self.left = 0
            return data, b""
        payload, rest = data[: self.left], data[self.left :]
        self.left = 0
        return payload, rest

    def end(self) -> bool:
        return self.done


class CloseDecoder:
    """A response body that ends with its connection."""

    __slots__ = ("done",)
    trailers: tuple[Field, ...] = ()

    def __init__(self) -> None:
        self.done = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        return data, b""

    def end(self) -> bool:
        self.done = True
        return True


# An extension may hold a quoted string, but no control character: not even a bare CR or LF.
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")
_FIELD_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELD_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
_MAX_LINE = 4096
_MAX_TRAILERS = 16384
_PER_TRAILER = 32  # what one costs us besides its bytes; as HPACK counts


class ChunkedDecoder:
    """A chunked body (RFC 9112, section 7.1), trailers included."""

    left = None  # nobody knows how much is to come
    __slots__ = ("_in_trailers", "_left", "_open", "_pending", "_trailer_bytes", "done", "trailers")

    def __init__(self) -> None:
        self.done = False
        self.trailers: tuple[Field, ...] = ()
        self._left = 0
        self._open = False  # the CRLF behind a chunk's data is still to come
        self._in_trailers = False
        self._trailer_bytes = 0
        self._pending = b""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        if self._pending:
            data, self._pending = self._pending + data, b""
        payload: list[bytes] = []
        at = 0
        while at < len(data) and not self.done:
            if self._left:
                piece = data[at : at + self._left]
                payload.append(piece)
                at += len(piece)
                self._left -= len(piece)
                continue
            end = data.find(b"\r\n", at)
            if end < 0:
                self._keep(data[at:])
                at = len(data)
            else:
                self._line(data[at:end])
                at = end + 2
        return payload[0] if len(payload) == 1 else b"".join(payload), data[at:]

    def end(self) -> bool:
        return self.done

    def _keep(self, partial: bytes) -> None:
        if len(partial) > _MAX_LINE + 1 or (self._open and partial != b"\r"):
            raise FramingError("a chunk has no proper end")
        self._pending = partial

    def _line(self, line: bytes) -> None:
        if len(line) > _MAX_LINE:
            raise FramingError("a line of the framing is too long")
        if self._open:
            if line:
                raise FramingError("a chunk is longer than its size")
            self._open = False
        elif self._in_trailers:
            self._trailer(line)
        else:
            size = _CHUNK_SIZE.fullmatch(line)
            if size is None:
                raise FramingError("a chunk's size is no hexadecimal number")
            self._left = int(size[1], 16)
            self._open = self._left > 0
            self._in_trailers = self._left == 0

    def _trailer(self, line: bytes) -> None:
        if not line:
            self.done = True
            return
        name, colon, value = line.partition(b":")
        self._trailer_bytes += len(line) + _PER_TRAILER
        if not colon or not _FIELD_NAME.fullmatch(name) or not _FIELD_VALUE.fullmatch(value):
            raise FramingError("a trailer is no header field")
        if self._trailer_bytes > _MAX_TRAILERS:
            raise FramingError("the trailers are too large")
        self.trailers += ((name, value.strip(b" \t")),)


LAST_CHUNK = b"0\r\n\r\n"

# RFC 9110, section 6.5.1: no framing, routing, authentication or content handling in trailers.
_NO_TRAILERS = frozenset(
    b"authorization cache-control connection content-encoding content-length content-range content-type"
    b" cookie expect forwarded host keep-alive max-forwards proxy-authorization proxy-connection range"
    b" set-cookie te trailer transfer-encoding upgrade www-authenticate".split()
)


def chunk(payload: bytes) -> bytes:
    """One chunk; nothing for nothing, since an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(payload), payload) if payload else b""


def last_chunk(trailers: tuple[Field, ...], dropped: frozenset[bytes] = frozenset()) -> bytes:
    """The end of a chunked body, with those trailers that may stand there.

    `dropped` is what may not stand in the head either: a recipient may merge the two.
    """
    if not trailers:
        return LAST_CHUNK
    forbidden = _NO_TRAILERS | dropped
    lines = [
        b"%b: %b\r\n" % field
        for field in trailers
        if not (name := field[0].lower().translate(AS_CGI)).startswith(FORWARDED) and name not in forbidden
    ]
    return b"0\r\n%b\r\n" % b"".join(lines)
