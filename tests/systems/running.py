"""An example application with `seawall run` in front of it, both in processes of their own."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from examples.run import Example
from tests.ports import free_port
from tests.systems.pages import ROOT

PATIENCE = 30.0
INSTEAD = "SEAWALL_TESTED_POLICIES"
"""A folder with policies that is tested instead: test_every_line.py takes something out of them."""


@dataclass
class Running:
    """The two, and who asks them."""

    client: httpx.Client
    """Of Seawall's data port."""
    behind: httpx.Client
    """Of the application, past Seawall."""
    status: httpx.Client
    admin: httpx.Client
    port: int
    output: Path
    """What Seawall writes to its standard output."""
    process: subprocess.Popen[bytes]
    """Seawall's."""

    def lines(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Of the access log, or those of the audit log with this `kind`."""
        found = [json.loads(line) for line in self.output.read_text().splitlines()]
        return [line for line in found if line.get("kind") == kind]

    def line(self, kind: str | None = None, **wanted: object) -> dict[str, Any]:
        """The last one that says this; they are written in batches."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [line for line in self.lines(kind) if wanted.items() <= line.items()]
            return bool(found)

        eventually(there, f"a line with {wanted}")
        return found[-1]

    def metric(self, name: str, /, **labels: str) -> float | None:
        """The value of one series at /metrics of the status port; None where it is not there."""
        for line in self.status.get("/metrics").text.splitlines():
            series, _, value = line.rpartition(" ")
            if (
                series.partition("{")[0] == name
                and labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', series)).items()
            ):
                return float(value)
        return None


def missing_metrics(status: httpx.Client, system: str) -> set[str]:
    """What the alert rules of an example ask for, and /metrics does not have."""
    groups = yaml.safe_load((ROOT / "examples" / system / "alerts.yaml").read_text())["groups"]
    metrics = status.get("/metrics").text
    rules = [rule for group in groups for rule in group["rules"]]
    names = {name for rule in rules for name in re.findall(rf"\b(?:seawall|{system})_\w+", rule["expr"])}
    assert names
    return {name for name in names if not re.search(rf"^{name}\b", metrics, re.MULTILINE)}


def eventually(true: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Poll: these are real processes and sockets."""
    give_up = time.monotonic() + patience
    while not true():
        assert time.monotonic() < give_up, f"waited in vain for {what}"
        time.sleep(0.02)


def policies_of(system: str) -> Path:
    """Those that are shipped, or others instead."""
    return Path(os.environ.get(INSTEAD, ROOT / "policies" / system))


@contextmanager
def running(
    system: str,
    scratch: Path,
    *,
    environment: Mapping[str, str | None] | None = None,
    arguments: Sequence[str] = (),
) -> Iterator[Running]:
    """Both, as example.toml has them; a variable that is None in `environment` is not set."""
    example = Example.read(system)
    with ExitStack() as stack:
        app_port = free_port()
        command = example.application(app_port, scratch)
        found_by = example.upstream(app_port, scratch)
        variables = {**os.environ, **example.environment, **found_by, **(environment or {})}
        app = started(stack, variables, scratch / "app", *command)
        eventually(lambda: listens(app_port) or app.poll() is not None, "the application")
        assert app.poll() is None, (scratch / "app.err").read_text()
        process = started(
            stack, variables, scratch / "seawall", "-m", "proxy", "run",
            "--policies", str(policies_of(system)),
            *(part for port in ("listen", "status", "admin") for part in (f"--{port}", "127.0.0.1:0")),
            *example.arguments, *arguments,
        )  # fmt: skip
        log = scratch / "seawall.err"
        eventually(lambda: "listening on" in log.read_text() or process.poll() is not None, "Seawall")
        ports = re.findall(r"(?:listening|status|admin) on \S+?:(\d+)", log.read_text())
        assert len(ports) == 3, log.read_text()
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        urls[1:1] = [found_by[example.upstreams[0]]]
        trusted = ssl.create_default_context(cafile=found_by.get("SSL_CERT_FILE"))
        clients = [
            stack.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=20, verify=trusted))
            for url in urls
        ]
        yield Running(*clients, port=int(ports[0]), output=scratch / "seawall.out", process=process)


def started(
    stack: ExitStack, variables: Mapping[str, str | None], output: Path, *command: str
) -> subprocess.Popen[bytes]:
    """A Python with `command`, ended with the stack; `output`.out and .err have what it says."""
    out, err = (stack.enter_context(output.with_suffix(end).open("wb")) for end in (".out", ".err"))
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={name: value for name, value in variables.items() if value is not None},
        stdout=out,
        stderr=err,
    )

    def end() -> None:
        process.kill()
        process.wait()

    stack.callback(end)
    return process


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
