"""Every policy file that is shipped can be served, and an editor knows what it means."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from proxy.cli import main
from proxy.cli.schema_command import schema_text
from proxy.config.loader import load
from proxy.policies import PIPELINE_ORDER

jsonschema = pytest.importorskip("jsonschema")

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "policies" / "seawall.schema.json"
CONFIGURATIONS = sorted(path for path in (ROOT / "policies").iterdir() if path.is_dir())
FOLDERS = [*CONFIGURATIONS, ROOT / "helm" / "seawall-app" / "policies"]
FILES = [file for folder in FOLDERS for file in sorted(folder.glob("*.yaml"))]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_a_shipped_folder_loads_without_a_problem(folder: Path) -> None:
    configuration = load(
        folder, PIPELINE_ORDER, env={}, default_upstream="http://127.0.0.1:3000", rehearsal=True
    )

    assert configuration.routes


@pytest.mark.parametrize("folder", CONFIGURATIONS, ids=name)
def test_check_has_no_warning_and_every_test_passes(folder: Path) -> None:
    checked = CliRunner().invoke(main, ["check", "--strict", "--test-secrets", str(folder)])
    played = CliRunner().invoke(main, ["test", str(folder)])

    assert (0, 0) == (checked.exit_code, played.exit_code), checked.output + played.output


@pytest.mark.parametrize("file", FILES, ids=name)
def test_the_first_line_leads_an_editor_to_the_schema(file: Path) -> None:
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", file.read_text().splitlines()[0])

    assert named
    assert SCHEMA == (file.parent / named[1]).resolve()


@pytest.mark.parametrize("file", FILES, ids=name)
def test_the_schema_has_nothing_against_a_shipped_file(file: Path) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))

    found = [error.message for error in validator.iter_errors(yaml.safe_load(file.read_text()))]

    assert [] == found


def test_the_schema_is_the_one_that_the_sources_make() -> None:
    assert schema_text() == SCHEMA.read_text(), "run make docs"
