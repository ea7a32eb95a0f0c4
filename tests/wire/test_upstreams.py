"""Upstreams as they come: TLS, unix sockets, names with several addresses, and servers of an older time."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import socketserver
import ssl
import threading
import wsgiref.simple_server
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from proxy.exchange import Exchange
from proxy.wire.pool import Address
from tests.wire.harness import BOTH_LOOPS, Echo, Peer, RawUpstream, wire
from tests.wire.probes import ask

pytestmark = BOTH_LOOPS

GET = b"GET /a HTTP/1.1\r\nHost: example.com\r\n\r\n"


# ---- TLS


@contextlib.asynccontextmanager
async def tls_upstream(authority: trustme.CA, name: str, **client: Any) -> AsyncIterator[tuple[int, Echo]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    if client:
        context.verify_mode = ssl.CERT_REQUIRED
        client["ca"].configure_trust(context)
    echo = Echo()
    upstream = RawUpstream(echo)
    server = await asyncio.start_server(upstream._accept, "127.0.0.1", 0, ssl=context)
    upstream._server = server
    try:
        yield server.sockets[0].getsockname()[1], echo
    finally:
        await upstream.__aexit__(None)


async def speaks_plainly(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    await peer.rest()


def trusting(authority: trustme.CA | None) -> ssl.SSLContext:
    """As an operator's `tls` would make it: verification on."""
    context = ssl.create_default_context()
    if authority is not None:
        authority.configure_trust(context)
    return context


async def test_an_https_upstream_is_verified_by_its_name_and_kept() -> None:
    authority = trustme.CA()
    async with tls_upstream(authority, "app.test") as (port, echo):
        address = Address("app.test", "127.0.0.1", port, tls=trusting(authority), server_name="app.test")
        async with wire(port, address=address) as running:
            answers = [await ask(running) for _ in range(3)]
            opened = running.pool.summary()["open"]

    assert [b"ok"] * 3 == [body for _, body in answers]
    assert (3, 1) == (len(echo.seen), opened)


