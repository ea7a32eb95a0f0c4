"""Try a policy on live traffic without letting it change anything.

In shadow a policy sees a view of the exchange: it reads what is there, and what it writes
stays in the view. What it would have refused or answered is reported on the exchange, and
so is a bug in it. Bounds that it sets (`bound_time`, `bound_body`) are only checked once the
exchange is over. It never causes a body to be read: where it asks for one that nobody else
needed, it reports `<policy>.skipped`.

Where it owns the call (`around`), the call is made at once and exactly once, whatever the
policy does; the policy is shown how that went, in a task of its own. So it may wait, give up
or call again, and neither the client nor the upstream notices.

A share such as `10%` enforces a policy for that share of callers and shadows it for the
rest. Two instances with state of their own; which one is chosen depends on nothing but the
policy's name and the caller, so that a caller stays on one side.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from hashlib import blake2b
from inspect import iscoroutinefunction, isfunction
from types import MethodType
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from proxy.errors import Rejection
from proxy.exchange import Attempt, Exchange, ExchangeKey, Forward, Outcome, Response
from proxy.policy import Hooks, Later

_SWITCHED = 101
_TURNS = 5
"""Of the loop: what a policy that waits for nothing needs to come to its end once the call is over."""

_log = logging.getLogger(__name__)


if TYPE_CHECKING:
    _Exchange = Exchange
else:
    _Exchange = object  # as which it has no field before it is written


class _Skipped(Exception):
    """The policy asked for a body that nobody had read."""


class _Unread:
    """A response's body that goes by unread."""

    async def collect(self, limit: int) -> bytes | None:
        del limit
        raise _Skipped


class _View(_Exchange):
    """An exchange that can be read, and whose changes nobody sees.

    It has what was written here; anything else is that of the real one, but for the methods, which
    change what they are called on.
    """

    in_shadow = True

    def __init__(self, exchange: Exchange) -> None:
        self._real = exchange
        self.trial: asyncio.Task[None] | None = None
        """The rest of a request hook that would have the request wait."""
        self.request = replace(exchange.request, headers=exchange.request.headers.copy())
        self.carrier = None  # no bound of a view concerns the wire

    def __getattr__(self, name: str) -> Any:
        method = getattr(Exchange, name, None)
        return MethodType(method, self) if isfunction(method) else getattr(self._real, name)

    async def body(self) -> bytes:
        content = self._real.request.content
        if not isinstance(content, bytes):
            raise _Skipped
        return content

    def shadow(self, rejection: Rejection) -> None:
        self._real.shadow(rejection)

    def overrun(self, outcome: Outcome) -> Rejection | None:
        """The bound that the policy set, and that the exchange went over, now that it is done."""
        real = self._real
        limit, refusal = self.body_limit, self.body_refusal
        if limit is not None and refusal is not real.body_refusal and outcome.bytes_received > limit:
            return refusal
        if outcome.status == _SWITCHED:
            return None  # a conversation is not bounded where the bound is enforced, either
        deadline, refusal = self.deadline, self.deadline_refusal
        if deadline is not None and refusal is not real.deadline_refusal and outcome.ended > deadline:
            return refusal
        return None


