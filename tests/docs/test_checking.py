"""The page about `check` and `diff`: every command on it runs, and prints what it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from proxy.cli import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "checking.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([\w-]+\.yaml)`.*?:\n\n```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^```console\n\$ seawall (.*?)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
FAILING = "check --strict shop.yaml"
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")


def test_the_page_has_its_files_and_commands() -> None:
    assert ["shop.yaml", "shop-new.yaml"] == list(FILES)
    assert PAGE.count("$ seawall") == len(COMMANDS) == 6
    assert FAILING in dict(COMMANDS)


@pytest.mark.parametrize(("command", "shown"), COMMANDS, ids=[command for command, _ in COMMANDS])
def test_a_command_prints_what_the_page_shows(command: str, shown: str) -> None:
    done = CliRunner().invoke(main, shlex.split(command))

    assert (shown, int(command == FAILING)) == (done.output, done.exit_code)


def test_the_hook_runs_as_it_is_told_to_be_used(tmp_path: Path) -> None:
    (hook,) = HOOKS
    (told,) = re.findall(r"^```yaml\n(repos:\n.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (used,) = yaml.safe_load(told)["repos"][0]["hooks"]
    folder = tmp_path / used["args"][-1]
    folder.mkdir(parents=True)
    (folder / "shop.yaml").write_text(FILES["shop-new.yaml"], encoding="utf-8")
    program, *entry = shlex.split(hook["entry"])

    good = CliRunner().invoke(main, [*entry, *used["args"]])
    (folder / "more.yaml").write_text(FILES["shop.yaml"], encoding="utf-8")
    bad = CliRunner().invoke(main, [*entry, *used["args"]])

    assert (hook["id"], "seawall") == (used["id"], program)
    assert (0, 1) == (good.exit_code, bad.exit_code)
    assert "stands in policies/shop/more.yaml:" in bad.output


def test_the_hook_is_one_that_pre_commit_can_install() -> None:
    (hook,) = HOOKS
    changed = ("policies/shop/shop.yaml", "shop.yaml", "shop.yml", "README.md")

    assert ("python", False) == (hook["language"], hook["pass_filenames"])
    assert [True, True, False, False] == [bool(re.search(hook["files"], path)) for path in changed]
