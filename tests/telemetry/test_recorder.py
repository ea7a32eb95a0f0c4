"""What the wire tells reaches metrics, log and decisions; nothing comes back to hurt it."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Exchange, Outcome, Request, Retry, RouteFacts
from proxy.telemetry.decisions import Decisions
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.recorder import Recorder
from proxy.testing import FakeClock

FINE = Outcome(200, 100.25)
LABELS = ("route", "reason", "mode", "upstream", "class", "outcome", "method", "endpoint", "status", "le")


class Lines:
    """An access log that keeps what it is told."""

    def __init__(self) -> None:
        self.written: list[tuple[Exchange, Outcome]] = []

    def write(self, exchange: Exchange, outcome: Outcome) -> None:
        self.written.append((exchange, outcome))


class Told:
    def __init__(self) -> None:
        self.clock = FakeClock(start=1_700_000_000.0)
        self.metrics = Metrics(buckets=(0.2, 0.3))
        self.lines = Lines()
        self.decisions = Decisions()
        self.recorder = Recorder(self.metrics, self.lines, self.decisions, self.clock)  # type: ignore[arg-type]

    def counted(self, name: str) -> list[tuple[tuple[str, ...], float]]:
        return [
            (tuple(sample.labels[label] for label in LABELS if label in sample.labels), sample.value)
            for family in text_string_to_metric_families(self.metrics.render()[0].decode())
            for sample in family.samples
            if sample.name == f"seawall_{name}"
        ]


@pytest.fixture
def told() -> Told:
    return Told()


def an_exchange(**facts: Any) -> Exchange:
    exchange = Exchange(Request("GET", "/", "/"), client_ip="192.0.2.7", decision_id="d-1", started=100.0)
    exchange.route = RouteFacts("tickets", "/tickets/{id}")
    for name, value in facts.items():
        setattr(exchange, name, value)
    return exchange


def test_an_exchange_is_counted_and_logged_and_is_no_decision(told: Told) -> None:
    exchange = an_exchange()
    told.recorder.started(exchange)
    in_flight = told.metrics.in_flight
    told.recorder.finished(exchange, FINE)

    assert (1, 0) == (in_flight, told.metrics.in_flight)
    assert [(("GET", "/tickets/{id}", "200"), 1)] == told.counted("http_requests_total")
    assert [(("GET", "/tickets/{id}"), 0.25)] == told.counted("http_request_duration_seconds_sum")
    assert ([(exchange, FINE)], []) == (told.lines.written, told.decisions.recent())


def test_a_refusal_is_counted_and_can_be_asked_for(told: Told) -> None:
    told.recorder.finished(
        an_exchange(refusal=Rejection(413, "size_limit.body")), Outcome(413, 100.0, "size_limit.body")
    )

    assert [(("tickets", "size_limit.body", "enforce"), 1)] == told.counted("refusals_total")
    assert [("d-1", "2023-11-14T22:13:20.000Z")] == [(d.id, d.time) for d in told.decisions.recent()]


def test_what_shadow_would_have_refused_is_counted_as_such(told: Told) -> None:
    shadowed = [Rejection(403, "ip_list.denied"), Rejection(413, "size_limit.body")]

    told.recorder.finished(an_exchange(shadowed=shadowed), FINE)

    assert [
        (("tickets", "ip_list.denied", "shadow"), 1),
        (("tickets", "size_limit.body", "shadow"), 1),
    ] == told.counted("refusals_total")
    assert ["shadow"] == [decision.mode for decision in told.decisions.recent()]


def test_a_failure_that_nobody_answered_is_a_decision_and_no_refusal(told: Told) -> None:
    told.recorder.finished(an_exchange(), Outcome(200, 100.0, "upstream.reset", complete=False))

    assert ([], ["upstream.reset"]) == (
        told.counted("refusals_total"),
        [decision.reason for decision in told.decisions.recent()],
    )


def test_without_an_access_log_the_rest_goes_on() -> None:
    metrics = Metrics()
    Recorder(metrics, None, Decisions(), FakeClock()).finished(an_exchange(), FINE)

    assert -1 == metrics.in_flight


@pytest.mark.parametrize(
    ("status", "error", "outcome"),
    [
        pytest.param(200, None, "200", id="an answer"),
        pytest.param(
            None, UpstreamError(502, "upstream.unreachable"), "upstream.unreachable", id="no connection"
        ),
        pytest.param(200, UpstreamError(502, "upstream.reset"), "upstream.reset", id="a body that broke off"),
        pytest.param(None, OSError("odd"), "error", id="an error that is not ours"),
        pytest.param(None, None, "abandoned", id="given up, for no fault of the upstream's"),
    ],
)
def test_an_attempt_is_counted_by_how_it_ended(
    told: Told, status: int | None, error: Exception | None, outcome: str
) -> None:
    told.recorder.attempted("app", status, error)

    assert [(("app", outcome), 1)] == told.counted("upstream_attempts_total")


async def test_a_bug_is_logged_once_a_minute_and_goes_no_further(
    told: Told, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(told.lines, "write", broken)
    for pause in (0, 30, 29.9, 0.1, 0):
        await told.clock.advance(pause)
        told.recorder.started(an_exchange())
        told.recorder.finished(an_exchange(), FINE)

    assert (0, 2) == (told.metrics.in_flight, len(caplog.records))
    assert "ZeroDivisionError" in caplog.text


def test_calls_that_were_repeated_are_counted_and_a_decision_tells_of_them(told: Told) -> None:
    asked = Exchange(Request("GET", "/a", "/a"), client_ip="192.0.2.1", decision_id="d1")
    asked.route = RouteFacts("shop", "/**")
    asked.attempts = 2
    asked.retries = [
        Retry("timeout", "timeout.response", 0.5, "failed", took=2.0),
        Retry("gateway_error", "503", None, "exhausted"),
    ]
    asked.refusal = Rejection(503, "some.refusal")

    told.recorder.finished(asked, Outcome(503, 100.25))

    assert [
        (("shop", "timeout", "failed"), 1.0),
        (("shop", "gateway_error", "exhausted"), 1.0),
    ] == told.counted("retries_total")
    assert [(("shop", "timeout"), 2.0), (("shop", "gateway_error"), 0.0)] == told.counted(
        "retry_failed_call_seconds_sum"
    )
    decision = told.decisions.recent(1)[0]
    assert (2, [("timeout", 0.5, "failed"), ("gateway_error", None, "exhausted")]) == (
        decision.attempts,
        [(each.error_class, each.wait, each.outcome) for each in decision.retries],
    )
