"""The connection under a client's requests: writing, pausing, and the ways in which it ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from proxy.wire.aiohttp_parts import RequestHandler
from proxy.wire.closing import close_when_written, reset

if TYPE_CHECKING:
    from proxy.wire.server import WireServer


class ClientTransport(RequestHandler):
    """aiohttp's RequestHandler knows the life of a server's connection; what is done with it is replaced."""

    __slots__ = ("_kept", "_lingering", "_reading", "closing", "loop", "monotonic", "settings", "timer")

    def __init__(self, server: WireServer, *, loop: asyncio.AbstractEventLoop, **kwargs: Any) -> None:
        super().__init__(server, loop=loop, keepalive_timeout=0, access_log=None, **kwargs)  # type: ignore[arg-type]
        self._parser = None  # heads are ours to read
        self.loop = loop
        self.monotonic = server.clock.monotonic
        self.settings = server.settings
        self.timer = server.wheel.timer(self._expired)
        self._kept = b""
        """What has arrived and is not its turn yet."""
        self._lingering = False
        self._reading = True
        self.closing = False
        """No further request will be taken on this connection."""

    def _expired(self) -> None:
        self.hang_up()

    @property
    def leaving(self) -> bool:
        """Nothing that is written now would reach the client."""
        return self.transport is None or self.transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send to the client; nothing happens once it has gone."""
        if self.transport is not None:
            self.transport.write(data)

    def write_eof(self) -> bool:
        """Nothing more will be sent; False where that can't be said without closing."""
        if self.transport is None or not self.transport.can_write_eof():
            return False
        self.transport.write_eof()
        return True

    def pause_reading(self) -> None:
        """What arrives can't be passed on right now."""
        if self._reading and self.transport is not None:
            self._reading = False
            self.transport.pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: ARG002  # aiohttp's signature
        """It can again."""
        if not self._reading and self.transport is not None:
            self._reading = True
            self.transport.resume_reading()

    def abort(self, *, by_reset: bool = False) -> None:
        """Break off now; `by_reset` where only that tells the client that it was no proper end."""
        transport, self.transport = self.transport, None
        self.closing = True
        super().force_close()
        if transport is not None and by_reset:
            reset(transport)
        elif transport is not None:
            transport.abort()

    def hang_up(self) -> None:
        """Close once all that is written has gone out."""
        transport, self.transport = self.transport, None
        self.closing = True
        super().force_close()
        if transport is not None:
            close_when_written(self.loop, transport, self.settings.body_idle)

    def end(self, *, unread: bool) -> None:
        """Close; but while the client still sends, closing would destroy the answer on its way.

        RFC 9112, section 9.6: half-close, then read and throw away for a while.
        """
        if not unread or self.transport is None or not self.transport.can_write_eof():
            self.hang_up()
            return
        self._lingering = True
        self._kept = b""
        self.transport.write_eof()
        self.resume_reading()
        self.timer.set(self.monotonic() + self.settings.linger)
