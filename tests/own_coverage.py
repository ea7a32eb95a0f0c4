"""How much of each source file its own test file covers: `make coverage`.

Covered by accident, by a test of something else, does not count. The test of
`proxy/config/units.py` is `tests/config/test_units.py`; of a package's `__init__.py`, the
test file named for the package, such as `tests/router/test_router.py`, in its folder or beside that.
A source file without one counts as not covered, unless it only declares.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WANTED = 90.0
"""Per cent of lines and branches, of each file."""

SETTINGS = """
[run]
branch = true
source = {source}
data_file = {scratch}/data
patch = subprocess
"""


def main(arguments: list[str]) -> int:
    """Measure the files named by `arguments`, or all; 1 where one is under `WANTED`."""
    chosen = [ROOT / argument for argument in arguments] or [ROOT / "proxy"]
    sources = sorted(
        path
        for place in chosen
        for path in ([place] if place.is_file() else place.rglob("*.py"))
        if runs(path)
    )
    under = 0
    for source in sources:
        tests = tests_of(source)
        percent = measure(source, tests) if tests else 0.0
        under += percent < WANTED
        mark = "  " if percent >= WANTED else "! "
        why = "" if tests else "  (no test file)"
        print(f"{mark}{percent:5.1f} %  {source.relative_to(ROOT)}{why}", flush=True)
    print(f"{len(sources) - under} of {len(sources)} files have {WANTED:g} % or more from their own tests")
    return 1 if under else 0


def runs(source: Path) -> bool:
    """Whether `source` has a function with a body; declarations alone need no test of their own."""
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not declares(node.body[-1])
        for node in ast.walk(ast.parse(source.read_text()))
    )


def declares(statement: ast.stmt) -> bool:
    """Whether it is `...` or a docstring."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def tests_of(source: Path) -> list[Path]:
    """The test files that are meant for `source`: `test_<name>.py`, or several `test_<name>_*.py`."""
    place = ROOT / "tests" / source.relative_to(ROOT / "proxy").parent
    name = source.parent.name if source.name == "__init__.py" else source.stem.strip("_")
    beside = [place.parent / f"test_{name}.py"] if source.name == "__init__.py" else []
    found = {*place.glob(f"test_{name}.py"), *place.glob(f"test_{name}_*.py"), *beside}
    return sorted(path for path in found if path.is_file())


def measure(source: Path, tests: list[Path]) -> float:
    """Per cent of lines and branches of `source` that `tests` run, in processes that they start too."""
    with tempfile.TemporaryDirectory() as scratch:
        settings, report = Path(scratch, "coveragerc"), Path(scratch, "report.json")
        settings.write_text(SETTINGS.format(scratch=scratch, source=ROOT / "proxy"))
        coverage = [sys.executable, "-m", "coverage"]
        chosen = f"--rcfile={settings}"
        quiet = ["-q", "-p", "no:cacheprovider", "--no-header", "--no-summary"]
        run([*coverage, "run", chosen, "-m", "pytest", *quiet, *map(str, tests)])
        run([*coverage, "combine", "-q", chosen])
        run([*coverage, "json", "-q", chosen, f"--include={source}", "-o", str(report)])
        if not report.exists():
            return 0.0
        measured = json.loads(report.read_text())["totals"]
    return float(measured["percent_covered"])


def run(command: list[str]) -> None:
    """Run `command` quietly; a test that fails shows in `make test`, here only its coverage counts."""
    subprocess.run(command, cwd=ROOT, check=False, capture_output=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
