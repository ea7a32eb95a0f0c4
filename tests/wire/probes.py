"""Policies and observers that several tests of the wire share."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from proxy.errors import Rejection
from proxy.exchange import AttemptLimits, Exchange, Forward, Outcome, Response
from proxy.policy import Later
from proxy.wire.client import ClientConnection
from proxy.wire.upstream_connection import UpstreamConnection
from tests.wire.harness import Peer, Running

GET = b"GET /a HTTP/1.1\r\nHost: example.com\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MiB = 2**20
BUFFERED = 40 * MiB
"""More than all kernel buffers between two ends take on loopback; a body without an end is far more."""
BLOCK = bytes(range(256)) * 256


class Passes:
    """A policy that waits, and lets everything through as it comes."""

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        return await forward(exchange)


WAYS = [pytest.param((), id="callbacks"), pytest.param((Passes(),), id="a policy waits")]
"""The two ways in which an exchange is carried, and which are to look the same from outside."""


class Reads:
    """A policy that reads the whole body."""

    body = b""

    async def on_request(self, exchange: Exchange) -> None:
        self.body = await exchange.body()


class ReadsAnswer:
    """A policy that reads the body of each answer, up to its limit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.read: list[bytes | None] = []

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        response = await forward(exchange)
        self.read.append(await response.body(self.limit))
        return response


class Script:
    """An upstream of which each connection does what the next entry says; the last one repeats."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.requests: list[bytes] = []

    async def __call__(self, peer: Peer) -> None:
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        await step(self, peer)


async def answers(script: Script, peer: Peer) -> None:
    while True:
        script.requests.append(b"".join(await peer.message())[:4])
        peer.send(OK)


class Limits:
    """A policy that sets limits and a deadline, as `timeout` and `deadline` do."""

    def __init__(self, deadline: float | None = None, **limits: float) -> None:
        self.deadline = deadline
        self.limits = AttemptLimits(**limits)

    def on_request(self, exchange: Exchange) -> None:
        exchange.limits = self.limits
        if self.deadline is not None:
            exchange.bound_time(exchange.started + self.deadline, Rejection(504, "deadline.exceeded"))


class Permits:
    """A policy that takes something and must give it back exactly once."""

    def __init__(self) -> None:
        self.taken = 0
        self.returned: list[Exchange] = []

    def on_request(self, exchange: Exchange) -> None:
        self.taken += 1

    def on_finish(self, exchange: Exchange, outcome: Outcome) -> None:
        self.returned.append(exchange)


class Holds:
    """A policy that holds exchanges until they are ended."""

    async def on_request(self, exchange: Exchange) -> None:
        await asyncio.Event().wait()


class HoldsLater:
    """A policy whose plain hook has exchanges wait until they are ended."""

    def on_request(self, exchange: Exchange) -> Later:
        return self._wait

    async def _wait(self) -> None:
        await asyncio.Event().wait()


class WaitsNowAndThen:
    """A policy whose plain hook has the request wait, as for a place; `gate` lets it go on."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.waiting = 0

    def on_request(self, exchange: Exchange) -> Later:
        return self._wait

    async def _wait(self) -> None:
        self.waiting += 1
        await self.gate.wait()


async def says_nothing(peer: Peer) -> None:
    """An upstream that takes requests and never answers."""
    await peer.rest()


async def answers_half(peer: Peer) -> None:
    """An upstream that stops in the middle of its answer."""
    await peer.head()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    await peer.rest()


async def ask(running: Running, request: bytes = GET) -> tuple[bytes, bytes]:
    """One request on a connection of its own; head and body of the answer."""
    peer = await running.connect()
    peer.send(request)
    answer = await peer.message()
    peer.close()
    return answer


async def send_on(peer: Peer) -> None:
    """Send as much as is taken, without an end."""
    while not peer.writer.transport.is_closing():
        peer.send(BLOCK)
        await peer.writer.drain()


def refusal(head: bytes, body: bytes) -> tuple[int, str]:
    """Status and reason of a problem+json answer."""
    problem = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % problem["status"])
    return problem["status"], problem["reason"]


def waits(running: Running) -> bool:
    """The request is at the upstream."""
    return any(connection.carrier is not None for connection in running.upstream_connections)


def received(running: Running) -> int:
    """Bytes of the request's body that have arrived; of one that is over, more than any."""
    if not running.records.exchanges:
        return 0
    carrier = running.records.exchanges[-1].carrier
    return 2**62 if carrier is None else carrier.body.total


def held_by_proxy(running: Running) -> int:
    """Bytes in the proxy's own memory: what it could not write yet."""
    ends: list[ClientConnection | UpstreamConnection] = [*running.clients, *running.upstream_connections]
    return sum(end.transport.get_write_buffer_size() for end in ends if end.transport is not None)


async def still(value: Callable[[], int]) -> None:
    """Until nothing has moved for a while: what the kernel's buffers take has no event of its own."""
    before, same = value(), 0
    while same < 30:
        await asyncio.sleep(0.002)
        before, same = value(), same + 1 if value() == before else 0
