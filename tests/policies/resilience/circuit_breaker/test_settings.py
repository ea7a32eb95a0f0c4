"""Settings of a circuit breaker that make no sense are refused; those that do are said in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.patterns import Name
from proxy.config.units import Duration
from proxy.policies.resilience.circuit_breaker import CircuitBreakerConfig
from proxy.policies.resilience.circuit_breaker.settings import (
    AnswerConfig,
    BackOffConfig,
    HalfOpenConfig,
    TripConfig,
)
from tests.policies.reading import problems
from tests.policies.resilience.breakers import a_config, share


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ("{}", []),
        ("{trip: {consecutive_failures: 5}, open_for: 30s, on_open: {status: 200, json: {a: 1}}}", []),
        ("{open_for: {base: 5s, factor: 2.0, max: 5m}}", []),
        ("{failures: {status: [5xx, 429]}}", []),
        ("{trip: {}}", ["circuit_breaker.trip"]),
        ("{trip: {min_requests: 5}}", ["circuit_breaker.trip"]),
        ("{trip: {consecutive_failures: 0}}", ["circuit_breaker.trip.consecutive_failures"]),
        ("{trip: {failure_ratio: 0%}}", ["circuit_breaker.trip.failure_ratio"]),
        ("{trip: {slow_ratio: 50%}}", ["circuit_breaker.trip.slow_ratio"]),
        ("{trip: {failure_ratio: 50%, slow_after: 1s}}", ["circuit_breaker.trip.slow_after"]),
        ("{failures: {status: [404, 5xx]}}", ["circuit_breaker.failures.status"]),
        ("{failures: {status: [], errors: []}}", ["circuit_breaker.failures"]),
        ("{open_for: 0s}", ["circuit_breaker.open_for"]),
        ("{open_for: {base: 5s, max: 1s}}", ["circuit_breaker.open_for.max"]),
        ("{open_for: {base: 5s, factor: 0.5}}", ["circuit_breaker.open_for.factor"]),
        ("{half_open: {probes: 0}}", ["circuit_breaker.half_open.probes"]),
        ("{half_open: {probe_timeout: 0s}}", ["circuit_breaker.half_open.probe_timeout"]),
        ("{on_open: {json: 1, text: a}}", ["circuit_breaker.on_open.text"]),
        ("{on_open: {headers: {Content-Length: '3'}}}", ["circuit_breaker.on_open.headers.Content-Length"]),
        pytest.param(
            "{on_open: {upstream: backup}}", ["circuit_breaker.on_open.upstream"], id="no such upstream"
        ),
        pytest.param(
            "{on_open: {upstream: app}}", ["circuit_breaker.on_open.upstream"], id="the route's own"
        ),
        (
            "{on_open: {upstream: backup, status: 200, text: a}}",
            ["circuit_breaker.on_open.status", "circuit_breaker.on_open.text"],
        ),
    ],
)
def test_a_file_is_told_what_is_wrong_with_it(settings: str, wrong: list[str], tmp_path: Path) -> None:
    assert wrong == problems(f"circuit_breaker: {settings}", tmp_path)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        pytest.param(
            a_config(half_open=HalfOpenConfig(probes=3, successes=2)),
            ["opens on the 5th failure in a row, for 30s; then 3 probes at a time, closed after 2 successes"],
            id="as in the reference",
        ),
        pytest.param(
            CircuitBreakerConfig(
                trip=TripConfig(failure_ratio=share(50), slow_ratio=share(80), slow_after=Duration(2)),
                open_for=BackOffConfig(base=Duration(5)),
                recovery=Duration(10),
                on_open=AnswerConfig(upstream=Name("backup")),
            ),
            [
                (
                    "opens when 50% of at least 20 calls in 10s failed or when 80% of at least 20 calls "
                    "in 10s took over 2s, for 5s, 2 times as long each time in a row, up to 5m; "
                    "then 1 probe at a time, closed after 1 success"
                ),
                "and then calls pass in a share that grows for 10s",
                "what it does not let pass goes to the upstream backup",
            ],
            id="with everything",
        ),
    ],
)
def test_it_says_in_words_what_it_comes_to(config: CircuitBreakerConfig, words: list[str]) -> None:
    assert words == list(config.in_words())


@pytest.mark.parametrize(
    ("number", "ordinal"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (22, "22nd"),
        (113, "113th"),
    ],
)
def test_which_failure_opens_it_is_said_properly(number: int, ordinal: str) -> None:
    assert f"opens on the {ordinal} failure in a row" in a_config(number).in_words()[0]
