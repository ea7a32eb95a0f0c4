"""Servers that legacy applications run in, each as a process of its own on a free port of loopback."""

from __future__ import annotations

import contextlib
import http.client
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ports import free_port

PATIENCE = 20.0
"""Seconds within which a server has to answer its first request."""
HERE = Path(__file__).parent
APACHE_MODULES = Path("/usr/lib/apache2/modules")

Command = Callable[[int, Path], list[str]]
"""From a port and a folder of its own to what starts the server in the foreground."""


@dataclass(frozen=True)
class Kind:
    """A server, and what of HTTP it does its own way."""

    command: Command
    needs: str = ""
    """A program that may not be there."""
    keeps_connections: bool = True
    says_continue: bool = True
    """It answers `Expect: 100-continue`; who doesn't makes the client send its body unasked."""


@dataclass(frozen=True)
class Legacy:
    """A server that runs."""

    kind: Kind
    port: int
    gates: Path
    """A file made in here lets the second event of `/events?NAME` out."""


def _gunicorn(port: int, folder: Path) -> list[str]:
    return [
        sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--worker-class", "sync",
        "--worker-tmp-dir", str(folder), "--chdir", str(HERE), "--no-control-socket", "wsgi:app",
    ]  # fmt: skip


def _uvicorn(parser: str) -> Command:
    def command(port: int, folder: Path) -> list[str]:
        return [
            sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", str(port), "--http", parser,
            "--loop", "asyncio", "--lifespan", "off", "--app-dir", str(HERE), "asgi:app",
        ]  # fmt: skip

    return command


def _node(port: int, folder: Path) -> list[str]:
    return ["node", str(HERE / "app.js"), str(port)]


def _php(port: int, folder: Path) -> list[str]:
    return ["php", "-d", "output_buffering=0", "-S", f"127.0.0.1:{port}", str(HERE / "app.php")]


_APACHE = """\
ServerRoot {folder}
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
Mutex file:{folder} default
ErrorLog /dev/stderr
LoadModule mpm_prefork_module {modules}/mod_mpm_prefork.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule alias_module {modules}/mod_alias.so
LoadModule env_module {modules}/mod_env.so
LoadModule cgi_module {modules}/mod_cgi.so
StartServers 2
{user}
PassEnv GATES
ScriptAlias / {folder}/app.cgi/
<Directory {folder}>
  Options +ExecCGI
  Require all granted
</Directory>
"""


def _apache(port: int, folder: Path) -> list[str]:
    shutil.copy(HERE / "app.cgi", folder)
    # Apache does not serve as root.
    nobody = pwd.getpwnam("nobody").pw_gid
    user = f"User nobody\nGroup #{nobody}" if os.getuid() == 0 else ""
    configuration = _APACHE.format(folder=folder, port=port, modules=APACHE_MODULES, user=user)
    (folder / "apache.conf").write_text(configuration)
    return ["apache2", "-DFOREGROUND", "-f", str(folder / "apache.conf")]


KINDS = {
    "gunicorn": Kind(_gunicorn, keeps_connections=False),
    "uvicorn with h11": Kind(_uvicorn("h11")),
    "uvicorn with httptools": Kind(_uvicorn("httptools")),
    "Node": Kind(_node, needs="node"),
    "PHP": Kind(_php, needs="php", keeps_connections=False, says_continue=False),
    "Apache with CGI": Kind(_apache, needs="apache2"),
}


@contextlib.contextmanager
def running(kind: Kind, folder: Path) -> Iterator[Legacy]:
    """Start it, wait until it answers, and end it with the block; skips where it isn't installed."""
    if kind.needs and shutil.which(kind.needs, path=_path()) is None:
        pytest.skip(f"{kind.needs} is not installed")
    if kind.command is _apache and not (APACHE_MODULES / "mod_cgi.so").exists():
        pytest.skip("Apache's modules are not where Debian has them")
    gates = folder / "gates"
    gates.mkdir()
    process, port = _started(kind, folder, gates)
    try:
        yield Legacy(kind, port, gates)
    finally:
        _end(process)


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin"


def _started(kind: Kind, folder: Path, gates: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A free port may be taken by somebody else before the server has it: then another one."""
    said = folder / "log"
    for _ in range(3):
        port = free_port()
        with said.open("wb") as log:
            process = subprocess.Popen(
                kind.command(port, folder),
                start_new_session=True,  # Apache's end is that of its process group
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "PATH": _path(), "GATES": str(gates), "PYTHONDONTWRITEBYTECODE": "1"},
            )  # fmt: skip
        if _answers(process, port):
            return process, port
        _end(process)
    raise AssertionError(f"it does not start:\n{said.read_text()}")


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    give_up = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < give_up:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("GET", "/hello")
            return connection.getresponse().read() == b"hello\n"
        except OSError:
            time.sleep(0.02)
        finally:
            connection.close()
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
