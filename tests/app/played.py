"""A stack of policies, played in several ways: hooks and store answer at once, or wait."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from proxy.app import compile as compiling
from proxy.app.compile import KINDS
from proxy.app.proxy import Proxy
from proxy.app.settings import Settings
from proxy.app.together import Member
from proxy.config.configuration import PolicyInstance
from proxy.config.loader import load
from proxy.exchange import Exchange, Outcome, Response
from proxy.fetch import offline
from proxy.policies import PIPELINE_ORDER
from proxy.policy import Hooks, at_once
from proxy.rehearsal import Answer, Rehearsal
from proxy.rehearsal.client import Client
from proxy.rehearsal.messages import Fields
from proxy.rehearsal.upstream import UpstreamEnd
from proxy.rehearsal.virtual_loop import connect
from proxy.state import Gauged, Switchable
from proxy.stores.memory import MemoryStore
from proxy.wire import intake
from tests.app.stacks import Coming

_OF_THE_PROCESS = re.compile(r"python_|process_|seawall_(tasks|client_connections|store|memory)|.*_created")


class Yielding:
    """A store that lets others run before and after each verb, as one at the end of a connection does."""

    def __init__(self, store: MemoryStore, turns: int) -> None:
        self._store = store
        self._turns = turns

    def __getattr__(self, name: str) -> Any:
        if name not in ("take", "take_all", "claim", "confirm", "get", "set", "lease", "release"):
            raise AttributeError(name)
        return partial(self._later, getattr(self._store, name))

    async def _later(self, verb: Callable[..., Any], *args: Any, **more: Any) -> Any:
        await yields(self._turns)
        result = await verb(*args, **more)
        await yields(self._turns)
        return result


async def yields(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


def as_later(hooks: Hooks, turns: int) -> Hooks:
    """`on_request` has every request wait; which is not the same as a hook that always does."""
    ask = hooks.on_request
    if ask is None or asyncio.iscoroutinefunction(ask):
        return hooks

    def on_request(exchange: Exchange) -> Any:
        async def later() -> Response | None:
            await yields(turns)
            answer = ask(exchange)
            return await answer() if callable(answer) else answer

        return later

    return replace(hooks, on_request=on_request, late=hooks.late)


def as_coroutine(hooks: Hooks, turns: int) -> Hooks:
    """`on_request` always waits, and so nothing is called before those who own the call are entered."""
    later = as_later(hooks, turns)
    if later is hooks or later.on_request is None:
        return hooks
    ask = later.on_request

    async def on_request(exchange: Exchange) -> Response | None:
        answer: Response | None = await ask(exchange)()
        return answer

    return replace(hooks, on_request=on_request, late=None)


@dataclass(frozen=True)
class Way:
    """How hooks and store behave."""

    turns: int = 0
    """Of the loop, for which whoever waits lets others run."""
    store: bool = False
    """It yields."""
    hooks: Callable[[Hooks, int], Hooks] | None = None


PLAIN = Way()
WAYS = {
    "the store yields": Way(2, store=True),
    "hooks wait": Way(1, hooks=as_later),
    "hooks wait, and the store yields": Way(3, store=True, hooks=as_later),
    "hooks always wait": Way(1, hooks=as_coroutine),
}


@contextmanager
def waiting(way: Way) -> Iterator[None]:
    """Policies that are enforced behave as `way` says."""
    as_it_is = compiling._in_mode

    def in_mode(policy: PolicyInstance, member: Member) -> Hooks:
        hooks = as_it_is(policy, member)
        if way.hooks is None or member.policy is None:
            return hooks
        # What is asked before each call is so only as a plain function.
        return (as_later if KINDS[policy.kind].each_call else way.hooks)(hooks, way.turns)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiling, "_in_mode", in_mode)
        yield


@dataclass
class Recorded:
    """Who began, and how it ended, each once."""

    started: Counter[int] = field(default_factory=Counter)
    finished: Counter[int] = field(default_factory=Counter)
    outcomes: list[Any] = field(default_factory=list)
    kept: list[Exchange] = field(default_factory=list)
    """So that ids are of one exchange each."""


class BreaksOffLater(UpstreamEnd):
    """Where a body breaks off, its beginning has been passed on by then, whoever lets others run."""

    def _answer(self, answer: Answer, method: str) -> None:
        transport = self._transport
        if answer.fault != "reset_body" or transport is None:
            super()._answer(answer, method)
            return
        super()._answer(replace(answer, fault="hang_body"), method)
        self._timer = self._loop.call_later(0.000431, transport.abort)


class Playing(Rehearsal):
    """One stack, played in one way."""

    def __init__(self, file: Path, way: Way) -> None:
        self._way = way
        self.recorded = Recorded()
        super().__init__(load(file, PIPELINE_ORDER, env={}))

    async def _start(self) -> Proxy:
        intake._numbers = count(16**6)  # as long in every run
        self._upstreams.end = BreaksOffLater
        memory: Any = MemoryStore(self.clock)
        with waiting(self._way):
            proxy = Proxy(
                Settings(Path(), access_log=False),
                self.configuration,
                self.clock,
                Random(7),
                store=Yielding(memory, self._way.turns) if self._way.store else memory,  # type: ignore[arg-type]
                connect=connect,
                fetch=offline,
                in_thread=at_once,
                checking=False,
            )
        self._spy_on(proxy)
        return proxy

    def _spy_on(self, proxy: Proxy) -> None:
        recorder, recorded = proxy._telemetry.recorder, self.recorded
        began, ended = recorder.started, recorder.finished

        def started(exchange: Exchange) -> None:
            recorded.kept.append(exchange)
            recorded.started[id(exchange)] += 1
            began(exchange)

        def finished(exchange: Exchange, outcome: Outcome) -> None:
            recorded.finished[id(exchange)] += 1
            retries = [
                (each.error_class, each.cause, each.wait, each.outcome) for each in exchange.retries or ()
            ]
            shadowed = sorted(each.reason for each in exchange.shadowed or ())
            recorded.outcomes.append(
                (exchange.client_ip, outcome.status, outcome.reason, outcome.complete, exchange.attempts,
                 exchange.upstream_status, outcome.bytes_sent, retries, shadowed)
            )  # fmt: skip
            ended(exchange, outcome)

        recorder.started, recorder.finished = started, finished  # type: ignore[method-assign]

    def come(self, clients: Sequence[Coming]) -> list[Any]:
        """What each of them got; each comes `after` the one before has come."""
        answers: list[Any] = self._run(self._come(clients))
        return answers

    async def _come(self, clients: Sequence[Coming]) -> list[Any]:
        tasks = []
        for number, client in enumerate(clients):
            await self.clock.sleep(client.after + 0.00317 + number * 0.000113)
            tasks.append(asyncio.ensure_future(self._one(client)))
        return [await task for task in tasks]

    async def _one(self, coming: Coming) -> Any:
        client = Client(self._loop, coming.request)
        if coming.leaves is not None:
            self._loop.call_later(coming.leaves + 0.000777, client.connection_lost, ConnectionAbortedError())
        received = await client.talk(self._loop, self._proxy.server())
        if coming.leaves is not None and not received.complete:
            return "left, or had no whole answer", received.status
        return received.status, tidy_fields(received.headers), tidy(received.body), received.complete

    # ---- what is left

    def calls(self) -> list[Any]:
        return [
            (each.upstream, each.method, each.target, tidy_fields(each.headers), each.body)
            for each in self._upstreams.calls
        ]

    def counts(self) -> dict[str, str]:
        """All that Prometheus is told, but for what is of the process."""
        lines = self._proxy.metrics("")[0].decode().splitlines()
        series = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {
            name: value for name, _, value in series
            if not _OF_THE_PROCESS.match(name)
        }  # fmt: skip

    def held(self) -> Mapping[str, object]:
        """Everything that has to be given back."""
        kept = self._proxy._parts.state._kept
        gauged = [state.gauges() for state in kept.values() if isinstance(state, Gauged)]
        switched = [state.seen().numbers for state in kept.values() if isinstance(state, Switchable)]
        pools = [pool for _, pool in self._proxy._pools.live.values()]
        found = {
            "gauges": [
                (name, value) for gauges in gauged for name, value in gauges.items()
                if name.endswith(("_in_flight", "_waiting")) and value
            ],
            "probes": [numbers["probes"] for numbers in switched if numbers.get("probes")],
            "buffers": self._proxy.server.buffers.held,
            "waiting for a connection": sum(pool.summary()["waiting"] for pool in pools),
            "busy connections": [each for pool in pools for each in pool._open if each.carrier],
            "tasks": [
                task for task in map(repr, asyncio.all_tasks(self._loop)) if re.search("_respond|_try", task)
            ],
            "not told once": [
                count for counted in (self.recorded.started, self.recorded.finished)
                for count in counted.values() if count != 1
            ],
            "never ended": len(self.recorded.started) - len(self.recorded.finished),
        }  # fmt: skip
        return {name: value for name, value in found.items() if value}

    def being_opened(self) -> Mapping[str, int]:
        """Connections that nobody may wait for any more, and that are opened for who comes next."""
        opening = {name: pool.summary()["opening"] for name, (_, pool) in self._proxy._pools.live.items()}
        return {name: number for name, number in opening.items() if number}


_IDS = re.compile(rb'"(?:request_id|decision_id|instance)":"[^"]*",?')


def tidy(body: bytes) -> Any:
    """Without what is made up for each request."""
    if not body.startswith(b'{"type"'):
        return body
    return json.loads(_IDS.sub(b"", body).replace(b",}", b"}"))


def tidy_fields(fields: Fields) -> list[tuple[str, str]]:
    """In one order, since a length is written last where nothing streams; without ids and framing."""
    unlike = ("x-request-id", "content-length", "transfer-encoding")
    return sorted((name.lower(), value) for name, value in fields if name.lower() not in unlike)
