"""How checks look: over the same ways as requests."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from proxy.app.checking import CheckError
from proxy.app.probes import of_upstream
from proxy.config.health import HealthCheckConfig, ProbePath
from proxy.wire.pool import Address
from tests.wire.harness import Echo, Peer, RawUpstream, once

CHECK = HealthCheckConfig(path=ProbePath("/health?full=%20"))


def at(port: int, **more: Any) -> Address:
    return Address(f"127.0.0.1:{port}", "127.0.0.1", port, **more)


async def why(address: Address, check: HealthCheckConfig = CHECK) -> str:
    """Why it has failed; empty where it has passed."""
    try:
        await of_upstream(address, check)()
    except CheckError as error:
        return str(error)
    return ""


async def test_each_check_is_a_get_over_a_connection_of_its_own() -> None:
    echo = Echo()
    async with RawUpstream(echo) as upstream:
        results = [await why(at(upstream.port)) for _ in range(3)]
        connections = upstream.connections

    assert ([""] * 3, 3) == (results, connections)
    assert echo.seen[0].startswith(b"GET /health?full=%20 HTTP/1.1\r\n")
    assert f"host: 127.0.0.1:{upstream_port(echo)}".encode() in echo.seen[0].lower()


def upstream_port(echo: Echo) -> int:
    """As the upstream read it."""
    (line,) = [line for line in echo.seen[0].lower().split(b"\r\n") if line.startswith(b"host:")]
    return int(line.rpartition(b":")[2])


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"HTTP/1.1 204 No\r\n\r\n", ""),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "was answered with 302"),
        (b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n", "was answered with 500"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\nno more than this", ""),
        (b"SSH-2.0-OpenSSH\r\n", "failed: "),
        (b"", "failed: "),
    ],
)
async def test_the_status_decides_and_no_body_is_waited_for(answer: bytes, cause: str) -> None:
    async with RawUpstream(once(answer)) as upstream:
        found = await why(at(upstream.port))

    assert (cause in found, bool(cause)) == (True, bool(found))


async def test_a_port_that_refuses_is_told() -> None:
    assert "Connect call failed" in await why(at(1))


async def test_a_unix_socket_is_asked_where_it_is(tmp_path: Path) -> None:
    echo, path = Echo(), str(tmp_path / "app.sock")

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await echo(Peer(reader, writer))
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_unix_server(accept, path)
    found = await why(Address("localhost", unix=path))
    server.close()
    await server.wait_closed()

    assert ("", 1) == (found, len(echo.seen))
    assert "No such file" in await why(Address("localhost", unix=str(tmp_path / "none.sock")))


@pytest.mark.parametrize(("name", "passes"), [("app.test", True), ("other.test", False), (None, False)])
async def test_tls_expects_the_name_that_requests_expect(name: str | None, passes: bool) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("app.test").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    upstream = RawUpstream(Echo())
    upstream._server = await asyncio.start_server(upstream._accept, "127.0.0.1", 0, ssl=context)
    try:
        found = await why(at(upstream.port, tls=trusting, server_name=name))
    finally:
        await upstream.__aexit__(None)

    assert passes is (found == "")


async def test_a_certificate_of_somebody_else_fails() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("app.test").configure_cert(context)
    upstream = RawUpstream(Echo())
    upstream._server = await asyncio.start_server(upstream._accept, "127.0.0.1", 0, ssl=context)
    try:
        found = await why(at(upstream.port, tls=ssl.create_default_context(), server_name="app.test"))
    finally:
        await upstream.__aexit__(None)

    assert "certificate verify failed" in found
