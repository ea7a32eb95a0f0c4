"""Processes that a benchmark starts."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from bench.processes import Ended, Process

CORE = min(os.sched_getaffinity(0))


def run(folder: Path, program: str) -> Process:
    return Process("python", [sys.executable, "-c", program], CORE, folder / "log")


def wait_for(path: Path) -> str:
    for _ in range(1000):
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.01)
    pytest.fail(f"{path.name} did not appear")


def test_leaving_ends_a_process_and_what_it_started(tmp_path: Path) -> None:
    program = (
        "import subprocess, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '600']); open('pid', 'w').write(str(child.pid)); child.wait()"
    )

    with run(tmp_path, program) as process:
        child = int(wait_for(tmp_path / "pid"))

    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
    for _ in range(1000):
        if has_ended(child):
            return
        time.sleep(0.01)
    pytest.fail("its child goes on")


def has_ended(pid: int) -> bool:
    """It is gone, or dead and not yet buried: that is for process 1 to do, whenever it likes."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state in "ZX"


def test_what_it_used_is_counted(tmp_path: Path) -> None:
    with run(
        tmp_path, "sum(range(10**6)); print('done', flush=True); import time; time.sleep(600)"
    ) as process:
        wait_for(process.log)
        used, resident, (kernel, ticks) = process.cpu_seconds(), process.resident_mib(), process.ticks()

    assert (True, True, True) == (used > 0, resident > 1, kernel <= ticks)


def test_a_process_that_ends_by_itself_says_why(tmp_path: Path) -> None:
    with run(tmp_path, "raise SystemExit('no such port')") as process:
        wait_for(process.log)

        with pytest.raises(Ended, match="it ended with 1: no such port"):
            until_ended(process)


def until_ended(process: Process) -> None:
    for _ in range(1000):
        process.check()
        time.sleep(0.01)
