"""Reads docs/systems: which item is kept by which line of a policy file, and what shows it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SYSTEMS = sorted(page.stem for page in (ROOT / "docs" / "systems").glob("*.md") if page.stem != "README")

_TABLE = re.compile(r"^\| Item \| Policy \| Shown by \|\n\|[-|]+\n((?:\|.*\n)+)", re.MULTILINE)
WITHOUT_A_LINE = ("built in", "start line", "not yet: ", "no: ")
"""How the middle column begins where no line of the policy file keeps an item."""
UNKEPT = ("not yet: ", "no: ")


@dataclass(frozen=True)
class Row:
    """One item."""

    item: str
    paths: tuple[str, ...]
    """Places in the policy file."""
    reason: str
    """Why there are none; empty where there are."""
    rehearsed: tuple[str, ...]
    """Names of tests in the policy file."""
    on_the_wire: tuple[str, ...]
    """Names of functions in tests/systems/test_<system>.py."""


def page_of(system: str) -> str:
    return (ROOT / "docs" / "systems" / f"{system}.md").read_text(encoding="utf-8")


def tests_of(system: str) -> Path:
    """Those over real sockets."""
    return ROOT / "tests" / "systems" / f"test_{system.replace('-', '_')}.py"


def rows(system: str) -> list[Row]:
    """All tables of the page."""
    lines = [line for table in _TABLE.findall(page_of(system)) for line in table.splitlines()]
    return [_row(*(cell.strip() for cell in line.strip("|").split(" | "))) for line in lines]


def _row(item: str, policy: str, shown: str = "") -> Row:
    names = [name for name in shown.strip("| ").split("<br>") if name]
    wire = tuple(name.strip("`") for name in names if name.startswith("`"))
    paths = () if policy.startswith(WITHOUT_A_LINE) else tuple(re.findall(r"`([^`]+)`", policy))
    return Row(
        item, paths, "" if paths else policy, tuple(name for name in names if not name.startswith("`")), wire
    )
