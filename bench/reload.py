"""What an edit costs those who are being served: `python -m bench.reload`, or with `--help`.

A real process on a core of its own, with a file of many routes that is saved anew every now
and then, while requests come at a steady rate whether or not the ones before are answered.
Told are the time from saving to the first answer by the new revision, and how long requests
took meanwhile, counted from when each was due.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import uvloop

from bench.processes import Process, free_port

ROOT = Path(__file__).resolve().parents[1]
_CONNECTIONS = 8
_PATIENCE = 10.0
_REVISION = re.compile(rb"\r\nx-revision: r(\d+)\r\n", re.IGNORECASE)

TOP = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:{port}"}}}}
routes:
"""
ROUTE = """\
  - name: route-{number}
    match: {{path: "/routes/{number}/orders/{{id}}", methods: [GET, POST]}}
    policies:
      size_limit: {{body: 10MiB}}
      deadline: 30s
      security_headers: {{preset: owasp-api, set: {{X-Revision: r{revision}}}}}
"""


@dataclass
class Load:
    """Requests at `rate` a second over a few connections, and what became of them."""

    port: int
    routes: int
    rate: int
    seconds: list[float] = field(default_factory=list)
    """How long each took, from when it was due."""
    wrong: int = 0
    seen: dict[int, float] = field(default_factory=dict)
    """Revision -> when it answered first."""
    last: float = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        each = [self._connection(number, stop) for number in range(_CONNECTIONS)]
        await asyncio.gather(*each)

    async def _connection(self, number: int, stop: asyncio.Event) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        interval = _CONNECTIONS / self.rate
        due = time.perf_counter() + interval * number / _CONNECTIONS
        while not stop.is_set():
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            path = f"/routes/{random.randrange(self.routes)}/orders/{random.randrange(10**6)}"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
            self._answered(head, due)
            due += interval
        writer.close()

    def _answered(self, head: bytes, due: float) -> None:
        now = time.perf_counter()
        self.seconds.append(now - due)
        found = _REVISION.search(head)
        if found is None or not head.startswith(b"HTTP/1.1 200 "):
            self.wrong += 1
        else:
            self.seen.setdefault(int(found[1]), now)

    def window(self) -> list[float]:
        """What was asked since the last call."""
        seconds, self.seconds = self.seconds, []
        return seconds


@dataclass
class Figures:
    """Seconds, but for what says otherwise."""

    live: list[float] = field(default_factory=list)
    quiet: list[float] = field(default_factory=list)
    during: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    mib: list[float] = field(default_factory=list)
    wrong: int = 0


def write(policies: Path, text: str) -> None:
    """As an editor does: another file, renamed over the old one."""
    draft = policies.with_name(".draft")
    draft.write_text(text)
    draft.replace(policies)


async def measure(
    options: argparse.Namespace, seawall: Process, port: int, policies: Path, text: str
) -> Figures:
    figures, load, stop = Figures(), Load(port, options.routes, options.rate), asyncio.Event()
    await _answering(port, seawall)
    asking = asyncio.create_task(load.run(stop))
    await asyncio.sleep(options.pause)
    load.window()  # the first ones open connections
    for revision in range(1, options.edits + 1):
        await asyncio.sleep(options.pause)
        figures.quiet += load.window()
        edited, cpu = text.replace("r{revision}", f"r{revision}"), seawall.cpu_seconds()
        saved = time.perf_counter()
        write(policies, edited)
        while revision not in load.seen:
            await asyncio.sleep(0.005)
            if time.perf_counter() - saved > _PATIENCE:
                raise SystemExit(f"revision {revision} never became live: {seawall.said()}")
        figures.live.append(load.seen[revision] - saved)
        await asyncio.sleep(options.pause)  # comparing, and freeing what was live, come after it
        figures.cpu.append(seawall.cpu_seconds() - cpu)
        figures.during += load.window()
        figures.mib.append(seawall.resident_mib())
    stop.set()
    await asking
    figures.wrong = load.wrong
    return figures


async def _answering(port: int, seawall: Process) -> None:
    end = time.perf_counter() + _PATIENCE
    while time.perf_counter() < end:
        seawall.check()
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return
    raise SystemExit(f"seawall does not come up: {seawall.said()}")


def report(options: argparse.Namespace, figures: Figures) -> str:
    first, last = figures.mib[0], figures.mib[-1]
    lines = (
        f"{options.routes} routes, {options.edits} edits, {options.rate} requests/s",
        f"from save to live: median {_ms(median(figures.live))}, longest {_ms(max(figures.live))}",
        f"requests meanwhile: {_spread(figures.during)}",
        f"requests otherwise: {_spread(figures.quiet)}",
        f"CPU of an edit and what was served meanwhile: median {_ms(median(figures.cpu))}",
        f"not answered with 200 by a revision: {figures.wrong}",
        f"memory: {first:.0f} MiB after the first edit, {last:.0f} MiB after the last",
    )
    return "\n".join(lines)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _spread(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    most, longest = ordered[int(len(ordered) * 0.99)], ordered[-1]
    return f"{len(ordered)}, median {_ms(median(ordered))}, 99 % {_ms(most)}, longest {_ms(longest)}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--routes", type=int, default=1000)
    parser.add_argument("--edits", type=int, default=10)
    parser.add_argument("--rate", type=int, default=200, help="requests per second")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds before and after each edit")
    parser.add_argument("--check", action="store_true", help="exit 1 over 1 s, or 50 ms for a request")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {cores[-1]})
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as name, ExitStack() as running:
        folder, upstream, port = Path(name), free_port(), free_port()
        policies = folder / "policies" / "bench.yaml"
        policies.parent.mkdir()
        text = TOP.format(port=upstream) + "".join(
            ROUTE.format(number=number, revision="{revision}") for number in range(options.routes)
        )
        write(policies, text.replace("r{revision}", "r0"))
        answer = (sys.executable, str(ROOT / "bench" / "upstream.py"), str(upstream))
        running.enter_context(Process("upstream", answer, cores[-1], folder / "upstream.log"))
        ports = [
            part for option in ("status", "admin") for part in (f"--{option}", f"127.0.0.1:{free_port()}")
        ]
        run = f"-m proxy run --policies {policies.parent} --access-log off --listen 127.0.0.1:{port}".split()
        log, env = folder / "seawall.log", {"PYTHONPATH": str(ROOT)}
        seawall = running.enter_context(
            Process("seawall", (sys.executable, *run, *ports), cores[0], log, env=env)
        )
        figures = uvloop.run(measure(options, seawall, port, policies, text))
    print(report(options, figures))
    missed = max(figures.live) > 1 or max(figures.during) > 0.05 or figures.wrong
    return int(options.check and bool(missed))


if __name__ == "__main__":
    sys.exit(main())
