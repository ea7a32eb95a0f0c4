"""`seawall schema`."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from proxy.cli.schema_command import schema, schema_text
from proxy.config.nodes import Source, plain
from proxy.config.report import Report
from proxy.config.yaml12 import parse
from proxy.policies import PIPELINE_ORDER

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "policies").glob("*/*.yaml"))


def test_the_schema_is_printed() -> None:
    result = CliRunner().invoke(schema)

    assert (0, schema_text()) == (result.exit_code, result.stdout)


def test_every_policy_is_in_it() -> None:
    known = json.loads(schema_text())["$defs"]["uses"]["properties"]

    assert [kind.name for kind in PIPELINE_ORDER] == list(known)


def test_the_one_beside_the_shipped_policies_is_current() -> None:
    """Else: `seawall schema > policies/seawall.schema.json`."""
    assert schema_text() == (ROOT / "policies" / "seawall.schema.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_the_shipped_policies_are_right_by_it(file: Path) -> None:
    document = parse(file.read_bytes(), Source(file.name, ""), Report())
    assert document is not None

    validator = jsonschema.Draft202012Validator(json.loads(schema_text()))

    assert [] == [error.message for error in validator.iter_errors(plain(document))]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_an_editor_finds_it_from_the_shipped_policies(file: Path) -> None:
    first = file.read_text(encoding="utf-8").partition("\n")[0]

    assert "# yaml-language-server: $schema=../seawall.schema.json" == first
