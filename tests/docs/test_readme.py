"""What README tells is true: its policy loads, its commands exist, its lists are complete."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from proxy.cli import main
from proxy.config.loader import load
from proxy.policies import PIPELINE_ORDER

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CONTEXT = click.Context(main)
COMMANDS = main.list_commands(CONTEXT)


def test_the_ten_lines_of_policy_are_ten_and_can_be_served(tmp_path: Path) -> None:
    (policy,) = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (tmp_path / "ten.yaml").write_text(policy)

    configuration = load(tmp_path, PIPELINE_ORDER, env={})

    assert 10 == policy.count("\n")
    assert ["site", "upload"] == [route.name for route in configuration.routes]


def test_the_two_commands_are_make_run_and_make_test() -> None:
    (two,) = re.findall(r"^```\n(make .*?)^```", README, re.MULTILINE | re.DOTALL)

    assert ["make run", "make test"] == re.findall(r"^(\S+ \S+)", two, re.MULTILINE)


def test_every_command_is_told_and_every_told_command_exists() -> None:
    told = re.findall(r"^\| `seawall ([a-z]+)", README, re.MULTILINE)

    assert COMMANDS == told


def test_every_policy_is_told_in_its_phase_and_in_the_order_in_which_it_runs() -> None:
    (rows,) = re.findall(r"^\| phase \|.*\n\|-.*\n((?:\|.*\n)+)", README, re.MULTILINE)
    told = [
        (phase, name)
        for phase, policies in re.findall(r"^\| (\w+) \|.*\| (.*) \|$", rows, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", policies)
    ]

    in_force = [(policy.config.__module__.split(".")[2], policy.name) for policy in PIPELINE_ORDER]
    assert in_force == told


def test_every_told_option_is_one_of_run() -> None:
    run = main.get_command(CONTEXT, "run")
    assert run
    options = {option for parameter in run.params for option in parameter.opts}

    assert set() == set(re.findall(r"`(--[a-z-]+)`", README)) - options


def test_the_mistakes_are_reported_as_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = re.findall(r"^\$ seawall check policies/starter\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    folder = tmp_path / "policies" / "starter"
    folder.mkdir(parents=True)
    good = (ROOT / "policies" / "starter" / "starter.yaml").read_text()
    (folder / "starter.yaml").write_text(
        good.replace("1MiB", "1 MiB").replace("deadline: 500ms", "deadlin: 500")
    )
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(main, ["check", "policies/starter"])

    assert (shown, 1) == (done.output, done.exit_code)
