"""A load generator for where there is no wrk: so many connections, each with one request at a time.

It understands the answers of this benchmark, not HTTP. Prints `RESULT` and JSON. FILE has the requests
as they go over the wire, sent in turn, in a list. Usage: load.py PORT CONNECTIONS SECONDS FILE
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import cast

import uvloop


class Load:
    """What all connections send, and what they have seen."""

    def __init__(self, requests: list[bytes]) -> None:
        self.requests: Iterator[bytes] = itertools.cycle(requests)
        self.times: list[float] = []
        self.errors = 0
        self.done = False


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer is there."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._head = b""
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own kind
        self._send()

    def _send(self) -> None:
        self._sent = perf_counter()
        self._transport.write(next(self._load.requests))

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        else:
            data = self._head + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._head = data
                return
            self._head = b""
            if not data.startswith(b"HTTP/1.1 200"):
                self._load.errors += 1
            self._missing = end + 4 + content_length(data[:end]) - len(data)
        if self._missing == 0 and not self._load.done:
            self._load.times.append(perf_counter() - self._sent)
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's name
        if not self._load.done:
            self._load.errors += 1


def content_length(head: bytes) -> int:
    """What the head of a response says. Raises ValueError where it says nothing."""
    at = head.lower().index(b"\r\ncontent-length:") + 17
    end = head.find(b"\r\n", at)
    return int(head[at : end if end >= 0 else len(head)])


def result(load: Load, seconds: float) -> dict[str, float]:
    """What `generators.Counted` has."""
    times = sorted(load.times) or [0.0]
    return {
        "requests": len(load.times),
        "errors": load.errors,
        "seconds": seconds,
        "p50_ms": times[len(times) // 2] * 1e3,
        "p99_ms": times[len(times) * 99 // 100] * 1e3,
    }


async def _run(port: int, connections: int, seconds: float, load: Load) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(load), "127.0.0.1", port)
    await asyncio.sleep(seconds)
    load.done = True
    print("RESULT", json.dumps(result(load, loop.time() - started)))


if __name__ == "__main__":
    port, connections, seconds, file = sys.argv[1:]
    requests = [text.encode("latin-1") for text in json.loads(Path(file).read_text())]
    uvloop.run(_run(int(port), int(connections), float(seconds), Load(requests)))
