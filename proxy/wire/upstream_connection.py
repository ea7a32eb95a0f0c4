"""One connection to an upstream: requests out, responses in, one at a time."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, cast

from proxy.errors import UpstreamError
from proxy.wire.closing import close_when_written, is_end, last_words
from proxy.wire.framing import CloseDecoder, Decoder, FramingError
from proxy.wire.head import ResponseHead, no_http, response_decoder, response_head
from proxy.wire.parser import MalformedError, Specials

if TYPE_CHECKING:
    from proxy.wire.pool import Pool
    from proxy.wire.serving import Serving
    from proxy.wire.tunnel import Tunnel
    from proxy.wire.upgrading import Upgrading

MAX_RESPONSE_HEAD = 256 * 1024
"""Bytes of a response's head; more than nginx's and Envoy's default, since cookies come here too.

Interim responses count as well, or an upstream could send them without end.
"""
_TOO_LARGE = "the head of the response is over 256 KiB, interim ones included"

MAX_LAST_WORDS = 4 * 2**20
"""Bytes that are read of a broken connection; a kernel's buffer holds no more."""

_KEEP_ALIVE_TIMEOUT = re.compile(rb"timeout=(\d{1,6})")
_REMEMBERED = 1024
"""Bytes of a head that is compared with the next one."""


