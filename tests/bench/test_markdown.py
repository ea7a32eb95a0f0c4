"""What stands in docs/performance.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import markdown
from bench.markdown import BEGIN, END, NoPlace
from tests.bench.samples import results, runs

MEASURED = {
    "plain": {
        "json": runs(seawall=[30.0, 32.0], envoy=[40.0, 40.0]),
        "c1": runs(seawall=[100.0, 100.0]),
    },
    "routes": {"routes": runs(seawall_10=[40.0], seawall_1000=[41.0])},
}


def test_costs_have_a_row_for_each_proxy_and_a_column_for_each_test() -> None:
    text = markdown.figures(results(MEASURED))

    assert "| **seawall** | **31.0** (30.0–32.0) | **100.0** (100.0–100.0) |" in text
    assert "| envoy | **40.0** (40.0–40.0) ×0.78 | – |" in text
    assert "| seawall-1000 | **41.0** (41.0–41.0) |" in text


def test_latencies_stand_below_where_there_is_somebody_to_compare_with() -> None:
    text = markdown.figures(results(MEASURED))

    assert "| **seawall** | 1.25 / 2.50 | 1.25 / 2.50 | 50 |" in text
    assert "| envoy | 1.25 / 2.50 | – | 50 |" in text
    assert 1 == text.count("Latency")


def test_goals_and_versions_stand_above() -> None:
    text = markdown.figures(results(MEASURED))

    assert "- envoy: 1.40.0" in text
    assert "| plain, of Envoy's | 0.78 (0.75..0.80) | ≤ 0.75 | MISSED |" in text


def test_rows_of_a_table_have_as_many_cells_as_its_head() -> None:
    tables = [block for block in markdown.figures(results(MEASURED)).split("\n\n") if block.startswith("|")]

    assert [1] * len(tables) == [len({line.count("|") for line in table.splitlines()}) for table in tables]


def test_the_picture_is_shown_where_there_is_one() -> None:
    assert markdown.figures(results(), "p.svg").startswith("![CPU per request of each proxy](p.svg)\n")
    assert "![" not in markdown.figures(results())


def test_figures_replace_what_stood_between_the_comments_and_nothing_else() -> None:
    page = f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n"

    once = markdown.insert(page, "new")

    assert f"before\n\n{BEGIN}\n\nnew\n\n{END}\n\nafter\n" == once
    assert once == markdown.insert(once, "new")


@pytest.mark.parametrize(
    "page", ["", BEGIN, END, f"{END}{BEGIN}"], ids=["neither", "no end", "no begin", "swapped"]
)
def test_a_page_without_a_place_for_figures_is_refused(page: str) -> None:
    with pytest.raises(NoPlace):
        markdown.insert(page, "new")


def test_the_page_of_the_documentation_has_a_place() -> None:
    page = Path(__file__).parents[2] / "docs" / "performance.md"

    assert "new" in markdown.insert(page.read_text(), "new")
