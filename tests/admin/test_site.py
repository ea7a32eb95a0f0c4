"""How both side ports start and answer."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest
from aiohttp import web

from proxy.admin.site import new_app, reply, serve
from proxy.exchange import Response
from proxy.headers import Headers

from .conftest import Client, Connect


async def raw(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.fixture
async def client(connect: Connect) -> Client:
    async def handle(_: web.Request) -> web.Response:
        fields = [(b"Content-Type", b"text/x-test"), (b"X-Twice", b"1"), (b"X-Twice", "é".encode())]
        return reply(Response(202, Headers(fields), b"body"))

    async def bug(_: web.Request) -> web.Response:
        raise ZeroDivisionError

    app = new_app()
    app.router.add_get("/", handle)
    app.router.add_get("/bug", bug)
    return await connect(app)


async def test_a_response_of_ours_arrives_as_it_is(client: Client) -> None:
    status, headers, body = await client("GET", "/")

    assert (202, "text/x-test", b"body") == (status, headers["Content-Type"], body)
    assert ["1", "é"] == headers.getall("X-Twice")  # type: ignore[attr-defined]


async def test_head_is_the_same_without_the_body(client: Client) -> None:
    status, headers, body = await client("HEAD", "/")

    assert (202, "4", b"") == (status, headers["Content-Length"], body)


@pytest.mark.parametrize("path", ["/", "/nowhere", "/bug"])
async def test_no_answer_tells_what_it_is_made_of(client: Client, path: str) -> None:
    _, headers, body = await client("GET", path)

    assert ("nosniff", False) == (headers["X-Content-Type-Options"], "Server" in headers)
    assert b"Traceback" not in body


async def test_malformed_requests_do_not_flood_the_log(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    answers = [
        await raw(client.port, request) for request in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nA b\r\n\r\n")
    ]

    assert [b"HTTP/1.0 400", b"HTTP/1.0 400"] == [answer[:12] for answer in answers]
    assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_bug_is_logged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    status, _, _ = await client("GET", "/bug")

    assert 500 == status
    assert "ZeroDivisionError" in caplog.text


async def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_behind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await serve(web.Application(), "127.0.0.1", taken.getsockname()[1])
