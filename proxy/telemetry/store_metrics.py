"""What Prometheus sees of a store: `<store>_operations_total`, `<store>_operation_duration_seconds`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from proxy.stores.guarded import DURATIONS, GuardedStore
from proxy.telemetry.families import Families


def store_families(families: Families, store: GuardedStore) -> Iterator[Metric]:
    """Both, for as many operations as were asked for."""
    yield families.counters(
        f"{store.kind}_operations",
        "What the store was asked: ok, full, error, timeout; skipped where it was known to be away.",
        ("operation", "status"),
        (
            ((name, status), count)
            for name, operation in store.operations.items()
            for status, count in operation.statuses.items()
        ),
    )
    durations = HistogramMetricFamily(
        families.name(f"{store.kind}_operation_duration_seconds"),
        "Of what the store was asked, until its answer or the time-out.",
        labels=("operation",),
    )
    bounds = [*map(floatToGoString, DURATIONS), "+Inf"]
    for name, operation in store.operations.items():
        counts = zip(bounds, accumulate(operation.counts), strict=True)
        durations.add_metric((name,), list(counts), operation.seconds)
    yield durations
