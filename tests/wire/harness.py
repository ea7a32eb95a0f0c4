"""Both sides of the wire played by test code: raw sockets, so that no library hides a byte."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self, cast

import pytest

from proxy.clock import SystemClock
from proxy.exchange import Exchange, Outcome, RouteFacts
from proxy.pipeline import compile_pipeline
from proxy.policy import Hooks
from proxy.problem import ProblemWriter
from proxy.router import Entry, Match, RoutingTable
from proxy.wire.carrier import forward
from proxy.wire.client import ClientConnection
from proxy.wire.peers import TrustedPeers
from proxy.wire.pool import Address, Pool
from proxy.wire.server import Listener, WireServer
from proxy.wire.serving import CompiledRoute, Serving, WireSettings
from proxy.wire.timer_wheel import TimerWheel
from proxy.wire.upstream_connection import UpstreamConnection

PATIENCE = 10.0
"""Seconds after which a test that polls gives up; no test is meant to take them."""

BOTH_LOOPS = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])
"""A test runs on asyncio's own loop and on uvloop's, which do not agree on everything."""


class SteppedClock(SystemClock):
    """The real time, and as much on top as a test has stepped."""

    def __init__(self) -> None:
        self.stepped = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.stepped


@dataclass
class Records:
    """A recorder that remembers."""

    outcomes: list[Outcome] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    attempts: list[tuple[int | None, Any]] = field(default_factory=list)
    """Status and error of each."""
    in_flight: int = 0

    def started(self, exchange: Exchange) -> None:
        self.in_flight += 1
        self.exchanges.append(exchange)

    def attempted(self, upstream: str, status: int | None, error: Exception | None) -> None:
        self.attempts.append((status, error))

    def finished(self, exchange: Exchange, outcome: Outcome) -> None:
        self.in_flight -= 1
        self.outcomes.append(outcome)


@dataclass
class Running:
    """A data port in front of an upstream."""

    port: int
    records: Records
    server: WireServer
    pool: Pool
    listener: Listener
    clock: SteppedClock
    wheel: TimerWheel
    opened: list[Peer] = field(default_factory=list)

    def advance(self, seconds: float) -> None:
        """Let time pass at once: limits that end within `seconds` expire."""
        self.clock.stepped += seconds
        self.wheel._wake()

    @property
    def upstream_connections(self) -> list[UpstreamConnection]:
        """Those that are open."""
        return list(self.pool._open)

    @property
    def clients(self) -> list[ClientConnection]:
        """Connections of clients."""
        return [client for client in self.server.connections if isinstance(client, ClientConnection)]

    @property
    def upstream_paused(self) -> bool:
        """Some upstream is not read from, since the client can't take more."""
        ends = [connection.transport for connection in self.upstream_connections]
        return any(end is not None and not end.is_reading() for end in ends)

    async def connect(self) -> Peer:
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.port))
        self.opened.append(peer)
        return peer

    async def talk(self, raw: bytes) -> bytes:
        """Send `raw`, say that no more will come once the answer stalls, and return all that was answered."""
        peer = await self.connect()
        peer.send(raw)
        return await peer.rest()

    async def settled(self) -> None:
        """Every exchange is over, and there was one: it may not have begun yet."""
        await until(lambda: self.records.in_flight == 0 and bool(self.records.exchanges))


