"""What came, held against what was expected."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.config.expectations import ElapsedBounds, Expectation, UpstreamRequest
from proxy.config.units import Duration, StatusSet
from proxy.rehearsal.expectations import Mismatch, mismatches, seconds, statuses
from proxy.rehearsal.rehearsal import Rehearsed
from proxy.rehearsal.upstream import Call
from proxy.telemetry.decisions import Decision, Verdict

DECISION = Decision(
    reason="a.b", policy="a", mode="enforce", id="1", time="", request_id="", route="r", method="GET",
    path="/", client_ip="", status=429, shadow=[Verdict(reason="c.d", policy="c", mode="shadow")],
)  # fmt: skip


def got(**facts: Any) -> Rehearsed:
    return Rehearsed(
        **{
            "status": 429,
            "headers": [("Retry-After", "3"), ("Vary", "a"), ("Vary", "b")],
            "body": b'{"a": {"b/c~d": [1, true, null]}, "e": 1.0}',
            "complete": True,
            "elapsed": 0.1,
            "decision": DECISION,
            "calls": (),
            **facts,
        }
    )


@pytest.mark.parametrize(
    "expected",
    [
        {"status": StatusSet({429})},
        {"status": StatusSet.parse(["4xx", 503])},
        {"reason": "a.b"},
        {"shadow": "c.d"},
        {"headers": {"retry-after": "3", "X-None": None, "Vary": "a, b"}},
        {"complete": True},
        {"json": {"/a/b~1c~0d/0": 1, "/a/b~1c~0d/1": True, "/a/b~1c~0d/2": None, "/e": 1}},
        {"json": {"": {"a": {"b/c~d": [1, True, None]}, "e": 1}}},
        {"elapsed": Duration(0.1)},
        {"elapsed": Duration(0.09)},
        {"elapsed": ElapsedBounds(min=Duration(0.05))},
        {"elapsed": ElapsedBounds(max=Duration(0.1))},
        {"elapsed": ElapsedBounds(min=Duration(0.1), max=Duration(5))},
    ],
    ids=str,
)
def test_what_is_as_expected_is_no_mismatch(expected: dict[str, Any]) -> None:
    assert [] == mismatches(Expectation(**expected), got())


@pytest.mark.parametrize(
    ("expected", "mismatch"),
    [
        ({"status": StatusSet({200})}, Mismatch("status", "200", "429")),
        ({"reason": "a.c"}, Mismatch("reason", "a.c", "a.b")),
        ({"shadow": "a.b"}, Mismatch("shadow", "a.b", "c.d")),
        ({"headers": {"Retry-After": "4"}}, Mismatch("headers.Retry-After", "4", "3")),
        ({"headers": {"Retry-After": None}}, Mismatch("headers.Retry-After", "absent", "3")),
        ({"headers": {"X-None": ""}}, Mismatch("headers.X-None", "", "absent")),
        ({"complete": False}, Mismatch("complete", "an answer that breaks off", "a whole answer")),
        ({"body": "a"}, Mismatch("body", '"a"', '"{\\"a\\": {\\"b/c~d\\": [1, true, null]}, \\"e\\": 1.0}"')),
        ({"json": {"/a/x": 1}}, Mismatch("json./a/x", "1", "absent")),
        ({"json": {"/a/b~1c~0d/3": 1}}, Mismatch("json./a/b~1c~0d/3", "1", "absent")),
        ({"json": {"/a/b~1c~0d/-": 1}}, Mismatch("json./a/b~1c~0d/-", "1", "absent")),
        ({"json": {"/e/f": 1}}, Mismatch("json./e/f", "1", "absent")),
        ({"json": {"/a/b~1c~0d/1": 1}}, Mismatch("json./a/b~1c~0d/1", "1", "true")),
        ({"json": {"/a": {"b/c~d": 1}}}, Mismatch("json./a", '{"b/c~d": 1}', '{"b/c~d": [1, true, null]}')),
        ({"elapsed": Duration(0.2)}, Mismatch("elapsed", "200ms", "100ms")),
        ({"elapsed": Duration(0.08)}, Mismatch("elapsed", "80ms", "100ms")),
        ({"elapsed": ElapsedBounds(min=Duration(1), max=Duration(2))},
         Mismatch("elapsed", "at least 1s and at most 2s", "100ms")),
        ({"elapsed": ElapsedBounds(max=Duration(0.05))}, Mismatch("elapsed", "at most 50ms", "100ms")),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_is_said_with_both_sides(expected: dict[str, Any], mismatch: Mismatch) -> None:
    assert [mismatch] == mismatches(Expectation(**expected), got())


@pytest.mark.parametrize(
    ("expected", "facts", "mismatch"),
    [
        ({"status": StatusSet({200})}, {"status": 0}, Mismatch("status", "200", "no answer")),
        ({"reason": "a.b"}, {"decision": None}, Mismatch("reason", "a.b", "it was not refused")),
        ({"shadow": "a.b"}, {"decision": None}, Mismatch("shadow", "a.b", "nothing would have been refused")),
        ({"json": {"": 1}}, {"body": b"<p>"}, Mismatch("json", "a body in JSON", '"<p>"')),
        ({"body": "a"}, {"body": b"x" * 999}, Mismatch("body", '"a"', '"' + "x" * 199 + "...")),
        ({"body": "a"}, {"body": b"\xff"}, Mismatch("body", '"a"', '"\\\\xff"')),
        ({"complete": True}, {"complete": False},
         Mismatch("complete", "a whole answer", "an answer that breaks off")),
    ],
    ids=["no answer", "not refused", "nothing in shadow", "no JSON", "long", "no text", "broken off"],
)  # fmt: skip
def test_what_is_missing_is_said_in_words(
    expected: dict[str, Any], facts: dict[str, Any], mismatch: Mismatch
) -> None:
    assert [mismatch] == mismatches(Expectation(**expected), got(**facts))


def test_everything_that_is_wrong_is_said() -> None:
    expected = Expectation(status=StatusSet({200}), reason="x.y", complete=False, elapsed=Duration(9))

    assert ["status", "complete", "reason", "elapsed"] == [
        mismatch.what for mismatch in mismatches(expected, got())
    ]


CALLS = (
    Call("app"),
    Call("app", "PUT", "/first", [("Host", "a"), ("X-A", "1"), ("X-A", "2")], b'{"a": 1}'),
    Call("spare", "POST", "/last?b=1", [("Host", "a")], b"text"),
)


@pytest.mark.parametrize(
    "expected",
    [
        {"path": "/last?b=1", "method": "POST", "upstream": "spare", "body": "text"},
        {"headers": {"host": "a", "X-A": None}},
        [{"path": "/first", "headers": {"X-A": "1, 2"}, "json": {"/a": 1}}, {"body": "text"}],
    ],
    ids=["the last", "its headers", "all"],
)
def test_what_an_upstream_has_received_is_as_expected(expected: Any) -> None:
    assert [] == mismatches(received(expected), got(calls=CALLS))


@pytest.mark.parametrize(
    ("expected", "mismatch"),
    [
        ({"path": "/last"}, Mismatch("upstream_request.path", "/last", "/last?b=1")),
        ({"method": "PUT"}, Mismatch("upstream_request.method", "PUT", "POST")),
        ({"upstream": "app"}, Mismatch("upstream_request.upstream", "app", "spare")),
        ({"headers": {"Host": None}}, Mismatch("upstream_request.headers.Host", "absent", "a")),
        ({"body": ""}, Mismatch("upstream_request.body", '""', '"text"')),
        ({"json": {"/a": 1}}, Mismatch("upstream_request.json", "a body in JSON", '"text"')),
        (
            [{"headers": {"X-A": "1"}}, {"method": "POST"}],
            Mismatch("upstream_request[0].headers.X-A", "1", "1, 2"),
        ),
        (
            [{"path": "/first"}],
            Mismatch("upstream_request", "1 request", "2: PUT /first and POST /last?b=1"),
        ),
        (
            [{"path": "/first"}, {"method": "POST"}, {"method": "POST"}],
            Mismatch("upstream_request", "3 requests", "2: PUT /first and POST /last?b=1"),
        ),
    ],
    ids=str,
)
def test_what_an_upstream_has_received_and_should_not_is_said(expected: Any, mismatch: Mismatch) -> None:
    assert [mismatch] == mismatches(received(expected), got(calls=CALLS))


@pytest.mark.parametrize(
    ("expected", "words"), [({"path": "/"}, "a request"), ([{"path": "/"}], "1 request")], ids=["one", "list"]
)
def test_a_refused_connection_is_no_request(expected: Any, words: str) -> None:
    wrong = Mismatch("upstream_request", words, "none arrived")

    assert [wrong] == mismatches(received(expected), got(calls=CALLS[:1]))


def received(expected: Any) -> Expectation:
    """As a policy file says it; one, or a list."""
    if isinstance(expected, list):
        return Expectation(upstream_request=tuple(UpstreamRequest(**each) for each in expected))
    return Expectation(upstream_request=UpstreamRequest(**expected))


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0ms"), (0.6, "600ms"), (4.6000001, "4.6s"), (60, "1m"), (90, "90s")]
)
def test_times_are_spelled_as_in_policy_files(value: float, words: str) -> None:
    assert words == seconds(value)


def test_statuses_are_told_in_spans() -> None:
    assert "200 or 429 or 500-599" == statuses(StatusSet.parse([200, 429, "5xx"]))