@pytest.mark.parametrize("wrong", ["another authority", "another name", "no TLS at all"])
async def test_an_https_upstream_that_cannot_be_verified_gets_no_request(
    wrong: str, authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    echo = Echo()
    async with contextlib.AsyncExitStack() as stack:
        if wrong == "no TLS at all":
            port = (await stack.enter_async_context(RawUpstream(speaks_plainly))).port
        else:
            port, echo = await stack.enter_async_context(tls_upstream(authority, "app.test"))
        tls = trusting(None if wrong == "another authority" else authority)
        name = "other.test" if wrong == "another name" else "app.test"
        address = Address("app.test", "127.0.0.1", port, tls=tls, server_name=name)
        running = await stack.enter_async_context(wire(port, address=address))
        answer = await ask(running)
        [(_, error)] = running.records.attempts

    assert answer[0].startswith(b"HTTP/1.1 502 ")
    assert "upstream.unreachable" == json.loads(answer[1])["reason"]
    assert error.nothing_sent
    assert [] == echo.seen
    assert "Traceback" not in caplog.text


async def test_an_https_upstream_may_ask_for_a_client_certificate(authority: trustme.CA) -> None:
    ours = trusting(authority)
    authority.issue_cert("seawall.test").configure_cert(ours)
    async with tls_upstream(authority, "app.test", ca=authority) as (port, _):
        address = Address("app.test", "127.0.0.1", port, tls=ours, server_name="app.test")
        async with wire(port, address=address) as running:
            _, body = await ask(running)

    assert b"ok" == body


async def test_a_large_body_passes_tls_both_ways(authority: trustme.CA) -> None:
    size = 4 * 2**20

    async def serve(peer: Peer) -> None:
        _, body = await peer.message()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        peer.send(body)
        await peer.rest()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("app.test").configure_cert(context)
    upstream = RawUpstream(serve)
    upstream._server = await asyncio.start_server(upstream._accept, "127.0.0.1", 0, ssl=context)
    address = Address("app.test", "127.0.0.1", upstream.port, tls=trusting(authority), server_name="app.test")
    body = bytes(range(256)) * (size // 256)
    async with wire(0, address=address) as running:
        _, back = await ask(
            running, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + body
        )
    await upstream.__aexit__(None)

    assert body == back


async def test_an_early_answer_over_tls_ends_the_exchange_one_way_or_the_other(authority: trustme.CA) -> None:
    """What TLS had not decrypted when writing failed can't be had: then it is a 502."""

    async def serve(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 413 Big\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await peer.drained()
        peer.abort()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("app.test").configure_cert(context)
    upstream = RawUpstream(serve)
    upstream._server = await asyncio.start_server(upstream._accept, "127.0.0.1", 0, ssl=context)
    address = Address("app.test", "127.0.0.1", upstream.port, tls=trusting(authority), server_name="app.test")
    async with wire(0, address=address) as running:
        peer = await running.connect()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 1_000_000)
        status = (await peer.head())[9:12]
        peer.abort()
        await running.settled()
    await upstream.__aexit__(None)

    assert status in (b"413", b"502")


# ---- addresses


async def test_an_upstream_behind_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "app.sock")
    echo = Echo()
    upstream = RawUpstream(echo)
    upstream._server = await asyncio.start_unix_server(upstream._accept, path)
    async with wire(0, address=Address("app", unix=path)) as running:
        answers = [await ask(running) for _ in range(3)]
        opened = running.pool.summary()["open"]
    await upstream.__aexit__(None)

    assert [b"ok"] * 3 == [body for _, body in answers]
    assert 1 == opened


async def test_a_unix_socket_that_is_not_there_is_answered_502(tmp_path: Path) -> None:
    async with wire(0, address=Address("app", unix=str(tmp_path / "none.sock"))) as running:
        head, _ = await ask(running)

    assert head.startswith(b"HTTP/1.1 502 ")


class UpstreamHost:
    """A policy that names the upstream in Host, as `forwarded: {host: upstream}` does."""

    def on_request(self, exchange: Exchange) -> None:
        exchange.send_upstream_host = True


async def test_host_names_the_upstream_where_a_policy_says_so() -> None:
    echo = Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port, UpstreamHost()) as running:
        await ask(running)
        port = upstream.port

    assert echo.seen[0].startswith(b"GET /a HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % port)
    assert 1 == echo.seen[0].count(b"Host:")


# ---- servers of an older time


@contextlib.contextmanager
def running_in_a_thread(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def application(environ: Any, start_response: Any) -> list[bytes]:
    """An ordinary WSGI application, unaware of any proxy."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Method", environ["REQUEST_METHOD"])])
    return [f"{environ['PATH_INFO']}?{environ['QUERY_STRING']} ".encode(), body.upper()]


class QuietWsgi(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


def chunks_of(raw: bytes) -> bytes:
    return b"".join(raw.split(b"\r\n")[1::2])


async def test_wsgiref_answers_through_it() -> None:
    server = wsgiref.simple_server.make_server("127.0.0.1", 0, application, handler_class=QuietWsgi)
    with running_in_a_thread(server) as port:
        async with wire(port) as running:
            peer = await running.connect()
            peer.send(b"POST /caf%C3%A9?x=%20 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
            posted = await peer.chunked()
            peer.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
            got = await peer.chunked()
            peer.send(b"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n")
            head = await peer.head()
            peer.close()

    assert posted[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"X-Method: POST\r\n" in posted[0]
    assert b"?x=%20 HELLO" == chunks_of(posted[1])[-12:]
    assert b"/a? " == chunks_of(got[1])
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
async def test_http_server_serves_files_through_it(version: str, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096
    (tmp_path / "file.bin").write_bytes(content)

    class Files(http.server.SimpleHTTPRequestHandler):
        protocol_version = version

        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with running_in_a_thread(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)) as port:
        async with wire(port) as running:
            peer = await running.connect()
            bodies = []
            for _ in range(2):
                peer.send(b"GET /file.bin HTTP/1.1\r\nHost: a\r\n\r\n")
                bodies.append((await peer.message())[1])
            peer.send(b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n")
            missing, _ = await peer.message()
            peer.close()

    assert [content] * 2 == bodies
    assert missing.startswith(b"HTTP/1.1 404 ")
