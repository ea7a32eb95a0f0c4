"""The command line as a whole."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from proxy import __version__, cli
from proxy.cli import main


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_help_tells_a_newcomer_where_to_start() -> None:
    result = invoke("--help")

    assert (0, "") == (result.exit_code, result.stderr)
    for expected in (
        "seawall check",
        "seawall effective",
        "seawall run",
        "SEAWALL_POLICIES",
        "Say what is wrong",
    ):
        assert expected in result.stdout


def test_the_commands_with_which_to_start_do_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    told = re.findall(r"^ +seawall (.*?)(?:  .*)?$", invoke("--help").stdout, re.MULTILINE)

    assert ["check", "effective", "test", "run"] == [line.split()[0] for line in told]
    assert [0, 0, 0] == [invoke(*line.split()).exit_code for line in told if not line.startswith("run")]


def test_without_a_command_there_is_help_and_exit_code_2() -> None:
    result = invoke()

    assert (2, "", True) == (result.exit_code, result.stdout, "Commands:" in result.stderr)


def test_the_version_is_that_of_the_package() -> None:
    assert f"seawall {__version__}\n" == invoke("--version").stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["chek"], "seawall: No such command 'chek'"),
        (["check"], "seawall: Missing argument 'PATH...'"),
        (["schema", "--foo"], "seawall: No such option '--foo'"),
        (["effective"], "seawall: Missing option '--policies'"),
        (["check", ".", "--format", "xml"], "seawall: Invalid value for '--format'"),
    ],
    ids=["an unknown command", "a missing argument", "an unknown option", "a missing option", "a bad value"],
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: list[str], line: str) -> None:
    result = invoke(*arguments)

    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
    assert result.stderr.startswith(line)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["chek", "policies"], "did you mean `seawall check`?"),
        (["validate"], "did you mean `seawall check`?"),
        (["policies", "check"], "expected the command first: `seawall check policies`"),
        (
            ["my policies", "--strict", "check"],
            "expected the command first: `seawall check 'my policies' --strict`",
        ),
        (["xyz"], "expected one of run, check, test, effective, explain, diff, schema, seal, status, docs"),
        (["--policies", "x", "run"], "expected the command first, such as `seawall run --policies ...`"),
        (["--strict"], "expected the command first, such as `seawall COMMAND --strict ...`"),
        (["--versoin"], "Did you mean '--version'?"),
        (["check", "--stict", "."], "Did you mean '--strict'?"),
    ],
    ids=str,
)
def test_what_was_probably_meant_is_said(arguments: list[str], expected: str) -> None:
    result = invoke(*arguments)

    assert (2, 1) == (result.exit_code, result.stderr.count("\n"))
    assert result.stderr.endswith(f"{expected}\n")


@pytest.mark.parametrize(
    "command", ["check", "effective", "explain", "diff", "schema", "seal", "status", "docs"]
)
def test_every_command_has_help_of_its_own(command: str) -> None:
    result = invoke(command, "--help")

    assert (0, True) == (result.exit_code, f"Usage: seawall {command}" in result.stdout)


def test_every_command_of_the_table_is_listed_with_its_summary() -> None:
    context = click.Context(main)

    commands = ["run", "check", "test", "effective", "explain", "diff", "schema", "seal", "status", "docs"]

    assert commands == main.list_commands(context)
    assert all(entry.summary.endswith(".") for entry in cli._COMMANDS.values())


def test_an_interrupt_ends_it_as_a_shell_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise click.Abort

    monkeypatch.setattr(click.Group, "main", interrupt)

    assert 130 == invoke("check", ".").exit_code


def test_help_and_version_import_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from proxy.cli import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit:\n"
        "    print(sorted({'aiohttp', 'yaml', 'msgspec', 'uvloop'} & set(sys.modules)), file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "[]\n" == result.stderr


def test_the_module_is_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "proxy", "check", str(tmp_path / "none")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (1, "") == (result.returncode, result.stderr)
    assert f"{tmp_path}/none: 1 problem\n" == result.stdout.splitlines(keepends=True)[-1]
