"""A real `seawall run` in a process of its own, for tests of its life."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

PATIENCE = 90.0
"""Seconds until a test gives up; on a machine that is busy with other things a start takes long."""
ROOT = Path(__file__).parents[2]
_LIBC = ctypes.CDLL(None)
_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2

POLICIES = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:{port}"}}}}
routes:
  - name: all
    match: {{path: "/**"}}
    policies:
      security_headers: {{preset: none, set: {{X-Revision: one}}}}
"""


@dataclass
class Seawall:
    """The process and what it said."""

    process: asyncio.subprocess.Process
    policies: Path
    log: list[str] = field(default_factory=list)
    data: int = 0
    status: int = 0
    admin: int = 0

    async def said(self, pattern: str) -> re.Match[str]:
        """Read the log until a line matches."""
        assert self.process.stderr is not None
        for line in self.log:
            if found := re.search(pattern, line):
                return found
        async with asyncio.timeout(PATIENCE):
            while line := (await self.process.stderr.readline()).decode():
                self.log.append(line)
                if found := re.search(pattern, line):
                    return found
        raise AssertionError(f"never said {pattern!r}; said:\n{''.join(self.log)}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def exit_code(self) -> int:
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            self.log += (await self.process.stderr.read()).decode().splitlines(keepends=True)
            return await self.process.wait()


def ask_for_permission() -> None:
    """In a process that begins: file modes count for it, also where it is root (capabilities(7))."""
    if os.geteuid() == 0:
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            _LIBC.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


async def start(
    *arguments: str,
    source: Path | None = None,
    module: str = "proxy",
    stdout: IO[bytes] | int = asyncio.subprocess.DEVNULL,
) -> asyncio.subprocess.Process:
    """`seawall run` with these arguments, its ports chosen by the system unless they say otherwise.

    `source` is a folder with another copy of the package; `module` what stands in for its command.
    """
    ports = [
        part
        for option in ("--listen", "--status", "--admin")
        if option not in arguments
        for part in (option, "127.0.0.1:0")
    ]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, "run", *ports, *arguments,
        stdout=stdout, stderr=asyncio.subprocess.PIPE,
        cwd=source, env={**os.environ, "PYTHONPATH": str(source or ROOT)}, preexec_fn=ask_for_permission,
    )  # fmt: skip


@asynccontextmanager
async def seawall(
    policies: Path,
    *arguments: str,
    source: Path | None = None,
    module: str = "proxy",
    stdout: IO[bytes] | int = asyncio.subprocess.DEVNULL,
) -> AsyncIterator[Seawall]:
    """A running one, ended with the block."""
    process = await start(
        "--policies", str(policies), *arguments, source=source, module=module, stdout=stdout
    )
    running = Seawall(process, policies)
    try:
        ports = await running.said(r"listening on \S+:(\d+), status on \S+:(\d+), admin on \S+:(\d+)")
        running.data, running.status, running.admin = map(int, ports.groups())
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
