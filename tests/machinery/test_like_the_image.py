"""Seawall as it is in its container: process 1, a user without a name or a right, a root that is read-only.

That takes no engine, but namespaces, and to be root for a moment. The image itself is not judged here.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.seawall import Seawall

ROOT = Path(__file__).parents[2]
POLICIES = """\
version: 1
upstreams: {app: {url: "http://127.0.0.1:9"}}
routes:
  - name: all
    match: {path: "/**"}
    policies:
      rate_limit: {limit: 100/min, burst: 10}
      idempotency: {key: ["header:Idempotency-Key"], ttl: 1h, methods: [POST]}
"""
USER = "10001"
# Every mount becomes read-only, in a namespace of its own. Then no right is left to undo it.
INSIDE = r"""
while read -r _ mount _; do
  case "$mount" in (/proc*|/sys*|/dev*) ;; (*) mount -o remount,bind,ro "$mount" 2>/dev/null ;; esac
done < /proc/self/mounts
for folder in / /tmp "$1"; do
  if touch "$folder/written" 2>/dev/null; then
    rm "$folder/written"
    echo "$folder is writable" >&2
    exit 97
  fi
done
shift
exec setpriv --reuid "$SEAWALL_TEST_USER" --regid "$SEAWALL_TEST_USER" --clear-groups \
  --bounding-set -all --no-new-privs -- "$@"
"""


def as_in_a_container(folder: Path, *command: str) -> list[str]:
    unshared = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return [*unshared, "sh", "-c", INSIDE, "sh", str(folder), *command]


ENVIRONMENT = {
    "PATH": os.environ.get("PATH", ""),
    "PYTHONPATH": str(ROOT),
    "PYTHONDONTWRITEBYTECODE": "1",
    "SEAWALL_TEST_USER": USER,
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that everybody may read; those of pytest are for one user."""
    if os.geteuid() or not shutil.which("unshare") or not shutil.which("setpriv"):
        pytest.skip("namespaces take unshare, setpriv, and root")
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        made.chmod(0o755)
        policies = made / "policies.yaml"
        policies.write_text(POLICIES)
        policies.chmod(0o644)
        tried = as_in_a_container(made, sys.executable, "-c", "import proxy, os; assert os.getpid() == 1")
        done = subprocess.run(tried, capture_output=True, text=True, check=False, env=ENVIRONMENT)
        if done.returncode:
            pytest.skip(f"no such container can be made here: {done.stderr.strip()[-200:]}")
        yield made


async def exchange(port: int, request: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_it_serves_and_ends_as_process_1_without_a_place_to_write_to(folder: Path) -> None:
    run = [sys.executable, "-m", "proxy", "run", "--policies", str(folder / "policies.yaml")]
    for port in ("--listen", "--status", "--admin"):
        run += [port, "127.0.0.1:0"]
    process = await asyncio.create_subprocess_exec(
        *as_in_a_container(folder, *run),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=ENVIRONMENT,
    )
    running = Seawall(process, folder)
    try:
        ports = await running.said(r"listening on \S+:(\d+), status on \S+:(\d+), admin on \S+:(\d+)")
        data, status, _ = map(int, ports.groups())
        body = "x" * 100_000
        posted = await exchange(
            data,
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nIdempotency-Key: k\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}",
        )
        alive = await exchange(status, "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        inside = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
        user = re.search(r"^Uid:\t(\d+)", Path(f"/proc/{inside}/status").read_text(), re.MULTILINE)

        os.kill(inside, signal.SIGTERM)
        code = await running.exit_code()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert ("502", "200") == (posted.split()[1], alive.split()[1])
    assert user is not None
    assert (USER, 0) == (user[1], code)
    assert "stopped" in running.log[-1]
    assert [] == [line for line in running.log if "Traceback" in line or "Read-only" in line]
