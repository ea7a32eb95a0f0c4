"""Links between pages lead somewhere, and every decision is listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")],
)
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file_that_is_there(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())

    assert [] == [target for target in targets if not (page.parent / target).exists()]


def test_every_decision_is_listed_once_and_in_order() -> None:
    listed = re.findall(r"\(adr/([^)]+)\)", (ROOT / "docs" / "README.md").read_text())

    assert [decision.name for decision in DECISIONS] == listed


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: decision.stem)
def test_a_decision_says_why_what_and_what_follows_on_one_page(decision: Path) -> None:
    text = decision.read_text()

    assert text.startswith(f"# {int(decision.name[:4])}. ")
    assert ["Context", "Decision", "Consequences"] == re.findall(r"^## (.*)", text, re.MULTILINE)
    assert text.count("\n") < 60
