"""What the load generators are told, and what they answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import generators
from bench.generators import Counted, Failed
from bench.scenarios import SCENARIOS, Scenario, routed

POST = Scenario("post", "", ("/json",), connections=8, body=3, headers={"Cookie": 'a="b\\c"'})

WRK = """\
Running 1s test @ http://127.0.0.1:8080/json
  1 threads and 32 connections
  66770 requests in 1.00s, 21.9MB read
Requests/sec:  66722.17
RESULT {"requests":66770,"errors":0,"seconds":1.000722,"p50_ms":0.410000,"p99_ms":0.780000}
"""


def test_the_result_is_found_in_what_wrk_prints() -> None:
    assert Counted(66770, 0, 1.000722, 0.41, 0.78) == generators.counted(WRK)


@pytest.mark.parametrize(
    ("output", "errors", "reason"),
    [
        ("", "unable to connect to 127.0.0.1:1\n", "unable to connect to 127.0.0.1:1"),
        ("", "", "the load generator printed nothing"),
    ],
    ids=["it says why", "it says nothing"],
)
def test_a_generator_without_a_result_has_failed(output: str, errors: str, reason: str) -> None:
    with pytest.raises(Failed, match=reason):
        generators.counted(output, errors)


def test_wrk_is_told_connections_and_seconds(tmp_path: Path) -> None:
    command = generators.wrk_command(8080, POST, 2, tmp_path)

    assert ["wrk", "-t1", "-c8", "-d2s"] == command[:4]
    assert "http://127.0.0.1:8080/json" == command[-1]
    assert (tmp_path / "wrk.lua").read_text() == generators.wrk_script(POST)


def test_the_script_sends_method_headers_and_body() -> None:
    assert [
        'wrk.method = "POST"',
        r'wrk.headers["Cookie"] = "a=\"b\\c\""',
        'wrk.headers["Content-Type"] = "application/octet-stream"',
        'wrk.body = string.rep("x", 3)',
    ] == generators.wrk_script(POST).splitlines()[:4]


def test_a_get_has_no_body_and_no_type() -> None:
    script = generators.wrk_script(SCENARIOS[0])

    assert ("wrk.body" in script, "Content-Type" in script, "function request" in script) == (
        False,
        False,
        False,
    )


def test_several_paths_are_asked_for_in_turn(tmp_path: Path) -> None:
    generators.wrk_command(8080, routed(10), 1, tmp_path)

    paths = (tmp_path / "paths.txt").read_text().splitlines()
    assert ["/routes/r0/items/0", "/routes/r1/items/0"] == paths[:2]
    assert "function request" in (tmp_path / "wrk.lua").read_text()


def test_our_own_generator_reads_the_requests_as_they_go_over_the_wire(tmp_path: Path) -> None:
    *_, connections, seconds, file = generators.python_command(8080, POST, 2, tmp_path)

    assert ("8", "2") == (connections, seconds)
    wanted = (
        'POST /json HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nCookie: a="b\\c"\r\n'
        "Content-Type: application/octet-stream\r\nContent-Length: 3\r\n\r\nxxx"
    )
    assert [wanted] == json.loads(Path(file).read_text())


def test_a_realistic_request_has_a_dozen_headers_and_a_cookie() -> None:
    realistic = next(scenario for scenario in SCENARIOS if scenario.name == "headers")

    assert (13, True) == (len(realistic.headers), "Cookie" in realistic.headers)


def test_where_a_header_varies_no_two_requests_are_the_same(tmp_path: Path) -> None:
    varied = next(scenario for scenario in SCENARIOS if scenario.varied)

    requests = json.loads(Path(generators.python_command(8080, varied, 1, tmp_path)[-1]).read_text())

    assert len(varied.paths) == len(set(requests)) > 32
    assert f'varied = "{varied.varied}"' in generators.wrk_script(varied)
