"""What the pages of docs/systems say of each item is so: the line is there, and so is the test."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from proxy.cli.run import run
from tests.systems.cutting import document, place
from tests.systems.pages import ROOT, SYSTEMS, UNKEPT, Row, page_of, rows

each_system = pytest.mark.parametrize("system", SYSTEMS)
each_row = pytest.mark.parametrize(
    ("system", "row"),
    [pytest.param(system, row, id=f"{system}-{row.item}") for system in SYSTEMS for row in rows(system)],
)


def test_every_system_has_policies_an_application_and_a_line_in_the_list() -> None:
    listed = re.findall(
        r"^- .*\(([a-z-]+)\.md\)", (ROOT / "docs" / "systems" / "README.md").read_text(), re.MULTILINE
    )

    assert listed
    assert SYSTEMS == sorted(listed)
    assert [] == [
        path
        for system in SYSTEMS
        for path in (
            *(ROOT / "examples" / system / name for name in ("app.py", "example.toml")),
            ROOT / "policies" / system / f"{system}.yaml",
        )
        if not path.is_file()
    ]


@each_system
def test_a_page_has_items(system: str) -> None:
    assert len(rows(system)) > 10


@each_row
def test_an_item_is_kept_by_a_line_and_shown_by_a_test_or_the_page_says_why_not(
    system: str, row: Row
) -> None:
    shown = bool(row.rehearsed or row.on_the_wire)

    if row.paths:
        assert shown
    else:
        assert row.reason
        assert not (shown and row.reason.startswith(UNKEPT))
        assert shown or row.reason.startswith((*UNKEPT, "built in: "))


@each_row
def test_the_line_is_in_the_policy_file(system: str, row: Row) -> None:
    stated = document(system)

    assert all(place(stated, path) for path in row.paths)


@each_row
def test_the_test_is_there(system: str, row: Row) -> None:
    rehearsed = {test["name"] for test in document(system)["tests"]}
    module = importlib.import_module(f"tests.systems.test_{system.replace('-', '_')}")

    assert set() == set(row.rehearsed) - rehearsed
    assert [] == [name for name in row.on_the_wire if not hasattr(module, name)]


@each_system
def test_no_rehearsed_test_is_left_out(system: str) -> None:
    told = {name for row in rows(system) for name in row.rehearsed}

    assert {test["name"] for test in document(system)["tests"]} == told


@each_system
def test_a_variable_of_the_policies_is_on_the_page_and_the_other_way_round(system: str) -> None:
    text = str({key: value for key, value in document(system).items() if not key.startswith("test")})
    used = set(re.findall(r"\$\{(\w+)", text)) | set(re.findall(r"\{'env': '(\w+)'\}", text))

    lines = re.findall(r"^\| (`[A-Z_0-9]+`.*?) \|", page_of(system).partition("\n## ")[0], re.MULTILINE)
    assert used == {name for line in lines for name in re.findall(r"`(\w+)`", line)}


@each_system
def test_a_start_line_has_options_that_there_are(system: str) -> None:
    options = {name for option in run.params if isinstance(option, click.Option) for name in option.opts}
    lines = re.findall(
        r"^(?:[A-Z_]+=\S+ )*seawall run (.*)", page_of(system).replace("\\\n", " "), re.MULTILINE
    )

    assert lines
    said = {name for line in lines for name in re.findall(r"--[a-z-]+", line)}
    named = {name for row in rows(system) for name in re.findall(r"`(--[a-z-]+)`", row.reason)}
    assert (set(), set()) == (said - options, named - said)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize(
    "file", sorted(ROOT.glob("examples/*/alerts.yaml")), ids=lambda file: file.parent.name
)
def test_prometheus_takes_the_alert_rules(file: Path) -> None:
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, check=False)

    assert (0, True) == (done.returncode, b" rules found" in done.stdout), done.stderr
