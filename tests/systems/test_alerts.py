"""The alert rules of the example applications: what fires when, by Prometheus's own judgement."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.machinery.promtool import assert_fires, needs_promtool
from tests.systems.pages import ROOT

HOUR, SIX_HOURS, DAY = ("90m", "400m", "1450m")
GOOD, BAD = (f'http_requests_total{{status="{status}"}}' for status in (200, 500))
QUICK, SLOW, ALL = (f'http_request_duration_seconds_bucket{{le="{le}"}}' for le in ("0.5", "1", "+Inf"))
COUNT = "http_request_duration_seconds_count"
BREAKER, FULL = 'circuit_breaker_state{name="app"}', "concurrency_waiting"
UPSTREAM, CHECK = 'upstream_healthy{upstream="app"}', 'check_healthy{check="disk"}'
LIMIT = 'rate_limit_exceeded_total{endpoint="/a"}'

Case = tuple[str, dict[str, str], str, bool]
"""What happens, series with their values by the minute, when to look, and whether it fires then."""
CASES: dict[str, dict[str, list[Case]]] = {
    "ingestion": {
        "HighErrorRate": [
            ("4 a minute fail", {BAD: "0+4x20"}, "10m", True),
            ("2 a minute fail", {BAD: "0+2x20"}, "10m", False),
        ],
        "CircuitBreakerOpen": [
            ("that of the service", {BREAKER: "0 1 1"}, "2m", True),
            ("that of Redis", {'circuit_breaker_state{name="store"}': "0 1 1"}, "2m", True),
            ("half-open", {BREAKER: "0 1 2"}, "2m", False),
        ],
        "RateLimitExceeded": [
            ("11 a second", {LIMIT: "0+660x20"}, "10m", True),
            ("9 a second", {LIMIT: "0+540x20"}, "10m", False),
        ],
    },
    "domain-runner": {
        "AvailabilityBudgetBurnsFast": [
            ("2 % fail for an hour", {GOOD: "0+98x120", BAD: "0+2x120"}, HOUR, True),
            ("0.7 % for six hours", {GOOD: "0+993x420", BAD: "0+7x420"}, SIX_HOURS, True),
            ("it is over", {GOOD: "0+98x120", BAD: "0+2x60 120+0x60"}, "95m", False),
            ("0.2 % fail", {GOOD: "0+998x420", BAD: "0+2x420"}, SIX_HOURS, False),
            ("none fails", {GOOD: "0+100x120"}, HOUR, False),
            ("nobody asks", {BAD: "7+0x120"}, HOUR, False),
        ],
        "AvailabilityBudgetBurnsSlowly": [
            ("0.4 % fail for a day", {GOOD: "0+996x1500", BAD: "0+4x1500"}, DAY, True),
            ("0.05 % fail", {GOOD: "0+1999x1500", BAD: "0+1x1500"}, DAY, False),
        ],
        "LatencyBudgetBurnsFast": [
            ("80 % are slow for an hour", {QUICK: "0+20x120", COUNT: "0+100x120"}, HOUR, True),
            ("35 % for six hours", {QUICK: "0+65x420", COUNT: "0+100x420"}, SIX_HOURS, True),
            ("10 % are slow", {QUICK: "0+90x420", COUNT: "0+100x420"}, SIX_HOURS, False),
            ("nobody asks", {QUICK: "1+0x120", COUNT: "9+0x120"}, HOUR, False),
        ],
        "LatencyBudgetBurnsSlowly": [
            ("20 % are slow for a day", {QUICK: "0+80x1500", COUNT: "0+100x1500"}, DAY, True),
            ("4 % are slow", {QUICK: "0+96x1500", COUNT: "0+100x1500"}, DAY, False),
        ],
        "ErrorRate": [
            ("0.2 % fail", {GOOD: "0+998x30", BAD: "0+2x30"}, "20m", True),
            ("0.05 % fail", {GOOD: "0+1999x30", BAD: "0+1x30"}, "20m", False),
        ],
        "ResponseTime": [
            ("10 % take a second", {QUICK: "0+90x30", SLOW: "0+100x30", ALL: "0+100x30"}, "20m", True),
            ("2 % take a second", {QUICK: "0+98x30", SLOW: "0+100x30", ALL: "0+100x30"}, "20m", False),
        ],
        "ApplicationFails": [
            ("open", {BREAKER: "0 1 1"}, "2m", True),
            ("half-open", {BREAKER: "0 1 2"}, "2m", False),
        ],
        "ApplicationIsFull": [
            ("26 wait", {FULL: "26+0x5"}, "3m", True),
            ("25 wait", {FULL: "25+0x5"}, "3m", False),
        ],
        "ApplicationIsNotWell": [
            ("for a while", {UPSTREAM: "1 0 0 0"}, "3m", True),
            ("well", {UPSTREAM: "1+0x5"}, "3m", False),
        ],
        "CheckFails": [
            ("for a while", {CHECK: "1 0+0x8"}, "8m", True),
            ("back at once", {CHECK: "1 0 1+0x8"}, "8m", False),
        ],
    },
}
NAMESPACES = {"ingestion": "ingestion", "domain-runner": "seawall"}


def rules_of(system: str) -> Path:
    return ROOT / "examples" / system / "alerts.yaml"


@needs_promtool
@pytest.mark.parametrize(
    ("system", "alert", "case"),
    [
        pytest.param(system, alert, case, id=f"{system}: {alert}: {case[0]}")
        for system, alerts in CASES.items()
        for alert, cases in alerts.items()
        for case in cases
    ],
)
def test_an_alert_fires_when_it_should_and_not_otherwise(
    tmp_path: Path, system: str, alert: str, case: Case
) -> None:
    _, series, when, fires = case
    named = {f"{NAMESPACES[system]}_{name}": values for name, values in series.items()}

    assert_fires(tmp_path, rules_of(system), alert, named, when, fires=fires)


@pytest.mark.parametrize("system", CASES)
def test_every_alert_is_tried_with_what_fires_it_and_with_what_does_not(system: str) -> None:
    groups = yaml.safe_load(rules_of(system).read_text())["groups"]

    assert {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule} == set(
        CASES[system]
    )
    assert [] == [
        alert for alert, cases in CASES[system].items() if {True, False} != {case[-1] for case in cases}
    ]
