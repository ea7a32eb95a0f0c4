"""The page about tests tells the truth: its policies, commands and outputs are tried."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec import Struct

from proxy.cli import main
from proxy.config.rehearsals import (
    Expectation,
    PolicyTest,
    RehearsalSecrets,
    SimulatedAnswer,
    SimulatedRequest,
    Step,
)

PAGE = (Path(__file__).parents[2] / "docs" / "testing-policies.md").read_text(encoding="utf-8")
POLICIES, _ = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SHOWN = re.findall(r"^\$ seawall (test .*?)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def output(command: str, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    (folder / "hooks.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(main, command.split(), env={})
    return done.exit_code, done.output


def test_what_passes_passes_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command, shown = SHOWN[0]

    assert (0, shown) == output(command, POLICIES, tmp_path, monkeypatch)


def test_what_fails_fails_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command, shown = SHOWN[1]

    assert (1, shown) == output(command, POLICIES.replace("burst: 10", "burst: 5"), tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "struct",
    [PolicyTest, Step, SimulatedRequest, SimulatedAnswer, Expectation, RehearsalSecrets],
    ids=lambda struct: struct.__name__,
)
def test_every_key_is_told(struct: type[Struct]) -> None:
    assert [] == [key for key in struct.__struct_fields__ if not re.search(rf"`{key}\b", PAGE)]
