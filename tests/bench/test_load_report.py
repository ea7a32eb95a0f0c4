"""What a load test tells of what it has seen."""

from __future__ import annotations

import json

import pytest

from bench.load_report import Report, Seen, grown, milliseconds, reason, states

METRICS = """\
# TYPE seawall_refusals_total counter
seawall_refusals_total{{reason="rate_limit.exceeded",route="site"}} {refusals}
# TYPE seawall_http_requests_total counter
seawall_http_requests_total{{status="200"}} 7.0
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total {refusals}
# TYPE ingestion_circuit_breaker_state gauge
ingestion_circuit_breaker_state{{name="app"}} {state}
"""


def seen() -> Seen:
    seen = Seen()
    for number in range(1, 101):
        seen.answer(200, number / 1000, 10)
    seen.answer(429, 0.0005, 200)
    seen.reasons["rate_limit.exceeded"] += 1
    seen.failures["hung up without an answer"] += 3
    return seen


def test_percentiles_are_times_that_were_measured() -> None:
    assert {"p50": 50.0, "p95": 95.0, "p99": 99.0, "longest": 100.0} == milliseconds(
        number / 1000 for number in range(100, 0, -1)
    )


def test_of_a_single_time_all_are_that_one_and_of_none_there_are_none() -> None:
    assert ({"p50": 7.0, "p95": 7.0, "p99": 7.0, "longest": 7.0}, {}) == (
        milliseconds([0.007]),
        milliseconds([]),
    )


def test_people_read_a_line_for_each_status_and_each_reason() -> None:
    report = Report(
        "GET http://127.0.0.1:8080/",
        50.0,
        2.0,
        seen(),
        {'requests_total{status="200"}': 100.0},
        {"app": "open"},
    )

    assert report.text().splitlines() == [
        "GET http://127.0.0.1:8080/, 50 a second",
        "104 requests in 2.0 s, 50.5 answers a second, 1200 bytes",
        "    status   answers     share       p50       p95       p99   longest  (ms)",
        "       200       100     99.0%      50.0      95.0      99.0     100.0",
        "       429         1      1.0%       0.5       0.5       0.5       0.5",
        "       all       101    100.0%      50.0      95.0      99.0     100.0",
        "refused, and failed, by reason",
        "         1  rate_limit.exceeded",
        "no answer",
        "         3  hung up without an answer",
        "counted by Seawall meanwhile (/metrics)",
        '      +100  requests_total{status="200"}',
        "circuit breakers afterwards",
        "      open  app",
    ]


def test_programs_read_the_same() -> None:
    told = json.loads(json.dumps(Report("GET /", 50.0, 2.0, seen(), {}).as_dict()))

    assert (104, 101, 50.5, False) == (
        told["requests"],
        told["answers"],
        told["answers_per_second"],
        told["behind"],
    )
    assert {"200": 100, "429": 1} == {status: row["count"] for status, row in told["statuses"].items()}
    assert {"rate_limit.exceeded": 1} == told["reasons"]
    assert {"p50": 0.5, "p95": 0.5, "p99": 0.5, "longest": 0.5} == told["statuses"]["429"]["milliseconds"]


def test_one_that_asked_less_than_it_should_says_so() -> None:
    assert [True, False, False] == [
        Report("GET /", rate, 2.0, seen(), {}).behind for rate in (1000.0, 50.0, 0.0)
    ]
    assert "BEHIND" in Report("GET /", 1000.0, 2.0, seen(), {}).text()


def test_no_answer_at_all_is_a_report_too() -> None:
    report = Report("GET /", 0.0, 0.0, Seen(), {})

    assert "0 requests in 0.0 s, 0.0 answers a second, 0 bytes" in report.text()
    assert {} == report.as_dict()["milliseconds"]


@pytest.mark.parametrize(
    ("content_type", "body", "found"),
    [
        ("application/problem+json", b'{"reason": "size_limit.body"}', "size_limit.body"),
        ("application/problem+json", b'{"title": "of another server"}', None),
        ("application/problem+json", b'{"reason": 7}', None),
        ("application/problem+json", b'["reason"]', None),
        ("application/problem+json", b'{"reason": "cut', None),
        ("text/html", b'{"reason": "size_limit.body"}', None),
    ],
)
def test_a_reason_is_what_a_problem_document_says(content_type: str, body: bytes, found: str | None) -> None:
    assert found == reason(content_type, body)


def test_of_metrics_it_tells_what_grew_and_the_state_of_breakers() -> None:
    assert {
        'seawall_refusals_total{reason="rate_limit.exceeded",route="site"}': 4.0,
    } == grown(METRICS.format(refusals=5, state=0), METRICS.format(refusals=9, state=1))
    assert {"app": "open"} == states(METRICS.format(refusals=9, state=1))


def test_without_metrics_it_tells_nothing_of_them() -> None:
    assert ({}, {}) == (grown("", ""), states(""))
