"""An upstream for where there is no nginx: fixed answers, as cheap as Python can give them.

It understands the requests of this benchmark, not HTTP. Usage: upstream.py PORT
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import cast

import uvloop

JSON = (
    b'{"id":12345,"name":"widget","price":19.99,"in_stock":true,"tags":["alpha","beta","gamma"],'
    b'"updated":"2026-01-01T00:00:00Z"}'
)
FORWARDED = (b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto", b"X-Real-IP")
BODIES = {"/json": JSON, "/10k": b"x" * 10_240, "/1m": b"x" * 1_048_576}


def _answer(body: bytes, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


_ANSWERS = {path.encode(): _answer(body) for path, body in BODIES.items()}
_ANSWERS[b"/broken"] = _answer(b"broken", "500 Internal Server Error")
_NOT_FOUND = _answer(b"", "404 Not Found")


class Upstream(asyncio.Protocol):
    """One connection. Counts connections and requests for `/status`, as nginx's stub_status does.

    `/seen` tells what the proxy said of the client, `/broken` is a failure, `/reset` no answer, and every
    path below `/routes/` is as `/json`.
    """

    accepted = 0
    answered = 0

    def __init__(self) -> None:
        self._received = b""
        Upstream.accepted += 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own kind

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (length := _request_length(self._received)) is not None:
            request, self._received = self._received[:length], self._received[length:]
            Upstream.answered += 1
            if b" /reset " in request[: request.index(b"\r\n")]:
                self._transport.abort()
                return
            self._transport.write(_answer_to(request))


def _answer_to(request: bytes) -> bytes:
    path = request[: request.index(b"\r\n")].split(b" ")[1]
    if path == b"/status":
        return _status()
    if path == b"/seen":
        return _answer(b" ".join(_field(request, name) for name in FORWARDED))
    return _ANSWERS.get(b"/json" if path.startswith(b"/routes/") else path, _NOT_FOUND)


def _field(request: bytes, name: bytes) -> bytes:
    """The value of a header; empty where there is none."""
    found = re.search(rb"\r\n" + name + rb": *([^\r]*)", request, re.IGNORECASE)
    return found[1] if found else b""


def _status() -> bytes:
    counts = f"{Upstream.accepted} {Upstream.accepted} {Upstream.answered}"
    return _answer(f"Active connections: 1\nserver accepts handled requests\n{counts}\n".encode())


def _request_length(data: bytes) -> int | None:
    """Bytes of the request that `data` begins with; None while some are missing."""
    head = data.find(b"\r\n\r\n") + 4
    if head < 4:
        return None
    lower = data[:head].lower()
    if b"\r\ntransfer-encoding: chunked" in lower:
        last = data.find(b"0\r\n\r\n", head - 2)
        return None if last < 0 else last + 5
    at = lower.find(b"\r\ncontent-length:")
    length = head if at < 0 else head + int(lower[at + 17 : lower.index(b"\r\n", at + 2)])
    return length if len(data) >= length else None


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
