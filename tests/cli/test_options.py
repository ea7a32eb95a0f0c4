"""Options that commands share."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from proxy.cli.options import (
    allow_literal_secrets_option,
    count_of,
    format_option,
    policies_option,
    problem_as_json,
    upstream_option,
)
from proxy.errors import Problem


@click.command()
@policies_option
@upstream_option
@allow_literal_secrets_option
@format_option
def shown(policies: Path, upstream: str | None, allow_literal_secrets: bool, output: str) -> None:
    """Print what arrived."""
    click.echo(f"{policies} {upstream} {allow_literal_secrets} {output}")


def invoke(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(shown, list(arguments), env=env)


@pytest.mark.parametrize(
    ("arguments", "env", "line"),
    [
        (["--policies", "a"], {}, "a None False text"),
        ([], {"SEAWALL_POLICIES": "b"}, "b None False text"),
        (["--policies", "a"], {"SEAWALL_POLICIES": "b"}, "a None False text"),
        (["--policies", "a", "--upstream", "http://c/"], {}, "a http://c False text"),
        (["--policies", "a"], {"SEAWALL_UPSTREAM": "unix:/c"}, "a unix:/c False text"),
        (["--policies", "a"], {"SEAWALL_UPSTREAM": ""}, "a None False text"),
        (["--policies", "a", "--allow-literal-secrets", "--format", "json"], {}, "a None True json"),
        (["--policies", "a"], {"SEAWALL_ALLOW_LITERAL_SECRETS": "true"}, "a None True text"),
    ],
)
def test_an_option_is_the_same_word_as_its_variable(
    arguments: list[str], env: dict[str, str], line: str
) -> None:
    assert f"{line}\n" == invoke(*arguments, **env).output


def test_a_bad_url_is_wrong_usage_and_its_credentials_are_not_shown() -> None:
    result = invoke("--policies", "a", "--upstream", "http://user:hunter2@c")

    assert (2, False, True) == (result.exit_code, "hunter2" in result.output, "credentials" in result.output)


def test_problems_are_counted() -> None:
    assert ["0 problems", "1 problem", "2 problems"] == [count_of(number) for number in range(3)]
    assert ["1 route", "2 routes"] == [count_of(number, "route") for number in (1, 2)]


def test_a_problem_has_the_same_parts_for_programs() -> None:
    assert {
        "file": "a.yaml",
        "line": 1,
        "column": 2,
        "path": "a.b",
        "message": "wrong; expected right",
        "excerpt": "a: {b}\n ^",
    } == problem_as_json(Problem("a.yaml", 1, 2, "a.b", "wrong; expected right", "a: {b}\n ^"))
