"""The running proxy: one revision served, the next one loaded or refused."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from random import Random, SystemRandom
from threading import Lock
from typing import Literal, NamedTuple

import msgspec

from proxy import __version__
from proxy.admin.answers import answer
from proxy.admin.bodies import Route, RoutePolicy
from proxy.admin.running import Details
from proxy.app.auditing import audit_log
from proxy.app.breakers import Breakers, gauges, log_change
from proxy.app.compile import Parts, Plan, PlannedRoute, compile_plan, head_caps
from proxy.app.fetching import Fetcher
from proxy.app.health_checks import Checks
from proxy.app.heap import HEAP
from proxy.app.identity_headers import identity_headers
from proxy.app.loading import load_steadily
from proxy.app.reload_log import ReloadLog
from proxy.app.settings import Settings
from proxy.app.store_health import store_health
from proxy.app.vault import vault
from proxy.app.watching import Watcher
from proxy.app.workers import Workers
from proxy.clock import Clock, SystemClock
from proxy.config.configuration import Configuration
from proxy.config.dismantle import dismantle
from proxy.config.inputs import Inputs
from proxy.config.loader import load
from proxy.config.model import UpstreamConfig
from proxy.errors import ConfigError, Problem
from proxy.exchange import Response, RouteFacts
from proxy.fetch import Fetch
from proxy.policies import PIPELINE_ORDER
from proxy.policy import Hooks, InThread, Shared, Switched, unsealed
from proxy.router import Entry, RoutingTable
from proxy.stores.guarded import GuardedStore
from proxy.stores.memory import MemoryStore
from proxy.stores.opening import AnyStore
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.batch_writer import BatchWriter
from proxy.telemetry.decisions import Decisions
from proxy.telemetry.metrics import Audited, Metrics
from proxy.telemetry.recorder import Recorder
from proxy.telemetry.redaction import Redaction
from proxy.telemetry.shadow_report import ShadowReport
from proxy.wire.certificate import Certificate
from proxy.wire.connecting import Connect, connect
from proxy.wire.peers import TrustedPeers
from proxy.wire.pool import Address, Pool
from proxy.wire.server import WireServer
from proxy.wire.serving import CompiledRoute, Serving, WireSettings
from proxy.wire.timer_wheel import TimerWheel

_STDOUT = 1

_log = logging.getLogger("seawall")


def read_policies(settings: Settings) -> Configuration:
    """Load the files; raises ConfigError with every problem."""
    return load(
        settings.policies,
        PIPELINE_ORDER,
        env=os.environ,
        allow_literal_secrets=settings.allow_literal_secrets,
        default_upstream=settings.upstream,
        environment=settings.env,
    )


class _Revision(NamedTuple):
    """All of one, ready to be swapped in."""

    plan: Plan
    pools: dict[str, tuple[UpstreamConfig, Pool]]
    serving: Serving
    checks: Checks


class Proxy:
    """Holds what is live, and swaps it. Made inside the running loop; raises ConfigError."""

    def __init__(  # noqa: PLR0913  # parts of which a rehearsal brings its own
        self,
        settings: Settings,
        configuration: Configuration,
        clock: Clock | None = None,
        random: Random | None = None,
        *,
        store: AnyStore | None = None,
        fetch: Fetch | None = None,
        in_thread: InThread | None = None,
        connect: Connect = connect,
        checking: bool = True,
    ) -> None:
        self.settings = settings
        self._connect = connect
        self._checking = checking
        self.clock = clock or SystemClock()
        self.started_at, self._began = self.clock.now(), self.clock.monotonic()
        self.draining = False
        self.decisions = Decisions()
        self._loop = asyncio.get_running_loop()
        self._wheel = TimerWheel(self._loop, self.clock.monotonic)
        stdout = Lock()
        self.audit = audit_log(settings, self.clock, self._loop.call_later, stdout)
        self._store = store or MemoryStore(self.clock)
        self._fetcher = Fetcher()
        self._workers = Workers()
        random = random or SystemRandom()
        self._parts = Parts(
            self.clock,
            random,
            self._store,
            Shared(),
            log_change,
            () if self.audit is None else (Hooks(on_request=self.audit.admit),),
            fetch=fetch or self._fetcher,
            in_thread=in_thread or self._workers,
            vault=partial(vault, os.environ, random) if isinstance(self._store, GuardedStore) else unsealed,
        )
        self._breakers = Breakers(self._parts.state)
        self._pools: dict[str, tuple[UpstreamConfig, Pool]] = {}
        self._writer = BatchWriter(_STDOUT, lock=stdout) if settings.access_log else None
        self._access_log = (
            AccessLog(self._writer, self.clock, self._loop.call_later) if self._writer else None
        )
        self._metrics = Metrics(
            log_dropped=lambda: self._access_log.dropped if self._access_log else 0,
            turned_away=lambda: self.server.turned_away,
            connections=lambda: self.server.open_connections,
            tasks=lambda: len(asyncio.all_tasks(self._loop)),
            breakers=self._breakers.states,
            gauges=lambda: gauges(self._parts.state),
            audit=self._audited,
            store=self._store if isinstance(self._store, GuardedStore) else None,
            looked_at=self._healthy,
            certificate_expires=lambda: self.certificate.expires if self.certificate else None,
        )
        self.shadow_report = ShadowReport(self._metrics.exchanges)
        self._recorder = Recorder(
            self._metrics, self._access_log, self.decisions, self.clock, self.shadow_report, self.audit
        )
        self._reloading = asyncio.Lock()
        self._reloads = ReloadLog(self.started_at)
        self.inputs = Inputs()
        """What the last attempt to load has looked at."""
        self.watcher: Watcher | None = None
        self.certificate: Certificate | None = None
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

    async def reload(self, *, watched: bool = False) -> str:
        """Serve what the files say now, or go on with what worked; returns the revision.

        `watched`: a change was seen, nobody asked; what was said last is not said again. Raises
        ConfigError, which has been logged and counted, and nothing has changed.
        """
        async with self._reloading:
            now = self.clock.now()
            replaced = [_Revision(self._plan, self._pools, self.server.serving, self._checks)]
            try:
                self._go_live(await load_steadily(self._load, self._begin, self.clock))
            except ConfigError as error:
                self._refused(error, now, watched=watched)
                raise
            except Exception as error:
                message = "cannot be loaded, because of a bug in Seawall; its log has more"
                refused = ConfigError([Problem(str(self.settings.policies), 0, 0, "", message)])
                self._refused(refused, now, bug=error, watched=watched)
                raise refused from error
            if self.configuration.revision != replaced[0].plan.configuration.revision:
                self._live_since = now
            await asyncio.to_thread(self._let_go, replaced, now, watched=watched)
            return self.configuration.revision

    def _load(self) -> _Revision:
        configuration = read_policies(self.settings)
        try:
            return self._build(configuration)
        except ConfigError:
            dismantle(configuration)
            raise

    def _begin(self) -> Inputs:
        self.inputs = Inputs(self.settings.policies)
        return self.inputs

    def _let_go(self, replaced: list[_Revision], at: float, *, watched: bool) -> None:
        """In a thread, since it takes a while: say what has changed, then free what was live."""
        with HEAP.passing():
            before = replaced.pop().plan
            self._reloads.accepted(before.configuration, self.configuration, at, watched=watched)
            dismantle(before.configuration)
            routes = [*before.routes, *before.configuration.routes]
            del before
            while routes:  # one by one, so that requests come in between
                routes.pop()
        HEAP.tidy()

    def _build(self, configuration: Configuration) -> _Revision:
        """All that can fail, and nothing that is felt: what is live stays as it is."""
        self._parts.state.begin()
        checks = Checks(configuration, self._parts)
        plan = compile_plan(configuration, self._parts, health=checks.of)
        pools = {
            name: self._pool_for(name, upstream, plan) for name, upstream in configuration.upstreams.items()
        }
        return _Revision(plan, pools, self._serving(plan, pools), checks)

    def _go_live(self, revision: _Revision) -> None:
        configuration = revision.plan.configuration
        self._metrics.configure(configuration.metrics.namespace, configuration.metrics.buckets)
        before, self._pools = self._pools, revision.pools
        self._plan, self._checks = revision.plan, revision.checks
        if self._checking:
            self._checks.go_by(revision.plan.addresses)
        self.server.serve(revision.serving)
        self._parts.state.commit()
        for name, old in before.items():
            if name not in self._pools or self._pools[name][1] is not old[1]:
                old[1].retire()
        self._metrics.loaded(configuration.revision, self.clock.now())
        self.shadow_report.follow(configuration, self.clock.now())
        redaction = None
        if configuration.log.redact:
            paths = [str(route.match.path) for route in configuration.routes]
            redaction = Redaction(configuration.log.redact, paths)
        for each in (self.decisions, self._access_log, self.audit):
            if each is not None:
                each.redaction = redaction
        if self.audit is not None:
            self.audit.add("policies", {"decision": "allowed", "revision": configuration.revision})
        self._reloads.warned(configuration.warnings)

    def _refused(self, error: ConfigError, at: float, *, bug: Exception | None = None, watched: bool) -> None:
        self._parts.state.rollback()
        if self.audit is not None:
            self.audit.add("policies", {"decision": "refused", "revision": self.configuration.revision})
        self._metrics.load_failed(at)
        self._reloads.refused(error, at, bug=bug, watched=watched)
        HEAP.tidy()

    def _serving(self, plan: Plan, pools: Mapping[str, tuple[UpstreamConfig, Pool]]) -> Serving:
        configuration = plan.configuration
        routes = [Entry(route.match, _compiled(route, pools)) for route in plan.routes]
        anywhere = next(iter(pools.values()))[1]  # what has no route is never forwarded
        return Serving(
            table=RoutingTable(routes),
            no_route=CompiledRoute(
                RouteFacts("", "", revision=configuration.revision), plan.no_route, anywhere
            ),
            recorder=self._recorder,
            peers=TrustedPeers([network.network for network in configuration.clients.trusted_proxies]),
            caps=head_caps(configuration),
            request_id_header=configuration.request_id.header,
            identity_headers=identity_headers(configuration),
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
        if old is not None and _reached_alike(old[0], upstream):
            return upstream, old[1]
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
            connect=self._connect,
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
        if self.draining:
            return False, "draining"
        if self.audit is not None and self.audit.unavailable:
            return False, "audit log"
        missing = self._checks.missing()
        return not missing, missing

    def metrics(self, accept: str) -> tuple[bytes, str]:
        """The exposition and its content type."""
        return self._metrics.render(accept)

    def details(self) -> Details:
        """For operators: what is live, since when, and how it is doing."""
        return Details(
            version=__version__,
            revision=self.configuration.revision,
            live_since=self._live_since,
            uptime=self.clock.monotonic() - self._began,
            last_reload=self._reloads.last,
            last_change=self._reloads.last_change,
            watching=self.watcher.how if self.watcher else "off",
            draining=self.draining,
            in_flight=self.in_flight,
            access_log_error=self._access_log.error if self._access_log else "",
            audit_log_error=self.audit.error if self.audit else "",
            checks={name: check.summary() for name, check in self._checks.named().items()},
            upstreams={name: self._upstream(name, pool) for name, (_, pool) in self._pools.items()},
            store=store_health(self._store, self.clock.monotonic()),
        )

    def _upstream(self, name: str, pool: Pool) -> dict[str, object]:
        check = self._checks.of(name)
        return {**pool.summary(), **({} if check is None else {"health": check.summary()})}

    def breakers(self) -> dict[str, str]:
        """Name -> `closed`, `open` or `half-open` of every circuit breaker that is enforced."""
        return self._breakers.states()

    def breakers_seen(self) -> dict[str, Switched]:
        """Name -> all there is to see of it."""
        return self._breakers.seen()

    def force_breaker(self, name: str, state: Literal["open", "closed"] | None) -> Switched | None:
        """Hold one open or closed; with None it decides again. None where there is no such breaker."""
        return self._breakers.force(name, state)

    def routes(self) -> list[Route]:
        """Name, match, upstream and policies of every route."""
        return [
            Route(
                name=route.name,
                path=route.match.path,
                methods=list(route.match.methods),
                hosts=list(route.match.hosts),
                upstream=route.upstream,
                policies=[
                    RoutePolicy(kind=each.kind, mode=str(each.mode), place=each.place)
                    for each in route.policies
                ],
                place=route.place,
            )
            for route in self.configuration.routes
        ]

    async def close(self) -> None:
        """After the last exchange: what policies do by themselves, upstream connections, timers, log."""
        self._parts.state.close()
        await self._fetcher.close()
        await asyncio.gather(*(pool.close() for _, pool in self._pools.values()))
        self._wheel.close()
        self._workers.close()
        if self._access_log is not None:
            self._access_log.close()
        if self.audit is not None:
            self.audit.add("process", {"decision": "allowed", "what": "stop"})
            if not await asyncio.to_thread(self.audit.close):
                _log.error("audit log: %d lines were lost", self.audit.dropped)

    def _healthy(self) -> Mapping[str, Mapping[str, bool]]:
        return self._checks.healthy()

    def _audited(self) -> Audited | None:
        audit = self.audit
        return None if audit is None else Audited(bool(audit.error), audit.dropped)


def _reached_alike(one: UpstreamConfig, other: UpstreamConfig) -> bool:
    """Connections to the one are as good for the other; never so with TLS, whose files may have changed."""
    alike = msgspec.structs.replace(one, health_check=None) == msgspec.structs.replace(
        other, health_check=None
    )
    return alike and other.tls is None


def _compiled(route: PlannedRoute, pools: Mapping[str, tuple[UpstreamConfig, Pool]]) -> CompiledRoute:
    own = pools[route.upstream][1]
    others: dict[str | None, Pool] = {name: pools[name][1] for name in route.others}
    return CompiledRoute(route.facts, route.pipeline, own, others={None: own, **others} if others else others)
