"""The production proxy between clients and upstreams that are played, on a virtual loop.

What runs is `proxy.app.proxy.Proxy`, with its wire, pools, policies and memory store, from
the bytes of a request to those of the answer. Only the clock, the randomness and the
connections are others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

import msgspec

from proxy.app.compile import KINDS
from proxy.app.proxy import Proxy
from proxy.app.settings import Settings
from proxy.config.configuration import Configuration, PolicyInstance, RouteConfig
from proxy.config.schema import PolicyConfig
from proxy.fetch import offline
from proxy.policy import at_once
from proxy.rehearsal.client import Client, Received
from proxy.rehearsal.messages import Answer, Fields, Request
from proxy.rehearsal.upstream import Call, Upstreams
from proxy.rehearsal.virtual_loop import Stuck, VirtualClock, VirtualLoop, connect
from proxy.telemetry.decisions import Decision

START = 1_767_603_600.0
"""2026-01-05T09:00:00Z, a Monday: what the wall clock shows at the start where nothing else is said."""

_SEED = 20260105

# What a proxy logs while it is played is nobody's log: without this, Python would write it to standard error.
logging.getLogger("proxy").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What became of one request."""

    status: int
    """0 where the connection ended without a head."""
    headers: Fields
    body: bytes
    complete: bool
    """The client got the whole answer."""
    elapsed: float
    """Seconds, of the rehearsal, from the first byte of the request to the last of the answer."""
    decision: Decision | None
    """Of a request that was refused, failed, or would have been refused by a policy in shadow."""
    calls: Sequence[Call]
    """What arrived at upstreams for it; of one that is sent alone, refused connections too."""

    @property
    def upstream_calls(self) -> int:
        """How often upstreams were called for it."""
        return len(self.calls)

    @property
    def reason(self) -> str:
        """Why the answer is not the upstream's; empty where it is."""
        enforced = self.decision is not None and self.decision.mode == "enforce"
        return self.decision.reason if self.decision is not None and enforced else ""

    @property
    def shadowed(self) -> list[str]:
        """What policies in shadow would have refused it for."""
        return [] if self.decision is None else [verdict.reason for verdict in self.decision.shadow]

    def header(self, name: str) -> str | None:
        """The values of all fields called `name`, whatever its case, with commas between them; or None."""
        return Received(headers=self.headers).header(name)


