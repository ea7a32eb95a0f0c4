"""A help desk that somebody wrote years ago: WSGI, the standard library's HTTP/1.0 server, no hardening.

It knows nothing of Seawall and stays as it is. Its faults are what such applications have: no limit on
uploads, headers that tell its versions, an error page with the traceback, a report that takes for ever,
and an admin page that anybody can open.
"""

from __future__ import annotations

import argparse
import html
import json
import time
import traceback
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

PAGE = """<!doctype html>
<title>Help desk</title>
<h1>Help desk</h1>
<ul>{items}</ul>
<form method="post" action="/"><input name="title" placeholder="What is wrong?"> <button>Send</button></form>
"""

Answer = tuple[str, str, bytes]
tickets: list[dict[str, Any]] = [
    {"id": 1, "title": "The printer on the second floor is out of paper"},
    {"id": 2, "title": "I forgot my password again"},
]


def page(environ: dict[str, Any]) -> Answer:
    """Show the tickets; a form adds one."""
    if environ["REQUEST_METHOD"] == "POST":
        title = parse_qs(read(environ).decode()).get("title", [""])[0]
        tickets.append({"id": len(tickets) + 1, "title": title})
    items = "".join(f"<li>{ticket['id']}: {html.escape(ticket['title'])}</li>" for ticket in tickets)
    return "200 OK", "text/html; charset=utf-8", PAGE.format(items=items).encode()


def api(environ: dict[str, Any]) -> Answer:
    """List the tickets as JSON, or add one."""
    if environ["REQUEST_METHOD"] != "POST":
        return "200 OK", "application/json", json.dumps(tickets).encode()
    ticket = {"id": len(tickets) + 1, "title": json.loads(read(environ))["title"]}
    tickets.append(ticket)
    return "201 Created", "application/json", json.dumps(ticket).encode()


def upload(environ: dict[str, Any]) -> Answer:
    """Take an attachment of any size into memory."""
    return "200 OK", "text/plain", f"{len(read(environ))} bytes received\n".encode()


def report(environ: dict[str, Any]) -> Answer:
    """Count the tickets, as slowly as the database of those days did."""
    time.sleep(float(parse_qs(environ["QUERY_STRING"]).get("seconds", ["5"])[0]))
    return "200 OK", "text/plain", f"{len(tickets)} tickets\n".encode()


def admin(environ: dict[str, Any]) -> Answer:
    """Show who asks, and through which headers, to everybody."""
    seen = {key: value for key, value in environ.items() if key.startswith(("HTTP_", "REMOTE_"))}
    return "200 OK", "application/json", json.dumps(seen, indent=2).encode()


def crash(environ: dict[str, Any]) -> Answer:
    """Fail."""
    raise RuntimeError(f"no connection to db-3.internal as {environ.get('REMOTE_USER', 'helpdesk')}")


ROUTES: dict[str, Callable[[dict[str, Any]], Answer]] = {
    "/": page,
    "/api/tickets": api,
    "/upload": upload,
    "/report": report,
    "/admin": admin,
    "/crash": crash,
}


def read(environ: dict[str, Any]) -> bytes:
    """The request's body, as far as it is declared."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return body


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The WSGI application."""
    try:
        handler = ROUTES.get(environ["PATH_INFO"])
        status, kind, body = (
            handler(environ) if handler else ("404 Not Found", "text/plain", b"No such page\n")
        )
    except Exception:  # noqa: BLE001 - what the application's author did
        status, kind, body = "500 Internal Server Error", "text/plain", traceback.format_exc().encode()
    start_response(
        status,
        [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("X-Powered-By", "HelpDesk 2.3 (Python)"),
        ],
    )
    return [body]


class Server(ThreadingMixIn, WSGIServer):
    """One thread for each connection."""

    daemon_threads = True


class Handler(WSGIRequestHandler):
    """Says nothing on standard error."""

    def log_message(self, *_: object) -> None:
        """Leave the terminal to the proxy in front."""


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3000)
    options = parser.parse_args()
    with make_server(options.host, options.port, app, Server, Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
