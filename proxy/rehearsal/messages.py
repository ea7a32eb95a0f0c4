"""What goes over the connections of a rehearsal: requests that clients send, and answers of upstreams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from proxy.wire.framing import ChunkedDecoder, CloseDecoder, Decoder, LengthDecoder
from proxy.wire.head import phrase_of

Fields = Sequence[tuple[str, str]]

Fault = Literal["", "refuse", "hang", "hang_connect", "hang_body", "reset", "reset_body"]
"""How a call goes wrong: the connection is refused, or never opens; no answer comes, or the
connection is reset instead; half of the body comes, and nothing more, or a reset."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sends, over a connection of its own."""

    method: str = "GET"
    target: str = "/"
    """Path and query, as sent."""
    headers: Fields = ()
    """Host and Content-Length are added where they are missing."""
    body: bytes = b""
    client_ip: str = "192.0.2.1"
    """The address that the connection comes from."""
    https: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the upstream does with one call."""

    status: int = 200
    headers: Fields = ()
    """Content-Length is added."""
    body: bytes = b""
    latency: float = 0.0
    """Seconds from the last byte of the request to the answer, or to what happens instead."""
    fault: Fault = ""


@dataclass(frozen=True, slots=True)
class Head:
    """A first line, and the fields below it."""

    first: list[str]
    """The three parts of the line."""
    fields: list[tuple[str, str]]

    def get(self, name: str) -> str | None:
        """The value of the first field called `name`, whatever its case."""
        return next((value for key, value in self.fields if key.lower() == name), None)

    def body_decoder(self, *, until_close: bool) -> Decoder | None:
        """How the body is framed; None where there is none."""
        if self.get("transfer-encoding") is not None:
            return ChunkedDecoder()
        length = self.get("content-length")
        if length is None:
            return CloseDecoder() if until_close else None
        return LengthDecoder(int(length)) if int(length) else None


def take_head(buffer: bytearray) -> Head | None:
    """The head that `buffer` begins with, taken off it; None where it is not whole yet."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = buffer[:end].decode("utf-8", "surrogateescape").split("\r\n")
    del buffer[: end + 4]
    split = (line.partition(":") for line in lines)
    parts = first.split(" ", 2)
    return Head(parts + [""] * (3 - len(parts)), [(name, value.strip(" \t")) for name, _, value in split])


def request_bytes(request: Request) -> bytes:
    """As a client would send it."""
    names = {name.lower() for name, _ in request.headers}
    fields = list(request.headers)
    if "host" not in names:
        fields.insert(0, ("Host", "localhost"))
    if request.body and not names & {"content-length", "transfer-encoding"}:
        fields.append(("Content-Length", str(len(request.body))))
    return _head(f"{request.method} {request.target} HTTP/1.1", fields) + request.body


def answer_bytes(answer: Answer, method: str) -> tuple[bytes, bytes]:
    """Head and body of an answer to a request with `method`."""
    fields, body = list(answer.headers), answer.body
    if answer.status not in (204, 304):
        fields.append(("Content-Length", str(len(body))))
    else:
        body = b""
    head = _head(f"HTTP/1.1 {answer.status} {phrase_of(answer.status)}", fields)
    return head, b"" if method == "HEAD" else body


def _head(first: str, fields: Fields) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"{first}\r\n{lines}\r\n".encode("utf-8", "surrogateescape")
