"""The client's half of an exchange: what it is answered, and how the exchange ends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from proxy.errors import Rejection
from proxy.exchange import Exchange, Outcome, Response
from proxy.header_lines import Field
from proxy.pipeline import Pipeline
from proxy.wire.bodies import Body
from proxy.wire.framing import Decoder, LengthDecoder, chunk, last_chunk
from proxy.wire.head import RequestFields, phrase_of, status_line
from proxy.wire.parser import RequestLine
from proxy.wire.serving import CompiledRoute

if TYPE_CHECKING:
    from proxy.wire.client import ClientConnection

# Phases: what is waited for, and so which limit counts.
DECIDING, CONNECTING, QUEUED, SENDING, WAITING, RECEIVING, TUNNEL, OVER = range(8)

_CONTENT_LENGTH = frozenset((b"content-length",))
_SMALL = 64 * 1024


class Reply(msgspec.Struct, eq=False):  # a Struct, since one is made for each exchange, in C
    """Writes one response to a client, and closes the books when the last byte is out."""

    client: ClientConnection
    line: RequestLine
    fields: RequestFields
    exchange: Exchange
    route: CompiledRoute
    body: Body | None
    """The request's."""
    pipeline: Pipeline
    method: str
    id_field: bytes
    """The request's id, as a header line."""
    close: bool
    """The client's connection ends with this exchange."""
    phase: int = DECIDING
    head_sent: bool = False
    status: int = 0
    bytes_sent: int = 0
    ended: float = 0.0
    attempt_until: float = math.inf
    """When what is going on at the upstream has taken as long as it may."""
    _to_chunk: bool = False
    _until_close: bool = False
    """The response's body ends with the connection, so that a proper end would be taken for its own."""
    _waiting: bytes = b""
    """The head, until the first of the body goes out with it."""

    def limit(self, seconds: float) -> None:
        """From now on this phase may take `seconds`; deadline and the attempt's limit count all the same."""
        at = self.client.monotonic() + seconds
        if self.attempt_until < at:  # noqa: PLR1730  # four times as fast as min()
            at = self.attempt_until
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
        if response.status == 204 and decoder is None:
            response.headers.drop(_CONTENT_LENGTH)  # RFC 9110, section 8.6
        line = status_line(response.status, response.phrase or phrase_of(response.status))
        self.begin_as_it_is(response.status, line, response.headers.serialize(), decoder)

    def begin_as_it_is(self, status: int, line: bytes, lines: bytes, decoder: Decoder | None) -> None:
        """As `begin`, for a head that no policy looks at."""
        added = b""
        if decoder is not None and not isinstance(decoder, LengthDecoder):
            if self.line.modern:
                self._to_chunk = True
                added = b"Transfer-Encoding: chunked\r\n"
            else:
                self.close = self._until_close = True
        self._write_head(status, line, lines, added)

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
        line = status_line(response.status, response.phrase or phrase_of(response.status))
        self._write_head(response.status, line, response.headers.serialize(), added)
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
        return small and not (body.total == 0 and b"expect" in self.fields.all.special)

    def _write_head(self, status: int, line: bytes, lines: bytes, added: bytes) -> None:
        if self.client.closing or (self.body is not None and not self.drainable):
            self.close = True
        last = b""
        if self.close:
            last = b"Connection: close\r\n"
        elif not self.line.modern:
            last = b"Connection: keep-alive\r\n"
        self.head_sent = True
        self.status = status
        self._waiting = b"%b%b%b%b%b\r\n" % (line, lines, added, self.id_field, last)


NEVER = math.inf
