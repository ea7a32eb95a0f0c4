"""The pages for those who come from elsewhere: every example loads, and its tests fail without its policy.

What is ours stands in blocks of `yaml`; what is theirs, where it is YAML too, in blocks of `yml`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from proxy.cli import main

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted((DOCS / "coming-from").glob("*.md"))
UNSEEN = {"forwarded"}  # policies that only the application sees anything of


def examples(page: Path) -> dict[str, str]:
    """The files of a page by their headings: what stands below the frame at its top is put below it."""
    text = page.read_text(encoding="utf-8")
    (frame,) = re.findall(r"^```yaml\n(.*?)^```", text.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
    found = {}
    for section in text.split("\n## ")[1:]:
        heading, *_ = section.splitlines()
        if heading != "Not here":
            (block,) = re.findall(r"^```yaml\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
            found[heading] = block if block.startswith("version:") else frame + block
    return found


EXAMPLES = [
    pytest.param(text, id=f"{page.stem}: {name}") for page in PAGES for name, text in examples(page).items()
]


def run(command: list[str], text: str, folder: Path) -> tuple[int, str]:
    (folder / "example.yaml").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(main, [*command, str(folder / "example.yaml")], env={})
    return done.exit_code, done.output


def without_policies(text: str) -> str:
    """The same file as if its policies had been forgotten."""
    document = yaml.safe_load(text)
    for key in ("defaults", "policies", "no_route"):
        document.pop(key, None)
    for route in document["routes"]:
        route.pop("policies", None)
    return yaml.safe_dump(document)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_fine(text: str, tmp_path: Path) -> None:
    exit_code, output = run(["check", "--strict", "--test-secrets"], text, tmp_path)

    assert 0 == exit_code, output


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_does_what_it_says(text: str, tmp_path: Path) -> None:
    document = yaml.safe_load(text)
    if "tests" not in document:
        assert set(document["defaults"]) <= UNSEEN
        return
    exit_code, output = run(["test"], text, tmp_path)

    assert 0 == exit_code, output


@pytest.mark.parametrize("text", [example for example in EXAMPLES if "\ntests:" in example.values[0]])
def test_each_test_of_an_example_needs_its_policies(text: str, tmp_path: Path) -> None:
    if "defaults:" not in text and "policies:" not in text:
        pytest.skip("it is about routes alone")
    tests = len(yaml.safe_load(text)["tests"])

    exit_code, output = run(["test"], without_policies(text), tmp_path)

    assert (1, tests) == (exit_code, output.count("FAILED ")), output


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_is_not_here_and_is_on_the_map(page: Path) -> None:
    assert "\n## Not here\n" in page.read_text(encoding="utf-8")
    assert f"(coming-from/{page.name})" in (DOCS / "README.md").read_text(encoding="utf-8")
