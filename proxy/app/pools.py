"""The connections to upstreams: a pool for each, which outlives edits that do not concern it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from proxy.app.compile import Plan
from proxy.clock import Clock
from proxy.config.model import UpstreamConfig
from proxy.wire.connecting import Connect
from proxy.wire.pool import Address, Pool
from proxy.wire.timer_wheel import TimerWheel


class Reached(NamedTuple):
    """An upstream as a revision has it, and the connections to it."""

    upstream: UpstreamConfig
    pool: Pool


class Pools:
    """By the names of the upstreams of the revision that is live."""

    def __init__(
        self, connect: Connect, clock: Clock, wheel: TimerWheel, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._wheel = wheel
        self._loop = loop
        self.live: Mapping[str, Reached] = {}

    def planned(self, plan: Plan) -> dict[str, Reached]:
        """Those of a revision that is not live yet; what is reached as before keeps its connections."""
        planned = {}
        for name, upstream in plan.configuration.upstreams.items():
            pool = self._kept(name, upstream) or self._new(name, upstream, plan.addresses[name])
            planned[name] = Reached(upstream, pool)
        return planned

    def go_live(self, planned: Mapping[str, Reached]) -> None:
        """From now on it is these; what is in use of others is closed when it is done."""
        before, self.live = self.live, planned
        for name, old in before.items():
            if name not in planned or planned[name].pool is not old.pool:
                old.pool.retire()

    async def close(self) -> None:
        """After the last exchange."""
        await asyncio.gather(*(each.pool.close() for each in self.live.values()))

    def _kept(self, name: str, upstream: UpstreamConfig) -> Pool | None:
        old = self.live.get(name)
        return old.pool if old is not None and _reached_alike(old.upstream, upstream) else None

    def _new(self, name: str, upstream: UpstreamConfig, address: Address) -> Pool:
        return Pool(
            name,
            address,
            max_connections=upstream.pool.max_connections,
            idle_timeout=upstream.pool.idle_timeout,
            wait=upstream.pool.wait,
            loop=self._loop,
            wheel=self._wheel,
            monotonic=self._clock.monotonic,
            connect=self._connect,
        )


def _reached_alike(one: UpstreamConfig, other: UpstreamConfig) -> bool:
    """Connections to the one are as good for the other; never so with TLS, whose files may have changed."""
    unchecked = msgspec.structs.replace(one, health_check=None)
    return unchecked == msgspec.structs.replace(other, health_check=None) and other.tls is None
