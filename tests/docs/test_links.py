"""Links between pages lead somewhere, what they name is there, and every decision is listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")],
)
SOURCES = sorted([*(ROOT / "proxy").rglob("*.py"), *(ROOT / "bench").rglob("*.py"), ROOT / "pyproject.toml"])
FOLDERS = "|".join(sorted(path.name for path in ROOT.iterdir() if path.is_dir()))
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file_that_is_there(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())

    assert [] == [target for target in targets if not (page.parent / target).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", page.read_text())

    assert [] == [path for path in named if not (ROOT / path).exists()]


def test_every_decision_that_a_source_names_is_there() -> None:
    named = {
        (str(source.relative_to(ROOT)), decision)
        for source in SOURCES
        for decision in re.findall(r"docs/adr/(\d{4}[\w-]*)", source.read_text())
    }

    assert named
    assert [] == [each for each in named if not list((ROOT / "docs" / "adr").glob(f"{each[1]}*.md"))]


def test_whoever_contributes_is_told_where_each_part_is() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table = text.partition("## Where things are")[2].partition("\n## ")[0]
    told = [
        name.rstrip("/")
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", row)
    ]

    parts = [
        path.name for path in (ROOT / "proxy").iterdir() if path.name not in ("__init__.py", "__pycache__")
    ]
    assert sorted(parts) == sorted(told)


def test_every_page_is_listed() -> None:
    listed = re.findall(r"\]\(([^)#]+)", (ROOT / "docs" / "README.md").read_text())
    pages = [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md"]

    assert [] == [page for page in pages if page not in listed]


def test_every_decision_is_listed_once_and_in_order() -> None:
    listed = re.findall(r"\(adr/([^)]+)\)", (ROOT / "docs" / "README.md").read_text())

    assert [decision.name for decision in DECISIONS] == listed


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: decision.stem)
def test_a_decision_says_why_what_and_what_follows_on_one_page(decision: Path) -> None:
    text = decision.read_text()

    assert text.startswith(f"# {int(decision.name[:4])}. ")
    assert ["Context", "Decision", "Consequences"] == re.findall(r"^## (.*)", text, re.MULTILINE)
    assert text.count("\n") < 60
