"""How checks look: over the same ways as requests."""

from __future__ import annotations

import asyncio
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
import trustme

from proxy.app.checking import CheckError
from proxy.app.probes import of, of_upstream
from proxy.config.health import (
    CheckConfig,
    CheckedUrl,
    DiskCheckConfig,
    DiskPath,
    HealthCheckConfig,
    HostPort,
    HttpCheckConfig,
    MemoryCheckConfig,
    ProbePath,
)
from proxy.config.units import FilePath, Share, Size, StatusSet
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


# ---- what else files name


async def missing(**what: Any) -> str:
    """Why such a check has failed; empty where it has passed."""
    try:
        await of(CheckConfig(**what))()
    except CheckError as error:
        return str(error)
    return ""


def http(port: int, **more: Any) -> HttpCheckConfig:
    return HttpCheckConfig(url=CheckedUrl(f"http://127.0.0.1:{port}/up?x=1"), **more)


async def test_http_is_asked_as_the_file_says() -> None:
    echo = Echo(answer=b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
    async with RawUpstream(echo) as upstream:
        good = await missing(http=http(upstream.port, method="HEAD", status=StatusSet(range(200, 500))))
        bad = await missing(http=http(upstream.port))
        said = f"GET http://127.0.0.1:{upstream.port}/up?x=1 was answered with 401"

    assert ("", said) == (good, bad)
    assert echo.seen[0].startswith(b"HEAD /up?x=1 HTTP/1.1\r\n")


async def test_https_is_believed_by_its_authorities(tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    upstream = RawUpstream(Echo())
    upstream._server = await asyncio.start_server(upstream._accept, "127.0.0.1", 0, ssl=context)
    url = CheckedUrl(f"https://localhost:{upstream.port}/")
    try:
        good = await missing(http=HttpCheckConfig(url=url, ca_file=FilePath(str(tmp_path / "ca.pem"))))
        bad = await missing(http=HttpCheckConfig(url=url))
    finally:
        await upstream.__aexit__(None)

    assert ("", True) == (good, "certificate verify failed" in bad)


async def test_tcp_is_a_connection_and_no_more() -> None:
    async def hang_up(peer: Peer) -> None:
        peer.close()

    async with RawUpstream(hang_up) as upstream:
        found = await missing(tcp=HostPort(f"127.0.0.1:{upstream.port}"))

    assert "" == found
    assert "127.0.0.1:1 takes no connection" in await missing(tcp=HostPort("127.0.0.1:1"))


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"+PONG\r\n", ""),
        (b"-NOAUTH Authentication required.\r\n", ""),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "answers to PING with '-LOADING Redis is"),
        (b"HTTP/1.1 400 Bad Request\r\n", "answers to PING with 'HTTP/1.1 400 Bad Request'"),
        (b"x" * 100_000, "does not answer to PING"),
        (b"", "hangs up at PING"),
    ],
)
async def test_redis_answers_to_ping(reply: bytes, why: str) -> None:
    async def answer(peer: Peer) -> None:
        assert b"*1\r\n$4\r\nPING\r\n" == await peer.exactly(14)
        peer.send(reply)

    async with RawUpstream(answer) as upstream:
        found = await missing(redis=HostPort(f"127.0.0.1:{upstream.port}"))

    assert (True, bool(why)) == (why in found, bool(found))


def disk(least: Share | Size, path: str = "/") -> DiskCheckConfig:
    return DiskCheckConfig(path=DiskPath(path), min_free=least)


async def test_there_is_room_on_a_disk_or_not() -> None:
    found = [await missing(disk=disk(least)) for least in (Share(0.0), Size(1), Share(1.0), Size(2**62))]

    assert ["", ""] == found[:2]
    assert all(each.startswith("/ has ") for each in found[2:])
    assert found[2].endswith("; expected 100%")
    with pytest.raises(FileNotFoundError):
        await of(CheckConfig(disk=disk(Size(1), "/no/such/folder")))()


async def test_there_is_memory_left_or_not() -> None:
    found = [await missing(memory=MemoryCheckConfig(max=Share(share))) for share in (1.0, 0.0001)]

    assert "" == found[0]
    assert "is in use; expected at most 0.01%" in found[1]


async def test_what_hangs_in_a_thread_keeps_no_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    away, looks = threading.Event(), list[str]()

    def hanging(path: str) -> None:
        looks.append(path)
        away.wait(10)
        raise OSError("stale file handle")

    monkeypatch.setattr("proxy.app.probes.os.statvfs", hanging)
    probe = of(CheckConfig(disk=disk(Size(1))))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await probe()
    with pytest.raises(CheckError, match="has not come back"):
        await probe()
    away.set()

    assert 1 == len(looks)
