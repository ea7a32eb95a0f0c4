"""The application of `test_legacy_upstreams.py` as ASGI has it, unaware of any proxy."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

PLAIN = (b"content-type", b"text/plain")


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    path = scope["path"]
    if path == "/hello":
        cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"content-length", b"6")]
        await answer(send, 200, [PLAIN, *cookies], b"hello\n")
    elif path == "/echo":
        await answer(send, 200, [PLAIN], await whole_body(receive))
    elif path.startswith("/target"):
        await answer(send, 200, [PLAIN], scope["raw_path"] + b"?" + scope["query_string"])
    elif path == "/events":
        await events(send, Path(os.environ["GATES"], scope["query_string"].decode()))
    elif path == "/refuse":
        await answer(send, 413, [PLAIN], b"too much\n")
    elif path == "/boom":
        await answer(send, 500, [PLAIN], b"it broke\n")
    else:
        await answer(send, 404, [PLAIN], b"nothing here\n")


async def answer(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def whole_body(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def events(send: Any, gate: Path) -> None:
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
    for _ in range(1000):
        if gate.exists():
            break
        await asyncio.sleep(0.01)
    await send({"type": "http.response.body", "body": b"data: 2\n\n"})
