"""Annotations in a GitHub workflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.cli.github import annotation
from proxy.errors import Problem


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (
            Problem(
                "a.yaml", 3, 22, "defaults.deadline", "30 is no duration", "defaults: {deadline: 30}\n ^"
            ),
            "::error file=a.yaml,line=3,col=22::defaults.deadline: 30 is no duration",
        ),
        (Problem("a.yaml", 0, 0, "", "cannot be read"), "::error file=a.yaml::cannot be read"),
        (Problem("", 0, 0, "", "there are more"), "::error::there are more"),
        (
            Problem("a:b,c%d.yaml", 1, 1, "", "100%\r\n::error::no"),
            "::error file=a%3Ab%2Cc%25d.yaml,line=1,col=1::100%25%0D%0A::error::no",
        ),
    ],
    ids=["a place", "a whole file", "no file", "what would be taken for something else"],
)
def test_a_problem_is_one_line_in_the_form_that_the_runner_reads(problem: Problem, line: str) -> None:
    assert line == annotation("error", problem)


def test_a_warning_is_one() -> None:
    assert "::warning file=a.yaml::x" == annotation("warning", Problem("a.yaml", 0, 0, "", "x"))


def test_a_file_below_the_working_directory_is_named_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    below, outside = (
        Problem(str(file), 0, 0, "", "x") for file in (tmp_path / "p/a.yaml", Path("/o/a.yaml"))
    )

    assert "::error file=p/a.yaml::x" == annotation("error", below)
    assert "::error file=/o/a.yaml::x" == annotation("error", outside)
