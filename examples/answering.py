"""What the applications here have in common: the standard library's HTTP server, and no hardening at all."""

from __future__ import annotations

import argparse
import json
import ssl
import sys
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

Answer = tuple[int, object]
"""Status, and what is sent as JSON; a text as it is."""


class Application(BaseHTTPRequestHandler):
    """Answers by `answer`; whatever that raises, its traceback is the answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    text_type = "text/plain"
    more_headers: ClassVar[dict[str, str]] = {}

    def answer(self, path: str, body: bytes) -> Answer:
        """What to say to `self.command` of `path`."""
        raise NotImplementedError

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            status, said = self.answer(self.path.partition("?")[0], body)
        except ConnectionAbortedError:  # it says nothing, on purpose
            self.close_connection = True
            return
        except Exception:  # noqa: BLE001 - what the application's author did
            status, said = 500, traceback.format_exc()
        plain = isinstance(said, str)
        content = str(said).encode() if plain else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", self.text_type if plain else "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in self.more_headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        """Leave the terminal to the proxy in front."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    tls: ssl.SSLContext | None = None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller who leaves is none."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The handshake is the thread's, so that a caller who does not go on with it holds up nobody."""
        if self.tls is not None:
            try:
                request = self.tls.wrap_socket(request, server_side=True)
            except OSError:  # it does not trust the certificate, say
                self.shutdown_request(request)
                return
        super().process_request_thread(request, client_address)


def serve(application: type[Application], about: str | None) -> None:
    """Serve until stopped, on the port that the command line names; with a certificate, over https."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--certificate", help="PEM, with its key in the same file: serve https")
    options = parser.parse_args()
    with _Server((options.host, options.port), application) as server:
        if options.certificate:
            server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server.tls.load_cert_chain(options.certificate)
        server.serve_forever()
