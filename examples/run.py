"""Start one of the applications here with Seawall in front, say what to try, stop both on Ctrl-C.

python examples/run.py ingestion
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
NAMES = sorted(file.parent.name for file in HERE.glob("*/example.toml"))
PATIENCE = 5.0
"""Seconds that each gets to end by itself."""

OTHER_PORTS = "PORT=8090 APP_PORT=3090 STATUS_PORT=9992 ADMIN_PORT=9991"

ABOUT = """
{behind:<29}{upstream}/
Seawall in front of it:      http://127.0.0.1:{port}/
Its policies:                {policies}
Seawall's own arguments:     {arguments}

Try, in another terminal (the number is the status that you will see, in this order):
"""

END = """
Edit the policies and save: that is live at once. A mistake is told here, and what worked goes on.
To have them read anyhow:

     kill -HUP {pid}

Ctrl-C stops both.
"""


@dataclass(frozen=True)
class Example:
    """What stands in the example.toml of one application."""

    name: str
    policies: Path
    arguments: tuple[str, ...]
    """Of `seawall run`, beside the ports and the policies."""
    environment: dict[str, str]
    """What is not set already."""
    tls: bool
    """The application plays an API that is called over https, on the way out."""
    upstreams: tuple[str, ...]
    """Variables that say where the application is; it may play several."""
    tries: tuple[tuple[int, str, str], ...]
    """Status, what is shown by it, and the line to type."""

    @classmethod
    def read(cls, name: str) -> Example:
        """Of the folder `name`."""
        told = tomllib.loads((HERE / name / "example.toml").read_text(encoding="utf-8"))
        return cls(
            name,
            ROOT / "policies" / told["policies"],
            tuple(told.get("arguments", ())),
            {
                key: value.replace("{here}", str(HERE / name))
                for key, value in told.get("environment", {}).items()
            },
            told.get("tls", False),
            tuple(told.get("upstreams", ("UPSTREAM_URL",))),
            tuple((each["status"], each["what"], each["line"]) for each in told["try"]),
        )

    def application(self, port: int, scratch: Path) -> list[str]:
        """What to start Python with; `scratch` is an empty folder, for a certificate."""
        command = ["-m", f"examples.{self.name}.app", "--port", str(port)]
        if not self.tls:
            return command
        subprocess.run([sys.executable, "-m", "examples.certificates", scratch], cwd=ROOT, check=True)
        return [*command, "--certificate", str(scratch / "server.pem")]

    def upstream(self, port: int, scratch: Path) -> dict[str, str]:
        """Variables by which Seawall finds the application, and trusts it."""
        url = f"https://localhost:{port}" if self.tls else f"http://127.0.0.1:{port}"
        found_by = dict.fromkeys(self.upstreams, url)
        return {**found_by, "SSL_CERT_FILE": str(scratch / "authority.pem")} if self.tls else found_by


def main() -> int:
    """Run until told to stop. Exit code: 0 stopped, 1 one of the two ended by itself, 2 a port is taken."""
    options = arguments()
    example = Example.read(options.example)
    options.policies = (options.policies or example.policies).resolve()
    for port in (options.port, options.app_port, options.status_port, options.admin_port):
        if taken(port):
            say(f"Port {port} is taken. Name others: make run {OTHER_PORTS}")
            return 2
    asked_to_stop: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: asked_to_stop.append(number))
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        command = example.application(options.app_port, scratch)
        variables = {**example.environment, **os.environ, **example.upstream(options.app_port, scratch)}
        options.upstream = variables[example.upstreams[0]]
        app = stack.enter_context(child(variables, *command))
        seawall = stack.enter_context(child(variables, *seawall_command(options), *example.arguments))
        while not asked_to_stop and running(app, seawall) and not ready(options):
            time.sleep(0.05)
        if not asked_to_stop and running(app, seawall):
            say(told(example, options, seawall.pid))
        while not asked_to_stop and running(app, seawall):
            time.sleep(0.2)
    if not asked_to_stop:
        say("One of the two has ended; the reason stands above.")
    return 0 if asked_to_stop else 1


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("example", nargs="?", default="legacy", choices=NAMES, help="default legacy")
    parser.add_argument("--port", type=int, default=8080, help="Seawall's (default 8080)")
    parser.add_argument("--app-port", type=int, default=3000, help="the application's (default 3000)")
    parser.add_argument("--status-port", type=int, default=9902, help="health and metrics (default 9902)")
    parser.add_argument("--admin-port", type=int, default=9901, help="administration (default 9901)")
    parser.add_argument("--policies", type=Path, help="default: the example's own")
    return parser.parse_args()


def told(example: Example, options: argparse.Namespace, pid: int) -> str:
    """Where everything is, and what to type."""
    behind = "The API, as it is played:" if example.tls else "The application, as it is:"
    facts = {**vars(options), "behind": behind, "arguments": " ".join(example.arguments) or "none"}
    lines = [f"{status}  {what}\n     {typed(line, options)}" for status, what, line in example.tries]
    return "\n".join([ABOUT.format(**facts), *lines, END.format(pid=pid)])


def typed(line: str, options: argparse.Namespace) -> str:
    """`line` with the ports in it."""
    for name in ("port", "app_port", "status_port", "admin_port"):
        line = line.replace(f"{{{name}}}", str(getattr(options, name)))
    return line


def taken(port: int) -> bool:
    """Whether something else has the port, found out before anything is started."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def seawall_command(options: argparse.Namespace) -> list[str]:
    """What one would type; `python -m proxy` is `seawall`."""
    return [
        *("-m", "proxy", "run", "--policies", str(options.policies)),
        *("--listen", f"127.0.0.1:{options.port}"),
        *("--status", f"127.0.0.1:{options.status_port}"),
        *("--admin", f"127.0.0.1:{options.admin_port}"),
    ]


@contextlib.contextmanager
def child(variables: dict[str, str], *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run Python with `command`, in a session of its own: a Ctrl-C is ours to pass on, in our order."""
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=variables, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ready(options: argparse.Namespace) -> bool:
    """Whether both answer."""
    return taken(options.app_port) and answers(options.status_port, "/readyz")


def answers(port: int, path: str) -> bool:
    """Whether `path` on `port` says 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def running(*processes: subprocess.Popen[bytes]) -> bool:
    """Whether none of them has ended."""
    return all(process.poll() is None for process in processes)


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
