"""What the wire relies upon in aiohttp beyond its documented API.

A test that fails here after an upgrade of aiohttp says what has moved. Look at
`proxy/wire/aiohttp_parts.py` and its users before the pin in `pyproject.toml` is changed.
"""

from __future__ import annotations

import asyncio
import inspect
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp.http_parser
import pytest
from aiohttp import web_protocol, web_server
from packaging.requirements import Requirement

from proxy.clock import SystemClock
from proxy.wire.aiohttp_parts import (
    HttpProcessingError,
    RequestHandler,
    Server,
    complaint,
    request_head_parser,
    response_head_parser,
)
from proxy.wire.client import ClientConnection
from proxy.wire.server import WireServer
from proxy.wire.serving import WireSettings
from proxy.wire.timer_wheel import TimerWheel

POST = b"POST /a HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n"


def names(head: Any) -> list[str]:
    return [name.decode().lower() for name, _ in head.raw_headers]


def parsed(parser: Any, raw: bytes) -> Any:
    [(head, _)], upgraded, rest = parser.feed_data(raw)
    assert (False, b"") == (upgraded, rest)
    return head


# ---- which aiohttp


def test_the_series_of_aiohttp_is_the_one_that_was_checked() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    [pin] = [r for r in map(Requirement, project["dependencies"]) if r.name == "aiohttp"]

    assert pin.specifier.contains(version("aiohttp")), "check tests/wire, then move the pin"
    assert any(part.operator == "<" for part in pin.specifier), "an open pin would let a new series in unseen"


def test_the_parsers_are_the_compiled_ones() -> None:
    modules = {
        aiohttp.http_parser.HttpRequestParser.__module__,
        aiohttp.http_parser.HttpResponseParser.__module__,
    }

    assert {"aiohttp._http_parser"} == modules, "the pure Python parsers take and refuse other bytes"


# ---- the parsers


