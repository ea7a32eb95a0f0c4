"""What `seawall explain` found, in words."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.cli.explain_text import _retries, decision_as_text, request_as_text, way_out

VERDICT = {"reason": "rate_limit.exceeded", "policy": "rate_limit/a", "mode": "enforce"}
BURST = {"key": "burst", "value": 14, "how": "at_least", "text": "burst ≥ 14"}


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        pytest.param({"change": BURST, "retry_after": 3.2}, "with burst ≥ 14, or 3.2 s later", id="both"),
        pytest.param({"retry_after": 3.0000004}, "3.001 s later", id="a wait is never told too short"),
        pytest.param({"retry_after": 0.6}, "0.6 s later", id="a wait"),
        pytest.param({"retry_after": 86399.5}, "24 h later", id="a day"),
        pytest.param({"retry_after": 3725.0}, "1 h 2 min 5 s later", id="an hour and something"),
        pytest.param({"change": BURST}, "with burst ≥ 14", id="an edit"),
        pytest.param({}, "", id="neither"),
    ],
)
def test_the_way_out_is_an_edit_or_a_wait(verdict: dict[str, Any], told: str) -> None:
    assert told == way_out(verdict)


def test_nothing_that_a_client_sent_drives_the_terminal() -> None:
    decision = {
        **VERDICT, "id": "d", "time": "t", "request_id": "r", "client_ip": "", "route": "", "status": 429,
        "complete": False, "method": "GET", "path": "/\x1b[2J\r\nrefused: nothing", "identity": "a\u2028b",
        "place": "a.yaml:1", "cause": "x\ty", "facts": {"used": 0.25, "trusted": False, "origin": ""},
    }  # fmt: skip

    assert [
        "decision d, t, request r",
        "GET /�[2J��refused: nothing from a unix socket (a�b)",
        "route none, revision unknown",
        "answered 429, and broken off",
        "",
        "refused: rate_limit.exceeded",
        "  by          rate_limit/a  a.yaml:1",
        "  because     x�y",
        '  numbers     used 0.25, trusted no, origin ""',
        "  would pass  by no single edit or wait that is known",
    ] == decision_as_text(decision, "").split("\n")


DECISION = {
    **VERDICT, "id": "d", "time": "t", "request_id": "r", "client_ip": "192.0.2.1", "route": "",
    "status": 429, "method": "GET", "path": "/",
}  # fmt: skip


@pytest.mark.parametrize(
    ("decided", "told"),
    [
        pytest.param({}, "refused: rate_limit.exceeded", id="a refusal"),
        pytest.param(
            {"status": 200, "reason": "replay_guard.acknowledged"},
            "answered by Seawall: replay_guard.acknowledged",
            id="what is acknowledged has not been refused",
        ),
        pytest.param(
            {"status": 502, "reason": "upstream.reset"},
            "failed: upstream.reset",
            id="nor what the upstream failed in",
        ),
    ],
)
def test_who_decided_is_told_by_what_the_client_got(decided: dict[str, Any], told: str) -> None:
    assert told in decision_as_text({**DECISION, **decided}, "").split("\n")


@pytest.mark.parametrize(
    ("head", "told"),
    [
        pytest.param({}, "GET / from 192.0.2.1", id="an ordinary one"),
        pytest.param({"method": "CONNECT", "path": ""}, "CONNECT from 192.0.2.1", id="no path"),
        pytest.param(
            {"method": "", "path": ""}, "no request that could be read, from 192.0.2.1", id="neither of them"
        ),
    ],
)
def test_what_was_asked_is_told_as_far_as_it_is_known(head: dict[str, str], told: str) -> None:
    assert told == decision_as_text({**DECISION, **head}, "").split("\n")[1]


ROUTED = {
    "route": "order",
    "place": "a.yaml:3",
    "params": {"id": "7"},
    "refusal": None,
    "answered_here": False,
    "others": [],
    "matching_left_out": 0,
    "others_left_out": 0,
}
FOUND = {
    "request": {"method": "GET", "target": "/", "host": "a", "https": True, "client_ip": "192.0.2.1"},
    "routing": ROUTED,
    "chain": [],
    "upstream": {"calls": 0},
    "answer": {"status": 200, "reason": "", "complete": True, "headers": []},
    "decision": None,
}
CALLED = {"name": "app", "method": "GET", "target": "/", "added": [["X-A", "b" * 90]]}
NOT_ROUTED = {"status": 400, "reason": "request.path", "detail": "No.", "cause": "because"}
OTHERS: list[dict[str, Any]] = [
    {"route": "b", "misses": [], "less_specific_than": "order"},
    {"route": "cc", "misses": [], "less_specific_than": None},
    {
        "route": "d",
        "misses": [
            {"condition": "header", "name": "X-A", "expected": ["1", "2"], "found": ["", "3"]},
            {"condition": "host", "name": "", "expected": ["x"], "found": []},
        ],
        "less_specific_than": None,
    },
]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        pytest.param(
            {"upstream": {"calls": 1, **CALLED}},
            ["upstream app is called: GET /", f"  X-A: {'b' * 80}...", "answer 200"],
            id="one call, and a long value cut short",
        ),
        pytest.param(
            {"upstream": {"calls": 3, **CALLED, "added": []}},
            ["upstream app is called 3 times: GET /", "answer 200"],
            id="several calls",
        ),
        pytest.param(
            {"answer": {**FOUND["answer"], "complete": False, "headers": [["A", "b"]]}},  # type: ignore[dict-item]
            ["the upstream is not called", "answer 200, and broken off", "  A: b"],
            id="an answer that broke off",
        ),
        pytest.param(
            {"answer": {**FOUND["answer"], "status": 0}},  # type: ignore[dict-item]
            ["the upstream is not called", "the connection ends without an answer"],
            id="no answer",
        ),
    ],
)
def test_what_came_of_a_request_is_told(changed: dict[str, Any], told: list[str]) -> None:
    text = request_as_text({**FOUND, **changed}).split("\n")

    assert ["GET / on a over https, from 192.0.2.1", "", "route order  a.yaml:3", "  {id} is 7", ""] == text[
        :5
    ]
    assert told == text[5:]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        pytest.param(
            {"others": OTHERS, "others_left_out": 2},
            [
                "route order  a.yaml:3",
                "  {id} is 7",
                "why not another:",
                "  b   less specific than order",
                "  cc  would match",
                '  d   header X-A is "" and 3, not 1 or 2; host is absent, not x',
                "  and 2 more whose path does not match",
            ],
            id="near and far",
        ),
        pytest.param(
            {"route": None, "params": {}, "matching_left_out": 4, "others_left_out": 5},
            ["no route", "why not another:", "  4 whose path matches", "  5 whose path does not match"],
            id="only counted",
        ),
        pytest.param(
            {"route": None, "params": {}, "refusal": NOT_ROUTED},
            ["no route", "  400 request.path: No.", "  because"],
            id="refused before any route",
        ),
        pytest.param(
            {"answered_here": True},
            ["answered by Seawall itself, before any route is looked for"],
            id="answered here",
        ),
    ],
)
def test_the_route_and_why_not_another_is_told(changed: dict[str, Any], told: list[str]) -> None:
    text = request_as_text({**FOUND, "routing": {**ROUTED, **changed}})

    assert told == text.split("\n\n")[1].split("\n")


def test_the_stages_have_their_words_below_them() -> None:
    stage = {
        "name": "rate_limit/a",
        "outcome": "passed",
        "mode": "10%",
        "place": "a.yaml:9",
        "in_words": ["10 at once"],
    }
    other = {"name": "cors/a", "outcome": "disabled", "mode": "disabled", "place": "a.yaml:11"}

    text = request_as_text({**FOUND, "chain": [stage, other]})

    assert [
        "policies, in the order in which it meets them:",
        "  rate_limit/a  passed    10%       a.yaml:9",
        "      10 at once",
        "  cors/a        disabled  disabled  a.yaml:11",
    ] == text.split("\n\n")[2].split("\n")


def test_a_decision_in_shadow_tells_what_shadow_would_have_refused_and_the_stages() -> None:
    stage = {"name": "rate_limit/a", "outcome": "would have refused", "mode": "shadow", "place": "a.yaml:1"}
    shadow = {**VERDICT, "mode": "shadow", "change": BURST, "place": "a.yaml:1"}
    decision = {
        **shadow, "id": "d", "time": "t", "request_id": "r", "client_ip": "192.0.2.1", "route": "a",
        "status": 200, "method": "GET", "path": "/", "query": "b=1", "revision": "0123456789abcdef",
        "shadow": [shadow], "chain": [stage], "upstream": "backup",
    }  # fmt: skip

    assert [
        "GET /?b=1 from 192.0.2.1",
        "route a, revision 0123456789ab",
        "sent to the upstream backup",
        "answered 200",
        "",
        "in shadow, would have refused: rate_limit.exceeded",
        "  by          rate_limit/a  a.yaml:1",
        "  would pass  with burst ≥ 14",
        "",
        "policies, in the order in which it met them:",
        "  rate_limit/a  would have refused  shadow  a.yaml:1",
    ] == decision_as_text(decision, "0123456789abcdef").split("\n")[1:]


def test_a_refusal_of_nobody_s_policy_has_no_way_out() -> None:
    decision = {**VERDICT, "reason": "route.none", "policy": "route", "detail": "No route matches."}

    text = request_as_text({**FOUND, "decision": decision})

    assert ["refused: route.none", "  by          route", "  said        No route matches."] == text.split(
        "\n"
    )[-3:]


def test_each_call_that_came_to_nothing_is_told_of() -> None:
    retries = [
        {"error_class": "timeout", "cause": "timeout.response", "wait": 0.5, "outcome": "failed"},
        {"error_class": "gateway_error", "cause": "503", "outcome": "no_time"},
    ]

    assert [
        "call 1 came to timeout.response (timeout), repeated after 0.5 s: failed",
        "call 2 came to 503 (gateway_error), not repeated: no_time",
    ] == list(_retries({"retries": retries}))
