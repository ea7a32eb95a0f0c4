"""What is written here is what prometheus_client would write, line by line."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families

from proxy.exchange import RouteFacts
from proxy.telemetry.exposition import DURATIONS, REQUESTS
from proxy.telemetry.metrics import Metrics

BUCKETS = (0.005, 1, 2.5)
EXCHANGES = (
    ("/t/{id}", "GET", 200, 0.001),
    ("/t/{id}", "GET", 404, 2.0),
    ("/t/{id}", "POST", 200, 1e-7),
    ('/with "quotes"\\and\nlines', "GET", 200, 99.0),
    ("/ünïcode", "BREW", 999, 0.0),
)


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics(namespace="ingestion", buckets=BUCKETS)
    for path, method, status, seconds in EXCHANGES:
        metrics.finished(RouteFacts("a", path), method, status, seconds)
    return metrics


def by_the_library() -> CollectorRegistry:
    """The same exchanges, counted by prometheus_client."""
    registry = CollectorRegistry()
    labels = ("method", "endpoint")
    requests = Counter("ingestion_http_requests", REQUESTS, (*labels, "status"), registry=registry)
    durations = Histogram(
        "ingestion_http_request_duration_seconds", DURATIONS, labels, registry=registry, buckets=BUCKETS
    )
    for path, method, status, seconds in EXCHANGES:
        known = "other" if method == "BREW" else method
        requests.labels(known, path, "other" if status == 999 else status).inc()
        durations.labels(known, path).observe(seconds)
    return registry


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text"], ids=["plain", "OpenMetrics"])
def test_it_is_what_the_library_would_write(metrics: Metrics, accept: str) -> None:
    encode, _ = choose_encoder(accept)

    def http(text: bytes) -> list[str]:
        lines = text.decode().splitlines()
        return sorted(line for line in lines if "http_request" in line and "_created" not in line)

    written = [line for line in http(metrics.render(accept)[0]) if "in_flight" not in line]
    assert http(encode(by_the_library())) == written


def test_a_family_stands_in_one_piece(metrics: Metrics) -> None:
    names = [family.name for family in text_string_to_metric_families(metrics.render()[0].decode())]

    assert len(names) == len(set(names))
