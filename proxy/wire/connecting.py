"""New connections to an upstream: where its name leads right now, and which address answers first.

A name is looked up for each new connection, so that an upstream may move. Where it leads to
several addresses, the next one is tried as soon as one refuses, or is silent for a quarter of a
second, and the first that answers is taken (RFC 8305, Happy Eyeballs): one that drops packets
costs that much, not the whole time limit of connecting.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from aiohappyeyeballs import start_connection

if TYPE_CHECKING:
    from proxy.wire.pool import Address
    from proxy.wire.upstream_connection import UpstreamConnection

_NEXT_AFTER = 0.25
"""Seconds until the next address is tried beside a silent one, as RFC 8305 recommends."""

AddressInfo = tuple[int, int, int, str, Any]
"""An entry of `socket.getaddrinfo`."""
Resolve = Callable[[str, int], Awaitable[Sequence[AddressInfo]]]
"""From a host and a port to addresses; raises OSError or ValueError where there are none."""


Connect = Callable[
    [asyncio.AbstractEventLoop, "Address", Callable[[], "UpstreamConnection"]],
    Awaitable["UpstreamConnection"],
]
"""What a pool opens connections with: `connect`, or what stands in for the network."""


async def by_system(host: str, port: int) -> Sequence[AddressInfo]:
    """What the system knows: its hosts file, then DNS."""
    try:  # an address needs neither, and so no thread that waits for them
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def connect(
    loop: asyncio.AbstractEventLoop,
    address: Address,
    new: Callable[[], UpstreamConnection],
    resolve: Resolve = by_system,
) -> UpstreamConnection:
    """A connection to `address`, secured where it has TLS.

    Raises OSError, or ValueError for a name that is none.
    """
    if address.unix:
        _, connection = await loop.create_unix_connection(
            new, address.unix, ssl=address.tls, server_hostname=address.server_name
        )
        return connection
    found = await resolve(address.host, address.port)
    try:
        connected = await start_connection(found, happy_eyeballs_delay=_NEXT_AFTER, loop=loop)
    except RuntimeError as error:  # uvloop's name for some errors of a socket
        raise OSError(str(error)) from error
    _, connection = await loop.create_connection(
        new, sock=connected, ssl=address.tls, server_hostname=address.server_name
    )
    return connection
