"""After 101 Switching Protocols: bytes both ways, unread, until one side ends.

What one side can't take pauses the other; an end of one direction is passed on as such,
and a side that is gone takes the other with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.wire.client import ClientConnection
    from proxy.wire.reply import Reply
    from proxy.wire.upstream_connection import UpstreamConnection


class Tunnel:
    """Joins a client's connection and an upstream's."""

    __slots__ = ("_client", "_half_closed", "_reply", "_upstream", "closed")

    def __init__(self, reply: Reply, client: ClientConnection, upstream: UpstreamConnection) -> None:
        self._reply = reply
        self._client = client
        self._upstream = upstream
        self._half_closed = False
        self.closed = False

    def from_client(self, data: bytes) -> None:
        """Relay; every byte puts off the idle limit of both directions."""
        self._upstream.write(data)
        if self._upstream.write_paused:
            self._client.pause_reading()
        self._reply.limit(self._client.settings.tunnel_idle)

    def from_upstream(self, data: bytes) -> None:
        """Relay."""
        self._reply.bytes_sent += len(data)
        self._client.write(data)
        if self._client.write_paused:
            self._upstream.pause_reading()
        self._reply.limit(self._client.settings.tunnel_idle)

    def client_can_take_more(self) -> None:
        """Its buffer has drained."""
        self._upstream.resume_reading()

    def upstream_can_take_more(self) -> None:
        """Its buffer has drained."""
        self._client.resume_reading()

    def client_ended(self) -> None:
        """The client sends no more, and may still listen."""
        self._one_ended(self._upstream)

    def upstream_ended(self) -> None:
        """The upstream sends no more, and may still listen."""
        self._one_ended(self._client)

    def _one_ended(self, other: ClientConnection | UpstreamConnection) -> None:
        if self._half_closed or not other.write_eof():
            self.close()
        self._half_closed = True

    def close(self) -> None:
        """Both are done, one is gone, or nothing has moved for too long; what is written still goes out."""
        if self.closed:
            return
        self.closed = True
        self._upstream.carrier = self._upstream.tunnel = None
        self._upstream.close(self._client.settings.body_idle)
        self._reply.close = True
        self._reply.finish()