class _Shadow:
    """The hooks of one policy, with their teeth drawn."""

    def __init__(self, kind: str, hooks: Hooks) -> None:
        self._kind = kind
        self._finish = hooks.on_finish
        self._key = ExchangeKey[_View](f"shadow of {kind}")
        self._trials: set[asyncio.Task[None]] = set()  # the loop alone would not keep them

    def asking(self, hook: Callable[[Exchange], Any]) -> Callable[[Exchange], Any]:
        """`on_request`, a coroutine function where `hook` is one."""

        def on_request(exchange: Exchange) -> None:
            view = self._view(exchange)
            try:
                answer = hook(view)
            except Exception as error:  # noqa: BLE001  # a policy in shadow fails nobody's request
                self._report(exchange, error)
            else:
                if callable(answer):  # it would wait: the request does not
                    view.trial = self._start(self._try_later(answer, view))
                self._report_answer(exchange, answer)

        async def waiting_on_request(exchange: Exchange) -> None:
            try:
                answer = await hook(self._view(exchange))
            except Exception as error:  # noqa: BLE001  # the same
                self._report(exchange, error)
            else:
                self._report_answer(exchange, answer)

        return waiting_on_request if iscoroutinefunction(hook) else on_request

    def owning(
        self, hook: Callable[[Exchange, Forward], Awaitable[Response]]
    ) -> Callable[[Exchange, Forward], Awaitable[Response]]:
        """`around`."""

        async def around(exchange: Exchange, forward: Forward) -> Response:
            view = self._view(exchange)
            call: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
            trial = self._start(self._try(hook, view, call))
            try:
                response = await forward(exchange)
            except asyncio.CancelledError:
                trial.cancel()
                raise
            except Exception as error:
                call.set_exception(error)
                call.exception()  # the policy need not look at it
                await _let_run(trial)
                raise
            call.set_result(_as_seen(response))
            await _let_run(trial)
            return response

        return around

    def attempting(self, hook: Callable[[Exchange, Attempt], None]) -> Callable[[Exchange, Attempt], None]:
        """`on_attempt`."""
        return lambda exchange, attempt: hook(self._view(exchange), attempt)

    def on_finish(self, exchange: Exchange, outcome: Outcome) -> None:
        view = self._view(exchange)
        if view.trial is not None:
            view.trial.cancel()  # the request has not waited, and is over
        overrun = view.overrun(outcome)
        if overrun is not None:
            exchange.shadow(overrun)
        if self._finish is not None:
            self._finish(view, outcome)

    def _start(self, trial: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(trial)
        self._trials.add(task)
        task.add_done_callback(self._trials.discard)
        return task

    async def _try_later(self, later: Later, view: _View) -> None:
        try:
            answer = await later()
        except Exception as error:  # noqa: BLE001  # a policy in shadow fails nobody's request
            self._report(view, error)
        else:
            self._report_answer(view, answer)

    async def _try(
        self,
        hook: Callable[[Exchange, Forward], Awaitable[Response]],
        view: _View,
        call: asyncio.Future[Response],
    ) -> None:
        async def forward(_: Exchange) -> Response:
            return await asyncio.shield(call)  # a policy that gives up must not end the call itself

        try:
            answer = await hook(view, forward)
        except Exception as error:  # noqa: BLE001  # a policy in shadow fails nobody's request
            if not call.done() or call.exception() is not error:
                self._report(view, error)
        else:
            if not call.done() or call.exception() is not None or call.result() is not answer:
                self._report_answer(view, answer)

    def _view(self, exchange: Exchange) -> _View:
        view = exchange.recall(self._key)
        if view is None:
            view = _View(exchange)
            exchange.remember(self._key, view)
        return view

    def _report(self, exchange: Exchange, error: Exception) -> None:
        if isinstance(error, Rejection):
            exchange.shadow(error)
        elif isinstance(error, _Skipped):
            cause = "in shadow, and no policy that is enforced needs the body"
            exchange.shadow(Rejection(200, f"{self._kind}.skipped", cause=cause))
        else:
            _log.error("bug in the shadow of %s", self._kind, exc_info=error)
            exchange.shadow(Rejection(500, "internal.error", cause=f"bug in {self._kind}"))

    def _report_answer(self, exchange: Exchange, answer: object) -> None:
        if isinstance(answer, Response):
            exchange.shadow(Rejection(answer.status, f"{self._kind}.answered"))


def _as_seen(response: Response) -> Response:
    """What the policy is shown of a response; what it changes is its own."""
    content = response.content if isinstance(response.content, bytes) else _Unread()
    return replace(response, headers=response.headers.copy(), content=content)


async def _let_run(trial: asyncio.Task[None]) -> None:
    """Let the policy decide before the exchange is over; but nobody waits for one that waits itself."""
    for _ in range(_TURNS):
        if trial.done():
            return
        await asyncio.wait((trial,), timeout=0)


def in_shadow(kind: str, hooks: Hooks) -> Hooks:
    """The hooks of a policy of `kind`, such that they decide and report, and change nothing.

    Response hooks have nothing to report, so that they do not run.
    """
    shadow = _Shadow(kind, hooks)
    return Hooks(
        on_request=shadow.asking(hooks.on_request) if hooks.on_request else None,
        around=shadow.owning(hooks.around) if hooks.around else None,
        on_attempt=shadow.attempting(hooks.on_attempt) if hooks.on_attempt else None,
        on_finish=shadow.on_finish,
    )


def in_share(name: str, share: float) -> Callable[[Exchange], bool]:
    """Whether the policy `name` is enforced on an exchange, at `share` (0 to 1) of the callers.

    Who is enforced at one share is enforced at every larger one.
    """
    # Not a checksum such as CRC: the shares of two policies would overlap by their names alone.
    seeded = blake2b(f"{name}\0".encode(), digest_size=4)
    threshold = share * 2**32

    def chosen(exchange: Exchange) -> bool:
        digest = seeded.copy()
        digest.update(exchange.client_ip.encode())
        return int.from_bytes(digest.digest(), "big") < threshold

    return chosen


def for_share(name: str, share: float, enforced: Hooks, shadowed: Hooks) -> Hooks:
    """`enforced` for `share` of the callers, `shadowed` for the others; see `in_share`."""
    chosen = in_share(name, share)

    def pick(exchange: Exchange, hook: str) -> Any:
        return getattr(enforced if chosen(exchange) else shadowed, hook)

    def plainly(hook: str) -> Callable[..., Any]:
        def dispatch(exchange: Exchange, *args: Any) -> Any:
            chosen = pick(exchange, hook)
            return None if chosen is None else chosen(exchange, *args)

        return dispatch

    async def on_request(exchange: Exchange) -> Response | None:
        answer: Response | None = await pick(exchange, "on_request")(exchange)
        return answer

    async def around(exchange: Exchange, forward: Forward) -> Response:
        answer: Response = await pick(exchange, "around")(exchange, forward)
        return answer

    waits = iscoroutinefunction(enforced.on_request)
    return Hooks(
        on_request=(on_request if waits else plainly("on_request")) if enforced.on_request else None,
        around=around if enforced.around else None,
        on_attempt=plainly("on_attempt") if enforced.on_attempt else None,
        on_response=plainly("on_response") if enforced.on_response else None,
        on_finish=plainly("on_finish"),
    )
