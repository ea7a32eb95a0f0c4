"""The running proxy: one revision served, the next one loaded or refused."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from random import SystemRandom
from typing import NamedTuple

from proxy import __version__
from proxy.admin.answers import answer
from proxy.admin.running import Details, LastReload
from proxy.app.compile import Parts, Plan, compile_plan, head_caps
from proxy.app.settings import Settings
from proxy.clock import Clock, SystemClock
from proxy.config.configuration import Configuration
from proxy.config.loader import load
from proxy.config.model import UpstreamConfig
from proxy.errors import ConfigError, Problem
from proxy.exchange import NO_ROUTE, Response
from proxy.policies import PIPELINE_ORDER
from proxy.policy import Shared
from proxy.router import Entry, RoutingTable
from proxy.stores.memory import MemoryStore
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.batch_writer import BatchWriter
from proxy.telemetry.decisions import Decisions
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.recorder import Recorder
from proxy.wire.peers import TrustedPeers
from proxy.wire.pool import Address, Pool
from proxy.wire.server import WireServer
from proxy.wire.serving import CompiledRoute, Serving, WireSettings
from proxy.wire.timer_wheel import TimerWheel

_log = logging.getLogger("seawall")
_STDOUT = 1


def read_policies(settings: Settings) -> Configuration:
    """Load the files; raises ConfigError with every problem."""
    return load(
        settings.policies,
        PIPELINE_ORDER,
        env=os.environ,
        allow_literal_secrets=settings.allow_literal_secrets,
        default_upstream=settings.upstream,
    )


class _Revision(NamedTuple):
    """All of one, ready to be swapped in."""

    plan: Plan
    pools: dict[str, tuple[UpstreamConfig, Pool]]
    serving: Serving


class Proxy:
    """Holds what is live, and swaps it. Made inside the running loop; raises ConfigError."""

    def __init__(self, settings: Settings, configuration: Configuration, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.started_at = self.clock.now()
        self.draining = False
        self.decisions = Decisions()
        self._loop = asyncio.get_running_loop()
        self._wheel = TimerWheel(self._loop, self.clock.monotonic)
        store = MemoryStore(self.clock)
        self._parts = Parts(self.clock, SystemRandom(), store, Shared())
        self._pools: dict[str, tuple[UpstreamConfig, Pool]] = {}
        self._writer = BatchWriter(_STDOUT) if settings.access_log else None
        self._access_log = (
            AccessLog(self._writer, self.clock, self._loop.call_later) if self._writer else None
        )
        self._metrics = Metrics(log_dropped=lambda: self._access_log.dropped if self._access_log else 0)
        self._recorder = Recorder(self._metrics, self._access_log, self.decisions, self.clock)
        self._reloading = asyncio.Lock()
        self._last_reload = LastReload(ok=True, at=self.started_at)
        revision = self._build(configuration)
        self._live_since = self.started_at
        wire = WireSettings(max_body=settings.max_body, max_buffered=settings.max_buffered)
        self.server = WireServer(revision.serving, wire, self.clock, self._wheel, self._loop)
        self._go_live(revision)

    # ---- revisions

    @property
    def configuration(self) -> Configuration:
        """What is live."""
        return self._plan.configuration

    async def reload(self) -> str:
        """Serve what the files say now, or go on with what worked; returns the revision.

        Raises ConfigError, which has been logged and counted, and nothing has changed.
        """
        async with self._reloading:
            now, before = self.clock.now(), self.configuration.revision
            try:
                # In a thread: a thousand routes take a while, and requests must not wait for it.
                revision = await asyncio.to_thread(lambda: self._build(read_policies(self.settings)))
                self._go_live(revision)
            except ConfigError as error:
                _log.error("the policy files have problems; the old policies stay\n%s", error)
                self._refused(error, now)
                raise
            except Exception as error:
                _log.exception("bug while loading the policy files; the old policies stay")
                message = "cannot be loaded, because of a bug in Seawall; its log has more"
                refused = ConfigError([Problem(str(self.settings.policies), 0, 0, "", message)])
                self._refused(refused, now)
                raise refused from error
            self._last_reload = LastReload(ok=True, at=now)
            configuration = self.configuration
            unchanged = configuration.revision == before
            self._live_since = self._live_since if unchanged else now
            said = ", as before" if unchanged else ""
            _log.info("revision %s is live%s", configuration.short_revision, said)
            _collect_garbage()
            return configuration.revision

    def _build(self, configuration: Configuration) -> _Revision:
        """All that can fail, and nothing that is felt: what is live stays as it is."""
        self._parts.state.begin()
        plan = compile_plan(configuration, self._parts)
        pools = {
            name: self._pool_for(name, upstream, plan) for name, upstream in configuration.upstreams.items()
        }
        return _Revision(plan, pools, self._serving(plan, pools))

    def _go_live(self, revision: _Revision) -> None:
        configuration = revision.plan.configuration
        self._metrics.configure(configuration.metrics.namespace, configuration.metrics.buckets)
        before, self._pools = self._pools, revision.pools
        self._plan = revision.plan
        self.server.serving = revision.serving
        self._parts.state.commit()
        for name, old in before.items():
            if self._pools.get(name) is not old:
                old[1].retire()
        self._metrics.loaded(configuration.revision, self.clock.now())
        for problem in configuration.warnings:
            _log.warning("%s", problem)

    def _refused(self, error: ConfigError, now: float) -> None:
        self._parts.state.rollback()
        self._metrics.load_failed(now)
        self._last_reload = LastReload(ok=False, at=now, problems=tuple(map(str, error.problems)))
        _collect_garbage()

    def _serving(self, plan: Plan, pools: Mapping[str, tuple[UpstreamConfig, Pool]]) -> Serving:
        configuration = plan.configuration
        routes = [
            Entry(route.match, CompiledRoute(route.facts, route.pipeline, pools[route.upstream][1]))
            for route in plan.routes
        ]
        anywhere = next(iter(pools.values()))[1]  # what has no route is never forwarded
        return Serving(
            table=RoutingTable(routes),
            no_route=CompiledRoute(NO_ROUTE, plan.no_route, anywhere),
            recorder=self._recorder,
            peers=TrustedPeers([network.network for network in configuration.clients.trusted_proxies]),
            caps=head_caps(configuration),
            request_id_header=configuration.request_id.header,
            accept_request_id=configuration.request_id.accept == "trusted",
            local=self._local(configuration),
        )

    def _local(self, configuration: Configuration) -> dict[str, Callable[[], Response]]:
        """Paths of the data port that are answered before routing."""
        local: dict[str, Callable[[], Response]] = {}
        for path, kind in configuration.health.paths.items():
            local[path] = partial(answer, kind, self)
        if configuration.metrics.path is not None:
            local[configuration.metrics.path] = partial(answer, "metrics", self)
        return local

    def _pool_for(self, name: str, upstream: UpstreamConfig, plan: Plan) -> tuple[UpstreamConfig, Pool]:
        """The pool of an upstream whose settings are as before keeps its connections."""
        old = self._pools.get(name)
        if old is not None and old[0] == upstream and upstream.tls is None:  # files may have changed
            return old
        return upstream, self._pool(name, upstream, plan.addresses[name])

    def _pool(self, name: str, upstream: UpstreamConfig, address: Address) -> Pool:
        return Pool(
            name,
            address,
            max_connections=upstream.pool.max_connections,
            idle_timeout=upstream.pool.idle_timeout,
            wait=upstream.pool.wait,
            loop=self._loop,
            wheel=self._wheel,
            monotonic=self.clock.monotonic,
        )

    # ---- what the other two ports tell

    @property
    def in_flight(self) -> int:
        """Exchanges that are not over."""
        return self._metrics.in_flight

    def live(self) -> bool:
        """The loop answers, so it is."""
        return True

    def ready(self) -> tuple[bool, str]:
        """Whether requests should be sent here."""
        return (False, "draining") if self.draining else (True, "")

    def metrics(self, accept: str) -> tuple[bytes, str]:
        """The exposition and its content type."""
        return self._metrics.render(accept)

    def details(self) -> Details:
        """For operators: what is live, since when, and how it is doing."""
        return Details(
            version=__version__,
            revision=self.configuration.revision,
            live_since=self._live_since,
            uptime=self.clock.now() - self.started_at,
            last_reload=self._last_reload,
            draining=self.draining,
            in_flight=self.in_flight,
            access_log_error=self._access_log.error if self._access_log else "",
            upstreams={name: pool.summary() for name, (_, pool) in self._pools.items()},
        )

    def routes(self) -> list[dict[str, object]]:
        """Name, match, upstream and policies of every route."""
        return [
            {
                "name": route.name,
                "path": route.match.path,
                "methods": list(route.match.methods),
                "hosts": list(route.match.hosts),
                "upstream": route.upstream,
                "policies": [{"kind": p.kind, "mode": str(p.mode), "place": p.place} for p in route.policies],
                "place": route.place,
            }
            for route in self.configuration.routes
        ]

    async def close(self) -> None:
        """After the last exchange: upstream connections, timers, log."""
        await asyncio.gather(*(pool.close() for _, pool in self._pools.values()))
        self._wheel.close()
        if self._access_log is not None:
            self._access_log.close()


def _collect_garbage() -> None:
    """Parsed files are full of cycles, and while serving the collector hardly ever runs by itself."""
    gc.collect()
