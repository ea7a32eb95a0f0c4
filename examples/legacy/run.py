"""Start the legacy application and Seawall in front of it, say what to try, stop both on Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PATIENCE = 5.0
"""Seconds that each gets to end by itself."""

OTHER_PORTS = "PORT=8090 APP_PORT=3090 STATUS_PORT=9992 ADMIN_PORT=9991"

TRY = """
The application, as it is:   http://127.0.0.1:{app_port}/
Seawall in front of it:      http://127.0.0.1:{port}/
Its policies:                {policies}

Try, in another terminal (the number is the status that you will see):

200  an ordinary request; security headers have come, Server and X-Powered-By have gone
     curl -i http://127.0.0.1:{port}/
201  the API adds a ticket
     curl -i -H 'Content-Type: application/json' -d '{{"title": "No coffee"}}' http://127.0.0.1:{port}/api/tickets
200  an upload within its limit of 1 MiB
     head -c 1000000 /dev/zero | curl -i --data-binary @- http://127.0.0.1:{port}/upload
413  an upload beyond it, which the application never sees
     head -c 2000000 /dev/zero | curl -i --data-binary @- http://127.0.0.1:{port}/upload
404  a path that no route has
     curl -i http://127.0.0.1:{port}/wp-admin.php
405  a method that this path does not take; see Allow
     curl -i -X DELETE http://127.0.0.1:{port}/
204  a browser asks whether https://app.example may call the API, and it may
     curl -i -X OPTIONS -H 'Origin: https://app.example' -H 'Access-Control-Request-Method: POST' http://127.0.0.1:{port}/api/tickets
403  the same for another site, which may not
     curl -i -X OPTIONS -H 'Origin: https://evil.example' -H 'Access-Control-Request-Method: POST' http://127.0.0.1:{port}/api/tickets
504  a report that takes five seconds, on a route whose deadline is 500ms
     curl -i http://127.0.0.1:{port}/report
403  a page for the office network only, whatever address the client claims to have
     curl -i -H 'X-Forwarded-For: 10.20.0.1' http://127.0.0.1:{port}/admin
200  what was counted
     curl -i http://127.0.0.1:{status_port}/metrics

Edit the policies and save: that is live at once; a mistake is told here. To have them read anyhow:

     kill -HUP {pid}

Ctrl-C stops both.
"""


def main() -> int:
    """Run until told to stop. Exit code: 0 stopped, 1 one of the two ended by itself, 2 a port is taken."""
    options = arguments()
    for port in (options.port, options.app_port, options.status_port, options.admin_port):
        if taken(port):
            say(f"Port {port} is taken. Name others: make run {OTHER_PORTS}")
            return 2
    asked_to_stop: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: asked_to_stop.append(number))
    with contextlib.ExitStack() as stack:
        app = stack.enter_context(child(options, str(HERE / "app.py"), "--port", str(options.app_port)))
        seawall = stack.enter_context(child(options, *seawall_command(options)))
        while not asked_to_stop and running(app, seawall) and not ready(options):
            time.sleep(0.05)
        if not asked_to_stop and running(app, seawall):
            say(TRY.format(**vars(options), pid=seawall.pid))
        while not asked_to_stop and running(app, seawall):
            time.sleep(0.2)
    if not asked_to_stop:
        say("One of the two has ended; the reason stands above.")
    return 0 if asked_to_stop else 1


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="Seawall's (default 8080)")
    parser.add_argument("--app-port", type=int, default=3000, help="the application's (default 3000)")
    parser.add_argument("--status-port", type=int, default=9902, help="health and metrics (default 9902)")
    parser.add_argument("--admin-port", type=int, default=9901, help="administration (default 9901)")
    parser.add_argument("--policies", type=Path, default=ROOT / "policies" / "starter")
    options = parser.parse_args()
    options.policies = options.policies.resolve()
    return options


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
def child(options: argparse.Namespace, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run Python with `command`, in a session of its own: a Ctrl-C is ours to pass on, in our order."""
    environment = {**os.environ, "UPSTREAM_URL": f"http://127.0.0.1:{options.app_port}"}
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, start_new_session=True)
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
    return answers(options.app_port, "/") and answers(options.status_port, "/readyz")


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
