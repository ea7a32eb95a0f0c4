"""Tests of policy files see a circuit breaker open, refuse, try again and close, on a clock of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.plays import played, wrong

POLICIES = """\
version: 1
upstreams: {app: {url: "http://127.0.0.1:3000"}}
policies:
  circuit_breaker:
    app:
      trip: {consecutive_failures: 5}
      open_for: 30s
      half_open: {probes: 3, successes: 2, probe_timeout: 10s}
routes:
  - name: all
    match: {path: "/**"}
    policies: {circuit_breaker: app, timeout: {response: 2s}}
  - name: tried
    match: {path: /tried}
    policies: {circuit_breaker: {mode: shadow, trip: {consecutive_failures: 1}}}
"""
ASK = "request: {path: /}"
CLOSED, OPEN = "breaker: {app: closed}", "breaker: {app: open}"
REFUSED = "status: 503, reason: circuit_breaker.open, upstream_calls: 0"
OPENS = f"{{repeat: 5, {ASK}, upstream: {{status: 503}}, expect: {{status: 503, upstream_calls: 5}}}}"
HANGING = (
    f"[{{count: 3, reason: timeout.response}}, {{count: 2, reason: circuit_breaker.open}}, "
    f"{{upstream_calls: 3, {OPEN}}}]"
)
TRIED = "request: {path: /tried}"
WELL = f"{{{ASK}, expect: {{status: 200, {CLOSED}}}}}"


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(
            [
                f"{{repeat: 4, {ASK}, upstream: {{status: 503}}, expect: {{status: 503, {CLOSED}}}}}",
                f"{{{ASK}, upstream: {{reset: true}}, expect: {{status: 502, {OPEN}}}}}",
                f"{{{ASK}, expect: {{{REFUSED}, headers: {{Retry-After: '30'}}, {OPEN}}}}}",
                "{wait: 29s}",
                f"{{{ASK}, expect: {{{REFUSED}, headers: {{Retry-After: '1'}}}}}}",
                "{wait: 1s}",
                f"{{{ASK}, expect: {{status: 200, breaker: {{app: half-open}}}}}}",
                WELL,
            ],
            id="trip, refusal, half-open, recovery",
        ),
        pytest.param(
            [
                OPENS,
                "{wait: 30s}",
                f"{{parallel: 5, {ASK}, upstream: {{hang: true}}, expect: {HANGING}}}",
                "{wait: 30s}",
                f"{{parallel: 2, {ASK}, upstream: {{latency: 1s}}, expect: {{status: 200, {CLOSED}}}}}",
            ],
            id="probes that hang",
        ),
        pytest.param(
            [
                f"{{repeat: 5, {ASK}, upstream: {{body: whole, reset: body}}, expect: {{complete: false}}}}",
                f"{{{ASK}, expect: {{{REFUSED}}}}}",
            ],
            id="bodies that break off",
        ),
        pytest.param(
            [
                f"{{repeat: 5, {ASK}, upstream: {{refuse: true}}, expect: {{status: 502}}}}",
                f"{{{ASK}, expect: {{{REFUSED}}}}}",
            ],
            id="refused connections",
        ),
        pytest.param(
            [f"{{repeat: 20, {ASK}, upstream: {{status: 404}}, expect: {{status: 404, {CLOSED}}}}}"],
            id="a client's own mistakes",
        ),
        pytest.param(
            [
                f"{{{TRIED}, upstream: {{status: 500}}, expect: {{status: 500}}}}",
                f"{{{TRIED}, expect: {{status: 200, shadow: circuit_breaker.open, upstream_calls: 1}}}}",
            ],
            id="in shadow",
        ),
    ],
)  # fmt: skip
def test_it_goes_as_the_file_says(tmp_path: Path, steps: list[str]) -> None:
    result = played(tmp_path, *steps, text=POLICIES)

    assert ({}, None) == (wrong(result), result.failure)


@pytest.mark.parametrize(
    ("expected", "mismatch"),
    [
        ("{app: closed}", {"breaker.app": ("closed", "open")}),
        ("{other: open}", {"breaker.other": ("open", "none")}),
        ("{app: open}", {}),
    ],
)
def test_another_state_than_expected_is_found(
    tmp_path: Path, expected: str, mismatch: dict[str, tuple[str, str]]
) -> None:
    step = OPENS.replace("upstream_calls: 5", f"breaker: {expected}")

    assert mismatch == wrong(played(tmp_path, step, text=POLICIES))
