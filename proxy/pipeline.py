"""Turn the policies of one route into flat tuples, once, at load; errors into responses."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import Any, NamedTuple

from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Attempt, Exchange, Forward, Outcome, Response
from proxy.policy import MADE, Hooks, Later

Render = Callable[[Rejection, Exchange], Response]
"""Make the response of a refusal (`proxy.problem`)."""

_log = logging.getLogger(__name__)


class Waiting(NamedTuple):
    """A request hook that has to wait, and the rest of it."""

    step: Callable[[Exchange], Any]
    later: Later


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One route, compiled. Immutable, so that a reload swaps it with one assignment."""

    plain: bool
    """No hook always waits: `admit` decides at once, and an exchange needs a task only where one has to, or
    `late`."""
    late: bool
    """The call is owned, but its first attempt is made without; what fails, `step_in` has to know of..."""
    late_statuses: frozenset[int]
    """...and of answers those with such a status."""
    request_steps: tuple[Callable[[Exchange], Any], ...]
    admit_steps: tuple[Callable[[Exchange], Any], ...]
    """The same, and what is asked before each call, where the first is made without those who own it."""
    upstream: Forward
    forward: Forward
    attempt_steps: tuple[Callable[[Exchange, Attempt], None], ...]
    response_steps: tuple[Callable[[Exchange, Response], None], ...]
    finish_steps: tuple[Callable[[Exchange, Outcome], None], ...]
    render: Render

    def admit(self, exchange: Exchange) -> Response | Waiting | None:
        """Run the request hooks of a plain route: an answer or a refusal, or None to go on.

        Where one has to wait, it is what `respond` goes on with.
        """
        try:
            for step in self.admit_steps:
                answer = step(exchange)
                if answer is not None:
                    return answer if isinstance(answer, Response) else Waiting(step, answer)
        except Rejection as rejection:
            return self.refuse(exchange, rejection)
        except Exception:
            return self._bug(exchange)
        return None

    async def respond(self, exchange: Exchange, waiting: Waiting | None = None) -> Response:
        """Run everything up to the response's head, response hooks included.

        Where `admit` came upon a hook that waits, this goes on from there.
        """
        return await self._respond(exchange, partial(self._answer, waiting=waiting))

    async def step_in(self, exchange: Exchange, made: Response | UpstreamError) -> Response:
        """As `respond`, of an exchange that was admitted, and whose first call has come to `made`."""
        exchange.remember(MADE, made)
        return await self._respond(exchange, self.forward)

    async def _respond(self, exchange: Exchange, answer: Forward) -> Response:
        try:
            response = await answer(exchange)
        except Rejection as rejection:
            response = self.refuse(exchange, rejection)
        except Exception:
            response = self._bug(exchange)
        self.dress(exchange, response)
        return response

    def refuse(self, exchange: Exchange, rejection: Rejection) -> Response:
        """The response of a refusal, or of an upstream's failure; not yet dressed."""
        # Its traceback leads back to the exchange: a cycle for every refusal, and nobody reads it.
        exchange.refusal = rejection.with_traceback(None)
        return self.render(rejection, exchange)

    def dress(self, exchange: Exchange, response: Response) -> None:
        """Run the response hooks on any response that leaves. One that fails spoils no other."""
        for adjust in self.response_steps:
            try:
                adjust(exchange, response)
            except Exception:
                _log.exception("bug in a response hook of route %r", exchange.route.name)

    def attempted(self, exchange: Exchange, attempt: Attempt) -> None:
        """Tell the policies how one attempt ended."""
        for record in self.attempt_steps:
            try:
                record(exchange, attempt)
            except Exception:
                _log.exception("bug in an attempt hook of route %r", exchange.route.name)

    def finish(self, exchange: Exchange, outcome: Outcome) -> None:
        """Run the finish hooks, each whatever became of the others, or permits would leak."""
        for record in self.finish_steps:
            try:
                record(exchange, outcome)
            except Exception:
                _log.exception("bug in a finish hook of route %r", exchange.route.name)

    async def _answer(self, exchange: Exchange, waiting: Waiting | None) -> Response:
        steps = self.request_steps
        if waiting is not None:
            answer = await waiting.later()
            if answer is not None:
                return answer
            steps = self.admit_steps[self.admit_steps.index(waiting.step) + 1 :]
        for step in steps:
            answer = step(exchange)
            if answer is not None and not isinstance(answer, Response):
                answer = await (answer if isawaitable(answer) else answer())
            if answer is not None:
                return answer
        if waiting is not None and self.late:
            return await self._first_call(exchange)
        return await self.forward(exchange)

    async def _first_call(self, exchange: Exchange) -> Response:
        """Of an exchange that was admitted, all that is asked before a call included."""
        try:
            made: Response | UpstreamError = await self.upstream(exchange)
        except UpstreamError as error:
            made = error
        exchange.remember(MADE, made)
        return await self.forward(exchange)

    def _bug(self, exchange: Exchange) -> Response:
        _log.exception("bug in route %r", exchange.route.name)
        return self.refuse(exchange, Rejection(500, "internal.error", "Something went wrong here."))


def compile_pipeline(policies: Sequence[Hooks], upstream: Forward, render: Render) -> Pipeline:
    """Compose `policies`, given in the order that a request meets them."""
    asking = [policy.on_request for policy in policies if policy.on_request]
    waiting = any(map(iscoroutinefunction, asking))
    owning = [policy for policy in policies if policy.around is not None]
    late = bool(owning) and not waiting and all(map(_may_be_late, owning))
    forward = _made_or(upstream) if late else upstream
    for policy in reversed(owning):
        if policy.around is not None:
            forward = _wrapped(policy.around, forward)
    outward = tuple(reversed(policies))
    return Pipeline(
        plain=not waiting and (late or not owning),
        late=late,
        late_statuses=frozenset().union(*(p.late for p in owning if p.late)) if late else frozenset(),
        request_steps=tuple(asking),
        admit_steps=(*asking, *(p.before_call for p in owning if p.before_call)) if late else tuple(asking),
        upstream=upstream,
        forward=forward,
        attempt_steps=tuple(p.on_attempt for p in outward if p.on_attempt),
        response_steps=tuple(p.on_response for p in outward if p.on_response),
        finish_steps=tuple(p.on_finish for p in outward if p.on_finish),
        render=render,
    )


def _may_be_late(policy: Hooks) -> bool:
    return policy.late is not None or policy.before_call is not None


def _made_or(upstream: Forward) -> Forward:
    """The innermost `forward` where the first call may have been made already."""

    async def forward(exchange: Exchange) -> Response:
        made = exchange.recall(MADE)
        if made is None:
            return await upstream(exchange)
        exchange.forget(MADE)
        if isinstance(made, UpstreamError):
            raise made
        return made

    return forward


def _wrapped(around: Callable[[Exchange, Forward], Awaitable[Response]], forward: Forward) -> Forward:
    return lambda exchange: around(exchange, forward)
