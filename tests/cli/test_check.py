"""`seawall check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.cli.check import check
from proxy.config.yaml12 import MAX_BYTES
from tests.cli.files import BAD, GOOD, WITHOUT_UPSTREAM, a_file

NO_DURATION = "30 is no duration; expected one with its unit, such as 250ms, 30s, 1h30m, 7d"
UNUSED = GOOD + "policies: {deadline: {slow: 60s}}\n"
BOMB = "x-0: &l0 [x]\n" + "".join(f"x-{n}: &l{n} [{f'*l{n - 1}, ' * 9}]\n" for n in range(1, 12))


def invoke(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(check, list(arguments), env=env, catch_exceptions=False)


def test_a_file_that_is_fine_is_said_to_be(tmp_path: Path) -> None:
    file = a_file(tmp_path, GOOD)
    result = invoke(file)
    first, *words = result.output.splitlines()

    assert (0, f"{file}: fine, 1 route, revision ") == (result.exit_code, first[:-12])
    assert [
        "  deadline: at most 30s from a request's first byte to the last of its response; on route tickets",
        "  size_limit: bodies up to 1MiB; on route tickets",
    ] == words


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


def test_warnings_are_no_problems_unless_that_is_asked_for(tmp_path: Path) -> None:
    file = a_file(tmp_path, UNUSED)
    result, strict = invoke(file), invoke(file, "--strict")
    fine = invoke(a_file(tmp_path, GOOD, "fine.yaml"), "--strict")

    assert (
        f"warning: {file}:8:23: policies.deadline.slow: nothing uses this policy"
        == (result.output.splitlines()[0])
    )
    assert f"{file}: fine, 1 route, 1 warning, revision " in result.output
    assert (0, 1, 0) == (result.exit_code, strict.exit_code, fine.exit_code)
    assert result.output == strict.output


def test_what_is_probably_not_meant_is_warned_of_in_file_order(tmp_path: Path) -> None:
    more = "errors: {expose_detail: true}\nclients: {trusted_proxies: [0.0.0.0/0]}\n"
    result = invoke(a_file(tmp_path, UNUSED + more), "--format", "json")
    (checked,) = json.loads(result.output)["configurations"]

    assert ["policies.deadline.slow", "errors.expose_detail", "clients.trusted_proxies[0]"] == [
        warning["path"] for warning in checked["warnings"]
    ]


def test_of_very_many_limits_the_first_are_said(tmp_path: Path) -> None:
    routes = "".join(
        f"  - {{name: r{n}, match: {{path: /r{n}}}, policies: {{size_limit: {n + 1}KiB}}}}\n"
        for n in range(40)
    )
    lines = invoke(a_file(tmp_path, GOOD + routes)).output.splitlines()

    assert "  and 12 more; --format json has all" == lines[-1]
    assert 32 == len(lines)


def test_what_is_not_enforced_is_said(tmp_path: Path) -> None:
    lines = invoke(a_file(tmp_path, GOOD.replace("1MiB", "1MiB, mode: shadow"))).output.splitlines()

    assert "  size_limit: bodies up to 1MiB, in shadow; on route tickets" in lines
    assert "  size_limit is not enforced everywhere: shadow on route tickets" == lines[-1]


def test_a_github_workflow_gets_annotations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    a_file(tmp_path, UNUSED, "good.yaml")
    a_file(tmp_path, BAD, "bad.yaml")
    result = invoke("good.yaml", "bad.yaml", "--format", "github")

    assert (
        1,
        [
            "::warning file=good.yaml,line=8,col=23::policies.deadline.slow: nothing uses this policy",
            f"::error file=bad.yaml,line=3,col=22::defaults.deadline: {NO_DURATION}",
            "bad.yaml: 1 problem",
        ],
    ) == (result.exit_code, [line for line in result.output.splitlines() if "fine" not in line])


def test_each_path_is_a_configuration_of_its_own(tmp_path: Path) -> None:
    one, two = a_file(tmp_path, GOOD, "one.yaml"), a_file(tmp_path, BAD, "two.yaml")
    good, mixed = invoke(one, one), invoke(one, two)

    assert (0, 2) == (good.exit_code, good.output.count("fine"))
    assert (1, 1, 1) == (mixed.exit_code, mixed.output.count("fine"), mixed.output.count("1 problem"))


def test_programs_get_json(tmp_path: Path) -> None:
    good = a_file(tmp_path, UNUSED.replace("1MiB", "1MiB, mode: shadow"), "good.yaml")
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
    assert {
        "kind": "size_limit",
        "name": None,
        "mode": "shadow",
        "words": ["bodies up to 1MiB"],
        "routes": ["tickets"],
    } == fine["words"][1]
    assert {"size_limit": ["shadow on route tickets"]} == fine["not_enforced"]
    assert (bad, False, None, []) == (wrong["path"], wrong["ok"], wrong["revision"], wrong["warnings"])
    assert ([], {}) == (wrong["words"], wrong["not_enforced"])
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


def test_variables_may_come_from_the_test_secrets_where_that_is_asked_for(tmp_path: Path) -> None:
    secrets = "test_secrets: {env: {TOTAL: 30s}}\n"
    file = a_file(tmp_path, GOOD.replace("30s", '"${TOTAL}"') + secrets)

    assert (1, 0) == (invoke(file).exit_code, invoke(file, "--test-secrets").exit_code)


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