class UpstreamConnection(asyncio.Protocol):
    """Speaks HTTP/1.1 to the upstream on behalf of one exchange after another."""

    __slots__ = (
        "_closing",
        "_decoder",
        "_ended",
        "_interim",
        "_last_head",
        "_last_raw",
        "_last_specials",
        "_loop",
        "_pending",
        "_pool",
        "carrier",
        "idle_limit",
        "idle_since",
        "transport",
        "tunnel",
        "used",
        "write_paused",
    )

    def __init__(self, pool: Pool, loop: asyncio.AbstractEventLoop) -> None:
        self._pool = pool
        self._loop = loop
        self._last_raw = b""
        self._last_head: ResponseHead | None = None
        """What was read in it..."""
        self._last_specials: Specials | None = None
        """...by which revision's rules."""
        self._pending = bytearray()
        self._interim = 0
        """Bytes of interim responses to the request under way."""
        self._decoder: Decoder | None = None
        self._closing = False
        self._ended = False
        """The upstream has said that nothing more will come."""
        self.transport: asyncio.Transport | None = None
        self.carrier: Upgrading | None = None
        """Whose request it is carrying right now."""
        self.tunnel: Tunnel | None = None
        self.used = False
        """It has carried a response, so that the upstream may close it at any moment."""
        self.idle_since = 0.0
        self.idle_limit = 0.0
        self.write_paused = False

    @property
    def usable(self) -> bool:
        """It can take a request."""
        return self.transport is not None and not self._closing and not self.transport.is_closing()

    @property
    def unasked(self) -> str:
        """Of one that spoke before it was asked, what is wrong with it."""
        return f"it spoke before it was asked: {no_http(self._pending)}"

    @property
    def heard(self) -> bool:
        """A part of an answer has arrived, so the upstream has seen the request, or speaks unasked."""
        return bool(self._pending or self._interim)

    def write(self, data: bytes) -> None:
        """Send some of the request."""
        if self.transport is not None:
            self.transport.write(data)

    def write_eof(self) -> bool:
        """Nothing more will be sent; False where that can't be said without closing."""
        if self.transport is None or not self.transport.can_write_eof():
            return False
        self.transport.write_eof()
        return True

    def abort(self) -> None:
        """The exchange is given up; a half-used connection can't be used again.

        At once: a proper close would wait for an upstream that does not read, and keep its place.
        """
        self.carrier = None
        self._closing = True
        if self.transport is not None:
            self.transport.abort()

    def close(self, patience: float = 1.0) -> None:
        """Close it, for good; what is written still goes out, if it is taken within `patience` seconds."""
        self._closing = True
        if self.transport is not None:
            close_when_written(self._loop, self.transport, patience)

    def pause_reading(self) -> None:
        """The client can't take more."""
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """It can again."""
        if self.transport is not None:
            self.transport.resume_reading()

    # ---- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it

    def pause_writing(self) -> None:
        self.write_paused = True

    def resume_writing(self) -> None:
        self.write_paused = False
        if self.tunnel is not None:
            self.tunnel.upstream_can_take_more()
        elif self.carrier is not None:
            self.carrier.upstream_can_take_more()

    def data_received(self, data: bytes) -> None:
        carrier = self.carrier
        if carrier is None:
            self._pending += data
            self.abort()  # an answer to no question: whatever it is, it is nobody's
            return
        try:
            if self.tunnel is not None:
                self.tunnel.from_upstream(data)
            elif self._decoder is not None:
                self._body(carrier, self._decoder, data)
            else:
                self._heads(carrier, data)
        except FramingError as error:
            self._bad_response(str(error))

    def eof_received(self) -> bool:
        if self.tunnel is None:
            self._ended = self.transport is not None and is_end(self.transport)
            return False
        self.tunnel.upstream_ended()
        # The other direction may go on; not so in TLS, where asyncio would log the wish.
        return self.transport is not None and self.transport.get_extra_info("sslcontext") is None

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        if exc is not None and self.carrier is not None and self.tunnel is None:
            self._hear_last_words()
        self.transport = None
        self._pool.lost(self)
        carrier, self.carrier = self.carrier, None
        if carrier is None:
            return
        if self.tunnel is not None:
            self.tunnel.close()
        elif self._decoder is not None and self._ended and exc is None and self._decoder.end():
            carrier.upstream_payload(b"", ended=True)
        else:
            if exc is None and isinstance(self._decoder, CloseDecoder):
                exc = EOFError(
                    "it ended without saying so, which over TLS anybody on the way can bring about"
                )
            carrier.upstream_lost(self, exc)

    def _hear_last_words(self) -> None:
        """Writing has failed; an answer may have come before that."""
        words = b"" if self.transport is None else last_words(self.transport, MAX_LAST_WORDS)
        if words:
            self.data_received(words)

    # ---- reading a response

    def _heads(self, carrier: Upgrading, data: bytes) -> None:
        """One head, after any number of interim ones."""
        if self._pending:
            data = self._joined(data)
        while True:
            end = data.find(b"\r\n\r\n") + 4
            if end < 4:
                self._wait_for_more(data)
                return
            if end + self._interim > MAX_RESPONSE_HEAD:
                raise FramingError(_TOO_LARGE)
            raw, data = data[:end], data[end:]
            head = self._read(raw, carrier.client.serving)
            if head.status >= 200 or head.status == 101:
                self._interim = 0
                break
            self._interim += end
            carrier.upstream_interim(head)
            if self.carrier is not carrier:
                return
        if head.status == 101:
            self._switch(carrier, head, data)
        else:
            self._final_head(carrier, head, data)

    def _read(self, raw: bytes, serving: Serving) -> ResponseHead:
        """Take a head apart, if it is not the same as the last one, under the same rules."""
        head = self._last_head
        specials = serving.response_specials
        if head is not None and raw == self._last_raw and specials is self._last_specials:
            return head
        try:
            head = response_head(raw, specials, serving.response_dropped)
        except MalformedError as error:
            raise FramingError(f"the head of the response is not strictly HTTP/1: {error}") from None
        if len(raw) <= _REMEMBERED:
            # Not the whole revision: an idle connection would keep it alive.
            self._last_raw, self._last_head, self._last_specials = raw, head, specials
        return head

    def _joined(self, data: bytes) -> bytes:
        """All that has arrived, once a head is complete; nothing before: it is not copied for every byte."""
        pending = self._pending
        seen = len(pending)
        pending += data
        if pending.find(b"\r\n\r\n", max(0, seen - 3)) < 0:
            return b""
        self._pending = bytearray()
        return bytes(pending)

    def _wait_for_more(self, data: bytes) -> None:
        pending = self._pending = self._pending or bytearray(data)
        if len(pending) + self._interim > MAX_RESPONSE_HEAD:
            raise FramingError(_TOO_LARGE)
        if not pending.startswith(b"HTTP/1."[: len(pending)]):
            raise FramingError(no_http(pending))

    def _final_head(self, carrier: Upgrading, head: ResponseHead, data: bytes) -> None:
        decoder = response_decoder(head, carrier.method)
        if head.should_close:
            self._closing = True
        elif hint := head.fields.special.get(b"keep-alive"):
            # The upstream says how long it keeps an idle connection: give it up a second earlier.
            found = _KEEP_ALIVE_TIMEOUT.search(hint)
            self.idle_limit = (
                min(self._pool.idle_timeout, max(0.0, int(found[1]) - 1.0)) if found else self.idle_limit
            )
        if decoder is None:
            self._release(carrier, data)
            carrier.upstream_head(head, None)
            carrier.upstream_payload(b"", ended=True)
            return
        self._decoder = decoder
        carrier.upstream_head(head, decoder)
        if self.carrier is carrier:
            self._body(carrier, decoder, data)

    def _body(self, carrier: Upgrading, decoder: Decoder, data: bytes) -> None:
        payload, rest = decoder.feed(data)
        if decoder.done:
            self._decoder = None
            self._release(carrier, rest)
            carrier.upstream_payload(payload, ended=True)
        else:
            carrier.upstream_payload(payload, ended=False)

    def _release(self, carrier: Upgrading, rest: bytes) -> None:
        """The response is complete: free for the next exchange, before the client is told."""
        self.carrier = None
        if rest or self._closing or self.write_paused or not carrier.request_sent:
            self.abort()
        else:
            self.used = True
            self._pool.release(self)

    def _switch(self, carrier: Upgrading, head: ResponseHead, data: bytes) -> None:
        if not carrier.upstream_switches(head, data):
            raise FramingError("101 Switching Protocols, though nobody asked for this one")

    def _bad_response(self, why: str) -> None:
        carrier = self.carrier
        self.abort()
        if carrier is not None:
            carrier.attempt_failed(
                UpstreamError(502, "upstream.bad_response", "The upstream's answer can't be used.", cause=why)
            )
