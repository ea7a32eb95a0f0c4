"""A request on its way out: its head, and its body as it arrives, over a connection to the upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.wire.bodies import HIGH_WATER, Body
from proxy.wire.framing import ChunkedDecoder
from proxy.wire.reply import RECEIVING, SENDING, WAITING, Reply

if TYPE_CHECKING:
    from proxy.wire.upstream_connection import UpstreamConnection


class Sending(Reply, eq=False):
    """Sends the request that it will have answered."""

    request_sent: bool = True
    upgrade: str = ""
    """The protocols that the client asks to switch to."""
    _connection: UpstreamConnection | None = None

    def connected(self, connection: UpstreamConnection) -> None:
        """Send the request over `connection`."""
        self._connection = connection
        content = self.exchange.request.content
        data = self._request_head()
        if isinstance(content, bytes):
            self.request_sent = True
            data += content
        elif self.body is not None:
            data += self._next_piece(self.body)
        connection.carrier = self  # type: ignore[assignment]  # every carrier is an Upgrading
        connection.write(data)
        if self.request_sent:
            self.phase = WAITING
            self.limit(self.exchange.limits.response)
        else:
            self.phase = SENDING
            self.limit(self.client.settings.body_idle)
            self.client.resume_reading()

    def _request_head(self) -> bytes:
        request = self.exchange.request
        added = self.id_field
        if self.body is not None and isinstance(self.body.decoder, ChunkedDecoder):
            if isinstance(request.content, bytes):
                added += b"Content-Length: %d\r\n" % len(request.content)
            else:
                added += b"Transfer-Encoding: chunked\r\n"
        if self.upgrade:
            added += b"Connection: upgrade\r\nUpgrade: %b\r\n" % self.upgrade.encode("ascii")
        elif self.fields.trailers:
            added += b"Connection: TE\r\nTE: trailers\r\n"
        host = b""
        # Without the field there may still be one: of an absolute target, by which was routed.
        if self.exchange.send_upstream_host or (
            b"host" not in self.fields.all.special and "Host" not in request.headers
        ):
            request.headers.remove("Host")
            host = b"\r\nHost: %b" % self.route.upstream.address.authority.encode("latin-1")
        line = self.line.raw
        if request.target is not self.line.target or not self.line.modern:
            target = request.target.encode("utf-8", "surrogateescape")
            line = b"%b %b HTTP/1.1" % (self.method.encode("latin-1"), target)
        return b"%b%b%b%b\r\n" % (line, host, request.headers.serialize(), added)

    def _next_piece(self, body: Body) -> bytes:
        """What waits of the request's body, framed for the upstream."""
        self.request_sent = body.done
        return body.take_framed(self.client.serving.dropped_untrusted)

    def _pump(self, connection: UpstreamConnection, body: Body) -> None:
        """Pass on what has arrived of the request's body."""
        if self.request_sent:
            return
        if connection.write_paused:
            self.limit(self.exchange.limits.idle)
            if body.size > HIGH_WATER:
                self.client.pause_reading()
            return
        connection.write(self._next_piece(body))
        if self.phase == RECEIVING:  # answered early, and the body still moves
            self.limit(self.exchange.limits.idle)
        elif self.request_sent:
            self.phase = WAITING
            self.limit(self.exchange.limits.response)
        else:
            self.limit(self.client.settings.body_idle)

    def upstream_can_take_more(self) -> None:
        """Its buffer has drained."""
        if self.body is not None and self._connection is not None:
            self._pump(self._connection, self.body)
        self.client.resume_reading()
