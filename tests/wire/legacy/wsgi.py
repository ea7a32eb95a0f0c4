"""The application of `test_legacy_upstreams.py` as WSGI has it, unaware of any proxy."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PLAIN = ("Content-Type", "text/plain")


def app(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/hello":
        start("200 OK", [PLAIN, ("Content-Length", "6"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
        return [b"hello\n"]
    if path == "/echo":
        body = environ["wsgi.input"].read()
        start("200 OK", [PLAIN, ("Content-Length", str(len(body)))])
        return [body]
    if path.startswith("/target"):
        start("200 OK", [PLAIN])
        return [environ["RAW_URI"].encode("latin-1")]
    if path == "/events":
        start("200 OK", [("Content-Type", "text/event-stream")])
        return events(Path(os.environ["GATES"], environ["QUERY_STRING"]))
    return fail(path, start)


def fail(path: str, start: Any) -> Iterable[bytes]:
    if path == "/refuse":
        start("413 Too Large", [PLAIN])
        return [b"too much\n"]
    if path == "/boom":
        start("500 Broken", [PLAIN])
        return [b"it broke\n"]
    start("404 Not Found", [PLAIN])
    return [b"nothing here\n"]


def events(gate: Path) -> Iterator[bytes]:
    yield b"data: 1\n\n"
    for _ in range(1000):
        if gate.exists():
            break
        time.sleep(0.01)
    yield b"data: 2\n\n"
