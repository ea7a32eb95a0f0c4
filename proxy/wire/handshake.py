"""TLS handshakes of clients: each takes a place among the connections, and has a time limit.

asyncio's own servers tell nobody of a connection before its handshake is done, nor of a
handshake that failed. Thousands that never finish would be bounded by nothing but a minute.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.wire.client import ClientConnection
    from proxy.wire.server import WireServer

_log = logging.getLogger("seawall")

_AT_ONCE = 100
"""Connections that are accepted before anything else gets its turn."""
_BREAK = 1.0
"""Seconds until the next try where the system has no file descriptor left."""


class TlsAcceptor:
    """Accepts connections on a listening socket, and lets the server have them once they are secured."""

    def __init__(
        self,
        server: WireServer,
        bound: socket.socket,
        tls: ssl.SSLContext,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._server = server
        self._bound = bound
        self._tls = tls
        self._loop = loop
        self._later: asyncio.TimerHandle | None = None
        self._listen()

    def close(self) -> None:
        """Accept no more, and give up the handshakes under way: nothing has been asked on them yet."""
        if self._later is not None:
            self._later.cancel()
        self._loop.remove_reader(self._bound.fileno())
        self._bound.close()
        for task in tuple(self._server.handshakes.values()):
            self._loop.call_soon(task.cancel)  # one that has not begun would leave its socket open

    def _listen(self) -> None:
        self._later = None
        self._loop.add_reader(self._bound.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, _ = self._bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                _log.error("cannot accept connections for now: %s", error)
                self._loop.remove_reader(self._bound.fileno())
                self._later = self._loop.call_later(_BREAK, self._listen)
                return
            if self._server.open_connections >= self._server.settings.max_connections:
                self._server.turn_away()
                accepted.close()
                continue
            accepted.setblocking(False)
            connection = self._server()
            # The server forgets it when the connection is made.
            task = self._loop.create_task(self._secure(connection, accepted))
            self._server.handshakes[connection] = task

    async def _secure(self, connection: ClientConnection, accepted: socket.socket) -> None:
        settings = self._server.settings
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=settings.head_timeout,
                ssl_shutdown_timeout=settings.body_idle,  # asyncio counts what is still to be written, too
            )
        except OSError:  # no TLS, none that we speak, too slow, or gone
            return
        finally:
            self._server.handshakes.pop(connection, None)
