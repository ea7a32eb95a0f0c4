"""The load test for one's own Seawall: what it accepts, and one short run against a real one."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from bench.load_test import Load, Plan, loopback, main, parse
from tests.app.seawall import seawall

HERE = "http://127.0.0.1:8080/"
POLICIES = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:{port}"}}}}
routes:
  - name: site
    match: {{path: "/**"}}
    policies:
      rate_limit: {{limit: 5/day}}
      circuit_breaker: {{trip: {{consecutive_failures: 5}}}}
"""
MOVED = b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nX-Shard: b\r\nContent-Length: 5\r\n\r\nhello"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readline():
        while (await reader.readline()).strip():
            pass
        writer.write(MOVED)
    writer.close()


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("localhost.example", False),
        ("0.0.0.0", False),
        ("192.0.2.1", False),
        ("example.com", False),
    ],
)
def test_only_what_is_certainly_this_machine_counts_as_it(host: str, here: bool) -> None:
    assert here == loopback(host)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["http://example.com/"], "example.com may be another machine; --not-loopback"),
        ([HERE, "http://192.0.2.1/"], "192.0.2.1 may be another machine"),
        ([HERE, "--status", "http://192.0.2.1:9902"], "192.0.2.1 may be another machine"),
        (["127.0.0.1:8080"], "is no url; expected one such as http://127.0.0.1:8080/"),
        ([HERE, "--rate", "1000000"], "--rate is 1e+06; expected 0 to 20000"),
        ([HERE, "--duration", "1h"], "--duration is 3600; expected 0.1 to 600"),
        ([HERE, "--duration", "10"], "'10' is no duration; expected one with its unit"),
        ([HERE, "--concurrency", "0"], "--concurrency is 0; expected 1 to 1000"),
        ([HERE, "--header", "X-API-Key"], "'X-API-Key' is no header"),
        ([HERE, "--body-file", "/nowhere"], "No such file"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_asked(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(arguments)

    assert 2 == stopped.value.code
    assert complaint in capsys.readouterr().err


def test_another_machine_is_asked_where_that_is_meant() -> None:
    assert ("http://192.0.2.1/",) == parse(["http://192.0.2.1/", "--not-loopback"]).plan.urls


def test_what_is_asked_is_as_it_was_said(tmp_path: Path) -> None:
    (tmp_path / "ticket.json").write_text("{}")
    body = ["--body-file", str(tmp_path / "ticket.json")]

    plan = parse([HERE, "--method", "post", "--header", "X-Key: a:b", "--duration", "1m", *body]).plan

    assert ("POST", (("X-Key", "a:b"),), b"{}", 60.0) == (plan.method, plan.headers, plan.body, plan.seconds)


async def test_a_short_run_counts_what_a_real_seawall_answers(tmp_path: Path) -> None:
    upstream = await asyncio.start_server(answer, "127.0.0.1", 0)
    (tmp_path / "load.yaml").write_text(POLICIES.format(port=upstream.sockets[0].getsockname()[1]))

    async with upstream, seawall(tmp_path / "load.yaml") as running:
        data, status = (f"http://127.0.0.1:{port}" for port in (running.data, running.status))
        plan = Plan((f"{data}/a", f"{data}/b"), 100.0, 0.2, 4, count_header="X-Shard", status=status)
        report = await Load(plan).run()

    statuses = {code: len(times) for code, times in report.seen.times.items()}
    refused = report.seen.requests - 5
    assert ({302: 5, 429: refused}, {"rate_limit.exceeded": refused}, {"X-Shard: b": 5}) == (
        statuses,
        report.seen.reasons,
        report.seen.headers,
    )
    assert (
        0 < refused <= 15
    )  # fewer on a machine that is busy: what is late when the time is over is not asked
    assert refused == report.metrics['seawall_rate_limit_exceeded_total{endpoint="/**"}']
    assert {"site": "closed"} == report.breakers


def test_where_nobody_answers_it_says_so_and_fails(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/"
    report = tmp_path / "report.json"

    exit_code = main(
        [closed, "--rate", "20", "--duration", "100ms", "--format", "json", "--report", str(report)]
    )

    told = json.loads(capsys.readouterr().out)
    assert (1, {"could not connect: Connection refused": 2}) == (exit_code, told["failures"])
    assert told == json.loads(report.read_text())
