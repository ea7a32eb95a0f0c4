"""What is counted and written down, as the command line and the files that are live ask for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from threading import Lock

from proxy.app.auditing import audit_log
from proxy.app.breakers import Breakers, gauges
from proxy.app.settings import Settings
from proxy.clock import Clock
from proxy.config.configuration import Configuration
from proxy.state import Shared
from proxy.stores.guarded import GuardedStore
from proxy.stores.opening import AnyStore
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.batch_writer import BatchWriter
from proxy.telemetry.decisions import Decisions
from proxy.telemetry.metrics import Audited, Metrics
from proxy.telemetry.recorder import Recorder
from proxy.telemetry.redaction import Redaction
from proxy.telemetry.shadow_report import ShadowReport
from proxy.wire.server import WireServer

_STDOUT = 1

_log = logging.getLogger("seawall")


class Telemetry:
    """Metrics, logs, decisions and reports of one proxy. Raises ValueError where a log cannot be written."""

    def __init__(  # what is looked at when somebody asks
        self,
        settings: Settings,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        *,
        server: Callable[[], WireServer],
        state: Shared,
        store: AnyStore,
        healthy: Callable[[], Mapping[str, Mapping[str, bool]]],
        certificate_expires: Callable[[], float | None],
    ) -> None:
        stdout = Lock()
        self.audit = audit_log(settings, clock, loop.call_later, stdout)
        writer = BatchWriter(_STDOUT, lock=stdout) if settings.access_log else None
        self.access_log = AccessLog(writer, clock, loop.call_later) if writer else None
        self.decisions = Decisions()
        self.metrics = Metrics(
            log_dropped=lambda: self.access_log.dropped if self.access_log else 0,
            turned_away=lambda: server().turned_away,
            connections=lambda: server().open_connections,
            tasks=lambda: len(asyncio.all_tasks(loop)),
            breakers=Breakers(state).states,
            gauges=lambda: gauges(state),
            audit=self._audited,
            store=store if isinstance(store, GuardedStore) else None,
            looked_at=healthy,
            certificate_expires=certificate_expires,
        )
        self.shadow_report = ShadowReport(self.metrics.exchanges)
        self.recorder = Recorder(
            self.metrics, self.access_log, self.decisions, clock, self.shadow_report, self.audit
        )

    def follow(self, configuration: Configuration, at: float) -> None:
        """This is live since `at`, and says how to tell of what comes."""
        self.metrics.loaded(configuration.revision, at)
        self.shadow_report.follow(configuration, at)
        redaction = None
        if configuration.log.redact:
            paths = [str(route.match.path) for route in configuration.routes]
            redaction = Redaction(configuration.log.redact, paths)
        for each in (self.decisions, self.access_log, self.audit):
            if each is not None:
                each.redaction = redaction
        self._audit_of_files("allowed", configuration)

    def refused(self, live: Configuration, at: float) -> None:
        """Files were refused at `at`, and `live` stays."""
        self._audit_of_files("refused", live)
        self.metrics.load_failed(at)

    async def close(self) -> None:
        """After the last exchange."""
        if self.access_log is not None:
            self.access_log.close()
        if self.audit is not None:
            self.audit.add("process", {"decision": "allowed", "what": "stop"})
            if not await asyncio.to_thread(self.audit.close):
                _log.error("audit log: %d lines were lost", self.audit.dropped)

    def _audit_of_files(self, decision: str, live: Configuration) -> None:
        if self.audit is not None:
            self.audit.add("policies", {"decision": decision, "revision": live.revision})

    def _audited(self) -> Audited | None:
        audit = self.audit
        return None if audit is None else Audited(bool(audit.error), audit.dropped)
