"""`seawall effective`."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from proxy.cli import main
from tests.cli.files import BAD, GOOD, WITHOUT_UPSTREAM, a_file


def invoke(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(main, ["effective", *arguments], env=env, catch_exceptions=False)


def test_all_routes_are_shown_with_the_place_of_each_value(tmp_path: Path) -> None:
    file = a_file(tmp_path, GOOD)
    result = invoke("--policies", file)

    assert 0 == result.exit_code
    assert ["route tickets", "no route"] == [
        " ".join(block.split()[:2]) for block in result.stdout.split("\n\n")
    ]
    assert ["30s", f"{file}:3"] == next(
        line for line in result.stdout.splitlines() if "total" in line
    ).split()[1:]


def test_one_route_is_shown_in_the_order_of_the_pipeline(tmp_path: Path) -> None:
    result = invoke("tickets", "--policies", a_file(tmp_path, GOOD))
    headings = [line.split()[0] for line in result.stdout.splitlines() if line.endswith("/tickets]")]

    assert ["deadline", "size_limit"] == headings
    assert "no route" not in result.stdout


def test_programs_get_json(tmp_path: Path) -> None:
    result = invoke("tickets", "--format", "json", SEAWALL_POLICIES=a_file(tmp_path, GOOD))
    (route,) = json.loads(result.stdout)["routes"]

    assert ("tickets", ["deadline", "size_limit"]) == (
        route["name"],
        [policy["kind"] for policy in route["policies"]],
    )


def test_what_has_no_route_is_shown_by_its_name(tmp_path: Path) -> None:
    result = invoke("no_route", "--policies", a_file(tmp_path, GOOD))

    assert ("no route", True) == (result.stdout.splitlines()[0], "owasp-api" in result.stdout)


def test_a_route_that_is_not_there_is_wrong_usage_with_a_hint(tmp_path: Path) -> None:
    result = invoke("ticket", "--policies", a_file(tmp_path, GOOD))

    assert (2, "seawall: no enabled route is called `ticket`; did you mean `tickets`?\n") == (
        result.exit_code,
        result.stderr,
    )


def test_files_with_problems_are_not_shown(tmp_path: Path) -> None:
    file = a_file(tmp_path, BAD)
    text, programs = invoke("--policies", file), invoke("--policies", file, "--format", "json")

    assert (1, "", f"{file}: 1 problem") == (text.exit_code, text.stdout, text.stderr.splitlines()[-1])
    assert (1, ["defaults.deadline"]) == (
        programs.exit_code,
        [problem["path"] for problem in json.loads(programs.stdout)["problems"]],
    )


def test_the_upstream_from_outside_is_shown(tmp_path: Path) -> None:
    result = invoke("--policies", a_file(tmp_path, WITHOUT_UPSTREAM), "--upstream", "http://127.0.0.1:9")

    assert "app, http://127.0.0.1:9" in result.stdout
