"""The upstream's half of an exchange: that it is called, and what becomes of that.

`call` is what the innermost `forward` of a pipeline awaits: one attempt, up to the
response's head. Without a pipeline that waits, the same happens by callbacks alone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Attempt, Response
from proxy.headers import arrived
from proxy.wire.bodies import HIGH_WATER, Body
from proxy.wire.framing import Decoder
from proxy.wire.head import ResponseHead, interim_head
from proxy.wire.reply import CONNECTING, DECIDING, NEVER, QUEUED, RECEIVING, WAITING
from proxy.wire.sending import Sending

if TYPE_CHECKING:
    from proxy.wire.upstream_connection import UpstreamConnection

# RFC 9110, section 9.2.2: repeating these has the same effect as sending them once.
_IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
_STALE = UpstreamError(502, "upstream.stale", "The connection had been closed while it was idle.")
"""For metrics alone: the call is made again, and nobody else hears of it."""


class Attempts(Sending, eq=False):
    """Calls the upstream, once or more often, and passes on what it answers."""

    _attempt_started: float = 0.0
    _decoder: Decoder | None = None
    _incoming: Body | None = None
    _awaited: asyncio.Future[Response] | None = None
    _task: asyncio.Task[None] | None = None
    _recovering: bool = False

    if TYPE_CHECKING:  # every one is a Carrier

        def _step_in(self, made: Response | UpstreamError) -> None: ...

    # ---- to the upstream

    async def call(self) -> Response:
        """One attempt of the upstream; returns at the response's head, raises UpstreamError."""
        self._drop_attempt()
        exchange, body = self.exchange, self.body
        if body is not None and not isinstance(exchange.request.content, bytes):
            if not body.whole:
                raise UpstreamError(
                    502, "upstream.failed", "The upstream failed.", cause="the body was streamed, and is gone"
                )
            body.rewind()
        exchange.upstream_status = None
        self._attempt_started = self.client.monotonic()
        exchange.tell_time_left(self._attempt_started)
        self._recovering = exchange.attempts > 0  # of repetitions, the policy that makes them counts each
        self._awaited = self.client.loop.create_future()
        self._attempt()
        try:
            return await self._awaited
        except asyncio.CancelledError:
            self._drop_attempt()  # the policy that called waits no more, or nobody does
            raise
        finally:
            self._awaited = None

    def _attempt(self) -> None:
        exchange = self.exchange
        exchange.attempts += 1
        if exchange.upstream != self.route.elsewhere:
            self.route = self.route.calling(exchange.upstream)
        connection = self.route.upstream.acquire()
        if connection is not None:
            self.connected(connection)
        else:
            self._connect()

    def _connect(self) -> None:
        pool = self.route.upstream
        if pool.wait_for(self):
            self.phase = CONNECTING
            self.limit(self.exchange.limits.connect)
        else:
            self.phase = QUEUED
            self.limit(pool.wait)

    def upstream_lost(self, connection: UpstreamConnection, exc: Exception | None) -> None:
        """The connection broke before the response was complete."""
        replayable = self.body is None or isinstance(self.exchange.request.content, bytes)
        if (
            connection.used
            and not connection.heard
            and self.phase == WAITING
            and not self._recovering
            and replayable
            and self.method in _IDEMPOTENT
        ):
            # It was closed while idle, and that news crossed our request (RFC 9112, section 9.3.1).
            self._recovering = True
            self._connection = None
            self.client.serving.recorder.attempted(self.route.upstream.name, None, _STALE)
            self.exchange.attempts += 1
            self._connect()
            return
        what = (
            "broke off its answer" if self._decoder is not None else "closed the connection without an answer"
        )
        self.attempt_failed(
            UpstreamError(502, "upstream.reset", f"The upstream {what}.", cause=str(exc or ""))
        )

    def attempt_failed(self, error: UpstreamError) -> None:
        """The attempt has come to nothing, or its body broke off."""
        self._connection = None
        self._attempted(error)
        if self._task is None:
            if self.head_sent or not self.pipeline.late:
                self.refuse(error)
                return
            self._step_in(error)
        self.phase = DECIDING  # it is the pipeline's turn
        self.limit(NEVER)
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_exception(error)
        elif self._incoming is not None:
            self._incoming.fail(error)

    def _attempted(self, error: Exception | None) -> None:
        exchange = self.exchange
        self.client.serving.recorder.attempted(self.route.upstream.name, exchange.upstream_status, error)
        if self.pipeline.attempt_steps:
            attempt = Attempt(
                number=exchange.attempts,
                upstream=self.route.upstream.name,
                started=self._attempt_started or exchange.started,
                ended=self.client.monotonic(),
                status=exchange.upstream_status,
                error=error,
            )
            self.pipeline.attempted(exchange, attempt)

    def _drop_attempt(self, error: Exception | None = None) -> None:
        """Give up what is still going on at the upstream, because of `error` or for no fault of its own."""
        if self.phase in (CONNECTING, QUEUED) or self._connection is not None:
            self._drop_connection()
            self._attempted(error)
        if self._incoming is not None:
            self._incoming.release()
            self._incoming = None
        self._decoder = None

    def _drop_connection(self) -> None:
        if self.phase in (CONNECTING, QUEUED):
            self.route.upstream.forget(self)
            self.phase = DECIDING
        connection, self._connection = self._connection, None
        if connection is not None and connection.carrier is self:
            connection.abort()

    # ---- from the upstream

    def upstream_interim(self, head: ResponseHead) -> None:
        """100 Continue, 103 Early Hints and the like are the client's business."""
        # Thousands may come in one read: asyncio logs each that is written to a client that has gone.
        if self.line.modern and not self.head_sent and not self.client.leaving:
            self.client.write(interim_head(head))

    def upstream_head(self, head: ResponseHead, decoder: Decoder | None) -> None:
        """The response's head has arrived."""
        self.exchange.upstream_status = status = head.status
        self._decoder = decoder
        # Nobody waits for it, or wants to see it before the client does.
        straight = self._task is None and status not in self.pipeline.late_statuses
        if straight and not self.pipeline.response_steps and status != 204:
            self.begin_as_it_is(status, head.line, head.kept, decoder)
            return
        headers = arrived(head.fields.lines, head.kept, head.kept_lower, head.known)
        response = Response(status, headers, phrase=head.phrase, from_upstream=True)
        if straight:
            self.pipeline.dress(self.exchange, response)
            self.begin(response, decoder)
            return
        if decoder is not None:
            self._incoming = response.content = Body(decoder, self.client.buffers, self._incoming_wanted)
        self._hand_over(response)

    def _hand_over(self, response: Response) -> None:
        """The pipeline waits for this response's head: it is its turn."""
        self.phase = RECEIVING
        if self._task is None:
            self._step_in(response)
        self.limit(NEVER)
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(response)

    def _incoming_wanted(self) -> None:
        if self._connection is not None:
            self._connection.resume_reading()
        self.limit(self.exchange.limits.idle)

    def upstream_payload(self, payload: bytes, *, ended: bool) -> None:
        """Some of the response's body, decoded; `ended` with the last of it."""
        if ended:
            self._connection = None
            self._attempted(None)
        incoming = self._incoming
        if incoming is not None:
            incoming.put(payload)
            if ended:
                incoming.finish()
            elif incoming.size > HIGH_WATER and not incoming.collecting and self._connection is not None:
                self._connection.pause_reading()
            self.limit(self.exchange.limits.idle if incoming.collecting else NEVER)
        elif self._task is None:
            trailers = self._decoder.trailers if ended and self._decoder is not None else ()
            self.pass_on(payload, ended=ended, trailers=trailers)
            if self.client.write_paused and self._connection is not None:
                self._connection.pause_reading()

    def _stream_held(self, response: Response, incoming: Body) -> None:
        """The pipeline lets the upstream's body through: send what was held, then stream."""
        self._incoming = None
        incoming.release()
        if self._connection is None and not incoming.done:
            broke_off = UpstreamError(502, "upstream.reset", "The upstream broke off its answer.")
            self.refuse(incoming.error if isinstance(incoming.error, Rejection) else broke_off)
            return
        self.begin(response, incoming.decoder)
        if self._connection is not None:
            self._connection.resume_reading()
        self.pass_on(incoming.take(), ended=incoming.done, trailers=incoming.decoder.trailers)
