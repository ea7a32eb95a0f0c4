"""What the sidecar of the chart takes where nobody asks: memory, and the share of a core.

`python -m bench.idle`, a minute. Half of it nothing is asked at all; in the other half the kubelet's probes
come every five and ten seconds and Prometheus every thirty, as the chart has them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path

from bench.processes import Process, free_port
from bench.servers import Server

POLICIES = Path(__file__).parents[1] / "helm" / "seawall-app" / "policies"
MALLOC = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "67108864",
    "MALLOC_TOP_PAD_": "1048576",
}
ASKERS = {"/readyz": 5, "/livez": 10, "/metrics": 30}
"""Path -> seconds between two of its requests."""


def sidecar(folder: Path) -> tuple[Server, int]:
    """As the chart starts it, and its status port."""
    data, status, admin = (free_port() for _ in range(3))
    command = [sys.executable, "-m", "proxy", "run", f"--policies={POLICIES}"]
    command += ["--upstream=http://127.0.0.1:9", "--drain=20s", "--max-buffered=64MiB"]
    ports = {"listen": data, "status": status, "admin": admin}
    command += [f"--{name}=127.0.0.1:{port}" for name, port in ports.items()]
    env = {**MALLOC, "PYTHONPATH": str(POLICIES.parents[2])}
    process = Process("seawall", command, min(os.sched_getaffinity(0)), folder / "seawall.log", env)
    return Server(process, data, status, "/readyz"), status


def get(port: int, path: str) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    connection.getresponse().read()
    connection.close()


def asked_at(second: int, port: int) -> None:
    for path, period in ASKERS.items():
        if second % period == 0:
            get(port, path)


def watch(process: Process, seconds: int, port: int | None, what: str) -> None:
    """Print what it took meanwhile; with a `port`, the probes come there."""
    before, began = process.cpu_seconds(), time.monotonic()
    for second in range(seconds):
        if port is not None:
            asked_at(second, port)
        time.sleep(max(0.0, began + second + 1 - time.monotonic()))
    share = (process.cpu_seconds() - before) / (time.monotonic() - began)
    print(f"{process.resident_mib():8.1f} MiB  {share:7.2%} of a core  {what}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.idle", description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, metavar="N", help="of each half; default: 30")
    seconds = parser.parse_args(arguments).seconds
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as folder:
        server, status = sidecar(Path(folder))
        with server.process:
            server.wait()
            time.sleep(min(5, seconds))  # what a start leaves to do is done then
            watch(server.process, seconds, None, "where nobody asks")
            watch(server.process, seconds, status, "with the probes of the kubelet, and Prometheus")


if __name__ == "__main__":
    main()