class Peer:
    """One end of a connection, in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, raw: bytes) -> None:
        if not self.writer.is_closing():  # what asyncio ignores, uvloop raises
            self.writer.write(raw)

    async def until(self, end: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(end)

    async def head(self) -> bytes:
        return await self.until(b"\r\n\r\n")

    async def exactly(self, size: int) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readexactly(size)

    async def message(self) -> tuple[bytes, bytes]:
        """A head and its body, by Content-Length."""
        head = await self.head()
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return head, await self.exactly(length)

    async def rest(self) -> bytes:
        """All until the other side closes; a reset ends it too."""
        received = b""
        async with asyncio.timeout(PATIENCE):
            try:
                while piece := await self.reader.read(65536):
                    received += piece
            except ConnectionError:
                pass
        return received

    async def closed(self) -> bool:
        return await self.rest() == b""

    async def chunked(self) -> tuple[bytes, bytes]:
        """A head, and a chunked body as it came: to the empty line that ends it."""
        head = await self.head()
        body = b""
        while not (body.startswith(b"0\r\n") or b"\r\n0\r\n" in body):
            body += await self.until(b"\r\n")
        while not body.endswith(b"\r\n\r\n"):
            body += await self.until(b"\r\n")
        return head, body

    async def drained(self) -> None:
        """All but a little of what was sent has been taken."""
        async with asyncio.timeout(PATIENCE):
            await self.writer.drain()

    def read_ahead(self, size: int) -> None:
        """How much the test's own end takes before it is asked to: a head, at most, has this size."""
        vars(self.reader)["_limit"] = size

    def stop_reading(self) -> None:
        """From now on nothing is taken, not even by the kernel once its buffers are full."""
        cast(asyncio.Transport, self.writer.transport).pause_reading()

    def read_on(self) -> None:
        """Take things again."""
        cast(asyncio.Transport, self.writer.transport).resume_reading()

    def end(self) -> None:
        """Nothing more will be sent."""
        self.writer.write_eof()

    def close(self) -> None:
        self.writer.close()

    def abort(self) -> None:
        self.writer.transport.abort()


class RawUpstream:
    """An upstream that is scripted in bytes: `serve` gets each connection."""

    def __init__(self, serve: Callable[[Peer], Awaitable[object]]) -> None:
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self.connections = 0
        self.errors: list[BaseException] = []

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if kind is None and self.errors:
            raise self.errors[0]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(Peer(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other side has left, or the test has ended
        except Exception as error:
            self.errors.append(error)
        finally:
            writer.close()


@dataclass
class Echo:
    """Answers every request with 200 and keeps what it saw, byte for byte."""

    seen: list[bytes] = field(default_factory=list)
    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    async def __call__(self, peer: Peer) -> None:
        while True:
            head, body = await peer.message()
            self.seen.append(head + body)
            peer.send(self.answer)


def once(answer: bytes, *, then_close: bool = True) -> Callable[[Peer], Awaitable[None]]:
    """Reads one request of each connection, answers with these bytes, and closes or waits."""

    async def serve(peer: Peer) -> None:
        await peer.message()
        peer.send(answer)
        if not then_close:
            await peer.rest()

    return serve


@asynccontextmanager
async def wire(  # a test names only what it is about
    upstream_port: int,
    *policies: Any,
    settings: WireSettings | None = None,
    peers: Sequence[Any] = (),
    match: Match | None = None,
    pool: dict[str, Any] | None = None,
    address: Address | None = None,
    drain: float = 1.0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Running]:
    """A data port on a free port of loopback, with one route in front of `upstream_port`."""
    loop = asyncio.get_running_loop()
    clock = SteppedClock()
    wheel = TimerWheel(loop, clock.monotonic)
    to = Pool(
        "app",
        address or Address(f"127.0.0.1:{upstream_port}", "127.0.0.1", upstream_port),
        **{"max_connections": 100, "idle_timeout": 30.0, "wait": 1.0, **(pool or {})},
        loop=loop,
        wheel=wheel,
        monotonic=clock.monotonic,
    )
    hooks = [policy if isinstance(policy, Hooks) else Hooks.of(policy) for policy in policies]
    render = ProblemWriter().render
    route = CompiledRoute(RouteFacts("all", "/**"), compile_pipeline(hooks, forward, render), to)
    no_route = CompiledRoute(RouteFacts("", ""), compile_pipeline([], forward, render), to)
    records = Records()
    serving = Serving(
        RoutingTable([Entry(match or Match("/**"), route)]), no_route, records, peers=TrustedPeers(peers)
    )
    server = WireServer(serving, settings or WireSettings(), clock, wheel, loop)
    listener = Listener(server, drain=drain, tls=tls)
    name = await listener.open("127.0.0.1:0")
    running = Running(int(name.rpartition(":")[2]), records, server, to, listener, clock, wheel)
    try:
        yield running
    finally:
        for peer in running.opened:
            peer.close()
        await listener.close()
        await to.close()
        wheel.close()


async def until(condition: Callable[[], bool]) -> None:
    """Poll, for what real sockets bring in their own time."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.001)


async def secured(running: Running, trusting: ssl.SSLContext) -> Peer:
    """A client over TLS."""
    ends = await asyncio.open_connection("127.0.0.1", running.port, ssl=trusting, server_hostname="localhost")
    peer = Peer(*ends)
    running.opened.append(peer)
    return peer
