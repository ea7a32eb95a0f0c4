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
from proxy.wire.aiohttp_parts import RequestHandler, Server
from proxy.wire.client import ClientConnection
from proxy.wire.peers import TrustedPeers
from proxy.wire.server import WireServer
from proxy.wire.serving import WireSettings
from proxy.wire.timer_wheel import TimerWheel

POST = b"POST /a HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n"


def names(head: Any) -> list[str]:
    return [name.decode().lower() for name, _ in head.raw_headers]


# ---- which aiohttp


def test_the_series_of_aiohttp_is_the_one_that_was_checked() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    [pin] = [r for r in map(Requirement, project["dependencies"]) if r.name == "aiohttp"]

    assert pin.specifier.contains(version("aiohttp")), "check tests/wire, then move the pin"
    assert any(part.operator == "<" for part in pin.specifier), "an open pin would let a new series in unseen"


# ---- the trailer leak


async def _ordinary(kind: Any) -> Any:
    class Protocol(aiohttp.base_protocol.BaseProtocol):
        """All that a parser with bodies asks of one."""

    loop = asyncio.get_running_loop()
    return kind(Protocol(loop), loop, 2**16)


async def test_an_ordinary_parser_leaks_trailers_into_the_next_message() -> None:
    """Why heads and bodies are read here. Once this fails, aiohttp is cured; that alone changes nothing."""
    asked = await _ordinary(aiohttp.http_parser.HttpRequestParser)
    asked.feed_data(POST + CHUNKED + b"0\r\nX-Role: admin\r\n\r\n")
    told = await _ordinary(aiohttp.http_parser.HttpResponseParser)
    told.feed_data(b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"0\r\nSet-Cookie: a=1\r\n\r\n")

    [(request, _)], _, _ = asked.feed_data(GET)
    [(response, _)], _, _ = told.feed_data(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    assert ["x-role", "host"] == names(request)
    assert ["set-cookie", "content-length"] == names(response)


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

    peers = TrustedPeers()


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
