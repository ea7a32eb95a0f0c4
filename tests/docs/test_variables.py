"""The page about variables tells the truth: its commands print what it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "variables.md").read_text(encoding="utf-8")
(FILE,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
WELL, WRONG = re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(GOOD, BAD) = re.findall(r'`ALLOWED_NETWORKS="(.*?)"`', PAGE)


def commands(block: str) -> list[tuple[str, str]]:
    """Each with what is shown of it."""
    return re.findall(r"^\$ seawall (.*?)\n(.*?)(?=^\$|\Z)", block, re.MULTILINE | re.DOTALL)


SHOWN = [
    *((GOOD, 0, *each) for each in commands(WELL)),
    *((value, 1, *each) for value, each in zip((BAD, ""), commands(WRONG), strict=True)),
]


@pytest.mark.parametrize(
    ("value", "code", "command", "shown"), SHOWN, ids=["check", "effective", "bad", "empty"]
)
def test_a_command_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, code: int, command: str, shown: str
) -> None:
    (tmp_path / "hooks.yaml").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(main, shlex.split(command), env={"ALLOWED_NETWORKS": value})

    assert (shown, code) == (done.output, done.exit_code)
