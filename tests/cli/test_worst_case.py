"""How long a request takes at most where calls are repeated: said, and not surpassed."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.cli.words import sentences
from proxy.config.loader import load
from proxy.policies import PIPELINE_ORDER
from proxy.rehearsal.messages import Answer, Request
from proxy.rehearsal.rehearsal import Rehearsal
from tests.rehearsal.plays import configured

ROUTE = """\
version: 1
upstreams:
  app: {{url: "http://127.0.0.1:3000"}}
  slow: {{url: "http://127.0.0.1:3001", pool: {{wait: 6s}}}}
routes:
  - name: a
    match: {{path: /a}}
    upstream: {}
    policies: {{{}}}
  - {{name: b, match: {{path: /b}}, upstream: slow}}
"""
RETRY = "retry: {max_retries: 2, backoff: {base: 1s, max: 2s, jitter: none}, honour_retry_after: {max: 0s}}"
TIMES = f"{RETRY}, timeout: {{connect: 1s, response: 4s}}"
MORE = (
    "pace: {limit: 1/s, max_wait: 10s}, concurrency: {max: 1, queue: {size: 1, timeout: 7s}}, "
    "idempotency: {key: [header:Idempotency-Key], on_in_flight: wait, pending_for: 20s}"
)
WAITS = "30s of `pace`, 7s in the queue of `concurrency`, 20s for the same request under way"
END = "from the end of a request to an answer's head"
BODY = "and without a `deadline` no bound for how long the body of a request takes to come and to be sent"


def said(policies: str, folder: Path, upstream: str = "app") -> list[str]:
    """Of the worst case, by `check`."""
    file = folder / "a.yaml"
    file.write_text(ROUTE.format(upstream, policies), encoding="utf-8")
    told = sentences(load(file, PIPELINE_ORDER, env={}))
    (words,) = (each.words for each in told if each.kind == "retry")
    return [
        word
        for word in words
        if word.startswith(("at most", "and without")) and "for one request" not in word
    ]


@pytest.mark.parametrize(
    ("policies", "upstream", "words"),
    [
        (TIMES, "app", [f"at most 18s {END}: 15s of calls, 3s of waits", BODY]),
        (TIMES, "slow", [f"at most 33s {END}: 30s of calls, 3s of waits", BODY]),
        (
            f"{RETRY}, timeout: {{attempt: 4s}}",
            "app",
            [f"at most 15s {END}: 12s of calls, 3s of waits", BODY],
        ),
        (
            f"{RETRY}, timeout: {{connect: 1s, response: 4s, attempt: 9s}}",
            "slow",
            [f"at most 30s {END}: 27s of calls, 3s of waits", BODY],
        ),
        (
            f"{RETRY}, timeout: {{connect: 1s, response: 4s, attempt: 9s}}",
            "app",
            [f"at most 18s {END}: 15s of calls, 3s of waits", BODY],
        ),
        (RETRY, "app", [f"at most 3.3m {END}: 3.25m of calls, 3s of waits", BODY]),
        (f"{TIMES}, {MORE}", "app", [f"at most 1.25m {END}: 15s of calls, {WAITS}, 3s of waits", BODY]),
        (
            TIMES + ", pace: {limit: 1/s, mode: shadow}",
            "app",
            [f"at most 18s {END}: 15s of calls, 3s of waits", BODY],
        ),
        (f"{RETRY}, deadline: 9s", "app", ["at most 9s in all by `deadline`"]),
    ],
    ids=[
        "times",
        "a long wait for a connection",
        "a limit of all of a call",
        "a limit that is less than the wait for a connection and the answer",
        "a limit that is more",
        "defaults",
        "all waits",
        "in shadow",
        "a deadline",
    ],
)
def test_the_worst_case_is_said(policies: str, upstream: str, words: list[str], tmp_path: Path) -> None:
    assert words == said(policies, tmp_path, upstream)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([Answer(fault="hang")], id="no answer"),
        pytest.param([Answer(fault="hang_connect")], id="no connection"),
        pytest.param([Answer(latency=3.9, fault="reset"), Answer(fault="hang")], id="a stale connection"),
    ],
)
def test_it_is_not_surpassed(tmp_path: Path, script: list[Answer]) -> None:
    with Rehearsal(configured(tmp_path, ROUTE.format("app", TIMES))) as rehearsal:
        rehearsal.script([Answer()])
        rehearsal.send(Request(target="/a"))
        rehearsal.script(script)
        longest = rehearsal.send(Request(target="/a"))

    assert (504, 3) == (longest.status, longest.upstream_calls)
    assert 5 < longest.elapsed < 18


def test_who_waits_for_a_connection_waits_as_long_as_is_said(tmp_path: Path) -> None:
    busy = ROUTE.replace("wait: 6s", "max_connections: 1, wait: 6s")
    patient = TIMES.replace("response: 4s", "response: 20s")
    with Rehearsal(configured(tmp_path, busy.format("slow", patient))) as rehearsal:
        rehearsal.script([Answer(fault="hang")])
        _, second = rehearsal.send_at_once([Request(target="/a"), Request(target="/a")])

    assert ("upstream.busy", 6.0) == (second.reason, second.elapsed)
