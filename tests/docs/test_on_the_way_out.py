"""The page for calls of somebody else's API: its example is fine, and does what it says."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.test_coming_from import DOCS, run

(EXAMPLE,) = re.findall(
    r"^```yaml\n(.*?)^```", (DOCS / "on-the-way-out.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


def test_the_example_is_fine(tmp_path: Path) -> None:
    assert 0 == run(["check", "--strict"], EXAMPLE, tmp_path)[0]


def test_without_what_it_says_of_the_host_it_would_not_be(tmp_path: Path) -> None:
    exit_code, output = run(["check", "--strict"], EXAMPLE.replace(", host: upstream", ""), tmp_path)

    assert 1 == exit_code
    assert "it gets the Host that a client calls Seawall by" in output


def test_its_tests_pass(tmp_path: Path) -> None:
    assert 0 == run(["test"], EXAMPLE, tmp_path)[0]
