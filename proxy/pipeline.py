"""Turn the policies of one route into flat tuples, once, at load; errors into responses."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from inspect import isawaitable, iscoroutinefunction
from typing import Any, NamedTuple

from proxy.errors import Rejection
from proxy.exchange import Attempt, Exchange, Forward, Outcome, Response
from proxy.policy import Hooks, Later

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
    """No hook always waits: `admit` decides at once, and an exchange needs a task only where one has to."""
    request_steps: tuple[Callable[[Exchange], Any], ...]
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
            for step in self.request_steps:
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
        try:
            response = await self._answer(exchange, waiting)
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
            steps = steps[steps.index(waiting.step) + 1 :]
            answer = await waiting.later()
            if answer is not None:
                return answer
        for step in steps:
            answer = step(exchange)
            if answer is not None and not isinstance(answer, Response):
                answer = await (answer if isawaitable(answer) else answer())
            if answer is not None:
                return answer
        return await self.forward(exchange)

    def _bug(self, exchange: Exchange) -> Response:
        _log.exception("bug in route %r", exchange.route.name)
        return self.refuse(exchange, Rejection(500, "internal.error", "Something went wrong here."))


def compile_pipeline(policies: Sequence[Hooks], upstream: Forward, render: Render) -> Pipeline:
    """Compose `policies`, given in the order that a request meets them."""
    forward = upstream
    for policy in reversed(policies):
        if policy.around is not None:
            forward = _wrapped(policy.around, forward)
    asking = [policy.on_request for policy in policies if policy.on_request]
    outward = tuple(reversed(policies))
    return Pipeline(
        plain=forward is upstream and not any(map(iscoroutinefunction, asking)),
        request_steps=tuple(asking),
        forward=forward,
        attempt_steps=tuple(p.on_attempt for p in outward if p.on_attempt),
        response_steps=tuple(p.on_response for p in outward if p.on_response),
        finish_steps=tuple(p.on_finish for p in outward if p.on_finish),
        render=render,
    )


def _wrapped(around: Callable[[Exchange, Forward], Awaitable[Response]], forward: Forward) -> Forward:
    return lambda exchange: around(exchange, forward)
