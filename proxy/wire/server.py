"""The listener of the data port: makes connections, and ends them in good order."""

from __future__ import annotations

import asyncio
import socket
import ssl

from aiohttp.web_runner import ServerRunner, SockSite, UnixSite

from proxy.clock import Clock
from proxy.exchange import Response
from proxy.wire.aiohttp_parts import Server
from proxy.wire.buffers import Buffers
from proxy.wire.client import ClientConnection
from proxy.wire.serving import Serving, WireSettings
from proxy.wire.timer_wheel import TimerWheel

_BACKLOG = 1024


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

    @property
    def open_connections(self) -> int:
        """Connections of clients, idle ones included."""
        return len(self._connections)

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

    async def open(self, address: str) -> str:
        """Listen on `host:port` or `unix:/path`; returns what clients connect to. Raises OSError."""
        await self._runner.setup()
        if address.startswith("unix:"):
            await UnixSite(
                self._runner, address.removeprefix("unix:"), backlog=_BACKLOG, ssl_context=self._tls
            ).start()
            return address
        host, _, port = address.rpartition(":")
        bound = bind(host.strip("[]"), int(port))
        await SockSite(self._runner, bound, backlog=_BACKLOG, ssl_context=self._tls).start()
        name = bound.getsockname()
        return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"

    async def close(self) -> None:
        """Stop accepting, let exchanges finish within `drain` seconds, then break off the rest."""
        self._server.draining = True
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
