"""How each kind of check looks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from aiohttp import BaseConnector, ClientError, ClientSession, DummyCookieJar, TCPConnector, UnixConnector
from yarl import URL

from proxy.app.checking import CheckError, Probe
from proxy.app.fetching import why_failed
from proxy.config.health import HealthCheckConfig
from proxy.wire.pool import Address

_AGENT = {"User-Agent": "seawall", "Accept": "*/*", "Accept-Encoding": "identity"}


def of_upstream(address: Address, check: HealthCheckConfig) -> Probe:
    """Asks where requests go, and as they do: over its socket, or TLS with its authorities and name.

    A connection for each, since one that is kept would not notice that no other can be made. No
    redirect is followed, no cookie kept, no body read.
    """
    scheme = "http" if address.tls is None else "https"
    url = URL(f"{scheme}://{address.authority}{check.path}", encoded=True)
    headers = _AGENT | {str(name): str(value) for name, value in check.headers.items()}

    async def probe() -> None:
        connector: BaseConnector = (
            UnixConnector(address.unix, force_close=True)
            if address.unix
            else TCPConnector(force_close=True, limit=1)
        )
        try:
            async with (
                _session(connector, headers) as session,
                session.get(
                    url,
                    ssl=address.tls if address.tls is not None else True,
                    server_hostname=address.server_name,
                    allow_redirects=False,
                ) as response,
            ):
                status = response.status
                response.close()
        except (ClientError, OSError, ValueError, RuntimeError) as error:  # the last: uvloop, of sockets
            raise CheckError(f"GET {check.path} failed: {why_failed(error)}") from None
        if status not in check.status:
            raise CheckError(f"GET {check.path} was answered with {status}")

    return probe


def _session(
    connector: BaseConnector, headers: Mapping[str, str]
) -> AbstractAsyncContextManager[ClientSession, Any]:
    return ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        headers=headers,
        auto_decompress=False,
        trust_env=False,
    )
