"""Each case is a policy file, followed by what is wrong with it or what it means.

To write what a new case expects: `python -m tests.config.test_cases NAME`, and read it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from proxy.config.effective import as_text
from proxy.config.loader import load
from proxy.errors import ConfigError
from tests.config.kinds import ENV, KINDS

FOLDER = Path(__file__).with_name("cases")
CASES = sorted(FOLDER.glob("*.yaml"))
SEPARATOR = "# ---- expected\n"


def outcome(case: Path, folder: Path) -> str:
    """Every problem as the operator sees it; else warnings and what is in force."""
    text = case.read_bytes().partition(SEPARATOR.encode())[0]
    file = folder / case.name
    file.write_bytes(text)
    (folder / "secret.txt").write_text("hunter2-in-a-file\n", encoding="utf-8")
    try:
        configuration = load(file, KINDS, env=ENV)
        shown = "\n".join([*map(str, configuration.warnings), as_text(configuration)])
    except ConfigError as error:
        shown = str(error)
    return shown.replace(f"{folder}/", "")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem.replace("_", " "))
def test_a_file_means_what_its_case_says(case: Path, tmp_path: Path) -> None:
    comment = case.read_text(encoding="utf-8", errors="replace").partition(SEPARATOR)[2]
    expected = "\n".join(line.removeprefix("#").removeprefix(" ") for line in comment.splitlines())

    assert expected == outcome(case, tmp_path)


def test_no_case_shows_a_secret(tmp_path: Path) -> None:
    shown = "\n".join(outcome(case, tmp_path) for case in CASES)

    assert "hunter2" not in shown
    assert "acme-confidential" not in shown


def rewrite(case: Path, folder: Path) -> None:
    """Put into `case` what happens now."""
    text = case.read_bytes().partition(SEPARATOR.encode())[0]
    comment = "\n".join(f"# {line}".rstrip() for line in outcome(case, folder).splitlines())
    case.write_bytes(text + f"{SEPARATOR}{comment}\n".encode())


if __name__ == "__main__":
    import tempfile

    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as scratch:
            rewrite(FOLDER / name, Path(scratch))
