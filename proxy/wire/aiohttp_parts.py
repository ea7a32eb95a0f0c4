"""Everything that the wire takes from aiohttp beyond its documented API, in one place.

`tests/wire/test_aiohttp_parts.py` holds what is relied upon, and says what to look at when
aiohttp moves; `pyproject.toml` pins the series that it was checked with.

- `RequestHandler`: we subclass it for what it knows of a server's life (registration,
  `pre_shutdown`, graceful `shutdown`) and replace `data_received` and `start`. Used of its
  attributes: `_manager`, `_loop`, `_close`, `_force_close`, `_request_in_progress`,
  `_handler_waiter`, `_task_handler`, `_parser`, `transport`.
- The C parsers, made with `response_with_body=False` and fed one head at a time, so that
  they never see a body: no StreamReader per message, and a trailer cannot leak into the
  next message's headers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser, HttpResponseParser
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

__all__ = [
    "HeadParser",
    "HttpProcessingError",
    "RequestHandler",
    "RequestHead",
    "ResponseHead",
    "Server",
    "complaint",
    "request_head_parser",
    "response_head_parser",
]


class RequestHead(Protocol):
    """What is read of aiohttp's RawRequestMessage."""

    method: str
    path: str
    version: tuple[int, int]
    headers: CIMultiDictProxy[str]
    raw_headers: tuple[tuple[bytes, bytes], ...]
    should_close: bool
    upgrade: bool
    chunked: bool


class ResponseHead(Protocol):
    """What is read of aiohttp's RawResponseMessage."""

    code: int
    reason: str
    version: tuple[int, int]
    headers: CIMultiDictProxy[str]
    raw_headers: tuple[tuple[bytes, bytes], ...]
    should_close: bool
    upgrade: bool
    chunked: bool


class HeadParser(Protocol):
    """A parser that is fed exactly one head; raises HttpProcessingError."""

    def feed_data(self, data: bytes, /) -> tuple[Any, bool, bytes]:
        """`([(head, payload)], upgraded, rest)`; the payload is empty by construction."""
        ...

    def set_upgraded(self, val: bool, /) -> None:
        """Go on with HTTP after a head that asked for an upgrade."""
        ...


def request_head_parser(loop: asyncio.AbstractEventLoop) -> HeadParser:
    """A parser of request heads. Sizes are the caller's to check, so that it can say 414 or 431."""
    return _parser(HttpRequestParser, loop)


def response_head_parser(loop: asyncio.AbstractEventLoop) -> HeadParser:
    """A parser of response heads; lax, so that names and values are to be checked again."""
    return _parser(HttpResponseParser, loop)


def complaint(error: Exception) -> str:
    """What a parser found wrong, without the bytes that it quotes: those may be a secret."""
    reason, quoted, _ = getattr(error, "message", "").partition(":\n\n")
    return " ".join(reason.split())[:200] if quoted else type(error).__name__


_NO_CAP = 2**31 - 1


def _parser(kind: Any, loop: asyncio.AbstractEventLoop) -> HeadParser:
    parser: HeadParser = kind(
        None,
        loop,
        2**16,
        max_line_size=_NO_CAP,
        max_field_size=_NO_CAP,
        max_headers=_NO_CAP,
        response_with_body=False,
        auto_decompress=False,
    )
    return parser
