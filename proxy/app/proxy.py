"""The running proxy: one revision served, the next one loaded or refused."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from functools import partial
from random import Random, SystemRandom
from typing import Literal, NamedTuple

from proxy import __version__
from proxy.admin.bodies import Route
from proxy.admin.running import Details
from proxy.app.breakers import Breakers, log_change
from proxy.app.compile import Parts, Plan, compile_plan
from proxy.app.fetching import Fetcher
from proxy.app.health_checks import Checks
from proxy.app.heap import HEAP
from proxy.app.loading import load_steadily
from proxy.app.pools import Pools, Reached
from proxy.app.reload_log import ReloadLog
from proxy.app.serving import serving
from proxy.app.settings import Settings
from proxy.app.store_health import store_health
from proxy.app.telemetry import Telemetry
from proxy.app.vault import vault
from proxy.app.watching import Watcher
from proxy.app.workers import Workers
from proxy.clock import Clock, SystemClock
from proxy.config.configuration import Configuration
from proxy.config.dismantle import dismantle
from proxy.config.inputs import Inputs
from proxy.config.loader import load
from proxy.errors import ConfigError, Problem
from proxy.fetch import Fetch
from proxy.policies import PIPELINE_ORDER
from proxy.policy import Hooks, InThread, unsealed
from proxy.state import Shared, Switched
from proxy.stores.guarded import GuardedStore
from proxy.stores.memory import MemoryStore
from proxy.stores.opening import AnyStore
from proxy.wire.certificate import Certificate
from proxy.wire.connecting import Connect, connect
from proxy.wire.pool import Pool
from proxy.wire.server import WireServer
from proxy.wire.serving import Serving, WireSettings
from proxy.wire.timer_wheel import TimerWheel


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
    pools: Mapping[str, Reached]
    serving: Serving
    checks: Checks


def _free(revisions: list[_Revision]) -> None:
    """The last one is live no more, or never was, and nobody else knows it."""
    plan = revisions.pop().plan
    dismantle(plan.configuration)
    routes = [*plan.routes, *plan.configuration.routes]
    del plan
    while routes:  # one by one, so that requests come in between
        routes.pop()


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
        self._checking = checking
        self.clock = clock or SystemClock()
        self.started_at, self._began = self.clock.now(), self.clock.monotonic()
        self.draining = False
        loop, state = asyncio.get_running_loop(), Shared()
        self._wheel = TimerWheel(loop, self.clock.monotonic)
        self._store = store or MemoryStore(self.clock)
        self._telemetry = Telemetry(
            settings,
            self.clock,
            loop,
            server=lambda: self.server,
            state=state,
            store=self._store,
            healthy=self._healthy,
            certificate_expires=lambda: self.certificate.expires if self.certificate else None,
        )
        self.decisions, self.shadow_report = self._telemetry.decisions, self._telemetry.shadow_report
        self.audit = self._telemetry.audit
        self._fetcher = Fetcher()
        self._workers = Workers()
        random = random or SystemRandom()
        self._parts = Parts(
            self.clock,
            random,
            self._store,
            state,
            log_change,
            () if self.audit is None else (Hooks(on_request=self.audit.admit),),
            fetch=fetch or self._fetcher,
            in_thread=in_thread or self._workers,
            vault=partial(vault, os.environ, random) if isinstance(self._store, GuardedStore) else unsealed,
        )
        self._breakers = Breakers(state)
        self._pools = Pools(connect, self.clock, self._wheel, loop)
        self._reloading = asyncio.Lock()
        self._reloads = ReloadLog(self.started_at)
        self.inputs = Inputs()
        """What the last attempt to load has looked at."""
        self.watcher: Watcher | None = None
        self.certificate: Certificate | None = None
        revision = self._build(configuration)
        self._live_since = self.started_at
        wire = WireSettings(max_body=settings.max_body, max_buffered=settings.max_buffered)
        self.server = WireServer(revision.serving, wire, self.clock, self._wheel, loop)
        self._go_live(revision)

    # ---- revisions

    @property
    def configuration(self) -> Configuration:
        """What is live."""
        return self._live.plan.configuration

    async def reload(self, *, watched: bool = False) -> str:
        """Serve what the files say now, or go on with what worked; returns the revision.

        `watched`: a change was seen, nobody asked; what was said last is not said again. Raises
        ConfigError, which has been logged and counted, and nothing has changed.
        """
        async with self._reloading:
            now = self.clock.now()
            replaced = [self._live]
            try:
                self._go_live(await load_steadily(self._load, _free, self._begin, self.clock))
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
        except Exception:
            dismantle(configuration)
            raise

    def _begin(self) -> Inputs:
        self.inputs = Inputs(self.settings.policies)
        return self.inputs

    def _let_go(self, replaced: list[_Revision], at: float, *, watched: bool) -> None:
        """In a thread, since it takes a while: say what has changed, then free what was live."""
        with HEAP.passing():
            before = replaced[0].plan.configuration
            self._reloads.accepted(before, self.configuration, at, watched=watched)
            del before
            _free(replaced)
        HEAP.tidy()

    def _build(self, configuration: Configuration) -> _Revision:
        """All that can fail, and nothing that is felt: what is live stays as it is."""
        self._parts.state.begin()
        checks = Checks(configuration, self._parts)
        plan = compile_plan(configuration, self._parts, health=checks.of)
        pools = self._pools.planned(plan)
        return _Revision(plan, pools, serving(plan, pools, self._telemetry.recorder, self), checks)

    def _go_live(self, revision: _Revision) -> None:
        configuration = revision.plan.configuration
        self._telemetry.metrics.configure(configuration.metrics.namespace, configuration.metrics.buckets)
        self._live = revision
        if self._checking:
            revision.checks.go_by(revision.plan.addresses)
        self.server.serve(revision.serving)
        self._parts.state.commit()
        self._pools.go_live(revision.pools)
        self._telemetry.follow(configuration, self.clock.now())
        self._reloads.warned(configuration.warnings)

    def _refused(self, error: ConfigError, at: float, *, bug: Exception | None = None, watched: bool) -> None:
        self._parts.state.rollback()
        self._telemetry.refused(self.configuration, at)
        self._reloads.refused(error, at, bug=bug, watched=watched)
        HEAP.tidy()

    # ---- what the other two ports tell

    @property
    def in_flight(self) -> int:
        """Exchanges that are not over."""
        return self._telemetry.metrics.in_flight

    def live(self) -> bool:
        """The loop answers, so it is."""
        return True

    def ready(self) -> tuple[bool, str]:
        """Whether requests should be sent here."""
        if self.draining:
            return False, "draining"
        if self.audit is not None and self.audit.unavailable:
            return False, "audit log"
        missing = self._live.checks.missing() if self._checking else ""
        return not missing, missing

    def metrics(self, accept: str) -> tuple[bytes, str]:
        """The exposition and its content type."""
        return self._telemetry.metrics.render(accept)

    def details(self) -> Details:
        """For operators: what is live, since when, and how it is doing."""
        access_log = self._telemetry.access_log
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
            access_log_error=access_log.error if access_log else "",
            audit_log_error=self.audit.error if self.audit else "",
            checks={name: check.summary() for name, check in self._live.checks.named().items()},
            upstreams={name: self._upstream(name, pool) for name, (_, pool) in self._pools.live.items()},
            store=store_health(self._store, self.clock.monotonic()),
        )

    def _healthy(self) -> Mapping[str, Mapping[str, bool]]:
        return self._live.checks.healthy()

    def _upstream(self, name: str, pool: Pool) -> dict[str, object]:
        check = self._live.checks.of(name)
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
        return [Route.of(route) for route in self.configuration.routes]

    async def close(self) -> None:
        """After the last exchange: what policies do by themselves, upstream connections, timers, log."""
        self._parts.state.close()
        await self._fetcher.close()
        await self._pools.close()
        self._wheel.close()
        self._workers.close()
        await self._telemetry.close()
