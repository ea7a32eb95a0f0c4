"""The listener of the data port: makes connections, and ends them in good order."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl

from aiohttp.web_runner import ServerRunner

from proxy.clock import Clock
from proxy.exchange import Response
from proxy.wire.aiohttp_parts import RequestHandler, Server
from proxy.wire.buffers import Buffers
from proxy.wire.client import ClientConnection
from proxy.wire.handshake import TlsAcceptor
from proxy.wire.serving import Serving, WireSettings
from proxy.wire.timer_wheel import TimerWheel

_log = logging.getLogger("seawall")

_BACKLOG = 1024
_QUIET = 10.0
"""Seconds between two lines that say the same."""


class WireServer(Server):
    """What every connection of the data port shares. `serving` is swapped by a reload."""

    def __init__(
        self,
        serving: Serving,
        settings: WireSettings,
        clock: Clock,
        wheel: TimerWheel,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(_never_called, loop=loop)  # type: ignore[arg-type]
        self.serving = serving
        self.settings = settings
        self.clock = clock
        self.wheel = wheel
        self.buffers = Buffers(settings.max_buffered)
        self.draining = False
        """No connection takes another request; every response says `Connection: close`."""
        self.handshakes: dict[ClientConnection, asyncio.Task[None]] = {}
        """Connections that are not secured yet, and what secures them."""
        self.turned_away = 0
        """Connections that were closed as soon as they were open, since there were too many."""
        self._quiet_until = 0.0

    def serve(self, serving: Serving) -> None:
        """Another revision is live; idle connections would keep the one before in memory."""
        self.serving = serving
        for each in self.connections:
            if isinstance(each, ClientConnection):
                each.let_go(serving)

    @property
    def open_connections(self) -> int:
        """Connections of clients, idle ones and those in their TLS handshake included."""
        return len(self._connections) + len(self.handshakes)

    def turn_away(self) -> None:
        """A connection is one too many, and is being closed: count it, and say so once in a while."""
        self.turned_away += 1
        now = self.clock.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + _QUIET
            _log.warning(
                "as many connections are open as may be, which is %d; turned away so far: %d",
                self.settings.max_connections,
                self.turned_away,
            )

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Called by each connection itself, after its handshake where it has one."""
        self.handshakes.pop(handler, None)  # type: ignore[call-overload]
        super().connection_made(handler, transport)

    def __call__(self) -> ClientConnection:
        return ClientConnection(self, loop=self._loop)


async def _never_called(_: object) -> Response:
    raise RuntimeError("aiohttp's own request handling is not used")


class Listener:
    """Accepts connections for a `WireServer` until it is closed."""

    def __init__(self, server: WireServer, *, drain: float, tls: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._tls = tls
        self._runner = ServerRunner(server, handle_signals=False, shutdown_timeout=drain)
        self._accepting: asyncio.AbstractServer | TlsAcceptor | None = None

    async def open(self, address: str) -> str:
        """Listen on `host:port` or `unix:/path`; returns what clients connect to. Raises OSError."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        if address.startswith("unix:"):
            self._accepting = await loop.create_unix_server(
                self._server, address.removeprefix("unix:"), backlog=_BACKLOG, ssl=self._tls
            )
            return address
        host, _, port = address.rpartition(":")
        bound = bind(host.strip("[]"), int(port))
        if self._tls is None:
            self._accepting = await loop.create_server(self._server, sock=bound, backlog=_BACKLOG)
        else:
            self._accepting = TlsAcceptor(self._server, bound, self._tls, loop)
        name = bound.getsockname()
        return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"

    async def close(self) -> None:
        """Stop accepting, let exchanges finish within `drain` seconds, then break off the rest."""
        self._server.draining = True
        if self._accepting is not None:
            self._accepting.close()
            self._accepting = None
        for connection in self._server.connections:
            connection.close()
        await self._runner.cleanup()


def bind(host: str, port: int) -> socket.socket:
    """A bound TCP socket; a dual-stack one for the empty host. Raises OSError."""
    if not host:
        bound = socket.create_server(
            ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG
        )
    else:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    bound.setblocking(False)
    return bound
