"""A test in a process of its own, which takes no time to begin: it is forked with everything imported."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from tests.systems.pages import tests_of
from tests.systems.running import INSTEAD

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.systems.imported"])


def fails(system: str, name: str, policies: Path) -> bool:
    """Whether that test over real sockets does, with other policies."""
    output = policies / f"{name}.out"
    process = _CONTEXT.Process(target=_run, args=(f"{tests_of(system)}::{name}", policies, output))
    process.start()
    process.join()
    assert process.exitcode in (0, 1), output.read_text(encoding="utf-8")
    return process.exitcode == 1


def _run(test: str, policies: Path, output: Path) -> None:
    os.environ[INSTEAD] = str(policies)
    with output.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    raise SystemExit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", test]))
