"""Processes of a benchmark: each on a core of its own, each measured, all of them ended."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")
_PATIENCE = 5.0  # seconds for a process to end by itself
_PR_SET_PDEATHSIG = 1
_CPUCLOCK_SCHED = 2
_libc = ctypes.CDLL(None, use_errno=True)


class Ended(Exception):
    """A server ended, or never came up; says what its log says."""


class Process:
    """A child on one core, in a session of its own, so that Ctrl-C reaches only us.

    Leaving the context ends it and what it started; so does our own death. It runs in the folder of its log.
    """

    def __init__(
        self, name: str, command: Sequence[str], core: int, log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._core = core
        self._env = {**os.environ, **(env or {})}
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self.log.parent,
                start_new_session=True,
                preexec_fn=self._settle,  # noqa: PLW1509  # we have no threads
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        child = self._child
        if child is None:
            return
        _signal_group(child.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_PATIENCE)
        _signal_group(child.pid, signal.SIGKILL)
        child.wait()

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    def check(self) -> None:
        """Raise Ended where it has ended by itself."""
        if self._child is not None and self._child.poll() is not None:
            raise Ended(f"it ended with {self._child.returncode}: {self.said()}")

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace").strip()[-500:]

    def cpu_seconds(self) -> float:
        """User and system time of it and of all that it started."""
        return sum(_cpu_seconds(pid) for pid in _tree(self.pid))

    def ticks(self) -> tuple[int, int]:
        """Ticks that it and all that it started spent in the kernel, and in all; coarse, so for long runs."""
        ticks = [fields[11:13] for pid in _tree(self.pid) if (fields := _stat(pid))]
        system = sum(int(kernel) for _, kernel in ticks)
        return system, system + sum(int(user) for user, _ in ticks)

    def resident_mib(self) -> float:
        """Resident memory of it and of all that it started; shared pages count for each."""
        return sum(_resident_kib(pid) for pid in _tree(self.pid)) / 1024

    def _settle(self) -> None:
        os.sched_setaffinity(0, {self._core})
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def busy_seconds(cores: Sequence[int]) -> float:
    """What any process has used of `cores`."""
    busy = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name in {f"cpu{core}" for core in cores}:
            ticks = [int(field) for field in fields[:8]]
            busy += sum(ticks) - ticks[3] - ticks[4]  # idle and waiting for a disk
    return busy / _TICKS


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def _tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _cpu_seconds(pid: int) -> float:
    # The kernel's clock of another process, clock_getcpuclockid(3): user and system time of all its threads
    # in nanoseconds, where /proc/PID/stat has ticks of 10 ms.
    clock = (~pid << 3) | _CPUCLOCK_SCHED
    try:
        return time.clock_gettime(clock)
    except OSError:
        return 0.0


def _stat(pid: int) -> list[str]:
    """The fields behind the name, which may itself have spaces in it; empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _resident_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
