"""What is written here is what prometheus_client would write, line by line."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families

from proxy.exchange import RouteFacts
from proxy.telemetry.metrics import Metrics


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics(namespace="ingestion", buckets=(0.005, 1, 2.5))
    for path, method, status, seconds in (
        ("/t/{id}", "GET", 200, 0.001),
        ("/t/{id}", "GET", 404, 2.0),
        ("/t/{id}", "POST", 200, 1e-7),
        ('/with "quotes"\\and\nlines', "GET", 200, 99.0),
        ("/ünïcode", "BREW", 999, 0.0),
    ):
        metrics.started()
        metrics.finished(RouteFacts("a", path), method, status, seconds)
    return metrics


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text"], ids=["plain", "OpenMetrics"])
def test_it_is_what_the_library_would_write(metrics: Metrics, accept: str) -> None:
    registry = CollectorRegistry()
    registry.register(metrics)
    encode, _ = choose_encoder(accept)

    def http(text: bytes) -> list[str]:
        return sorted(line for line in text.decode().splitlines() if "http_request" in line)

    assert http(encode(registry)) == http(metrics.render(accept)[0])


def test_a_family_stands_in_one_piece(metrics: Metrics) -> None:
    names = [family.name for family in text_string_to_metric_families(metrics.render()[0].decode())]

    assert len(names) == len(set(names))
