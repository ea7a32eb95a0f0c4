"""Policies that keep each other from acting are told of, and those that act somewhere are not."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from tests.app.test_advice import ROUTE, START, warned, with_policies

KEY = f"sha256: {sha256(b'key').hexdigest()}"
SLACK = "webhook_signature: {scheme: slack, secrets: [{env: SECRET}]}"
OPEN = "trip: {slow_ratio: 50%, slow_after: 20s}"
TWO = "  - {name: two, match: {path: /2, methods: [PUT]}, policies: {deadline: 1h}}\n"


def defaults(text: str) -> str:
    return START + f"defaults: {{{text}}}\n" + ROUTE


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        pytest.param(
            with_policies("deadline: 10s", "timeout: {connect: 10s}"),
            "8:26: routes[0].policies.timeout.connect: it never acts: "
            "`deadline` ends the whole exchange after 10s",
            id="time to connect past the deadline",
        ),
        pytest.param(
            with_policies("deadline: 10s", "timeout: {idle: 1m}"),
            "8:23: routes[0].policies.timeout.idle: it never acts: "
            "`deadline` ends the whole exchange after 10s",
            id="an idle time past the deadline",
        ),
        pytest.param(
            with_policies("timeout: {response: 10s, attempt: 10s}"),
            "7:27: routes[0].policies.timeout.response: it never acts: `attempt` ends each call after 10s",
            id="a time for the head past the whole attempt",
        ),
        pytest.param(
            with_policies("deadline: 10s", "timeout: {attempt: 10s}"),
            "8:26: routes[0].policies.timeout.attempt: it never acts: "
            "`deadline` ends the whole exchange after 10s",
            id="an attempt past the deadline",
        ),
        pytest.param(
            with_policies("deadline: 10s", f"circuit_breaker: {{{OPEN}}}"),
            "8:61: routes[0].policies.circuit_breaker.trip.slow_after: no call is ever that slow: "
            "`deadline` ends the whole exchange after 10s",
            id="calls that cannot become that slow",
        ),
        pytest.param(
            with_policies('cors: {origins: ["https://a.example"], methods: [GET, PUT]}'),
            "7:61: routes[0].policies.cors.methods[1]: nobody is asked for it: "
            "no route with this policy takes PUT",
            id="a method that the route does not take",
        ),
        pytest.param(
            with_policies("replay_guard: {key: [signature]}"),
            "7:28: routes[0].policies.replay_guard.key[0]: signature is never known on route only, "
            "where nothing verifies a signature",
            id="a signature that nobody verifies",
        ),
        pytest.param(
            with_policies(
                SLACK.replace("}]}", "}], mode: shadow}"), "replay_guard: {key: [body.sha256, auth.id]}"
            ),
            "8:41: routes[0].policies.replay_guard.key[1]: auth.id is never known on route only, "
            "where nothing proves who the caller is",
            id="a caller that is proved in shadow only",
        ),
        pytest.param(
            defaults("replay_guard: {key: [signature]}")
            + f"    policies: {{{SLACK}}}\n  - {{name: two, match: {{path: /2}}}}\n",
            "3:33: defaults.replay_guard.key[0]: signature is never known on route two, "
            "where nothing verifies a signature",
            id="a signature that nobody verifies on one of two routes",
        ),
        pytest.param(
            with_policies(SLACK, "replay_guard: {key: [body.sha256], ttl: 299s}"),
            "8:47: routes[0].policies.replay_guard.ttl: a message passes again after that, "
            "since its signature is good for 5m",
            id="a memory shorter than a signature is good for",
        ),
        pytest.param(
            with_policies("deadline: 10m", "replay_guard: {key: [body.sha256]}"),
            "8:21: routes[0].policies.replay_guard: a message that is worked on for longer passes "
            "a second time meanwhile; expected as much as the `deadline`, 10m",
            id="a claim shorter than a request may take",
        ),
        pytest.param(
            with_policies(f"api_key: {{keys: [{{id: a, {KEY}, expires: 2023-11-14T22:13:20Z}}]}}"),
            "7:115: routes[0].policies.api_key.keys[0].expires: the key of 'a' has expired",
            id="a key that has expired",
        ),
        pytest.param(
            with_policies("api_key: {keys_file: keys.yaml}"),
            "7:28: routes[0].policies.api_key.keys_file: the key of 'a' in it has expired, "
            "at 2023-11-14T22:13:20Z",
            id="a key in a file that has expired",
        ),
        pytest.param(
            with_policies(
                "rate_limit: [{name: x, limit: 10/min, burst: 5}, {name: y, limit: 1/s, burst: 9}]"
            ),
            "7:73: routes[0].policies.rate_limit[1].limit: it never refuses: only/x lets less through",
            id="a limit under which another stays",
        ),
        pytest.param(
            START + "errors: {templates: {rate_limit.exceded: {text: slow down}}}\n" + ROUTE,
            '3:42: errors.templates["rate_limit.exceded"]: nothing is refused with this reason; '
            "did you mean `rate_limit.exceeded`?",
            id="a template that is never used",
        ),
    ],
)
def test_what_keeps_a_policy_from_acting_is_told_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, warning: str
) -> None:
    monkeypatch.setenv("SECRET", "correct-horse-battery-staple")
    (tmp_path / "keys.yaml").write_text(f"keys: [{{id: a, {KEY}, expires: 2023-11-14T22:13:20Z}}]\n")

    assert [warning] == warned(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            with_policies("deadline: 1m", f"circuit_breaker: {{{OPEN}}}"), id="calls that may be slow"
        ),
        pytest.param(with_policies(f"circuit_breaker: {{{OPEN}}}"), id="no deadline"),
        pytest.param(
            defaults("deadline: 10s, timeout: {idle: 1m}") + TWO, id="an idle time that acts elsewhere"
        ),
        pytest.param(
            defaults('cors: {origins: ["https://a.example"], methods: [GET, HEAD, OPTIONS, PUT]}') + TWO,
            id="a method of another route",
        ),
        pytest.param(
            with_policies(SLACK, "replay_guard: {key: [signature, auth.id], ttl: 5m}"),
            id="facts that are known",
        ),
        pytest.param(
            with_policies(
                SLACK.replace("}]}", "}], mode: 10%}"), "replay_guard: {key: [signature], ttl: 1s}"
            ),
            id="facts that are known of some",
        ),
        pytest.param(
            with_policies("deadline: 10m", "replay_guard: {key: [body.sha256], pending_for: 10m}"),
            id="a claim as long as a request may take",
        ),
        pytest.param(
            with_policies(f"api_key: {{keys: [{{id: a, {KEY}, expires: 2023-11-14T22:13:21Z}}]}}"),
            id="a key that is about to expire",
        ),
        pytest.param(
            with_policies(
                "rate_limit: [{name: x, limit: 10/min, burst: 5}, {name: y, limit: 1/s, burst: 4}]"
            ),
            id="a limit on another length of time",
        ),
        pytest.param(
            with_policies(
                "rate_limit:",
                "  - {name: x, limit: 10/min, burst: 5}",
                "  - {name: y, limit: 1/s, burst: 9, key: [client.net]}",
            ),
            id="a limit by another key",
        ),
        pytest.param(
            with_policies(
                "rate_limit:",
                "  - {name: x, limit: 10/min, burst: 5, mode: shadow}",
                "  - {name: y, limit: 1/s, burst: 9}",
            ),
            id="a limit beside one in shadow",
        ),
        pytest.param(
            START
            + "policies: {rate_limit: {few: {limit: 1/s, burst: 5}, many: {limit: 9/s, burst: 9}}}\n"
            + ROUTE
            + "    policies: {rate_limit: [few, many]}\n"
            + "  - {name: two, match: {path: /2}, policies: {rate_limit: many}}\n",
            id="a limit that acts elsewhere",
        ),
        pytest.param(
            START
            + "errors: {templates: {rate_limit.exceeded: {text: slow}, route.none: {text: no}}}\n"
            + ROUTE,
            id="templates that are used",
        ),
    ],
)
def test_what_acts_somewhere_is_not_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("SECRET", "correct-horse-battery-staple")

    assert [] == warned(tmp_path, text)