class Rehearsal:
    """A proxy for one rehearsal, with a state of its own; to be used in a `with` block.

    Not where an asyncio loop runs already: in a thread, there. `credentials` are those of
    `test_secrets`. Raises ConfigError where the configuration can't be built.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        at: float = START,
        credentials: Mapping[str, str] | None = None,
    ) -> None:
        self.configuration = as_rehearsed(configuration, credentials or {})
        self._upstreams = Upstreams(_addresses(self.configuration))
        self._loop = VirtualLoop(self._upstreams)
        self._bugs: list[dict[str, Any]] = []
        self._loop.set_exception_handler(lambda _, context: self._bugs.append(context))
        self.clock = VirtualClock(self._loop, at)
        self._seen: set[str] = set()
        try:
            self._proxy = self._loop.run_until_complete(self._start())
        except BaseException:
            self._loop.close()
            raise

    async def _start(self) -> Proxy:
        settings = Settings(Path(), access_log=False)
        return Proxy(
            settings,
            self.configuration,
            self.clock,
            Random(_SEED),
            connect=connect,
            fetch=offline,
            in_thread=at_once,
            checking=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._loop.run_until_complete(self._end())
        finally:
            self._loop.close()

    @property
    def elapsed(self) -> float:
        """Seconds that have passed since it began."""
        return self._loop.time()

    @property
    def proxy(self) -> Proxy:
        """What is rehearsed: to look at."""
        return self._proxy

    @property
    def upstream_calls(self) -> int:
        """How often upstreams were called since `script`."""
        return len(self._upstreams.calls)

    @property
    def called(self) -> set[str]:
        """Names of the upstreams that were called since `script`."""
        return {call.upstream for call in self._upstreams.calls}

    def script(self, upstream: Sequence[Answer]) -> None:
        """From now on the n-th call of an upstream gets the n-th of these answers, later ones the last."""
        self._upstreams.play(upstream)

    def send(self, request: Request) -> Rehearsed:
        """Send `request`, and return once all of the answer is there. Raises Stuck where it never comes."""
        return self.send_at_once([request])[0]

    def send_at_once(self, requests: Sequence[Request]) -> list[Rehearsed]:
        """Send all of them at the same moment. Raises Stuck where one is never answered."""
        rehearsed: list[Rehearsed] = self._run(self._send(requests))
        return rehearsed

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._run(self._pass(seconds))

    def _run(self, happening: Any) -> Any:
        self._bugs.clear()
        result = self._loop.run_until_complete(happening)
        if self._bugs:
            bug = self._bugs[0]
            raise Stuck(f"bug: {bug['message']}: {bug.get('exception')!r}")
        return result

    async def _pass(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
        await self._loop.settle()

    async def _send(self, requests: Sequence[Request]) -> list[Rehearsed]:
        before = len(self._upstreams.calls)
        received = await asyncio.gather(*(self._send_one(request) for request in requests))
        await self._loop.settle()
        calls = tuple(self._upstreams.calls[before:])
        name = self.configuration.request_id.header
        # A refused connection has no id; of one request alone it can be said whose it was.
        by_id: dict[str | None, list[Call]] = {}
        for call in calls if len(received) > 1 else ():
            by_id.setdefault(Received(headers=call.headers).header(name), []).append(call)
        return [
            Rehearsed(
                status=each.status,
                headers=each.headers,
                body=each.body,
                complete=each.complete,
                elapsed=elapsed,
                decision=self._decision(each),
                calls=calls if len(received) == 1 else tuple(by_id.get(each.header(name) or "", ())),
            )
            for each, elapsed in received
        ]

    async def _send_one(self, request: Request) -> tuple[Received, float]:
        sent = self._loop.time()
        received = await Client(self._loop, request).talk(self._loop, self._proxy.server())
        return received, self._loop.time() - sent

    def _decision(self, received: Received) -> Decision | None:
        """By the id that the answer has; without an answer, the last one that nobody had."""
        request_id = received.header(self.configuration.request_id.header)
        for decision in self._proxy.decisions.recent(1000):
            mine = decision.request_id == request_id or (request_id is None and not received.status)
            if mine and decision.id not in self._seen:
                self._seen.add(decision.id)
                return self._proxy.decisions.get(decision.id)
        return None

    async def _end(self) -> None:
        for connection in self._proxy.server.connections:
            connection.force_close()
        await self._proxy.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._loop.settle()


def rehearse(
    configuration: Configuration,
    request: Request,
    *,
    upstream: Sequence[Answer] = (Answer(),),
    at: float = START,
    credentials: Mapping[str, str] | None = None,
) -> Rehearsed:
    """Send one request through a proxy that has seen none before.

    `at` is the time on the wall clock, in seconds since the epoch. Raises ConfigError where
    the configuration can't be built, and Stuck where no answer can ever come.
    """
    with Rehearsal(configuration, at=at, credentials=credentials) as rehearsal:
        rehearsal.script(upstream)
        return rehearsal.send(request)


def as_rehearsed(configuration: Configuration, credentials: Mapping[str, str]) -> Configuration:
    """The configuration in which policies know the credentials of the tests.

    Without its warnings, and without certificates, since nobody here has one to show.
    """
    known: dict[int, PolicyConfig] = {}

    def policies(stated: tuple[PolicyInstance, ...]) -> tuple[PolicyInstance, ...]:
        return tuple(_knowing(policy, credentials, known) for policy in stated)

    def route(stated: RouteConfig) -> RouteConfig:
        return replace(stated, policies=policies(stated.policies), stated=policies(stated.stated))

    return replace(
        configuration,
        routes=tuple(map(route, configuration.routes)),
        no_route=policies(configuration.no_route),
        upstreams={
            name: msgspec.structs.replace(upstream, tls=None)
            for name, upstream in configuration.upstreams.items()
        },
        warnings=(),
    )


def _knowing(
    policy: PolicyInstance, credentials: Mapping[str, str], known: dict[int, PolicyConfig]
) -> PolicyInstance:
    """Policies that share their settings go on sharing them."""
    rehearsed = KINDS[policy.kind].rehearsed
    if rehearsed is None:
        return policy
    if id(policy.config) not in known:
        known[id(policy.config)] = rehearsed(policy.config, credentials)
    return replace(policy, config=known[id(policy.config)])


def _addresses(configuration: Configuration) -> dict[str, str]:
    """As the pool asks for them -> the upstream's name."""
    urls = {name: upstream.url for name, upstream in configuration.upstreams.items()}
    return {url.socket or f"{url.host}:{url.port}": name for name, url in urls.items()}
