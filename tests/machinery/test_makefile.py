"""The commands that a developer types, as far as they can be checked without installing anything."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKE = shutil.which("make")

needs_make = pytest.mark.skipif(MAKE is None, reason="make is not installed")


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Our own make may be running these tests; it hands its options down in the environment.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        [MAKE or "", *arguments],
        cwd=ROOT,
        env={**environment, "LC_ALL": "C"},
        text=True,
        capture_output=True,
        check=False,
    )


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


@needs_make
def test_make_alone_lists_every_target_with_what_it_does() -> None:
    listed = re.findall(r"^  make ([a-z-]+) +\S", make().stdout, re.MULTILINE)

    assert targets() == set(listed)


@needs_make
def test_check_runs_every_tool_and_the_tests_last() -> None:
    steps = ["ruff format --check", "ruff check", "bin/mypy", "lint-imports", "-m pytest"]

    planned = make("--dry-run", "--always-make", "check").stdout

    assert steps == sorted(steps, key=planned.index)


@needs_make
def test_run_passes_the_ports_on() -> None:
    planned = make("--dry-run", "run", "PORT=9090", "APP_PORT=3090").stdout

    assert "examples/run.py --port 9090 --app-port 3090" in " ".join(planned.split())


@needs_make
def test_run_starts_the_example_that_is_asked_for() -> None:
    planned = make("--dry-run", "run", "EXAMPLE=ingestion", "PORT=9090").stdout

    assert "examples/run.py ingestion --port 9090" in " ".join(planned.split())


@needs_make
def test_a_python_that_is_too_old_is_told_in_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)

    done = make("--silent", f"PYTHON={old}", f"VENV={tmp_path}/venv", f"{tmp_path}/venv/.made")

    assert "Seawall needs Python 3.11 or newer. Name one: make PYTHON=python3.13 run" in done.stderr
    assert 0 != done.returncode
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/README.md"])
def test_every_make_target_that_a_page_names_exists(page: str) -> None:
    named = set(re.findall(r"\bmake ([a-z-]+)\b", code_of(ROOT / page)))

    assert set() == named - targets()


def code_of(page: Path) -> str:
    """What stands in backticks, where a command is a command."""
    return "\n".join(re.findall(r"```.*?```|`[^`]+`", page.read_text(), re.DOTALL))


def test_ci_runs_what_a_developer_runs_before_a_push() -> None:
    script = ROOT / ".ci" / "run"

    assert "make --keep-going check" in script.read_text()
    assert 0 == subprocess.run(["bash", "-n", script], check=False).returncode
