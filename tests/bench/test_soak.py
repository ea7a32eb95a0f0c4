"""A short soak finds nothing wrong, and what is wrong would be found."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bench.soak import verdict
from bench.soak.__main__ import report
from bench.soak.clients import Answer, Broken, Tally, read_answer, wrong
from bench.soak.running import Soak
from bench.soak.upstream import pattern, read_head
from bench.soak.verdict import Lines
from bench.soak.ways import Way

SECONDS = 8.0
LEAKY = {"seawall_tasks": 3.0, "process_open_fds": 21.0}
HEALTH: dict[str, Any] = {"upstreams": {"app": {"open": 0, "idle": 0, "opening": 0, "waiting": 0, "max": 9}}}
ACCESS = '{"request_id":"%s","attempts":%d}\n'


async def test_some_seconds_of_every_failure_leave_nothing_behind(tmp_path: Path) -> None:
    found = await Soak(tmp_path / "soak", SECONDS, clients=40).run()

    assert [] == found.problems
    assert {"edited", "stopped", "killed", "mistyped", "held", "storeless"} == found.events.keys()
    assert "nothing is wrong" == report(found).splitlines()[-1]


async def read(raw: bytes, method: str = "GET") -> Answer:
    reader = asyncio.StreamReader()
    reader.feed_data(raw)
    reader.feed_eof()
    return await read_answer(reader, method)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", id="shorter than it said"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhell\r\n", id="chunks without an end"
        ),
    ],
)
async def test_an_answer_that_breaks_off_is_told_from_a_whole_one(raw: bytes) -> None:
    with pytest.raises(Broken):
        await read(raw)


async def test_no_answer_is_not_an_answer_that_broke_off() -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        await read(b"")


async def test_a_whole_answer_of_chunks_is_put_together() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"

    answer = await read(head + b"2\r\nhe\r\n2\r\ny!\r\n0\r\n\r\n")

    assert (200, b"hey!", True) == (answer.status, answer.body, answer.closes)


OK = Answer(200, {"x-soak-id": "soak-1"}, pattern("soak-1", 20))


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        pytest.param(OK, [], id="as it should be"),
        pytest.param(
            Answer(200, {"x-soak-id": "soak-2"}, OK.body), ["the answer belongs to 'soak-2'"], id="another's"
        ),
        pytest.param(Answer(200, OK.fields, b"?"), ["another body: b'?' of 1 bytes"], id="another body"),
        pytest.param(Answer(418, OK.fields, b""), ["status 418"], id="a status that nobody sends"),
        pytest.param(Answer(500, OK.fields, b"Traceback (most"), ["a stack trace"], id="what must not leak"),
        pytest.param(
            Answer(503, {"x-request-id": "soak-1"}, b"no"), ["a refusal without a reason"], id="no reason"
        ),
        pytest.param(
            Answer(503, {**OK.fields, "x-seawall-attempts": "4"}, b""), ["4 attempts"], id="too many attempts"
        ),
    ],
)
def test_what_is_wrong_with_an_answer(answer: Answer, found: list[str]) -> None:
    assert found == wrong(Way("/ok/20"), "soak-1", answer)


def test_the_upstream_reads_what_a_proxy_sends() -> None:
    asked = read_head(b"POST /ok/20 HTTP/1.1\r\nX-Soak-Id: a\r\nContent-Length: 7\r\n\r\n")

    assert ("POST", ["ok", "20"], 20, "a", 7) == (
        asked.method,
        asked.words,
        asked.size,
        asked.id,
        asked.length,
    )


@pytest.mark.parametrize(
    ("held", "says"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"seawall_tasks": 4.0}, ["seawall_tasks is 4, and was 3 at the start"], id="a task"),
        pytest.param(
            {"process_open_fds": 22.0}, ["process_open_fds is 22, and was 21 at the start"], id="a connection"
        ),
        pytest.param(
            {'seawall_concurrency_in_flight{name="app"}': 1.0},
            ['seawall_concurrency_in_flight{name="app"} is 1'],
            id="a permit",
        ),
        pytest.param({"seawall_client_connections": 2.0}, ["seawall_client_connections is 2"], id="clients"),
    ],
)
def test_what_is_still_held_is_told(held: dict[str, float], says: list[str]) -> None:
    assert says == list(verdict.unsettled({**LEAKY, **held}, LEAKY, HEALTH, []))


def test_a_place_in_a_pool_and_a_probe_are_told() -> None:
    health = {"upstreams": {"app": {**HEALTH["upstreams"]["app"], "open": 2}}}

    assert ["the pool of app has {'open': 2}", "the breaker app still has 1 probes"] == list(
        verdict.unsettled(LEAKY, LEAKY, health, [{"name": "app", "numbers": {"probes": 1}}])
    )


def told(statuses: int = 2, attempts: int = 3) -> dict[str, float]:
    return verdict.series(
        "# TYPE seawall_http_requests counter\n"
        f'seawall_http_requests_total{{method="GET",endpoint="/",status="200"}} {statuses}\n'
        f'seawall_upstream_attempts_total{{upstream="app",outcome="200"}} {attempts}.0\n'
    )


def asked() -> Tally:
    tally = Tally(ids={"a", "b"})
    tally.answered["ok", 200] = 2
    return tally


def test_numbers_that_agree_are_fine() -> None:
    lines = verdict.read_log([ACCESS % ("a", 1), ACCESS % ("b", 2)])

    assert [] == list(verdict.inconsistent(asked(), told(), lines))


@pytest.mark.parametrize(
    ("log", "metrics", "says"),
    [
        pytest.param([("a", 1), ("b", 2)], told(1), "clients had 2 answers", id="an answer not counted"),
        pytest.param([("a", 1), ("b", 2)], told(3), "clients had 2 answers", id="one counted twice"),
        pytest.param([("a", 1), ("a", 2)], told(), "1 requests are in the access log more", id="told twice"),
        pytest.param([("a", 3)], told(), "metrics count 2 exchanges", id="a line is missing"),
        pytest.param([("a", 1), ("b", 1)], told(), "metrics count 3 attempts", id="an attempt not told of"),
        pytest.param([("a", 0), ("b", 4)], told(2, 4), "a request had 4 attempts", id="too many attempts"),
    ],
)
def test_numbers_that_disagree_are_told(
    log: list[tuple[str, int]], metrics: dict[str, float], says: str
) -> None:
    lines = verdict.read_log(ACCESS % line for line in log)

    assert list(verdict.inconsistent(asked(), metrics, lines))[0].startswith(says)  # noqa: RUF015  # there is one


def test_a_traceback_in_the_log_is_told() -> None:
    fine = "2026-01-01T00:00:00Z INFO circuit_breaker/app: closed -> open, 30 failures in a row {}"

    assert [] == list(verdict.unexpected(Lines(other=[fine])))
    assert ["the log has 1 lines that it should not have: Traceback (most recent call last):"] == list(
        verdict.unexpected(Lines(other=[fine, "Traceback (most recent call last):"]))
    )


def test_memory_may_grow_while_it_warms_up_and_not_after() -> None:
    flat, growing = [20.0, 60.0, 61.0, 62.0, 62.0], [20.0, 60.0, 70.0, 80.0, 90.0]

    assert ([], []) == (list(verdict.grown(flat, 600)), list(verdict.grown(growing, 8)))
    assert ["resident memory grew from 60.0 to 90.0 MiB"] == list(verdict.grown(growing, 600))


def test_a_soak_in_which_nothing_failed_proves_nothing() -> None:
    assert "no client ever got 502" in list(verdict.missed(asked(), told()))
