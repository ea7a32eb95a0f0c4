"""`seawall check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.cli.check import check
from proxy.config.yaml12 import MAX_BYTES
from tests.cli.files import BAD, GOOD, WITHOUT_UPSTREAM, a_file

BOMB = "x-0: &l0 [x]\n" + "".join(f"x-{n}: &l{n} [{f'*l{n - 1}, ' * 9}]\n" for n in range(1, 12))


def invoke(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(check, list(arguments), env=env, catch_exceptions=False)


def test_a_file_that_is_fine_is_said_to_be(tmp_path: Path) -> None:
    file = a_file(tmp_path, GOOD)
    result = invoke(file)

    assert (0, f"{file}: fine, 1 route, revision ") == (result.exit_code, result.output[:-13])


def test_problems_are_printed_with_their_places_and_counted(tmp_path: Path) -> None:
    file = a_file(tmp_path, BAD)
    result = invoke(file)

    assert 1 == result.exit_code
    assert (
        f"{file}:3:22: defaults.deadline: 30 is no duration; "
        "expected one with its unit, such as 250ms, 30s, 1h30m, 7d\n"
        "defaults: {deadline: 30}\n"
        "                     ^\n"
        f"{file}: 1 problem\n"
    ) == result.output


def test_warnings_are_no_problems(tmp_path: Path) -> None:
    file = a_file(tmp_path, GOOD + "policies: {deadline: {slow: 60s}}\n")
    result = invoke(file)

    assert (0, f"warning: {file}:8:23: policies.deadline.slow: nothing uses this policy") == (
        result.exit_code,
        result.output.splitlines()[0],
    )


def test_each_path_is_a_configuration_of_its_own(tmp_path: Path) -> None:
    one, two = a_file(tmp_path, GOOD, "one.yaml"), a_file(tmp_path, BAD, "two.yaml")
    good, mixed = invoke(one, one), invoke(one, two)

    assert (0, 2) == (good.exit_code, good.output.count("fine"))
    assert (1, 1, 1) == (mixed.exit_code, mixed.output.count("fine"), mixed.output.count("1 problem"))


def test_programs_get_json(tmp_path: Path) -> None:
    good = a_file(tmp_path, GOOD + "policies: {deadline: {slow: 60s}}\n", "good.yaml")
    bad = a_file(tmp_path, BAD, "bad.yaml")
    result = invoke(good, bad, "--format", "json")
    fine, wrong = json.loads(result.output)["configurations"]

    assert (1, good, True, 64, [], 1) == (
        result.exit_code,
        fine["path"],
        fine["ok"],
        len(fine["revision"]),
        fine["problems"],
        len(fine["warnings"]),
    )
    assert (bad, False, None, []) == (wrong["path"], wrong["ok"], wrong["revision"], wrong["warnings"])
    assert [(bad, 3, 22, "defaults.deadline")] == [
        (problem["file"], problem["line"], problem["column"], problem["path"])
        for problem in wrong["problems"]
    ]


def test_what_only_shows_when_policies_are_built_is_found_too(tmp_path: Path) -> None:
    file = a_file(tmp_path, GOOD.replace("30s", "{total: 30s, accept_from_clients: true}"))
    result = invoke(file)

    assert 1 == result.exit_code
    assert result.output.startswith(f"{file}:3:56: defaults.deadline.accept_from_clients: ")


@pytest.mark.parametrize(
    ("arguments", "env"),
    [(["--upstream", "http://127.0.0.1:9"], {}), ([], {"SEAWALL_UPSTREAM": "http://127.0.0.1:9"})],
    ids=["an option", "a variable"],
)
def test_the_upstream_may_come_from_outside(
    tmp_path: Path, arguments: list[str], env: dict[str, str]
) -> None:
    file = a_file(tmp_path, WITHOUT_UPSTREAM)

    assert (1, 0) == (invoke(file).exit_code, invoke(file, *arguments, **env).exit_code)


def test_the_path_may_come_from_the_environment(tmp_path: Path) -> None:
    assert 0 == invoke(SEAWALL_POLICIES=a_file(tmp_path, GOOD)).exit_code


def test_variables_come_from_the_environment(tmp_path: Path) -> None:
    file = a_file(tmp_path, GOOD.replace("30s", '"${TOTAL}"'))

    assert (1, 0) == (invoke(file).exit_code, invoke(file, TOTAL="30s").exit_code)


@pytest.mark.parametrize(
    "content",
    [
        b"[",
        b"",
        b"\xff",
        b"\x00",
        b"version: 2",
        b"#" * 10 * MAX_BYTES,
        BOMB.encode(),
    ],
    ids=["not YAML", "empty", "not UTF-8", "NUL", "another version", "10 MiB", "an alias bomb"],
)
def test_a_broken_file_ends_in_problems_and_exit_code_1(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(content)
    result = invoke(str(file))

    assert 1 == result.exit_code
    assert result.output.startswith(f"{file}:")
    assert "expected" in result.output


def test_a_path_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    missing, empty = invoke(str(tmp_path / "none")), invoke(str(tmp_path))

    assert (1, True) == (missing.exit_code, "cannot be read: No such file" in missing.output)
    assert (1, True) == (empty.exit_code, "no policy file is in this folder" in empty.output)
