"""An event loop on which no time passes but what timers ask for, and which reaches no network.

Nothing ready to run: it jumps to the next timer. No timer either: what is awaited can
never come, and that is an error instead of a wait without end. So a minute of traffic takes
as long as its callbacks do, and every run is the same.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Protocol

from proxy.clock import SystemClock
from proxy.errors import SeawallError
from proxy.wire.pool import Address
from proxy.wire.upstream_connection import UpstreamConnection

_MOST_TURNS_AT_ONCE = 100_000
"""Turns of the loop in which no time passes: more is a callback that calls itself for ever."""


class Stuck(SeawallError):
    """What is awaited will never happen."""


class Network(Protocol):
    """Where connections that are opened on the loop lead."""

    async def connect(self, protocol: asyncio.Protocol, to: str, tls: object) -> asyncio.Transport:
        """Connect `protocol` to `to` (`host:port`, or a path); raises OSError."""
        ...


class VirtualLoop(asyncio.BaseEventLoop):
    """asyncio's own loop without a selector: `BaseEventLoop` leaves that to its subclasses."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._network = network
        self._now = 0.0
        self._turns = 0
        self._quiet: list[asyncio.Future[None]] = []
        self._selector = self  # asked by BaseEventLoop, once a turn, how long there is nothing to do

    def time(self) -> float:
        """Seconds since the loop was made; moves from timer to timer."""
        return self._now

    async def settle(self) -> None:
        """Return once nothing is left to do at this moment; raises Stuck."""
        quiet = self.create_future()
        self._quiet.append(quiet)
        await quiet

    # ---- what BaseEventLoop asks of a subclass

    def select(self, timeout: float | None) -> tuple[()]:
        """Nothing is ready for `timeout` seconds; None: for ever. Raises Stuck."""
        if timeout == 0:
            self._turns += 1
            if self._turns > _MOST_TURNS_AT_ONCE:
                self._turns = 0
                raise Stuck("the proxy goes round and round, and no time passes")
        elif self._quiet:
            quiet, self._quiet = self._quiet, []
            for waiting in quiet:
                if not waiting.done():
                    waiting.set_result(None)
        elif timeout is None:
            raise Stuck("nothing is under way any more that could bring an answer")
        else:
            self._turns = 0
            # Not by adding `timeout`: sums of floats would drift away from what was asked for.
            self._now = max(self._now, self._scheduled[0]._when)  # type: ignore[attr-defined]  # noqa: SLF001
        return ()

    def _process_events(self, event_list: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps who would have to be woken."""

    # ---- the world outside

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """At once, in this thread: threads would finish in an order of their own."""
        del executor
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # it belongs to who awaits the future
            future.set_exception(error)
        return future

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        host: str | None = None,
        port: int | None = None,
        *,
        ssl: object = None,
        **_: object,
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """A connection in memory. TLS is taken for granted: there are no certificates here."""
        protocol = protocol_factory()
        return await self._network.connect(protocol, f"{host}:{port}", ssl), protocol

    async def create_unix_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        path: str | None = None,
        *,
        ssl: object = None,
        **_: object,
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """As `create_connection`."""
        protocol = protocol_factory()
        return await self._network.connect(protocol, str(path), ssl), protocol

    async def getaddrinfo(self, host: object, *_: object, **__: object) -> Any:
        """No name server is asked."""
        raise socket.gaierror(socket.EAI_FAIL, f"no names are looked up in a rehearsal: {host}")


async def connect(
    loop: asyncio.AbstractEventLoop, address: Address, new: Callable[[], UpstreamConnection]
) -> UpstreamConnection:
    """As `proxy.wire.connecting.connect`, without a name looked up or a socket opened."""
    if address.unix:
        return (await loop.create_unix_connection(new, address.unix, ssl=address.tls))[1]
    return (await loop.create_connection(new, address.host, address.port, ssl=address.tls))[1]


class VirtualClock(SystemClock):
    """The time of a virtual loop; `start` is what the wall clock shows when it begins."""

    def __init__(self, loop: VirtualLoop, start: float) -> None:
        self._loop = loop
        self._start = start

    def now(self) -> float:
        return self._start + self._loop.time()

    def monotonic(self) -> float:
        return self._loop.time()
