"""The client's half of an exchange: what it is answered, and how the exchange ends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from proxy.errors import Rejection
from proxy.exchange import Exchange, Outcome, Response
from proxy.headers import Field
from proxy.wire.aiohttp_parts import RequestHead
from proxy.wire.bodies import Body
from proxy.wire.framing import Decoder, LengthDecoder, chunk, last_chunk
from proxy.wire.head import STATUS_LINES, phrase_of, status_line
from proxy.wire.serving import CompiledRoute

if TYPE_CHECKING:
    from proxy.wire.client import ClientConnection

# Phases: what is waited for, and so which limit counts.
DECIDING, CONNECTING, QUEUED, SENDING, WAITING, RECEIVING, TUNNEL, OVER = range(8)

_CONTENT_LENGTH = frozenset((b"content-length",))
_SMALL = 64 * 1024


class Reply:
    """Writes one response to a client, and closes the books when the last byte is out."""

    __slots__ = (
        "_to_chunk",
        "_until_close",
        "_waiting",
        "body",
        "bytes_sent",
        "client",
        "close",
        "ended",
        "exchange",
        "head",
        "head_sent",
        "id_field",
        "method",
        "phase",
        "pipeline",
        "route",
        "status",
    )

    def __init__(
        self,
        client: ClientConnection,
        head: RequestHead,
        exchange: Exchange,
        route: CompiledRoute,
        body: Body | None,
    ) -> None:
        self.client = client
        self.head = head
        self.exchange = exchange
        self.route = route
        self.pipeline = route.pipeline
        self.body = body
        self.method = head.method
        self.phase = DECIDING
        self.close = head.should_close
        """The client's connection ends with this exchange."""
        self.head_sent = False
        self.id_field = client.serving.request_id_field % exchange.request_id.encode("latin-1")
        self.status = 0
        self.bytes_sent = 0
        self.ended = 0.0
        self._to_chunk = False
        self._until_close = False
        """The response's body ends with the connection, so that a proper end would be taken for its own."""
        self._waiting = b""
        """The head, until the first of the body goes out with it."""

    def limit(self, seconds: float) -> None:
        """From now on this phase may take `seconds`; the deadline counts all the same."""
        at = self.client.monotonic() + seconds
        deadline = self.exchange.deadline
        if deadline is not None and deadline < at:
            at = deadline
        timer = self.client.timer
        timer.expires_at = at  # later than it is filed, as it mostly is, this is all
        if at < timer.filed:
            timer.set(at)

    def refuse(self, rejection: Rejection) -> None:
        """Answer with `rejection`; where the head is out already, break off so that the client can tell."""
        if self._waiting:  # a head that has not been written yet can still be taken back
            self._waiting = b""
            self.head_sent = self._to_chunk = self._until_close = False
        if self.head_sent:
            self.exchange.refusal = rejection
            self.client.abort(by_reset=self._until_close)
            self.finish(complete=False)
            return
        response = self.pipeline.refuse(self.exchange, rejection)
        self.pipeline.dress(self.exchange, response)
        self.answer(response)

    def begin(self, response: Response, decoder: Decoder | None) -> None:
        """Write the head of a response whose body comes from the upstream."""
        added = b""
        if decoder is not None and not isinstance(decoder, LengthDecoder):
            if self.head.version >= (1, 1):
                self._to_chunk = True
                added = b"Transfer-Encoding: chunked\r\n"
            else:
                self.close = self._until_close = True
        elif response.status == 204:
            response.headers.drop(_CONTENT_LENGTH)  # RFC 9110, section 8.6
        self._write_head(response, added)

    def answer(self, response: Response) -> None:
        """Send a response that is all here: an answer, a refusal, or a body that was collected."""
        content = response.content
        if not isinstance(content, bytes):
            raise TypeError("a response's content is bytes, or the body that the upstream is sending")
        added = b""
        bodiless = response.status in (204, 304)
        if content or not response.from_upstream or self.method != "HEAD":
            response.headers.drop(_CONTENT_LENGTH)
            added = b"" if bodiless else b"Content-Length: %d\r\n" % len(content)
        self._write_head(response, added)
        self.pass_on(b"" if bodiless or self.method == "HEAD" else content, ended=True)

    def pass_on(self, payload: bytes, *, ended: bool, trailers: tuple[Field, ...] = ()) -> None:
        """Write some of the body, with the head before it where that still waits."""
        self.bytes_sent += len(payload)
        if self._to_chunk:
            payload = chunk(payload)
            if ended:
                payload += last_chunk(trailers, self.client.serving.response_dropped)
        if self._waiting:
            payload = self._waiting + payload
            self._waiting = b""
        if payload:
            self.client.write(payload)
        if ended:
            self.finish()
        else:
            self.phase = RECEIVING
            self.limit(self.exchange.limits.idle)

    def finish(self, *, complete: bool = True) -> None:
        """The exchange is over, well or not: tell everybody, and free the connection."""
        if self.phase == OVER:
            return
        self.phase = OVER
        exchange = self.exchange
        body = self.body
        received = 0
        if body is not None:
            body.release()
            body.wanted = None  # it leads back here, and the collector is not to be needed
            received = body.total
        refusal = exchange.refusal
        reason = refusal.reason if refusal is not None else ""
        self.ended = ended = self.client.monotonic()
        status = self.status if self.head_sent else 499
        outcome = Outcome(status, ended, reason, received, self.bytes_sent, complete)
        if self.pipeline.finish_steps:
            self.pipeline.finish(exchange, outcome)
        self.client.serving.recorder.finished(exchange, outcome)
        exchange.carrier = None
        self.client.exchange_done(self)

    @property
    def drainable(self) -> bool:
        """What is missing of the request's body is so little that the connection is worth more."""
        body = self.body
        if body is None or body.done:
            return True
        small = isinstance(body.decoder, LengthDecoder) and body.decoder.left <= _SMALL
        return small and not (body.total == 0 and "Expect" in self.head.headers)

    def _write_head(self, response: Response, added: bytes) -> None:
        client = self.client
        added += self.id_field
        if client.closing or (self.body is not None and not self.drainable):
            self.close = True
        if self.close:
            added += b"Connection: close\r\n"
        elif self.head.version < (1, 1):
            added += b"Connection: keep-alive\r\n"
        self.head_sent = True
        self.status = response.status
        line = STATUS_LINES.get((response.status, response.phrase)) or status_line(
            response.status, response.phrase or phrase_of(response.status)
        )
        self._waiting = line + response.headers.serialize() + added + b"\r\n"


NEVER = math.inf
