"""One connection of a client: heads in, one exchange at a time, in order."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from proxy.errors import Rejection
from proxy.wire.bodies import HIGH_WATER
from proxy.wire.client_transport import ClientTransport
from proxy.wire.framing import Decoder
from proxy.wire.head import RequestFields
from proxy.wire.hollow import Hollow
from proxy.wire.intake import (
    NO_FIELDS,
    check_head_so_far,
    open_exchange,
    open_failed,
    read_fields,
    read_line,
    refuse_head,
    too_large,
)
from proxy.wire.parser import MalformedError, RequestLine
from proxy.wire.peers import plain_address
from proxy.wire.reply import OVER, Reply
from proxy.wire.tunnel import Tunnel

if TYPE_CHECKING:
    from proxy.wire.carrier import Carrier
    from proxy.wire.server import WireServer
    from proxy.wire.serving import Serving

_log = logging.getLogger(__name__)


class ClientConnection(ClientTransport):
    """Takes requests off a client's connection and hands each to a `Carrier`.

    Requests are read and answered by callbacks, one after the other.
    """

    __slots__ = (
        "_carrier",
        "_seen",
        "_server",
        "_stale",
        "_swallow",
        "_tunnel",
        "buffers",
        "compared",
        "hollow",
        "last_fields",
        "last_lines",
        "peer_ip",
        "peer_trusted",
        "secure",
        "serving",
        "write_paused",
    )

    def __init__(self, server: WireServer, *, loop: asyncio.AbstractEventLoop, **kwargs: Any) -> None:
        super().__init__(server, loop=loop, **kwargs)
        self._server = server
        self.buffers = server.buffers
        self.serving: Serving = server.serving
        self._stale = False
        """What was made of the peer was made by a revision before."""
        self.peer_ip = ""
        self.peer_trusted = False
        self.secure = False
        self.write_paused = False
        self._carrier: Carrier | None = None
        self._tunnel: Tunnel | None = None
        self._seen = 0
        """Of what is kept: what was looked at, and is no whole head."""
        self._swallow: Decoder | None = None
        self.last_lines = b""
        """The fields of its last request..."""
        self.last_fields: RequestFields = NO_FIELDS
        """...and what was read in them."""
        self.hollow: Hollow | None = None
        """What its requests have in common, where one field of theirs is new each time..."""
        self.compared = 0
        """...and how often that was looked for."""

    # ---- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.closing = self._server.draining  # it may have been accepted a moment too late
        peer = transport.get_extra_info("peername")
        self.peer_ip = (plain_address(peer[0]) or "") if isinstance(peer, tuple) else ""
        self.peer_trusted = self.serving.peers.trusts(self.peer_ip)
        self.secure = transport.get_extra_info("sslcontext") is not None
        if self._server.open_connections > self.settings.max_connections:
            self._server.turn_away()
            self.force_close()
            return
        self.timer.set(self.monotonic() + self.settings.head_timeout)

    async def start(self) -> None:
        """Nothing to run: requests are carried by callbacks."""

    def data_received(self, data: bytes) -> None:
        if self._tunnel is not None:
            self._tunnel.from_client(data)
        elif self._carrier is not None:
            self._carrier.client_data(data)
        elif self._lingering:
            return
        elif self._swallow is not None:
            self._swallow_rest(self._swallow, data)
        elif self._kept:
            begun, self._kept = self._kept, b""
            self._next(begun + data, self._seen)
        else:
            self._next(data)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        if self._tunnel is not None:
            self._tunnel.client_ended()
            return not self.secure  # TLS can't be half-closed, and asyncio logs each wish for that
        return None  # such a client has left: what else would it do so for?

    def pause_writing(self) -> None:
        self.write_paused = True

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._tunnel is not None:
            self._tunnel.client_can_take_more()
        elif self._carrier is not None:
            self._carrier.client_can_take_more()
        else:
            self.resume_reading()
            self._next_kept()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.write_paused = False
        self.transport = None  # what ends now must not try to use it
        if self._tunnel is not None:
            self._tunnel.close()
        elif self._carrier is not None:
            self._carrier.client_left()
        self.timer.cancel()
        super().connection_lost(exc)

    # ---- called by the server

    def close(self) -> None:
        """Take no further request; an idle connection ends now."""
        self._close = self.closing = True
        if self._carrier is None and self._swallow is None:
            self.hang_up()

    def let_go(self, serving: Serving) -> None:
        """`serving` is live: keep nothing of the one before, unless an exchange goes on with it."""
        if self._carrier is None:
            self.serving, self._stale = serving, True
            self._forget_fields()

    def force_close(self) -> None:
        """End the connection, and with it what is under way; also called by aiohttp at the end of a drain."""
        self.closing = True
        if self._carrier is not None:
            self.abort()
        else:
            super().force_close()

    # ---- requests

    def _next(self, data: bytes, seen: int = 0) -> None:
        """A head, or a part of one, of which `seen` bytes were looked at before."""
        if data[:1] in b"\r\n":
            data = data.lstrip(b"\r\n")  # RFC 9112, section 2.2: empty lines before a request line
            if not data:
                return
        serving = self._server.serving
        if serving is not self.serving or self._stale:
            self._now_served_by(serving)
        end = data.find(b"\r\n\r\n", seen - 3 if seen > 3 else 0)
        if end < 0:
            self._wait_for_more(data, seen)
            return
        self._seen = 0
        try:
            line, fields = self._read(data, end, serving)
        except Rejection as refusal:
            self._refuse(refusal)
        else:
            self._carry(line, fields, data[end + 4 :])

    def _read(self, data: bytes, end: int, serving: Serving) -> tuple[RequestLine, RequestFields]:
        """The head that ends at `end`; raises Rejection."""
        line_end = data.find(b"\r\n")
        if line_end > serving.caps.target or end > serving.caps.head - 4:
            raise too_large(line_end, serving.caps)
        lines = data[line_end : end + 2]
        try:
            line = read_line(data[:line_end])
            return line, self.last_fields if lines == self.last_lines else read_fields(self, lines)
        except MalformedError as error:
            raise refuse_head(error, data[:line_end]) from None

    def _now_served_by(self, serving: Serving) -> None:
        """Another revision is live: what was made of the last request by the one before counts no more."""
        self.serving, self._stale = serving, False
        self.peer_trusted = serving.peers.trusts(self.peer_ip)
        self._forget_fields()

    def _forget_fields(self) -> None:
        self.last_lines, self.last_fields, self.hollow = b"", NO_FIELDS, None
        self.compared = 0

    def _wait_for_more(self, data: bytes, seen: int) -> None:
        refusal = check_head_so_far(data, self.serving.caps, seen)
        if refusal is not None:
            self._refuse(refusal)
            return
        self._kept = data
        self._seen = len(data)
        if not seen:
            self.timer.set(self.monotonic() + self.settings.head_timeout)

    def _carry(self, line: RequestLine, fields: RequestFields, rest: bytes) -> None:
        self._request_in_progress = True  # aiohttp's shutdown waits for it
        carrier, answer = open_exchange(self, line, fields)
        self._carrier = carrier
        if answer is None:
            carrier.start(rest)
            return
        if rest:
            carrier.client_data(rest)
        if carrier.phase == OVER:
            return  # not even the body's framing was right
        if isinstance(answer, Rejection):
            carrier.refuse(answer)
        else:
            carrier.pipeline.dress(carrier.exchange, answer)
            carrier.answer(answer)

    def _refuse(self, refusal: Rejection) -> None:
        """Framing is lost: answer once, and close."""
        self._request_in_progress = True
        self._carrier = carrier = open_failed(self)
        carrier.refuse(refusal)

    def exchange_done(self, reply: Reply) -> None:
        """The response is out, or never will be."""
        self._carrier = None
        self._tunnel = None
        self._request_in_progress = False
        if self._handler_waiter is not None and not self._handler_waiter.done():
            self._handler_waiter.set_result(None)
        if self.transport is None:
            return
        unread = reply.body is not None and not reply.body.done
        if reply.close or self.closing:
            self.end(unread=unread or reply.exchange.refusal is not None)
            return
        if self._reading is self.write_paused:  # no next request before the last answer has been read
            (self.pause_reading if self.write_paused else self.resume_reading)()
        timer = self.timer
        timer.expires_at = at = reply.ended + self.settings.keep_alive
        if at < timer.filed:
            timer.set(at)
        if unread and reply.body is not None:
            self._swallow = reply.body.decoder
        elif self._kept:
            self.loop.call_soon(self._next_kept)

    def _next_kept(self) -> None:
        """A request that was pipelined behind the last one."""
        if self._carrier is not None or self.transport is None or self.write_paused or self.closing:
            return
        if self._kept:
            data, self._kept = self._kept, b""
            self._next(data)

    def _swallow_rest(self, decoder: Decoder, data: bytes) -> None:
        """Read past the rest of a refused request's body."""
        _, rest = decoder.feed(data)
        if decoder.done:
            self._swallow = None
            if rest:
                self._next(rest)

    def keep(self, data: bytes) -> None:
        """Bytes of a request that is not its turn yet."""
        self._kept += data
        if len(self._kept) > HIGH_WATER:
            self.pause_reading()

    def switch(self, tunnel: Tunnel) -> None:
        """From now on bytes go through `tunnel`; first those that came behind the request."""
        self._tunnel = tunnel
        self.resume_reading()
        kept, self._kept = self._kept, b""
        if kept:
            tunnel.from_client(kept)

    def _expired(self) -> None:
        if self._tunnel is not None:
            self._tunnel.close()
        elif self._carrier is not None:
            self._carrier.expired()
        elif self._kept and not self._lingering and not self.write_paused:
            self._refuse(Rejection(408, "request.timeout", "The request's head came too slowly."))
        else:
            self.hang_up()
