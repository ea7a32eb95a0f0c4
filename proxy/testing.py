"""Fakes and short cuts for testing policies, ours and yours. No test needs to wait."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from random import Random
from typing import Any

from msgspec.structs import replace

from proxy.errors import FetchError
from proxy.exchange import Attempt, Exchange, Forward, Request, Response
from proxy.fetch import Fetch, offline
from proxy.headers import Headers
from proxy.pipeline import Pipeline, compile_pipeline
from proxy.policy import Hooks, Policy, Services
from proxy.problem import ProblemWriter
from proxy.state import Shared
from proxy.stores.memory import MemoryStore

__all__ = ["Chunks", "FakeClock", "FakeFetch", "FakeUpstream", "exchange", "fake_services", "route"]


class FakeClock:
    """Time that stands still until a test moves it."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._start = start
        self._elapsed = 0.0
        self._alarms: list[tuple[float, int, Callable[[], object]]] = []
        self._ids = count()

    def now(self) -> float:
        return self._start + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:  # as asyncio.sleep: the others have their turn, and no time passes
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        self._ring_in(seconds, woken.set)
        await woken.wait()

    @asynccontextmanager
    async def timeout(self, seconds: float) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(None) as scope:
            active = True

            def expire() -> None:
                if active:
                    scope.reschedule(loop.time())

            if seconds > 0:
                self._ring_in(seconds, expire)
            else:
                expire()
            try:
                yield
            finally:
                active = False

    async def advance(self, seconds: float) -> None:
        """Move time on, waking sleepers in order and letting them run."""
        end = self._elapsed + seconds
        await self._settle()
        while self._alarms and self._alarms[0][0] <= end:
            self._elapsed, _, ring = heapq.heappop(self._alarms)
            ring()
            await self._settle()
        self._elapsed = end

    def jump(self, seconds: float) -> None:
        """Somebody sets the time of day, forth or back; nobody waits any longer or shorter for it."""
        self._start += seconds

    def _ring_in(self, seconds: float, ring: Callable[[], object]) -> None:
        heapq.heappush(self._alarms, (self._elapsed + seconds, next(self._ids), ring))

    async def _settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


class FakeUpstream:
    """Answers from a script: a status, a Response, an exception, or a coroutine function.

    The last entry repeats. `seen` holds what each call would have sent, and each call is
    answered with a response of its own.
    """

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.seen: list[Request] = []

    async def __call__(self, exchange: Exchange) -> Response:
        request = exchange.request
        self.seen.append(replace(request, headers=request.headers.copy()))
        exchange.attempts += 1
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if callable(step):
            step = await step(exchange)
        if isinstance(step, BaseException):
            raise step
        response = step if isinstance(step, Response) else Response(step)
        exchange.upstream_status = response.status
        return replace(response, headers=response.headers.copy(), from_upstream=True)


class FakeFetch:
    """Documents by their url, which a test may change: bytes, an exception, or a coroutine function.

    `asked` holds the urls in the order in which they were asked for.
    """

    def __init__(self, documents: Mapping[str, Any] | None = None) -> None:
        self.documents = dict(documents or {})
        self.asked: list[str] = []

    async def __call__(
        self, url: str, *, at_most: int, within: float, authorities: bytes = b"", plain: bool = False
    ) -> bytes:
        del within, authorities
        self.asked.append(url)
        found = self.documents.get(url, FetchError(f"{url} answered with 404", 404))
        if callable(found):
            found = await found()
        if isinstance(found, BaseException):
            raise found
        if len(found) > at_most or not (plain or url.startswith("https://")):
            raise FetchError(f"{url} is larger than {at_most} bytes, or not https")
        return bytes(found)


class Chunks:
    """A body that arrives in pieces and does not say how long it is."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks

    async def collect(self, limit: int) -> bytes | None:
        body = b"".join(self.chunks)
        return body if len(body) <= limit else None


def fake_services(
    clock: FakeClock | None = None, *, seed: int = 7, name: str = "test", fetch: Fetch = offline
) -> Services:
    """What a policy's constructor takes, with a clock that stands still."""
    clock = clock or FakeClock()
    return Services(
        clock=clock,
        random=Random(seed),
        store=MemoryStore(clock),
        state=Shared(),
        name=name,
        fetch=fetch,
    )


def route(
    *policies: Policy | Hooks, upstream: FakeUpstream | None = None, clock: FakeClock | None = None
) -> Pipeline:
    """A compiled route with `policies` in this order, in front of `upstream` (200 by default).

    With a `clock`, policies are told of each attempt once it has answered, failed or been given up;
    without, a test tells them what it likes (`Pipeline.attempted`).
    """
    hooks = [policy if isinstance(policy, Hooks) else Hooks.of(policy) for policy in policies]
    upstream = upstream or FakeUpstream(200)
    told = [each.on_attempt for each in reversed(hooks) if each.on_attempt]
    forward = _telling(told, upstream, clock) if clock is not None else upstream
    return compile_pipeline(hooks, forward, ProblemWriter().render)


def _telling(
    told: Sequence[Callable[[Exchange, Attempt], None]], upstream: FakeUpstream, clock: FakeClock
) -> Forward:
    """`upstream`, whose attempts policies are told of as the wire tells them."""

    async def forward(exchange: Exchange) -> Response:
        exchange.upstream_status, started, error = None, clock.monotonic(), None
        exchange.attempt_started = started
        try:
            return await upstream(exchange)
        except Exception as failure:
            error = failure
            raise
        finally:
            status = exchange.upstream_status
            attempt = Attempt(exchange.attempts, "app", started, clock.monotonic(), status, error)
            for tell in told:
                tell(exchange, attempt)

    return forward


def exchange(  # a test names only what it is about
    method: str = "GET",
    path: str = "/",
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | Chunks = b"",
    query: str = "",
    host: str = "example.com",
    secure: bool = False,
    **facts: Any,
) -> Exchange:
    """A request as the wire would hand it over; `facts` are arguments of `Exchange`."""
    fields = [(name.encode("latin-1"), value.encode()) for name, value in (headers or {}).items()]
    request = Request(
        method=method,
        target=f"{path}?{query}" if query else path,
        path=path,
        query=query,
        headers=Headers(fields),
        content=body,
        content_length=len(body) if isinstance(body, bytes) else None,
        host=host,
        secure=secure,
    )
    return Exchange(request, **{"client_ip": "192.0.2.1", "request_id": "r1", "decision_id": "d1", **facts})
