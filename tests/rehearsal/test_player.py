"""Tests of policy files, played."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.rehearsals import Step
from proxy.rehearsal.player import play
from tests.rehearsal.plays import POLICIES, configured, played, wrong

LARGE = "request: {method: POST, path: /, body_size: 2KiB}"
TWO = (
    "{request: {path: /a, headers: {X-A: 1}}, expect: {upstream_request: {headers: {X-A: 1}}}}, "
    "{request: {path: /b}, expect: {upstream_request: [{path: /b, headers: {X-A: null}}]}}"
)
LARGE_FAILS = "{" + LARGE + ", expect: {status: 200}}"
ONE_CONNECTION = POLICIES.replace('3000"', '3000", pool: {max_connections: 1, wait: 1s}')


@pytest.mark.parametrize(
    "steps",
    [
        ["{request: {path: /}, expect: {status: 200, upstream_calls: 1, complete: true, elapsed: 0ms}}"],
        ["{repeat: 3, request: {path: /}, expect: {status: 200, upstream_calls: 3}}"],
        ["{parallel: 3, request: {path: /}, upstream: {latency: 1s}, expect: {elapsed: 1s}}"],
        ["{wait: 1h}", "{" + LARGE + ", expect: {status: 413, reason: size_limit.body, upstream_calls: 0}}"],
        ["{request: {path: /}, upstream: {hang: true}, expect: {status: 5xx, elapsed: {min: 2s, max: 2s}}}"],
        ["{request: {path: /quick}, upstream: {latency: 1s}, expect: {status: 504, elapsed: 500ms}}"],
        ["{request: {path: /}, upstream: {json: {a: [1]}}, expect: {json: {/a/0: 1}}}"],
        ["{repeat: 3, request: {path: /}, upstream: [{status: 500}, {}], expect: {count: 2, status: 200}}"],
        ["{request: {path: /a?b=1}, expect: {upstream_request: {path: /a?b=1, headers: {X-A: null}}}}"],
        ["{repeat: 2, request: {path: /a}, expect: {upstream_request: [{path: /a}]}}"],
        ["{parallel: 2, request: {path: /a}, expect: {upstream_request: [{path: /a}], upstream_calls: 2}}"],
        ["{parallel: [" + TWO + "], upstream: {latency: 1s}}"],
        ["{parallel: [{request: {path: /}}, {request: {path: /}}], expect: {upstream_calls: 2}}"],
    ],
    ids=["one", "several", "at once", "a refusal", "no answer", "a deadline", "an answer", "counts",
         "what arrives", "each time", "of each at once", "different ones at once", "all as one"],
)  # fmt: skip
def test_what_goes_as_expected_passes(tmp_path: Path, steps: list[str]) -> None:
    result = played(tmp_path, *steps)

    assert (None, {}, len(steps)) == (result.failure, wrong(result), result.steps)


def test_the_script_of_the_test_holds_where_a_step_has_none(tmp_path: Path) -> None:
    tests = (
        "tests:\n  - name: a\n    upstream: [{status: 503}, {status: 502}]\n    steps:\n"
        "      - {request: {path: /}, expect: {status: 503}}\n"
        "      - {request: {path: /}, upstream: {status: 404}, expect: {status: 404}}\n"
        "      - {repeat: 3, request: {path: /}, expect: [{count: 1, status: 503}, {status: [502, 503]}]}\n"
    )
    configuration = configured(tmp_path, POLICIES, tests)

    assert None is play(configuration, configuration.tests[0]).failure


def test_the_first_failing_step_is_named_and_ends_the_test(tmp_path: Path) -> None:
    result = played(
        tmp_path,
        "{wait: 5s}",
        "{repeat: 3, request: {path: /}, upstream: [{}, {status: 500}], expect: {status: 200}}",
        "{request: {path: /}, expect: {status: 404}}",
    )
    failure = result.failure

    assert failure is not None
    assert (2, f"{tmp_path}/a.yaml:16", 2, 3) == (
        failure.step, failure.place, failure.request, failure.requests,
    )  # fmt: skip
    assert ({"status": ("200", "500")}, None, 2, 5.0) == (
        wrong(result), failure.decision, result.requests, result.elapsed,
    )  # fmt: skip


def test_a_failure_carries_the_decision_of_its_request(tmp_path: Path) -> None:
    failure = played(tmp_path, LARGE_FAILS).failure

    assert failure is not None
    assert failure.decision is not None
    assert ("size_limit.body", 2048) == (failure.decision.reason, failure.decision.facts["declared"])


def test_calls_are_counted_for_the_whole_step(tmp_path: Path) -> None:
    result = played(tmp_path, "{repeat: 3, request: {path: /}, expect: {upstream_calls: 2}}")

    assert {"upstream_calls": ("2", "3")} == wrong(result)


@pytest.mark.parametrize(("request_", "called"), [("request: {path: /}", "app"), (LARGE, "none was called")])
def test_another_upstream_than_expected_is_named(tmp_path: Path, request_: str, called: str) -> None:
    result = played(tmp_path, f"{{{request_}, expect: {{upstream: backup}}}}")

    assert {"upstream": ("backup", called)} == wrong(result)
    assert result.failure is not None
    assert 0 == result.failure.request


def test_of_requests_at_once_it_can_be_said_how_many_end_in_which_way(tmp_path: Path) -> None:
    crowd = "parallel: 3, request: {path: /}, upstream: {latency: 700ms}"
    right = "{" + crowd + ", expect: [{count: 2, status: 200}, {count: 1, reason: upstream.busy}]}"
    result = played(tmp_path, right, text=ONE_CONNECTION)
    other = played(tmp_path, "{" + crowd + ", expect: {count: 3, status: 200}}", text=ONE_CONNECTION)

    assert {} == wrong(result)
    assert {"count": ("3 of 3 requests", "2; there were 2 with 200, 1 with 503 upstream.busy")} == wrong(
        other
    )


def test_each_test_starts_with_a_proxy_that_has_seen_nothing(tmp_path: Path) -> None:
    step = "      - {request: {path: /}, expect: {status: 200, elapsed: 0ms}}\n"
    tests = f"tests:\n  - name: a\n    steps:\n{step}      - {{wait: 1m}}\n  - name: b\n    steps:\n{step}"
    configuration = configured(tmp_path, POLICIES, tests)
    first, second = (play(configuration, each) for each in configuration.tests)

    assert (60.0, 0.0) == (first.elapsed, second.elapsed)


def test_the_clock_shows_what_the_test_says(tmp_path: Path) -> None:
    tests = f"tests:\n  - name: a\n    at: 2024-02-29T23:59:59+02:00\n    steps:\n      - {LARGE_FAILS}\n"
    configuration = configured(tmp_path, POLICIES, tests)
    failure = play(configuration, configuration.tests[0]).failure

    assert failure is not None
    assert failure.decision is not None
    assert "2024-02-29T21:59:59.000Z" == failure.decision.time


def test_a_request_without_an_answer_within_an_hour_is_a_failure(tmp_path: Path) -> None:
    patient = POLICIES.replace("response: 2s", "response: 2h")
    result = played(
        tmp_path, "{request: {path: /}, upstream: {hang: true}, expect: {status: 200}}", text=patient
    )

    assert ({"status": ("200", "no answer")}, 3600.0) == (wrong(result), result.elapsed)


def test_a_step_waits_or_sends() -> None:
    assert [] == list(Step(wait=1).check())  # type: ignore[arg-type]
    assert 1 == len(list(Step().check()))


def test_different_requests_at_once_leave_in_their_order(tmp_path: Path) -> None:
    step = (
        "{parallel: [{request: {path: /a}, expect: {status: 200}}, {request: {path: /b}, "
        "expect: {status: 503, reason: upstream.busy}}], upstream: {latency: 3s}}"
    )
    patient = ONE_CONNECTION.replace("response: 2s", "response: 5s")

    assert None is played(tmp_path, step, text=patient).failure


def test_of_different_requests_at_once_the_one_that_fails_is_named(tmp_path: Path) -> None:
    entries = [f"          - {{request: {{path: /{each}}}, expect: {{status: 200}}}}\n" for each in "abc"]
    entries[1] = entries[1].replace("status: 200", "upstream_request: {path: /x}")
    result = played(tmp_path, "parallel:\n" + "".join(entries).rstrip("\n"))
    failure = result.failure

    assert failure is not None
    assert {"upstream_request.path": ("/x", "/b")} == wrong(result)
    assert (f"{tmp_path}/a.yaml:17", 2, 3, 3) == (
        failure.place, failure.request, failure.requests, result.requests,
    )  # fmt: skip


def test_of_different_requests_at_once_the_one_that_nobody_can_sign_is_named(tmp_path: Path) -> None:
    entries = "{request: {path: /a}}, {request: {path: /b, sign: all}}"
    failure = played(tmp_path, f"{{parallel: [{entries}], expect: {{status: 200}}}}").failure

    assert failure is not None
    assert 2 == failure.request
    assert "sign: no policy of the route all asks" in failure.error
