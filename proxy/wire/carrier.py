"""One exchange on the wire: from the parsed head to the last byte sent.

A route on which no policy waits is carried by callbacks alone: `start` decides, the
upstream's connection calls back with the head and the body, and what it brings goes to
the client in the same turn of the loop. On a route where a policy waits, one task runs
the pipeline, and `call` is what its innermost `forward` awaits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Exchange, Response
from proxy.pipeline import Waiting
from proxy.wire.bodies import HIGH_WATER, Body
from proxy.wire.framing import FramingError
from proxy.wire.reply import CONNECTING, DECIDING, NEVER, OVER, QUEUED, RECEIVING, SENDING, WAITING
from proxy.wire.upgrading import Upgrading

_log = logging.getLogger(__name__)


async def forward(exchange: Exchange) -> Response:
    """The innermost `forward` of every pipeline: one attempt, up to the response's head."""
    carrier: Carrier = exchange.carrier
    return await carrier.call()


class Carrier(Upgrading, eq=False):
    """Carries one exchange between a client's connection and an upstream's."""

    def start(self, data: bytes) -> None:
        """Begin; `data` is what arrived behind the head."""
        if not self.pipeline.plain:
            self._task = self.client.loop.create_task(self._respond())
            self.limit(NEVER)
            if data:
                self.client_data(data)
            return
        answer = self.pipeline.admit(self.exchange) if self.pipeline.admit_steps else None
        if answer is not None and not isinstance(answer, Response):
            self._task = self.client.loop.create_task(self._respond(answer))
            self.limit(NEVER)
            answer = None
        if data:
            self.client_data(data)
            if self.phase != DECIDING:
                return
        if self._task is not None:
            return
        if answer is None:
            self._attempt()
        else:
            self.pipeline.dress(self.exchange, answer)
            self.answer(answer)

    def client_data(self, data: bytes) -> None:
        """The client sent more: of this body, or already of the next request."""
        body = self.body
        if body is None or body.done:
            self.client.keep(data)
            return
        try:
            rest = body.feed(data)
        except FramingError as error:
            self.close = True
            self.cut(Rejection(400, "request.framing", "The body's framing is broken.", cause=str(error)))
            return
        if rest:
            self.client.keep(rest)
        limit = self.exchange.body_limit
        if limit is not None and body.total > limit and self.exchange.body_refusal is not None:
            self.cut(self.exchange.body_refusal)
        elif self._connection is not None:
            self._pump(self._connection, body)
        else:
            self._hold(body)

    def _hold(self, body: Body) -> None:
        """The upstream can't have the body yet: a policy collects it, or it waits."""
        if self._task is not None and self.phase == DECIDING:
            self.limit(self.client.settings.body_idle if body.collecting else NEVER)
        if body.size > HIGH_WATER and not body.collecting:
            self.client.pause_reading()

    def bounded(self) -> None:
        """The exchange has got a deadline: from now on it counts, whatever a policy waits for."""
        deadline = self.exchange.deadline
        if self._task is not None and deadline is not None and deadline < self.client.timer.expires_at:
            self.client.timer.set(deadline)

    def body_wanted(self) -> None:
        """A policy awaits the whole body: let it come."""
        request = self.exchange.request
        nothing_yet = self.body is not None and self.body.total == 0
        if nothing_yet and self.line.modern and "Expect" in request.headers:
            # The upstream can't be asked yet, so it is ours to say (RFC 9110, section 10.1.1).
            self.client.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.headers.remove("Expect")
        self.client.resume_reading()
        self.limit(self.client.settings.body_idle)

    def keep_body(self, limit: int) -> None:
        """Keep what is sent of the request's body, so that it can be sent again."""
        if self.body is not None:
            self.body.keep(limit)

    @property
    def has_all_of_body(self) -> bool:
        """Nothing of the request's body is gone."""
        return self.body is None or self.body.whole

    def client_can_take_more(self) -> None:
        """The client's buffer has drained."""
        if self._connection is not None:
            self._connection.resume_reading()
        if self.phase == RECEIVING:
            self.limit(self.exchange.limits.idle)

    def client_left(self) -> None:
        """Nobody waits for the answer: neither should the upstream work on it."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        self._drop_attempt()
        self.finish(complete=False)

    def cut(self, rejection: Rejection) -> None:
        """End the exchange here, whatever it was doing."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        # What the client did wrong is not to be counted against the upstream.
        self._drop_attempt(rejection if rejection.status >= 500 else None)
        self.refuse(rejection)

    def expired(self) -> None:
        """The limit of this phase, or the deadline, is reached."""
        exchange = self.exchange
        deadline, now = exchange.deadline, self.client.monotonic()
        if deadline is not None and now >= deadline - _EARLY:
            self.cut(exchange.deadline_refusal or Rejection(504, "deadline.exceeded"))
            return
        phase, connection = self.phase, self._connection
        if phase == RECEIVING and self.client.write_paused:
            self.cut(Rejection(408, "request.timeout", cause="the client does not read the response"))
        elif phase in (CONNECTING, QUEUED, WAITING, RECEIVING) or (
            connection is not None and connection.write_paused
        ):
            self._drop_connection()
            # Who waits for a place has not asked the upstream, however long it was.
            at_its_end = phase != QUEUED and now >= self.attempt_until - _EARLY
            self.attempt_failed(_took_too_long(phase) if at_its_end else _TIMED_OUT[phase]())
        else:
            self.close = True
            self.cut(Rejection(408, "request.timeout", "The request's body came too slowly."))

    def _step_in(self, made: Response | UpstreamError) -> None:
        """The call has come to what concerns a policy that owns it: from now on a task carries this on."""
        self._task = self.client.loop.create_task(self._respond(made=made))

    async def _respond(
        self, waiting: Waiting | None = None, made: Response | UpstreamError | None = None
    ) -> None:
        """Run the pipeline of a route on which a policy waits: all of it, the rest behind a hook that has
        to wait, or what follows from what the first call came to."""
        try:
            if made is None:
                response = await self.pipeline.respond(self.exchange, waiting)
            else:
                response = await self.pipeline.step_in(self.exchange, made)
            if self.phase != OVER:  # else it was ended, and a policy would not have it
                self._task = None
                self._send(response)
        except (Exception, asyncio.CancelledError):
            if self.phase == OVER:
                return
            _log.exception("bug while answering on route %r", self.route.facts.name)
            self._task = None
            self._drop_attempt()
            self.client.abort()
            self.finish(complete=False)

    def _send(self, response: Response) -> None:
        """What the pipeline has decided on."""
        if self._incoming is not None and response.content is self._incoming:
            self._stream_held(response, self._incoming)
        elif response.status == 101:
            self._switch(response)
        else:
            self._drop_attempt()
            self.answer(response)


_EARLY = 0.005
"""Seconds before a limit at which the wheel may ring."""


def _took_too_long(phase: int) -> UpstreamError:
    return UpstreamError(
        504,
        "timeout.attempt",
        "The upstream took longer than a call may.",
        nothing_sent=phase == CONNECTING,
    )


def _timed_out(phase: str, detail: str, status: int = 504) -> Callable[[], UpstreamError]:
    return lambda: UpstreamError(
        status, phase, detail, nothing_sent=status == 503 or phase == "timeout.connect"
    )


_TIMED_OUT = {
    QUEUED: _timed_out("upstream.busy", "All connections to the upstream are in use.", 503),
    CONNECTING: _timed_out("timeout.connect", "The upstream could not be reached in time."),
    SENDING: _timed_out("timeout.idle", "The upstream stopped reading the request."),
    WAITING: _timed_out("timeout.response", "The upstream did not answer in time."),
    RECEIVING: _timed_out("timeout.idle", "The upstream stopped sending its answer."),
}
