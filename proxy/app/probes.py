"""How each kind of check looks."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from aiohttp import BaseConnector, ClientError, ClientSession, DummyCookieJar, TCPConnector, UnixConnector
from yarl import URL

from proxy.app.checking import CheckError, Probe
from proxy.app.fetching import why_failed
from proxy.app.memory import Memory, memory
from proxy.config.health import (
    CheckConfig,
    DiskCheckConfig,
    HealthCheckConfig,
    HostPort,
    HttpCheckConfig,
    MemoryCheckConfig,
)
from proxy.config.spelling import spelled
from proxy.config.units import HeaderName, HeaderValue, Share, StatusSet
from proxy.wire.pool import Address

_AGENT = {"User-Agent": "seawall", "Accept": "*/*", "Accept-Encoding": "identity"}
_LONGEST_REPLY = 200


def of_upstream(address: Address, check: HealthCheckConfig) -> Probe:
    """Asks where requests go, and as they do: over its socket, or TLS with its authorities and name."""
    scheme = "http" if address.tls is None else "https"
    asked = _Asked(
        "GET", f"{scheme}://{address.authority}{check.path}", check.path, check.status, check.headers
    )

    async def probe() -> None:
        connector: BaseConnector = (
            UnixConnector(address.unix, force_close=True) if address.unix else _over_tcp()
        )
        await _ask(asked, connector, address.tls, address.server_name)

    return probe


def of(check: CheckConfig) -> Probe:
    """Looks at what a file names."""
    what = check.chosen
    if isinstance(what, HttpCheckConfig):
        return _http(what)
    if isinstance(what, DiskCheckConfig):
        return _in_thread(lambda: _disk(what))
    if isinstance(what, MemoryCheckConfig):
        return _in_thread(lambda: _memory(what))
    return _redis(what) if check.redis is not None else _tcp(what)


# ---- http


class _Asked(NamedTuple):
    method: str
    url: str
    shown: str
    """Of the url, for operators."""
    status: StatusSet
    headers: Mapping[HeaderName, HeaderValue]


def _http(check: HttpCheckConfig) -> Probe:
    asked = _Asked(check.method, check.url, check.url, check.status, check.headers)
    contexts: list[ssl.SSLContext] = []

    async def probe() -> None:
        if check.url.startswith("https:") and not contexts:  # in a thread, since it takes a while
            contexts.append(await asyncio.to_thread(ssl.create_default_context, cafile=check.ca_file))
        await _ask(asked, _over_tcp(), contexts[0] if contexts else None, None)

    return probe


def _over_tcp() -> TCPConnector:
    """A connection for each check, since one that is kept would not notice that no other can be made."""
    return TCPConnector(force_close=True, limit=1)


async def _ask(
    asked: _Asked, connector: BaseConnector, tls: ssl.SSLContext | None, server_name: str | None
) -> None:
    """No redirect is followed, no cookie kept, no body read."""
    headers = _AGENT | {str(name): str(value) for name, value in asked.headers.items()}
    session = ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        headers=headers,
        auto_decompress=False,
        trust_env=False,
    )
    what = f"{asked.method} {asked.shown}"
    try:
        async with (
            session,
            session.request(
                asked.method,
                URL(asked.url, encoded=True),
                ssl=True if tls is None else tls,
                server_hostname=server_name,
                allow_redirects=False,
            ) as response,
        ):
            status = response.status
            response.close()
    except (ClientError, OSError, ValueError, RuntimeError) as error:  # the last: uvloop, of sockets
        if isinstance(error, TimeoutError):
            raise
        raise CheckError(f"{what} failed: {why_failed(error)}") from None
    if status not in asked.status:
        raise CheckError(f"{what} was answered with {status}")


# ---- connections


@asynccontextmanager
async def _connected(to: HostPort) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    try:
        reader, writer = await asyncio.open_connection(to.host, to.port)
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, TimeoutError):
            raise
        raise CheckError(f"{to} takes no connection: {why_failed(error)}") from None
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _tcp(to: HostPort) -> Probe:
    async def probe() -> None:
        async with _connected(to):
            return

    return probe


def _redis(to: HostPort) -> Probe:
    """Redis and Valkey. One that asks for a password is there; one that still loads its data is not."""

    async def probe() -> None:
        async with _connected(to) as (reader, writer):
            writer.write(b"*1\r\n$4\r\nPING\r\n")
            try:
                reply = await reader.readline()
            except (OSError, ValueError) as error:
                if isinstance(error, TimeoutError):
                    raise
                raise CheckError(f"{to} does not answer to PING: {why_failed(error)}") from None
        if not reply.startswith((b"+PONG", b"-NOAUTH")):
            said = ascii(reply[:_LONGEST_REPLY].rstrip().decode("latin-1"))
            raise CheckError(f"{to} answers to PING with {said}" if reply else f"{to} hangs up at PING")

    return probe


# ---- the machine


def _in_thread(look: Callable[[], None]) -> Probe:
    """What reads files may hang, as on a share that is away: then no second thread is to hang beside it."""
    looking: list[asyncio.Future[None]] = []

    async def probe() -> None:
        if looking and not looking[0].done():
            raise CheckError("the last look at it has not come back")
        looking[:] = [asyncio.ensure_future(asyncio.to_thread(look))]
        looking[0].add_done_callback(_heard)
        await asyncio.shield(looking[0])

    return probe


def _heard(look: asyncio.Future[None]) -> None:
    """Nobody may have waited so long for what it says."""
    if not look.cancelled():
        look.exception()


def _disk(check: DiskCheckConfig) -> None:
    found = os.statvfs(check.path)
    free, size = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    least = check.min_free
    enough = free >= least * size if isinstance(least, Share) else free >= least
    if not enough:
        share = free / size if size else 0.0
        raise CheckError(f"{check.path} has {_bytes(free)} free, {share:.1%}; expected {spelled(least)}")


def _memory(check: MemoryCheckConfig, look: Callable[[], Memory] = memory) -> None:
    try:
        found = look()
    except (OSError, ValueError, KeyError) as error:
        raise CheckError(f"nothing is known of the memory: {error}") from None
    if found.used > check.max * found.limit:
        share = found.used / found.limit if found.limit else 1.0
        told = f"{share:.1%} of {found.of} ({_bytes(found.limit)}) is in use"
        raise CheckError(f"{told}; expected at most {spelled(check.max)}")


def _bytes(number: int) -> str:
    """To a tenth of a MiB: `12.3MiB`."""
    return f"{number / 2**20:.1f}MiB"
