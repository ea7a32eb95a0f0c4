"""What Prometheus sees of calls that came to nothing."""

from __future__ import annotations

from typing import Any

from proxy.exchange import Retry
from proxy.telemetry.families import Families
from proxy.telemetry.retry_metrics import RetryMetrics

SLOW = Retry("timeout", "timeout.response", 0.5, "recovered", took=10.0)
BUSY = Retry("server_error", "503", 0.25, "failed", took=0.1)
GIVEN_UP = Retry("server_error", "503", None, "exhausted", took=0.3)


def told(*retries: Retry, most: int = 100, bounds: tuple[float, ...] = (1.0,)) -> RetryMetrics:
    metrics = RetryMetrics(most)
    metrics.configure(bounds)
    for retry in retries:
        metrics.add("statistics", retry)
    return metrics


def samples(metrics: RetryMetrics, name: str) -> list[tuple[str, ...]]:
    """Labels in the order of their names, and the value."""
    return [
        (*(value for _, value in sorted(sample.labels.items())), f"{sample.value:g}")
        for family in metrics.families(Families("seawall"))
        for sample in family.samples
        if sample.name == name
    ]


def test_they_are_counted_by_route_class_and_what_became_of_the_next_call() -> None:
    assert [
        ("server_error", "failed", "statistics", "2"),
        ("server_error", "exhausted", "statistics", "1"),
        ("timeout", "recovered", "statistics", "1"),
    ] == samples(told(BUSY, BUSY, GIVEN_UP, SLOW), "seawall_retries_total")


def test_how_long_they_took_is_a_histogram_of_each_class() -> None:
    metrics = told(BUSY, GIVEN_UP, SLOW)

    assert [
        ("server_error", "1.0", "statistics", "2"),
        ("server_error", "+Inf", "statistics", "2"),
        ("timeout", "1.0", "statistics", "0"),
        ("timeout", "+Inf", "statistics", "1"),
    ] == samples(metrics, "seawall_retry_failed_call_seconds_bucket")
    assert [("server_error", "statistics", "0.4"), ("timeout", "statistics", "10")] == samples(
        metrics, "seawall_retry_failed_call_seconds_sum"
    )


def test_waits_are_those_before_calls_that_were_repeated() -> None:
    metrics = told(BUSY, GIVEN_UP, SLOW)

    assert [("server_error", "statistics", "1"), ("timeout", "statistics", "1")] == samples(
        metrics, "seawall_retry_wait_seconds_count"
    )
    assert [("server_error", "statistics", "0.25"), ("timeout", "statistics", "0.5")] == samples(
        metrics, "seawall_retry_wait_seconds_sum"
    )


def test_where_there_are_too_many_series_the_rest_is_counted_together() -> None:
    metrics = told(*(Retry(f"class-{number}", "503", None, "failed") for number in range(5)), most=2)

    assert [("class-0", "1"), ("class-1", "1"), ("other", "3")] == [
        (labels[0], labels[-1]) for labels in samples(metrics, "seawall_retries_total")
    ]
    assert 3 == len(samples(metrics, "seawall_retry_failed_call_seconds_count"))


def test_new_buckets_start_the_histograms_from_nothing_and_counts_go_on() -> None:
    metrics = told(SLOW)
    metrics.configure((1.0, 20.0))
    metrics.add("statistics", SLOW)

    found: dict[str, Any] = {
        name: [each[-1] for each in samples(metrics, f"seawall_{name}")]
        for name in ("retries_total", "retry_failed_call_seconds_bucket", "retry_wait_seconds_count")
    }
    assert {
        "retries_total": ["2"],
        "retry_failed_call_seconds_bucket": ["0", "1", "1"],
        "retry_wait_seconds_count": ["1"],
    } == found
