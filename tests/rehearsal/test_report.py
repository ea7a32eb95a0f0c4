"""How a test went, as people and programs are told."""

from __future__ import annotations

import json
from pathlib import Path

from proxy.rehearsal.player import Failure, Played
from proxy.rehearsal.report import played_as_json, played_as_text
from proxy.telemetry.decisions import Decision, Edit, Verdict
from tests.rehearsal.plays import POLICIES, played

LARGE = "request: {method: POST, path: /, body_size: 2KiB}"


def test_a_test_that_passed_is_one_line(tmp_path: Path) -> None:
    result = played(tmp_path, "{wait: 90s}", "{repeat: 3, request: {path: /}, expect: {status: 200}}")
    one = played(tmp_path, "{request: {path: /}, expect: {status: 200}}")

    assert ["passed a test (2 steps, 3 requests, 90s simulated)"] == list(played_as_text(result))
    assert ["passed a test (1 step, 1 request, 0ms simulated)"] == list(played_as_text(one))


def test_a_failure_says_where_and_what_and_why(tmp_path: Path) -> None:
    result = played(
        tmp_path, "{wait: 1s}", "{repeat: 2, " + LARGE + ", expect: {status: 200, complete: false}}"
    )
    text = "\n".join(played_as_text(result)).replace(str(tmp_path), "")

    assert text.startswith(
        "FAILED a test (2 steps, 1 request, 1s simulated)\n"
        "  /a.yaml:16: step 2 of 2, request 1 of 2\n"
        "    status: expected 200, got 413\n"
        "    complete: expected an answer that breaks off, got a whole answer\n"
        "    decision: 413 size_limit.body, size_limit/all (/a.yaml:4)\n"
        "      The body is larger than this service accepts.\n"
        "      declared: 2048, limit: 1024\n"
    )


def test_without_a_decision_that_is_said(tmp_path: Path) -> None:
    result = played(tmp_path, "{request: {path: /}, expect: {status: 404}}")

    assert "    decision: none, since no policy refused it or would have" == list(played_as_text(result))[-1]


def test_what_could_not_be_played_is_said_and_no_decision() -> None:
    failure = Failure(1, "a.yaml:3", 1, 1, error="sign: no secret")

    assert ["  a.yaml:3: step 1 of 1", "    sign: no secret"] == list(
        played_as_text(Played("a", "a.yaml:1", 1, 0, 0.0, failure))
    )[1:]


def test_the_smallest_change_and_the_shortest_wait_are_told() -> None:
    decision = Decision(
        reason="rate_limit.exceeded", policy="rate_limit/per_client", mode="enforce", id="1", time="",
        request_id="", route="r", method="GET", path="/", client_ip="", status=429, retry_after=3.25,
        cause="11 of 10", change=Edit(key="burst", value=14, how="at_least", text="burst ≥ 14"),
        shadow=[Verdict(reason="ip_list.denied", policy="ip_list/r", mode="shadow", retry_after=2)],
    )  # fmt: skip
    lines = list(played_as_text(Played("a", "", 1, 1, 0.0, Failure(1, "", 1, 1, decision=decision))))

    assert [
        "    decision: 429 rate_limit.exceeded, rate_limit/per_client",
        "      11 of 10",
        "      would have passed with burst ≥ 14, or 3.25s later",
        "    in shadow: ip_list.denied, ip_list/r",
        "      would have passed with 2s later",
    ] == lines[2:]


def test_programs_get_all_of_it_and_nothing_that_is_another_each_time(tmp_path: Path) -> None:
    def run() -> dict[str, object]:
        return played_as_json(played(tmp_path, "{" + LARGE + ", expect: {status: 200}}"))

    shown, again = run(), run()
    failure = shown["failure"]

    assert isinstance(failure, dict)
    assert (False, 1, "size_limit.body", [{"what": "status", "expected": "200", "got": "413"}]) == (
        shown["ok"], shown["requests"], failure["decision"]["reason"], failure["mismatches"],
    )  # fmt: skip
    assert json.dumps(shown) == json.dumps(again)


def test_a_test_that_passed_has_no_failure(tmp_path: Path) -> None:
    shown = played_as_json(played(tmp_path, "{wait: 1s}", text=POLICIES))

    assert (True, False) == (shown["ok"], "failure" in shown)


def test_a_failure_without_a_decision_has_none(tmp_path: Path) -> None:
    shown = played_as_json(played(tmp_path, "{request: {path: /}, expect: {status: 404}}"))

    assert isinstance(shown["failure"], dict)
    assert None is shown["failure"]["decision"]
