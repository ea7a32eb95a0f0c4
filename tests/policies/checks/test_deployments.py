"""The patterns that are shipped against injection, in policies/deployments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli import main
from proxy.policies.checks.json_schema.schema import compiled, faults

SHIPPED = Path(__file__).parents[3] / "policies" / "deployments"
VALIDATOR = compiled(json.loads((SHIPPED / "deployment.json").read_text(encoding="utf-8")))


def is_accepted(**fields: object) -> bool:
    return not faults(VALIDATOR, {"app_name": "a", **fields}, 1)


def test_the_tests_in_the_shipped_file_pass() -> None:
    played = CliRunner().invoke(main, ["test", str(SHIPPED)])

    assert (0, True) == (played.exit_code, ", 0 failed" in played.output), played.output


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("app_name", "my-app-2"),
        ("app_name", "a" * 30),
        ("repository", "https://github.com/acme/shop.git"),
        ("branch", "feature/new-cart_2"),
        ("branch", "v1.2.3"),
        ("directory", "services/web-app/v1.2"),
        ("commit", "0" * 64),
        ("arguments", ["build", "target=web", "src/main.py", "8080:80"]),
        ("env", {"DATABASE_URL": "postgres://u:p@db/x?a=b&c=$d", "_X": ""}),
    ],
)
def test_what_is_ordinary_is_accepted(field: str, value: object) -> None:
    assert is_accepted(**{field: value})


SHELL = [
    ";id",
    "a;id",
    "a&&id",
    "a|id",
    "$(id)",
    "`id`",
    "a>b",
    "a<b",
    "a\nid",
    "a\rid",
    "a id",
    "a*",
    "a?",
    "~a",
]
OPTIONS = ["-rf", "--upload-pack=x"]
ELSEWHERE = ["..", "../a", "a/..", "a/../b", "/etc", "./a", "a//b", "..\\a", "%2e%2e/a", "a/.ssh"]
ODD = ["", "a\x00", "a\n", "a'b", 'a"b', "a\\b", "\u202ea", "ａ", 7, None, ["a"]]


@pytest.mark.parametrize("value", [*SHELL, *OPTIONS, *ELSEWHERE, *ODD], ids=repr)
@pytest.mark.parametrize("field", ["app_name", "repository", "branch", "directory", "arguments"])
def test_commands_options_and_ways_out_are_not(field: str, value: object) -> None:
    assert not is_accepted(**{field: [value] if field == "arguments" else value})


@pytest.mark.parametrize("value", ["A", "a-", "-a", "a_b", "a.b", "a" * 31])
def test_an_application_has_a_name_as_fly_io_wants_it(value: str) -> None:
    assert not is_accepted(app_name=value)


@pytest.mark.parametrize(
    "value",
    [
        "http://github.com/a",
        "https://u:p@github.com/a",
        "https://github.com:22/a",
        "ext::sh -c id",
        "file:///etc",
    ],
)
def test_a_repository_is_fetched_by_https_from_a_name(value: str) -> None:
    assert not is_accepted(repository=value)


@pytest.mark.parametrize("name", ["path", "1A", "A-B", "A B", "A=B", "", "A" * 65, "Ä", "A\n"])
def test_an_environment_variable_has_a_name_in_capitals(name: str) -> None:
    assert not is_accepted(env={name: "x"})


@pytest.mark.parametrize("value", ["a\nB=c", "a\x00", "a\x7f", 7, "x" * 4097])
def test_the_value_of_an_environment_variable_is_one_line_of_text(value: object) -> None:
    assert not is_accepted(env={"A": value})