async def test_a_parser_that_is_fed_one_head_gives_one_message_and_expects_no_body() -> None:
    parser = request_head_parser(asyncio.get_running_loop())

    first = parsed(parser, POST + b"Content-Length: 5\r\n\r\n")
    second = parsed(parser, GET)

    assert ("POST", "/a", (1, 1), False, False, False) == (
        first.method,
        first.path,
        first.version,
        first.should_close,
        first.upgrade,
        first.chunked,
    )
    assert ((b"Host", b"a"), (b"Content-Length", b"5")) == first.raw_headers
    assert "5" == first.headers.get("content-length")
    assert ("GET", "/b") == (second.method, second.path), "a body was expected behind the first head"


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 5\r\n\r\n", CHUNKED, b"\r\n"], ids=["length", "chunked", "until the end"]
)
async def test_a_response_parser_expects_no_body_either(framing: bytes) -> None:
    parser = response_head_parser(asyncio.get_running_loop())

    first = parsed(parser, b"HTTP/1.1 200 Fine\r\nA: b\r\n" + framing)
    second = parsed(parser, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    assert (200, "Fine", (1, 1)) == (first.code, first.reason, first.version)
    assert (framing == b"\r\n", framing == CHUNKED) == (first.should_close, first.chunked)
    assert (404, ["content-length"]) == (second.code, names(second))


async def test_bytes_that_are_no_utf_8_survive_as_surrogates_and_raw() -> None:
    loop = asyncio.get_running_loop()
    asked = parsed(request_head_parser(loop), GET[:-2] + b"X: \xfe\r\n\r\n")
    told = parsed(response_head_parser(loop), b"HTTP/1.1 200 F\xfcr\r\nContent-Length: 0\r\n\r\n")

    assert ("\udcfe", (b"X", b"\xfe"), "F\udcfcr") == (asked.headers["x"], asked.raw_headers[1], told.reason)


@pytest.mark.parametrize(
    ("line", "fields", "closes"),
    [
        (b"HTTP/1.1", b"", False),
        (b"HTTP/1.1", b"Connection: close\r\n", True),
        (b"HTTP/1.1", b"Connection: x, Close\r\n", True),
        (b"HTTP/1.0", b"", True),
        (b"HTTP/1.0", b"Connection: keep-alive\r\n", False),
    ],
)
async def test_should_close_is_what_connection_and_version_say(
    line: bytes, fields: bytes, closes: bool
) -> None:
    loop = asyncio.get_running_loop()
    asked = parsed(request_head_parser(loop), b"GET / %b\r\nHost: a\r\n%b\r\n" % (line, fields))
    told = parsed(response_head_parser(loop), b"%b 200 OK\r\nContent-Length: 0\r\n%b\r\n" % (line, fields))

    assert (closes, closes) == (asked.should_close, told.should_close)


async def test_a_head_that_asks_for_a_switch_says_so_and_the_parser_goes_on_when_told() -> None:
    parser = request_head_parser(asyncio.get_running_loop())
    ask = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n"
    found = []
    for protocol in (b"websocket", b"echo", b"websocket"):
        [(head, _)], _, _ = parser.feed_data(ask % protocol)
        parser.set_upgraded(False)
        found.append((head.upgrade, head.headers["Upgrade"]))

    assert [(True, "websocket"), (True, "echo"), (True, "websocket")] == found
    assert not parsed(parser, GET).upgrade, "what comes behind a refused switch is HTTP again"


async def test_a_response_that_only_offers_a_switch_is_an_ordinary_one() -> None:
    parser = response_head_parser(asyncio.get_running_loop())
    offer = b"HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n"

    assert [200, 200] == [parsed(parser, offer).code, parsed(parser, offer).code]


async def test_after_a_head_that_closes_the_parser_takes_no_more() -> None:
    """Why a 1xx head with `Connection: close` needs a new parser for what follows."""
    parser = response_head_parser(asyncio.get_running_loop())
    parsed(parser, b"HTTP/1.0 100 Continue\r\n\r\n")

    with pytest.raises(HttpProcessingError):
        parser.feed_data(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


BAD_REQUESTS = {
    "a field without a colon": GET[:-2] + b"X\r\n\r\n",
    "a space before a colon": GET[:-2] + b"X : 1\r\n\r\n",
    "a folded line": GET[:-2] + b"X: 1\r\n 2\r\n\r\n",
    "a NUL": GET[:-2] + b"X: \0\r\n\r\n",
    "a bare CR": GET[:-2] + b"X: 1\r2\r\n\r\n",
    "a bare LF": GET[:-2] + b"X: 1\nY: 2\r\n\r\n",
    "no Host in HTTP/1.1": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": GET[:-2] + b"Host: b\r\n\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "a length that is no number": POST + b"Content-Length: +1\r\n\r\n",
    "an empty length": POST + b"Content-Length:\r\n\r\n",
    "a length and a coding": POST + b"Content-Length: 1\r\n" + CHUNKED,
    "a coding after chunked": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
    "an unknown method": b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("raw", BAD_REQUESTS.values(), ids=BAD_REQUESTS)
async def test_a_request_parser_refuses(raw: bytes) -> None:
    with pytest.raises(HttpProcessingError):
        request_head_parser(asyncio.get_running_loop()).feed_data(raw)


async def test_no_cap_of_the_parsers_is_below_ours() -> None:
    loop = asyncio.get_running_loop()
    many = b"".join(b"X-%d: %b\r\n" % (number, b"x" * 100) for number in range(2000))
    long = b"X: %b\r\n" % (b"x" * 200_000)

    assert 2001 == len(parsed(request_head_parser(loop), GET[:-2] + many + b"\r\n").raw_headers)
    assert 2000 == len(
        parsed(response_head_parser(loop), b"HTTP/1.1 200 OK\r\n" + many + b"\r\n").raw_headers
    )
    assert 200_000 == len(parsed(request_head_parser(loop), GET[:-2] + long + b"\r\n").headers["X"])
    assert 20_001 == len(
        parsed(request_head_parser(loop), b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 20_000)).path
    )


async def test_what_a_parser_complains_of_does_not_quote_the_bytes() -> None:
    with pytest.raises(HttpProcessingError) as refused:
        request_head_parser(asyncio.get_running_loop()).feed_data(
            GET[:-2] + b"Authorization : secret\r\n\r\n"
        )

    found = complaint(refused.value)

    assert found
    assert "secret" not in found
    assert "ValueError" == complaint(ValueError("secret"))


# ---- the trailer leak


async def _ordinary(kind: Any) -> Any:
    class Protocol(aiohttp.base_protocol.BaseProtocol):
        """All that a parser with bodies asks of one."""

    loop = asyncio.get_running_loop()
    return kind(Protocol(loop), loop, 2**16)


async def test_an_ordinary_parser_leaks_trailers_into_the_next_message() -> None:
    """Why bodies are framed here. Once this fails, aiohttp is cured; that alone changes nothing for us."""
    asked = await _ordinary(aiohttp.http_parser.HttpRequestParser)
    asked.feed_data(POST + CHUNKED + b"0\r\nX-Role: admin\r\n\r\n")
    told = await _ordinary(aiohttp.http_parser.HttpResponseParser)
    told.feed_data(b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"0\r\nSet-Cookie: a=1\r\n\r\n")

    [(request, _)], _, _ = asked.feed_data(GET)
    [(response, _)], _, _ = told.feed_data(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    assert ["x-role", "host"] == names(request)
    assert ["set-cookie", "content-length"] == names(response)


async def test_a_parser_that_sees_heads_only_has_no_trailers_to_leak() -> None:
    loop = asyncio.get_running_loop()
    asked, told = request_head_parser(loop), response_head_parser(loop)
    parsed(asked, POST + CHUNKED)
    parsed(told, b"HTTP/1.1 200 OK\r\n" + CHUNKED)

    assert ["host"] == names(parsed(asked, GET))
    assert ["content-length"] == names(parsed(told, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))


# ---- the life of a connection


class Transport(asyncio.Transport):
    """Records what is done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0


class Serving:
    """What a connection asks of the revision before any request has come."""

    peers: Any = None


@pytest.fixture
async def connected() -> tuple[WireServer, ClientConnection, Transport]:
    loop = asyncio.get_running_loop()
    clock = SystemClock()
    server = WireServer(Serving(), WireSettings(), clock, TimerWheel(loop, clock.monotonic), loop)  # type: ignore[arg-type]
    connection, transport = server(), Transport()
    connection.connection_made(transport)
    return server, connection, transport


ATTRIBUTES = (
    "_manager",
    "_loop",
    "_close",
    "_force_close",
    "_request_in_progress",
    "_handler_waiter",
    "_task_handler",
    "_parser",
    "transport",
)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
async def test_a_request_handler_has(attribute: str, connected: Any) -> None:
    _, connection, _ = connected

    assert hasattr(connection, attribute), f"RequestHandler.{attribute} is gone: see proxy/wire/client.py"


async def test_a_server_counts_connections_and_forgets_them(connected: Any) -> None:
    server, connection, _ = connected
    open_ = server.open_connections
    await asyncio.sleep(0)  # the task of start(), which has nothing to do
    connection.connection_lost(None)
    await asyncio.sleep(0)

    assert (1, 0) == (open_, server.open_connections)


async def test_before_it_shuts_down_a_server_tells_connections_to_close(connected: Any) -> None:
    server, connection, transport = connected
    server.pre_shutdown()

    assert (True, True) == (connection.closing, transport.closed)


async def test_shutting_down_waits_for_what_is_in_progress_and_no_longer(connected: Any) -> None:
    server, connection, transport = connected
    connection._request_in_progress = True
    shutting_down = asyncio.create_task(server.shutdown(5.0))
    while connection._handler_waiter is None:
        await asyncio.sleep(0)
    before = transport.closed
    connection._handler_waiter.set_result(None)
    await shutting_down

    assert (False, True) == (before, transport.closed)


async def test_shutting_down_force_closes_what_is_still_in_progress_after_its_time(connected: Any) -> None:
    server, connection, transport = connected
    connection._request_in_progress = True
    await server.shutdown(0.001)

    assert transport.closed


@pytest.mark.parametrize(
    ("owner", "method", "parameters"),
    [
        (RequestHandler, "start", ["self"]),
        (RequestHandler, "data_received", ["self", "data"]),
        (RequestHandler, "eof_received", ["self"]),
        (RequestHandler, "connection_made", ["self", "transport"]),
        (RequestHandler, "connection_lost", ["self", "exc"]),
        (RequestHandler, "pause_writing", ["self"]),
        (RequestHandler, "resume_writing", ["self"]),
        (RequestHandler, "resume_reading", ["self", "resume_parser"]),
        (RequestHandler, "close", ["self"]),
        (RequestHandler, "force_close", ["self"]),
        (RequestHandler, "shutdown", ["self", "timeout"]),
        (Server, "pre_shutdown", ["self"]),
        (Server, "shutdown", ["self", "timeout"]),
        (Server, "connection_made", ["self", "handler", "transport"]),
        (Server, "connection_lost", ["self", "handler", "exc"]),
    ],
)
def test_the_methods_that_are_replaced_or_called_are_still_these(
    owner: Any, method: str, parameters: list[str]
) -> None:
    assert parameters == list(inspect.signature(getattr(owner, method)).parameters)


def test_what_is_subclassed_is_what_aiohttp_itself_serves_with() -> None:
    assert (web_protocol.RequestHandler, web_server.Server) == (RequestHandler, Server)
