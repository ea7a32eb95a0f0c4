"""Connections to one upstream, kept open between requests and bounded in number."""

from __future__ import annotations

import asyncio
import math
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.errors import UpstreamError
from proxy.wire.connecting import Connect, connect
from proxy.wire.timer_wheel import TimerWheel
from proxy.wire.upstream_connection import UpstreamConnection

if TYPE_CHECKING:
    from proxy.wire.attempts import Attempts


@dataclass(frozen=True, slots=True)
class Address:
    """Where an upstream is, and how it is spoken to."""

    authority: str
    """What stands in Host where the client's is not passed on."""
    host: str = ""
    port: int = 0
    unix: str = ""
    """Path of a socket; then host and port count for nothing."""
    tls: ssl.SSLContext | None = None
    server_name: str | None = None


class Pool:
    """Hands out connections to one upstream: the warmest idle one, else a new one, else a wait."""

    def __init__(  # noqa: PLR0913  # the settings of one upstream, all of them by name
        self,
        name: str,
        address: Address,
        *,
        max_connections: int,
        idle_timeout: float,
        wait: float,
        loop: asyncio.AbstractEventLoop,
        wheel: TimerWheel,
        monotonic: Callable[[], float],
        connect: Connect = connect,
    ) -> None:
        self.name = name
        self.address = address
        self.max_connections = max_connections
        self.idle_timeout = idle_timeout
        self.wait = wait
        self._loop = loop
        self._monotonic = monotonic
        self._connect_to = connect
        self._idle: list[UpstreamConnection] = []
        self._open: set[UpstreamConnection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._waiting: deque[Attempts] = deque()
        self._sweep = wheel.timer(self._close_idle)
        self._retired = False

    def __repr__(self) -> str:
        return (
            f"<Pool {self.name}: {len(self._open)} open, {len(self._idle)} idle, "
            f"{len(self._opening)} opening, {len(self._waiting)} waiting>"
        )

    def summary(self) -> dict[str, int]:
        """For operators: how many connections are in which state."""
        return {
            "open": len(self._open),
            "idle": len(self._idle),
            "opening": len(self._opening),
            "waiting": len(self._waiting),
            "max": self.max_connections,
        }

    def acquire(self) -> UpstreamConnection | None:
        """An idle connection that is still good, the last used first; None where there is none."""
        while self._idle:
            connection = self._idle.pop()
            if self._monotonic() - connection.idle_since > connection.idle_limit:
                connection.close()
            elif connection.usable:
                return connection
        return None

    def wait_for(self, carrier: Attempts) -> bool:
        """Call `carrier.connected` or `carrier.attempt_failed` later; False: it is in a queue for a place."""
        self._waiting.append(carrier)
        if len(self._open) + len(self._opening) >= self.max_connections:
            return False
        self._connect(carrier.exchange.limits.connect)
        return True

    def forget(self, carrier: Attempts) -> None:
        """`carrier` waits no more."""
        try:
            self._waiting.remove(carrier)
        except ValueError:
            return

    def release(self, connection: UpstreamConnection) -> None:
        """`connection` is free: for whoever has waited longest, else to be kept."""
        if not self.idle_timeout and connection.used:
            connection.close()  # each request has one of its own
            return
        if self._waiting:
            self._waiting.popleft().connected(connection)
            return
        if self._retired:
            connection.close()
            return
        connection.idle_since = self._monotonic()
        self._idle.append(connection)
        if self._sweep.expires_at == math.inf:
            self._sweep.set(connection.idle_since + self.idle_timeout)

    def lost(self, connection: UpstreamConnection) -> None:
        """`connection` is closed: its place is free."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._fill_places()

    def retire(self) -> None:
        """No configuration names this upstream any more: what is in flight may finish."""
        self._retired = True
        self._sweep.cancel()
        while self._idle:
            self._idle.pop().close()

    async def close(self) -> None:
        """Close everything."""
        self.retire()
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        for connection in tuple(self._open):
            connection.close()

    def _connect(self, limit: float) -> None:
        task = self._loop.create_task(self._open_one())
        self._opening.add(task)
        # Who waits gives up by their own time limit, a little earlier: else the place would be filled anew.
        expiry = self._loop.call_later(limit + 0.1, task.cancel)

        def opened(done: asyncio.Task[None]) -> None:
            expiry.cancel()
            self._opening.discard(done)
            self._fill_places()

        task.add_done_callback(opened)

    async def _open_one(self) -> None:
        try:
            connection = await self._connect_to(self._loop, self.address, self._new)
        except (OSError, ValueError) as error:  # the second for a name that is none
            self._fail_one(str(error) or type(error).__name__)
            return
        if connection.usable:
            self._open.add(connection)
            self.release(connection)
        elif connection.heard:
            self._fail_one(
                connection.unasked, "upstream.bad_response", "The upstream's answer can't be used."
            )
        else:
            self._fail_one("it was closed as soon as it was open")

    def _new(self) -> UpstreamConnection:
        connection = UpstreamConnection(self, self._loop)
        connection.idle_limit = self.idle_timeout
        return connection

    def _fail_one(
        self,
        why: str,
        reason: str = "upstream.unreachable",
        detail: str = "The upstream can't be reached.",
    ) -> None:
        """Each attempt to connect that fails is one waiting exchange's answer."""
        if self._waiting:
            self._waiting.popleft().attempt_failed(
                UpstreamError(502, reason, detail, cause=f"{self.name}: {why}", nothing_sent=True)
            )

    def _fill_places(self) -> None:
        """Somebody waits and there is a place: open a connection."""
        while (
            len(self._waiting) > len(self._opening)
            and len(self._open) + len(self._opening) < self.max_connections
        ):
            self._connect(self._waiting[0].exchange.limits.connect)

    def _close_idle(self) -> None:
        """Close what was idle too long, and come again for the rest."""
        now = self._monotonic()
        for connection in [c for c in self._idle if now - c.idle_since >= c.idle_limit]:
            self._idle.remove(connection)
            connection.close()
        if self._idle:
            self._sweep.set(self._idle[0].idle_since + self.idle_timeout)
