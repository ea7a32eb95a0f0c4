"""What Prometheus sees. Counts live in plain dicts; Prometheus's types appear at the scrape.

Namespace and buckets may change while running: the namespace is a prefix that is put on at
the scrape, so that all counts go on under the new names; new buckets start the histogram
from nothing, which Prometheus takes for a restart, and everything else goes on.

Label values are bounded: methods beyond the standard's, statuses that are none, and
whatever comes when a family has `MOST_SERIES` label sets are counted as `other`.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from proxy.exchange import RouteFacts
from proxy.stores.guarded import GuardedStore
from proxy.telemetry.exposition import Counted, http_text
from proxy.telemetry.families import Families
from proxy.telemetry.store_metrics import store_families

K = TypeVar("K", bound=Hashable)

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds; what is usual with Prometheus."""
MOST_SERIES = 2_000
"""A scrape of so many takes the event loop 20 ms."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
_OPEN_METRICS = "application/openmetrics-text"
_EXCEEDED = "rate_limit.exceeded"
_STORE, _OTHER_STORE = "store", "circuit_breaker/store"
"""The breaker of the store; that of a policy, where an operator or a route has called it so."""
_STATES = {"closed": 0, "open": 1, "half-open": 2}
_NAMESPACE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Audited(NamedTuple):
    """How the audit log is doing."""

    failing: bool
    dropped: int


class _Series:
    """The exchanges of one endpoint and method."""

    __slots__ = ("counts", "seconds", "statuses")

    def __init__(self, bounds: int) -> None:
        self.counts = [0] * (bounds + 1)
        self.seconds = 0.0
        self.statuses: dict[int, int] = {}


class Metrics(Collector):
    """Counts on one thread; `render` on the same. Raises ValueError where a name or bucket is none.

    `log_dropped` tells how many lines the access log has lost, `turned_away` how many connections of
    clients were one too many, `connections` how many are open, `tasks` how many the event loop has,
    `breakers` the state of each circuit breaker by its name, `gauges` other numbers of policies (metric,
    name, value), and `audit` how the audit log is doing, where there is one. `store` is the one that can
    fail; `looked_at` tells which upstreams and checks are well.
    """

    def __init__(  # noqa: PLR0913  # whom to ask at a scrape, each by name
        self,
        namespace: str = "seawall",
        buckets: Sequence[float] = BUCKETS,
        *,
        log_dropped: Callable[[], int] = lambda: 0,
        turned_away: Callable[[], int] = lambda: 0,
        connections: Callable[[], int] = lambda: 0,
        tasks: Callable[[], int] = lambda: 0,
        breakers: Callable[[], Mapping[str, str]] = dict,
        gauges: Callable[[], Iterable[tuple[str, str, float]]] = tuple,
        audit: Callable[[], Audited | None] = lambda: None,
        store: GuardedStore | None = None,
        looked_at: Callable[[], Mapping[str, Mapping[str, bool]]] = lambda: {"upstream": {}, "check": {}},
    ) -> None:
        self._log_dropped = log_dropped
        self._turned_away = turned_away
        self._connections = connections
        self._tasks = tasks
        self._breakers = breakers
        self._gauges = gauges
        self._audit = audit
        self._store = store
        self._looked_at = looked_at
        self._bounds: list[float] = []
        self.in_flight = 0
        """Exchanges that are not over; whoever tells of one that began counts it up."""
        self._series: dict[tuple[str, str], _Series] = {}
        self._refusals: dict[tuple[str, str, str], int] = {}
        self._exceeded: dict[str, int] = {}
        self._attempts: dict[tuple[str, int | str], int] = {}
        self._retries: dict[tuple[str, str, str], int] = {}
        self._revision = ""
        self._loaded = True
        self._loaded_at = 0.0
        self.configure(namespace, buckets)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def configure(self, namespace: str, buckets: Sequence[float]) -> None:
        """Count on under `namespace`, and in `buckets`: ascending upper bounds in seconds."""
        if not _NAMESPACE.fullmatch(namespace):
            raise ValueError(f"{namespace!r} cannot begin a metric's name; expected letters, digits and _")
        bounds = [float(bound) for bound in buckets]
        if not bounds or bounds != sorted(set(bounds)) or not all(map(math.isfinite, bounds)):
            raise ValueError("the buckets of a histogram ascend, and there is at least one")
        self._namespace = namespace
        if bounds != self._bounds:
            self._bounds = bounds
            for series in self._series.values():
                series.counts, series.seconds = [0] * (len(bounds) + 1), 0.0

    def finished(self, route: RouteFacts, method: str, status: int, seconds: float) -> None:
        """An exchange is over. `status` is what the client got; `seconds` from head to last byte."""
        self.in_flight -= 1
        series = self._series.get((route.template, method)) or self._other_series(route.template, method)
        series.counts[bisect_left(self._bounds, seconds)] += 1
        series.seconds += seconds
        try:
            series.statuses[status] += 1
        except KeyError:
            status = status if 100 <= status <= 599 else 0
            series.statuses[status] = series.statuses.get(status, 0) + 1

    def refused(self, route: str, reason: str, mode: str, endpoint: str = "") -> None:
        """A refusal by us, or a failure that we answered; in `shadow` what would have been one."""
        _count(self._refusals, (route or "none", reason, mode), ("other", "other", mode))
        if reason == _EXCEEDED and mode == "enforce":
            _count(self._exceeded, endpoint or "none", "other")

    def attempted(self, upstream: str, outcome: int | str) -> None:
        """A call of `upstream` is over: with a status, or a word for how it failed."""
        try:
            self._attempts[upstream, outcome] += 1
        except KeyError:
            if isinstance(outcome, int) and not 100 <= outcome <= 599:
                outcome = "other"
            _count(self._attempts, (upstream, outcome), ("other", "other"))

    def retried(self, route: str, error_class: str, outcome: str) -> None:
        """A call came to nothing and was repeated, or was not; see the policy `retry`."""
        _count(self._retries, (route, error_class, outcome), ("other", "other", outcome))

    def loaded(self, revision: str, at: float) -> None:
        """The policy files with hash `revision` are live since `at` (seconds since the epoch)."""
        self._revision, self._loaded, self._loaded_at = revision, True, at

    def load_failed(self, at: float) -> None:
        """The policy files were refused at `at`; those before stay."""
        self._loaded, self._loaded_at = False, at

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """All of it and its content type: OpenMetrics where `accept` asks for it, else plain text."""
        wanted = _OPEN_METRICS if _OPEN_METRICS in accept else ""
        encode, content_type = choose_encoder(wanted)
        exchanges = http_text(
            f"{self._namespace}_http_requests",
            f"{self._namespace}_http_request_duration_seconds",
            self._bounds,
            (
                Counted(endpoint, method, series.statuses, series.counts, series.seconds)
                for (endpoint, method), series in self._series.items()
            ),
            open_metrics=bool(wanted),
        )
        return exchanges.encode() + encode(self._registry), content_type

    def exchanges(self) -> dict[str, dict[str, int]]:
        """Endpoint -> method -> how many exchanges are over; the endpoint `none` is what has no route."""
        counted: dict[str, dict[str, int]] = {}
        for (endpoint, method), series in self._series.items():
            counted.setdefault(endpoint, {})[method] = sum(series.statuses.values())
        return counted

    def collect(self) -> Iterator[Metric]:
        """All that does not grow with routes and methods, for prometheus_client to write."""
        families = Families(self._namespace)
        yield families.gauge("http_requests_in_flight", "Exchanges that are not over.", self.in_flight)
        yield from self._decision_families(families)
        yield from self._state_families(families)
        if self._store is not None:
            yield from store_families(families, self._store)
        yield from self._own_families(families)

    def _decision_families(self, families: Families) -> Iterator[Metric]:
        yield families.counters(
            "refusals",
            "Exchanges that were refused, or failed and were answered here; in shadow, would have been.",
            ("route", "reason", "mode"),
            self._refusals.items(),
        )
        yield families.counters(
            "upstream_attempts",
            "Calls of an upstream by status, or by the reason of their failure.",
            ("upstream", "outcome"),
            (((upstream, str(outcome)), count) for (upstream, outcome), count in self._attempts.items()),
        )
        yield families.counters(
            "retries",
            "Calls that came to nothing, by what became of the next one, or why there was none.",
            ("route", "class", "outcome"),
            self._retries.items(),
        )
        exceeded = (((endpoint,), count) for endpoint, count in self._exceeded.items())
        yield families.counters("rate_limit_exceeded", "Requests over a rate limit.", ("endpoint",), exceeded)

    def _state_families(self, families: Families) -> Iterator[Metric]:
        """Of breakers, checks, and whatever else policies keep."""
        states = {_OTHER_STORE if name == _STORE else name: state for name, state in self._breakers().items()}
        if self._store is not None:
            states[_STORE] = self._store.condition().breaker
        breakers = {name: _STATES[state] for name, state in states.items()}
        yield families.gauges("circuit_breaker_state", "0 closed, 1 open, 2 half-open.", "name", breakers)
        for what, healthy in self._looked_at().items():
            yield families.gauges(f"{what}_healthy", "1 where the last checks say so, else 0.", what, healthy)
        gauges: dict[str, dict[str, float]] = {}
        for metric, name, value in self._gauges():
            gauges.setdefault(metric, {})[name] = value
        for metric, values in gauges.items():
            text = f"{metric.replace('_', ' ').capitalize()} of a policy, by its name."
            yield families.gauges(metric, text, "name", values)

    def _own_families(self, families: Families) -> Iterator[Metric]:
        yield families.gauge(
            "config_last_reload_success", "1 where the policy files of now are live.", self._loaded
        )
        yield families.gauge(
            "config_last_reload_timestamp_seconds",
            "When the policy files were loaded, or refused, last.",
            self._loaded_at,
        )
        revision = InfoMetricFamily(families.name("config"), "Hash of the policy files that are live.")
        revision.add_metric((), {"hash": self._revision})
        yield revision
        yield families.counter(
            "access_log_dropped",
            "Lines that the access log lost, since they could not be written.",
            self._log_dropped(),
        )
        yield families.counter(
            "connections_turned_away",
            "Connections of clients that were closed at once, since as many were open as may be.",
            self._turned_away(),
        )
        yield families.gauge(
            "client_connections", "Connections of clients that are open.", self._connections()
        )
        yield families.gauge(
            "tasks", "Tasks of the event loop: without traffic, always the same.", self._tasks()
        )
        audited = self._audit()
        if audited is not None:
            yield families.gauge(
                "audit_log_failing", "1 while the audit log cannot be written.", audited.failing
            )
            yield families.counter("audit_log_dropped", "Lines that the audit log lost.", audited.dropped)

    def _other_series(self, endpoint: str, method: str) -> _Series:
        key = (endpoint or "none", method if method in METHODS else "other")
        series = self._series.get(key)
        if series is None and len(self._series) >= MOST_SERIES:
            key = ("other", "other")
            series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series(len(self._bounds))
        return series


def _count(counts: dict[K, int], key: K, rest: K) -> None:
    if key not in counts and len(counts) >= MOST_SERIES:
        key = rest
    counts[key] = counts.get(key, 0) + 1
