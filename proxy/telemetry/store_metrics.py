"""What Prometheus sees of a store: `<store>_operations_total`, `<store>_operation_duration_seconds`."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from proxy.stores.guarded import DURATIONS, STATUSES, GuardedStore
from proxy.telemetry.families import Families


def store_families(families: Families, store: GuardedStore) -> Iterator[Metric]:
    """Both, for as many operations as were asked for."""
    yield families.counters(
        f"{store.kind}_operations",
        "What the store was asked: ok, full, error, timeout; skipped where it was known to be away.",
        ("operation", "status"),
        (  # with each status: a counter that appears with its first failures has, to a rate, never grown
            ((name, status), operation.statuses.get(status, 0))
            for name, operation in store.operations.items()
            for status in STATUSES
        ),
    )
    yield families.histograms(
        f"{store.kind}_operation_duration_seconds",
        "Of what the store was asked, until its answer or the time-out.",
        ("operation",),
        DURATIONS,
        (((name,), operation.counts, operation.seconds) for name, operation in store.operations.items()),
    )
