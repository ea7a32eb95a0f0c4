"""The wire without sockets: bytes go into the protocols and come out of fake transports, at once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from proxy.exchange import RouteFacts
from proxy.pipeline import compile_pipeline
from proxy.policy import Hooks
from proxy.problem import ProblemWriter
from proxy.router import Entry, Match, RoutingTable
from proxy.wire.carrier import forward
from proxy.wire.client import ClientConnection
from proxy.wire.peers import Network, TrustedPeers
from proxy.wire.pool import Address, Pool
from proxy.wire.server import WireServer
from proxy.wire.serving import CompiledRoute, Serving, WireSettings
from proxy.wire.timer_wheel import TimerWheel
from proxy.wire.upstream_connection import UpstreamConnection
from tests.wire.harness import Records, SteppedClock

_HIGH_WATER = 64 * 1024


class FakeTransport(asyncio.Transport):
    """Takes everything at once; or nothing more, while it is `stuck`. Strict about its use."""

    def __init__(self, loop: asyncio.AbstractEventLoop, peer: str, stand_in: socket.socket) -> None:
        super().__init__({"peername": (peer, 50000), "socket": stand_in})
        self._loop = loop
        self.protocol: Any = None
        self.written = b""
        self.unsent = 0
        self.stuck = False
        self.reading = True
        self.ended = False
        self.closing = False
        self.aborted = False
        self.left = False
        self.wasted = 0
        """Writes when it was closed already, each of which asyncio logs after the fifth."""
        self.lost = False
        """It is closed, and its protocol is about to hear of that..."""
        self.gone = False
        """...or has heard: from here on uvloop's transports raise when they are used."""
        self.over = False
        """The test is: what was last to be seen of it stays so."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.ended, "write after write_eof"
        if self.closing:
            self.wasted += 1
            return
        self.written += data
        if self.stuck:
            before, self.unsent = self.unsent, self.unsent + len(data)
            if before <= _HIGH_WATER < self.unsent:
                self.protocol.pause_writing()

    def unstick(self) -> None:
        """The other side reads all of it."""
        self.stuck = False
        before, self.unsent = self.unsent, 0
        if self.closing:
            self._lose()
        elif before > _HIGH_WATER:
            self.protocol.resume_writing()

    def take(self) -> bytes:
        """What was written since the last time."""
        written, self.written = self.written, b""
        return written

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        assert not self.gone, "pause_reading on a closed transport"
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.gone, "resume_reading on a closed transport"
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if self.over:
            return
        self.closing = True
        if not self.unsent:
            self._lose()

    def abort(self) -> None:
        if self.over:
            return
        self.closing = self.aborted = True
        self._lose()

    def _lose(self) -> None:
        if not self.lost:
            self.lost = True
            self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        if not self.gone:
            self.protocol.connection_lost(None)
            self.gone = True

    # ---- the other side

    def send(self, data: bytes) -> None:
        """The other side sends; lost where the transport does not read, or is closed."""
        if self.reading and not self.closing and not self.left:
            self.protocol.data_received(data)

    def leave(self) -> None:
        """The other side sends no more."""
        if self.closing or self.left:
            return
        self.left = True
        if not self.protocol.eof_received():
            self.close()

    def end(self) -> None:
        """The test is over."""
        self.over = True
        if not self.gone:
            self._tell()

    @property
    def open(self) -> bool:
        """It can still be sent to."""
        return not self.closing


class BarePool(Pool):
    """Opens a connection in no time, to nobody."""

    made: list[FakeTransport]
    stand_in: socket.socket

    def _connect(self, limit: float) -> None:
        opening: Any = object()
        self._opening.add(opening)
        self._loop.call_soon(self._open_at_once, opening)

    def _open_at_once(self, opening: Any) -> None:
        connection = self._new()
        transport = FakeTransport(self._loop, "192.0.2.80", self.stand_in)
        transport.protocol = connection
        connection.connection_made(transport)
        self.made.append(transport)
        self._open.add(connection)
        self.release(connection)
        self._opening.discard(opening)
        self._fill_places()


class Bare:
    """A server whose clients and upstreams are fake transports."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *policies: Any,
        settings: WireSettings | None = None,
        peers: Sequence[Network] = (),
        match: Match | None = None,
        max_connections: int = 100,
    ) -> None:
        self.loop = loop
        self.clock = SteppedClock()
        self.wheel = TimerWheel(loop, self.clock.monotonic)
        self.pool = BarePool(
            "app",
            Address("upstream", "upstream", 80),
            max_connections=max_connections,
            idle_timeout=30.0,
            wait=1.0,
            loop=loop,
            wheel=self.wheel,
            monotonic=self.clock.monotonic,
        )
        self.pool.made = []
        self.stand_in = self.pool.stand_in = socket.socket()  # what resets a connection wants to see one
        self.clients: list[FakeTransport] = []
        self.records = Records()
        render = ProblemWriter().render
        hooks = [policy if isinstance(policy, Hooks) else Hooks.of(policy) for policy in policies]
        route = CompiledRoute(RouteFacts("all", "/**"), compile_pipeline(hooks, forward, render), self.pool)
        no_route = CompiledRoute(RouteFacts("", ""), compile_pipeline([], forward, render), self.pool)
        self.server = WireServer(
            Serving(
                RoutingTable([Entry(match or Match("/**"), route)]),
                no_route,
                self.records,
                peers=TrustedPeers(peers),
            ),
            settings or WireSettings(),
            self.clock,
            self.wheel,
            loop,
        )
        self.errors: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: self.errors.append(context))

    def client(self, address: str = "192.0.2.1") -> FakeTransport:
        """A connection from `address`."""
        transport = FakeTransport(self.loop, address, self.stand_in)
        transport.protocol = self.server()
        transport.protocol.connection_made(transport)
        self.clients.append(transport)
        return transport

    @property
    def upstreams(self) -> list[FakeTransport]:
        """Connections to the upstream, closed ones included, the oldest first."""
        return self.pool.made

    def settle(self) -> None:
        """Let the loop run until nothing is ready any more; a dozen turns are plenty for one exchange."""
        for _ in range(12):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        self.clock.stepped += seconds
        self.wheel._wake()
        self.settle()

    def connection(self, transport: FakeTransport) -> ClientConnection | UpstreamConnection:
        """The protocol behind it."""
        protocol: ClientConnection | UpstreamConnection = transport.protocol
        return protocol


@contextmanager
def bare(*policies: Any, **settings: Any) -> Iterator[Bare]:
    """A `Bare` on a loop of its own; every callback's exception fails the test."""
    loop = asyncio.new_event_loop()
    here = Bare(loop, *policies, **settings)
    try:
        yield here
        assert [] == here.errors
    finally:
        for transport in (*here.upstreams, *here.clients):
            transport.end()
        here.wheel.close()
        here.settle()
        here.stand_in.close()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
