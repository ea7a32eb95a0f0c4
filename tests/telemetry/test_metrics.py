"""What Prometheus scrapes: names, labels and numbers that dashboards rely on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from proxy.exchange import NO_ROUTE, RouteFacts
from proxy.telemetry.metrics import MOST_SERIES, Metrics

TICKETS = RouteFacts("tickets", "/tickets/{id}")
Labels = dict[str, str]


def parsed(metrics: Metrics) -> list[Metric]:
    """All of it but what the system says of the process, which is not the same twice."""
    families = parse_text(metrics.render()[0].decode())
    return [family for family in families if not family.name.startswith("process_")]


def samples(metrics: Metrics, name: str) -> list[tuple[Labels, float]]:
    """Every sample of that name in the text format."""
    text, _ = metrics.render()
    families = parse_text(text.decode())
    return [(s.labels, s.value) for family in families for s in family.samples if s.name == name]


def test_exchanges_are_counted_by_method_endpoint_and_status() -> None:
    metrics = Metrics()
    for status in (200, 200, 404):
        metrics.finished(TICKETS, "GET", status, 0.1)
    metrics.finished(TICKETS, "POST", 200, 0.1)

    assert [
        ({"method": "GET", "endpoint": "/tickets/{id}", "status": "200"}, 2),
        ({"method": "GET", "endpoint": "/tickets/{id}", "status": "404"}, 1),
        ({"method": "POST", "endpoint": "/tickets/{id}", "status": "200"}, 1),
    ] == samples(metrics, "seawall_http_requests_total")


def test_durations_are_a_histogram_whose_bounds_belong_to_their_bucket() -> None:
    metrics = Metrics(buckets=(0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 1.0, 3.0):
        metrics.finished(TICKETS, "GET", 200, seconds)
    labels = {"method": "GET", "endpoint": "/tickets/{id}"}

    assert [
        ({**labels, "le": "0.1"}, 2),
        ({**labels, "le": "1.0"}, 4),
        ({**labels, "le": "+Inf"}, 5),
    ] == samples(metrics, "seawall_http_request_duration_seconds_bucket")
    assert [(labels, 5)] == samples(metrics, "seawall_http_request_duration_seconds_count")
    assert [(labels, 4.65)] == samples(metrics, "seawall_http_request_duration_seconds_sum")


def test_exchanges_in_flight_have_started_and_are_not_over() -> None:
    metrics = Metrics()
    for _ in range(3):
        metrics.in_flight += 1
    metrics.finished(TICKETS, "GET", 200, 0.1)

    assert (2, [({}, 2)]) == (metrics.in_flight, samples(metrics, "seawall_http_requests_in_flight"))


def test_refusals_are_counted_by_route_reason_and_mode() -> None:
    metrics = Metrics()
    metrics.refused("tickets", "size_limit.body", "enforce")
    metrics.refused("tickets", "size_limit.body", "enforce")
    metrics.refused("tickets", "size_limit.body", "shadow")
    metrics.refused("", "route.none", "enforce")

    assert [
        ({"route": "tickets", "reason": "size_limit.body", "mode": "enforce"}, 2),
        ({"route": "tickets", "reason": "size_limit.body", "mode": "shadow"}, 1),
        ({"route": "none", "reason": "route.none", "mode": "enforce"}, 1),
    ] == samples(metrics, "seawall_refusals_total")


def test_attempts_are_counted_by_upstream_and_outcome() -> None:
    metrics = Metrics()
    for outcome in (200, 200, 503, "upstream.unreachable", 999):
        metrics.attempted("app", outcome)

    assert [("200", 2), ("503", 1), ("upstream.unreachable", 1), ("other", 1)] == [
        (labels["outcome"], count)
        for labels, count in samples(metrics, "seawall_upstream_attempts_total")
        if labels["upstream"] == "app"
    ]


@pytest.mark.parametrize(
    ("route", "method", "status", "labels"),
    [
        pytest.param(NO_ROUTE, "GET", 404, ("none", "GET", "404"), id="no route"),
        pytest.param(
            TICKETS, "PROPFIND", 405, ("/tickets/{id}", "other", "405"), id="a method beyond the standard's"
        ),
        pytest.param(
            TICKETS, "get", 405, ("/tickets/{id}", "other", "405"), id="methods know upper from lower case"
        ),
        pytest.param(TICKETS, "GET", 999, ("/tickets/{id}", "GET", "other"), id="a status that is none"),
        pytest.param(TICKETS, "GET", 499, ("/tickets/{id}", "GET", "499"), id="a client that left"),
    ],
)
def test_labels_stay_within_bounds(
    route: RouteFacts, method: str, status: int, labels: tuple[str, str, str]
) -> None:
    metrics = Metrics()
    for _ in range(2):
        metrics.finished(route, method, status, 0.1)

    ((found, count),) = samples(metrics, "seawall_http_requests_total")
    assert (labels, 2) == ((found["endpoint"], found["method"], found["status"]), count)


def test_more_label_sets_than_the_bound_are_counted_together() -> None:
    metrics = Metrics(buckets=[1.0])
    for number in range(MOST_SERIES + 3):
        metrics.finished(RouteFacts("r", f"/{number}"), "GET", 200, 0.1)
        metrics.refused(f"route {number}", "some.reason", "shadow")
        metrics.attempted(f"upstream {number}", 200)

    assert [3] == [
        n for labels, n in samples(metrics, "seawall_http_requests_total") if "other" in labels.values()
    ]
    assert [({"route": "other", "reason": "other", "mode": "shadow"}, 3)] == [
        found for found in samples(metrics, "seawall_refusals_total") if found[1] > 1
    ]
    assert [({"upstream": "other", "outcome": "other"}, 3)] == [
        found for found in samples(metrics, "seawall_upstream_attempts_total") if found[1] > 1
    ]


def test_a_reload_is_told_with_its_time_and_the_hash_of_what_is_live() -> None:
    metrics = Metrics()
    metrics.loaded("5f3a", 1_700_000_000.0)
    metrics.load_failed(1_700_000_060.0)
    failed = [
        samples(metrics, f"seawall_config_{name}")
        for name in ("last_reload_success", "last_reload_timestamp_seconds", "info")
    ]
    metrics.loaded("77b1", 1_700_000_090.0)

    assert [[({}, 0)], [({}, 1_700_000_060)], [({"hash": "5f3a"}, 1)]] == failed
    assert [({}, 1)] == samples(metrics, "seawall_config_last_reload_success")
    assert [({"hash": "77b1"}, 1)] == samples(metrics, "seawall_config_info")


def test_lines_that_the_access_log_lost_are_told() -> None:
    assert [({}, 7)] == samples(Metrics(log_dropped=lambda: 7), "seawall_access_log_dropped_total")


def test_connections_that_were_one_too_many_are_told() -> None:
    assert [({}, 7)] == samples(Metrics(turned_away=lambda: 7), "seawall_connections_turned_away_total")


def test_what_would_show_a_leak_is_told() -> None:
    metrics = Metrics(connections=lambda: 3, tasks=lambda: 5)

    assert [({}, 3)] == samples(metrics, "seawall_client_connections")
    assert [({}, 5)] == samples(metrics, "seawall_tasks")


def test_the_state_of_a_circuit_breaker_is_a_number() -> None:
    metrics = Metrics(breakers=lambda: {"a": "closed", "b": "open", "c": "half-open"})

    assert [({"name": "a"}, 0), ({"name": "b"}, 1), ({"name": "c"}, 2)] == samples(
        metrics, "seawall_circuit_breaker_state"
    )


def test_the_process_is_told_of_under_the_names_that_all_processes_use() -> None:
    ((_, memory),) = samples(Metrics(namespace="ingestion"), "process_resident_memory_bytes")

    assert memory > 0


def test_the_names_are_these_and_no_others() -> None:
    metrics = Metrics(namespace="ingestion")
    metrics.finished(TICKETS, "GET", 200, 0.1)

    assert {
        "ingestion_http_requests": "counter",
        "ingestion_http_request_duration_seconds": "histogram",
        "ingestion_http_requests_in_flight": "gauge",
        "ingestion_refusals": "counter",
        "ingestion_upstream_attempts": "counter",
        "ingestion_retries": "counter",
        "ingestion_retry_failed_call_seconds": "histogram",
        "ingestion_retry_wait_seconds": "histogram",
        "ingestion_rate_limit_exceeded": "counter",
        "ingestion_config_last_reload_success": "gauge",
        "ingestion_config_last_reload_timestamp_seconds": "gauge",
        "ingestion_config": "info",
        "ingestion_access_log_dropped": "counter",
        "ingestion_connections_turned_away": "counter",
        "ingestion_client_connections": "gauge",
        "ingestion_tasks": "gauge",
        "ingestion_circuit_breaker_state": "gauge",
        "ingestion_upstream_healthy": "gauge",
        "ingestion_check_healthy": "gauge",
    } == {
        family.name: family.type
        for family in parse_openmetrics(metrics.render("application/openmetrics-text")[0].decode())
        if family.name.startswith("ingestion_")
    }


class TestReload:
    def test_a_new_namespace_keeps_every_count(self) -> None:
        metrics = Metrics()
        metrics.finished(TICKETS, "GET", 200, 0.02)
        metrics.configure("ingestion", (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10))

        assert [] == samples(metrics, "seawall_http_requests_total")
        assert [1] == [count for _, count in samples(metrics, "ingestion_http_requests_total")]
        assert [1] == [
            count for _, count in samples(metrics, "ingestion_http_request_duration_seconds_count")
        ]

    def test_new_buckets_start_the_histogram_from_nothing_and_nothing_else(self) -> None:
        metrics = Metrics()
        metrics.in_flight += 1
        metrics.in_flight += 1
        metrics.finished(TICKETS, "GET", 200, 0.3)
        metrics.configure("seawall", (0.2, 0.4))
        metrics.finished(TICKETS, "GET", 200, 0.3)

        buckets = samples(metrics, "seawall_http_request_duration_seconds_bucket")
        assert [("0.2", 0), ("0.4", 1), ("+Inf", 1)] == [(labels["le"], count) for labels, count in buckets]
        assert [0.3] == [total for _, total in samples(metrics, "seawall_http_request_duration_seconds_sum")]
        assert [2] == [count for _, count in samples(metrics, "seawall_http_requests_total")]
        assert 0 == metrics.in_flight

    @pytest.mark.parametrize(
        ("namespace", "buckets", "words"),
        [
            pytest.param("9lives", (1.0,), "cannot begin a metric's name", id="a digit first"),
            pytest.param("in-gestion", (1.0,), "cannot begin a metric's name", id="a dash"),
            pytest.param("", (1.0,), "cannot begin a metric's name", id="nothing"),
            pytest.param("a", (), "at least one", id="no bucket"),
            pytest.param("a", (2.0, 1.0), "ascend", id="backwards"),
            pytest.param("a", (1.0, 1.0), "ascend", id="twice the same"),
            pytest.param("a", (1.0, float("inf")), "ascend", id="endless, which is always there"),
        ],
    )
    def test_what_can_not_work_is_refused_and_changes_nothing(
        self, namespace: str, buckets: tuple[float, ...], words: str
    ) -> None:
        metrics = Metrics()
        metrics.finished(TICKETS, "GET", 200, 0.3)
        before = parsed(metrics)

        with pytest.raises(ValueError, match=words):
            metrics.configure(namespace, buckets)

        assert before == parsed(metrics)


class TestFormats:
    @pytest.mark.parametrize(
        ("accept", "content_type"),
        [
            pytest.param("", "text/plain; version=0.0.4; charset=utf-8", id="nothing asked"),
            pytest.param("text/html,*/*", "text/plain; version=0.0.4; charset=utf-8", id="a browser"),
            pytest.param(
                "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                id="Prometheus",
            ),
            pytest.param(
                "application/openmetrics-text;version=nonsense;escaping=\x00",
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                id="nonsense",
            ),
        ],
    )
    def test_the_format_is_what_was_asked_for(self, accept: str, content_type: str) -> None:
        assert content_type == Metrics().render(accept)[1]

    @given(st.text(st.characters(codec="utf-8"), min_size=1))
    def test_any_label_is_escaped_so_that_both_formats_can_be_read(self, label: str) -> None:
        metrics = Metrics()
        metrics.finished(RouteFacts(label, f"/{label}"), "GET", 200, 0.3)
        metrics.refused(label, label, "enforce")
        metrics.loaded(label, 1.0)

        text = list(parse_text(metrics.render()[0].decode()))
        openmetrics = list(parse_openmetrics(metrics.render("application/openmetrics-text")[0].decode()))

        for families in (text, openmetrics):
            routes = [
                s.labels["route"] for f in families for s in f.samples if s.name == "seawall_refusals_total"
            ]
            assert [label] == routes


def test_requests_over_a_rate_limit_are_counted_by_path_template() -> None:
    metrics = Metrics("ingestion")
    for endpoint in ("/orders/{id}", "/orders/{id}", ""):
        metrics.refused("orders", "rate_limit.exceeded", "enforce", endpoint)
    metrics.refused("orders", "rate_limit.exceeded", "shadow", "/orders/{id}")
    metrics.refused("orders", "size_limit.body", "enforce", "/orders/{id}")

    lines = metrics.render()[0].decode().splitlines()
    assert [
        'ingestion_rate_limit_exceeded_total{endpoint="/orders/{id}"} 2.0',
        'ingestion_rate_limit_exceeded_total{endpoint="none"} 1.0',
    ] == [line for line in lines if line.startswith("ingestion_rate_limit_exceeded_total{")]


@pytest.mark.parametrize(("expires", "told"), [(None, []), (2_000_000_000.0, [({}, 2_000_000_000.0)])])
def test_the_end_of_the_certificate_is_told_where_there_is_one(
    expires: float | None, told: list[tuple[Labels, float]]
) -> None:
    metrics = Metrics(certificate_expires=lambda: expires)

    assert told == samples(metrics, "seawall_tls_certificate_expiry_timestamp_seconds")
