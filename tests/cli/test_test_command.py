"""`seawall test`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from proxy.cli.test_command import test as command
from tests.cli.files import BAD, GOOD, WITHOUT_UPSTREAM, a_file

PASSING = """\
tests:
  - name: a ticket is passed on
    upstream: {body: ok, latency: 1s}
    steps: [{request: {path: /tickets/1}, expect: {status: 200, elapsed: 1s}}]
"""
FAILING = """\
  - name: a large one is passed on
    steps:
      - {request: {method: POST, path: /tickets/1, body_size: 2MiB}, expect: {status: 200}}
"""
SECRET = """\
  - name: keys
    match: {path: /keys}
    policies: {security_headers: {preset: none, set: {X-A: "${WORD}"}}}
tests:
  - name: the variable is that of the tests
    steps: [{request: {path: /keys}, expect: {status: 200, headers: {X-A: sesame}}}]
test_secrets: {env: {WORD: sesame}}
"""


def invoke(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(command, list(arguments), env=env, catch_exceptions=False)


def test_tests_that_pass_are_a_line_each(tmp_path: Path) -> None:
    result = invoke(a_file(tmp_path, GOOD + PASSING))

    assert (
        0,
        "passed a ticket is passed on (1 step, 1 request, 1s simulated)\n1 test: 1 passed, 0 failed\n",
    ) == (
        result.exit_code,
        result.output,
    )


def test_a_failure_is_told_and_ends_in_exit_code_1(tmp_path: Path) -> None:
    file = a_file(tmp_path, GOOD + PASSING + FAILING)
    result = invoke(file)

    assert 1 == result.exit_code
    assert f"  {file}:14: step 1 of 1\n    status: expected 200, got 413\n" in result.output
    assert result.output.endswith("2 tests: 1 passed, 1 failed\n")


def test_a_filter_chooses_by_a_part_of_the_name(tmp_path: Path) -> None:
    file = a_file(tmp_path, GOOD + PASSING + FAILING)
    some, none = invoke(file, "--filter", "A TICKET"), invoke(file, "--filter", "nothing")

    assert (0, 1) == (some.exit_code, some.output.count("simulated"))
    assert (1, f"{file}: no test with 'nothing' in its name; expected some under `tests`\n") == (
        none.exit_code,
        none.output,
    )


def test_files_without_a_test_are_no_success(tmp_path: Path) -> None:
    file = a_file(tmp_path, GOOD)
    result = invoke(file)

    assert (1, f"{file}: no test; expected some under `tests`\n") == (result.exit_code, result.output)


def test_a_file_with_problems_is_not_played(tmp_path: Path) -> None:
    bad = a_file(tmp_path, BAD + PASSING.replace("expect", "expct"), "bad.yaml")
    result = invoke(bad)

    assert 1 == result.exit_code
    assert (1, 1) == (result.output.count(f"{bad}:3:22: "), result.output.count('unknown key "expct"'))
    assert "simulated" not in result.output


def test_what_only_shows_when_policies_are_built_is_a_problem(tmp_path: Path) -> None:
    file = a_file(tmp_path, GOOD.replace("30s", "{total: 30s, accept_from_clients: true}") + PASSING)
    result = invoke(file)

    assert 1 == result.exit_code
    assert result.output.endswith(f"{file}: 1 problem\n")


def test_several_paths_are_configurations_of_their_own(tmp_path: Path) -> None:
    one, two = a_file(tmp_path, GOOD + PASSING, "one.yaml"), a_file(tmp_path, GOOD, "two.yaml")
    result = invoke(one, one, two)

    assert (0, True) == (result.exit_code, result.output.endswith("2 tests: 2 passed, 0 failed\n"))


def test_programs_get_json(tmp_path: Path) -> None:
    good = a_file(tmp_path, GOOD + PASSING + FAILING, "good.yaml")
    bad = a_file(tmp_path, BAD, "bad.yaml")
    result = invoke(good, bad, "--format", "json")
    played, wrong = json.loads(result.output)["configurations"]

    assert (1, [True, False], [], False) == (
        result.exit_code,
        [test["ok"] for test in played["tests"]],
        played["problems"],
        played["ok"],
    )
    assert ([], 3, False) == (wrong["tests"], wrong["problems"][0]["line"], wrong["ok"])


def test_two_runs_say_the_same(tmp_path: Path) -> None:
    file = a_file(tmp_path, GOOD + PASSING + FAILING)

    assert invoke(file, "--format", "json").output == invoke(file, "--format", "json").output


def test_secrets_of_the_tests_stand_above_the_environment(tmp_path: Path) -> None:
    file = a_file(tmp_path, GOOD + SECRET)
    alone, beside = invoke(file), invoke(file, WORD="another")

    assert (0, 0) == (alone.exit_code, beside.exit_code)


def test_the_upstream_may_come_from_outside(tmp_path: Path) -> None:
    file = a_file(tmp_path, WITHOUT_UPSTREAM + PASSING)

    assert (1, 0) == (invoke(file).exit_code, invoke(file, "--upstream", "http://127.0.0.1:9").exit_code)


def test_wrong_usage_is_exit_code_2() -> None:
    assert 2 == CliRunner().invoke(command, []).exit_code


MASKED = """\
tests:
  - name: a trace is masked
    upstream: {status: 500, headers: {Content-Type: text/plain}, body: "Traceback (most recent call last):"}
    steps: [{request: {path: /tickets/1}, expect: {status: 500, reason: mask_errors.masked}}]
"""


def test_what_the_played_proxy_would_log_is_not_written(tmp_path: Path) -> None:
    file = a_file(tmp_path, GOOD.replace("deadline: 30s", "mask_errors: {when: always}") + MASKED)
    command = [sys.executable, "-m", "proxy", "test", file]

    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (0, "") == (result.returncode, result.stderr)
