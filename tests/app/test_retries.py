"""Repetitions that never happen, that may do harm, or that are more than somebody meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.app.retries import retries
from proxy.config.loader import load
from proxy.policies import PIPELINE_ORDER

FILE = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:3000"}}}}
routes:
  - name: api
    match: {{path: "/**"}}
    policies: {{{policies}}}
"""
TIMEOUT = ", timeout: {response: 2s}"


@pytest.mark.parametrize(
    ("policies", "warned"),
    [
        pytest.param("retry: {}" + TIMEOUT, [], id="nothing wrong"),
        pytest.param(
            "retry: {}, timeout: {response: 2s}, deadline: 30s", [], id="nothing wrong with a deadline"
        ),
        pytest.param("retry: {}", [("", "without a `timeout`, each call may take 1m")], id="no timeout"),
        pytest.param("retry: {max_retries: 0}", [], id="nothing is repeated"),
        pytest.param(
            "retry: {max_retries: 3, classes: {network_error: {max_retries: 4}}}" + TIMEOUT,
            [
                (
                    "classes.network_error.max_retries",
                    "it is more than `max_retries` 3, and counts instead of it: expected a `deadline` on api",
                )
            ],
            id="a class with more",
        ),
        pytest.param(
            "deadline: 30s, retry: {max_retries: 3, classes: {network_error: {max_retries: 4}}}" + TIMEOUT,
            [],
            id="a class with more, where a deadline bounds all",
        ),
        pytest.param(
            "retry: {methods: [GET, POST]}" + TIMEOUT,
            [("methods", "a POST on which the upstream has worked is sent again after network_error")],
            id="a POST",
        ),
        pytest.param(
            "retry: {methods: [POST], classes: {connect_error: {}}}" + TIMEOUT, [], id="a POST not begun"
        ),
        pytest.param(
            "retry: {methods: [POST], classes: {odd: {status: 420, nothing_done: true}}}" + TIMEOUT,
            [],
            id="a POST that was refused",
        ),
        pytest.param(
            "retry: {methods: [POST], upstream_honours_idempotency_key: true}" + TIMEOUT,
            [],
            id="a POST with keys",
        ),
        pytest.param(
            "retry: {backoff: {base: 2s, jitter: none}}, deadline: 3s" + TIMEOUT,
            [("backoff", "of 2 repetitions 1 are possible on api, since `deadline` ends")],
            id="waits that the deadline can't hold",
        ),
        pytest.param(
            "retry: {backoff: {base: 2s}}, deadline: 3s" + TIMEOUT,
            [],
            id="waits that chance can make shorter",
        ),
        pytest.param(
            "retry: {}, deadline: 2s" + TIMEOUT,
            [("", "an answer that takes too long is never asked for again on api")],
            id="a timeout as long as the deadline",
        ),
        pytest.param(
            "retry: {}, deadline: 2s, timeout: {attempt: 2s}",
            [("", "an answer that takes too long is never asked for again on api: `timeout` waits 2s")],
            id="an attempt as long as the deadline",
        ),
        pytest.param(
            "retry: {}, deadline: 30s, timeout: {attempt: 2s}", [], id="an attempt shorter than the deadline"
        ),
    ],
)
def test_what_is_probably_not_meant(policies: str, warned: list[tuple[str, str]], tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(FILE.format(policies=policies))

    found = [(path, message) for _, path, message in retries(load(file, PIPELINE_ORDER, env={}))]

    assert [path for path, _ in warned] == [path for path, _ in found]
    for (_, expected), (_, message) in zip(warned, found, strict=True):
        assert message.startswith(expected)
