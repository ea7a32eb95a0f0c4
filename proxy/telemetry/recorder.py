"""The one place that the wire tells what happened; it fans out to metrics, logs and decisions."""

from __future__ import annotations

import logging

from proxy.clock import Clock
from proxy.errors import Rejection
from proxy.exchange import Exchange, Outcome
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.audit_log import AuditLog
from proxy.telemetry.decisions import Decisions
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.shadow_report import ShadowReport

_BETWEEN_REPORTS = 60.0
_log = logging.getLogger(__name__)


class Recorder:
    """Told of every exchange, routed or not. Never raises: no request fails for its log line."""

    def __init__(
        self,
        metrics: Metrics,
        access_log: AccessLog | None,
        decisions: Decisions,
        clock: Clock,
        shadow_report: ShadowReport | None = None,
        audit_log: AuditLog | None = None,
    ) -> None:
        self._metrics = metrics
        self._access_log = access_log
        self._decisions = decisions
        self._clock = clock
        self._shadow_report = shadow_report
        self._audit_log = audit_log
        self._next_report = float("-inf")

    def started(self, _: Exchange) -> None:
        """An exchange has begun; `finished` will be called once for it."""
        self._metrics.in_flight += 1

    def attempted(self, upstream: str, status: int | None, error: Exception | None) -> None:
        """A call of `upstream` is over. A failure goes by its reason, even after a good head."""
        if error is not None:
            self._metrics.attempted(upstream, error.reason if isinstance(error, Rejection) else "error")
        else:
            self._metrics.attempted(upstream, "abandoned" if status is None else status)

    def finished(self, exchange: Exchange, outcome: Outcome) -> None:
        """An exchange is over, and its policies' finish hooks have run: they may add to the verdict."""
        try:
            route = exchange.route
            self._metrics.finished(
                route, exchange.request.method, outcome.status, outcome.ended - exchange.started
            )
            for retry in exchange.retries or ():
                self._metrics.retried(route.name, retry)
            if self._access_log is not None:
                self._access_log.write(exchange, outcome)
            if self._audit_log is not None:
                self._audit_log.write(exchange, outcome)
            if outcome.reason or exchange.refusal is not None or exchange.shadowed:
                self._verdict(exchange, outcome)
        except Exception:  # noqa: BLE001  # what we tell of an exchange must not break it
            if self._may_report():
                _log.exception("bug in telemetry; others are not logged for %g s", _BETWEEN_REPORTS)

    def _verdict(self, exchange: Exchange, outcome: Outcome) -> None:
        name, template = exchange.route.name, exchange.route.template
        if exchange.refusal is not None:
            self._metrics.refused(name, exchange.refusal.reason, "enforce", template)
        for rejection in exchange.shadowed or ():
            self._metrics.refused(name, rejection.reason, "shadow")
        now = self._clock.now()
        self._decisions.add(exchange, outcome, now)
        if exchange.shadowed and self._shadow_report is not None:
            self._shadow_report.add(self._decisions.recent(1)[0], now)

    def _may_report(self) -> bool:
        """A bug here would strike with every request: one traceback a minute says as much."""
        now = self._clock.monotonic()
        if now < self._next_report:
            return False
        self._next_report = now + _BETWEEN_REPORTS
        return True
