"""What Prometheus sees of a store: `<store>_operations_total`, `<store>_operation_duration_seconds`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from proxy.stores.guarded import DURATIONS, STATUSES, GuardedStore


def store_families(named: Callable[[str], str], store: GuardedStore) -> Iterator[Metric]:
    """`named` puts the namespace in front."""
    operations = CounterMetricFamily(
        named(f"{store.kind}_operations"),
        "What the store was asked: ok, full, error, timeout; skipped where it was known to be away.",
        labels=("operation", "status"),
    )
    durations = HistogramMetricFamily(
        named(f"{store.kind}_operation_duration_seconds"),
        "Of what the store was asked, until its answer or the time-out.",
        labels=("operation",),
    )
    bounds = [*map(floatToGoString, DURATIONS), "+Inf"]
    for name, operation in store.operations.items():
        for status in STATUSES:  # a counter that appears with its first failures has, to a rate, never grown
            operations.add_metric((name, status), operation.statuses.get(status, 0))
        counts = zip(bounds, accumulate(operation.counts), strict=True)
        durations.add_metric((name,), list(counts), operation.seconds)
    yield operations
    yield durations
