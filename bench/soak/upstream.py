"""An upstream that fails in every way that is asked of it: `upstream.py PORT CONTROL_PORT [TLS_PORT PEM]`.

The first word of the path is what happens. What is answered has the request's id in `X-Soak-Id`,
so that an answer that went to somebody else shows. The other port tells what was seen, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

TRACE = b'Traceback (most recent call last):\n  File "app.py", line 1, in <module>\nValueError: no\n'
_REMEMBERED = 200_000
_PIECE = 65536


@dataclass
class Asked:
    """A request whose head has come."""

    method: str
    path: str
    id: str
    length: int
    chunked: bool

    @property
    def words(self) -> list[str]:
        return self.path.strip("/").split("/")

    @property
    def size(self) -> int:
        """The last word of the path, as a number."""
        return int(self.words[-1])


@dataclass
class Seen:
    """What the upstream knows, for the end of the soak."""

    open: int = 0
    requests: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    """By id, for those that are asked of more than once."""
    posts_repeated: int = 0

    def count(self, asked: Asked) -> int:
        """How often this request has been here, this time included."""
        self.requests += 1
        if len(self.calls) >= _REMEMBERED:
            self.calls.clear()
        self.calls[asked.id] += 1
        times = self.calls[asked.id]
        if times > 1 and asked.method == "POST":
            self.posts_repeated += 1
        return times


class Connection:
    """One, and how to answer on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
        self.reader = reader
        self.writer = writer
        self.seen = seen

    async def serve(self) -> None:
        """Until somebody has enough."""
        self.seen.open += 1
        try:
            while True:
                asked = read_head(await self.reader.readuntil(b"\r\n\r\n"))
                times = self.seen.count(asked)
                if not await WAYS[asked.words[0]](self, asked, times):
                    return
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other side has left
        finally:
            self.seen.open -= 1
            self.writer.close()
            with suppress(OSError):
                await self.writer.wait_closed()

    async def body(self, asked: Asked) -> int:
        """Its length, read to the end."""
        if not asked.chunked:
            left = asked.length
            while left:
                left -= len(await self.reader.readexactly(min(left, _PIECE)))
            return asked.length
        total = 0
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            total += size
            await self.reader.readexactly(size + 2)
        await self.reader.readuntil(b"\r\n")
        return total

    async def answer(self, asked: Asked, status: str, body: bytes, more: str = "") -> bool:
        head = f"HTTP/1.1 {status}\r\nX-Soak-Id: {asked.id}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        self.writer.write(head.encode() + (b"" if asked.method == "HEAD" else body))
        await self.writer.drain()
        return True


def read_head(raw: bytes) -> Asked:
    """Of a request that Seawall sends, which is well formed."""
    first, *lines = raw.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, path, _ = first.split(" ")
    chunked = "chunked" in fields.get("transfer-encoding", "")
    return Asked(method, path, fields.get("x-soak-id", ""), int(fields.get("content-length", 0)), chunked)


def pattern(id_: str, size: int) -> bytes:
    """The body that belongs to an id: bytes of another's show."""
    return (id_.encode() * (size // len(id_) + 1))[:size]


async def ok(connection: Connection, asked: Asked, _: int) -> bool:
    await connection.body(asked)
    return await connection.answer(asked, "200 OK", pattern(asked.id, asked.size))


async def slowly(connection: Connection, asked: Asked, _: int) -> bool:
    await asyncio.sleep(asked.size / 1000)
    return await connection.answer(asked, "200 OK", pattern(asked.id, 20))


async def chunked(connection: Connection, asked: Asked, _: int) -> bool:
    head = f"HTTP/1.1 200 OK\r\nX-Soak-Id: {asked.id}\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.writer.write(head.encode())
    body = pattern(asked.id, asked.size)
    for start in range(0, len(body), 1000):
        piece = body[start : start + 1000]
        connection.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await connection.writer.drain()
    connection.writer.write(b"0\r\n\r\n")
    return True


async def upload(connection: Connection, asked: Asked, _: int) -> bool:
    return await connection.answer(asked, "200 OK", str(await connection.body(asked)).encode())


async def early(connection: Connection, asked: Asked, _: int) -> bool:
    """Answer before the body has come, and don't read it."""
    await connection.answer(asked, "409 Conflict", b"no", "Connection: close\r\n")
    return False


async def hang(connection: Connection, asked: Asked, _: int) -> bool:
    await connection.body(asked)
    await connection.reader.read(1)  # until the other side has enough
    return False


async def drip(connection: Connection, asked: Asked, _: int) -> bool:
    """The head, and one byte of the body a second."""
    head = f"HTTP/1.1 200 OK\r\nX-Soak-Id: {asked.id}\r\nContent-Length: 1000\r\n\r\n"
    return await _drip(connection, head.encode(), pattern(asked.id, 1000))


async def drip_head(connection: Connection, asked: Asked, _: int) -> bool:
    head = f"HTTP/1.1 200 OK\r\nX-Soak-Id: {asked.id}\r\nContent-Length: 0\r\n\r\n"
    return await _drip(connection, b"", head.encode())


async def _drip(connection: Connection, first: bytes, rest: bytes) -> bool:
    connection.writer.write(first)
    for byte in rest:
        connection.writer.write(bytes((byte,)))
        with suppress(TimeoutError):
            if not await asyncio.wait_for(connection.reader.read(1), 1.0):
                return False
    return True


async def reset_head(connection: Connection, _: Asked, times: int) -> bool:
    connection.writer.write(b"HTTP/1.1 200 OK\r\nX-So")
    return await _reset(connection, times)


async def reset_body(connection: Connection, asked: Asked, times: int) -> bool:
    head = f"HTTP/1.1 200 OK\r\nX-Soak-Id: {asked.id}\r\nContent-Length: 50000\r\n\r\n"
    connection.writer.write(head.encode() + pattern(asked.id, 20000))
    return await _reset(connection, times)


async def reset_chunks(connection: Connection, asked: Asked, times: int) -> bool:
    head = f"HTTP/1.1 200 OK\r\nX-Soak-Id: {asked.id}\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.writer.write(head.encode() + b"64\r\n" + pattern(asked.id, 100) + b"\r\n64\r\nabc")
    return await _reset(connection, times)


async def _reset(connection: Connection, times: int) -> bool:
    await asyncio.sleep(0.001 * (times % 3))
    connection.writer.transport.abort()
    return False


async def leave(_: Connection, __: Asked, ___: int) -> bool:
    """Close without a word."""
    return False


async def garbage(connection: Connection, _: Asked, __: int) -> bool:
    connection.writer.write(b"220 mail.example ESMTP\r\n\r\n")
    return False


async def busy(connection: Connection, asked: Asked, _: int) -> bool:
    await connection.body(asked)
    return await connection.answer(asked, "503 Service Unavailable", b"busy", "Retry-After: 1\r\n")


async def trace(connection: Connection, asked: Asked, _: int) -> bool:
    await connection.body(asked)
    return await connection.answer(asked, "500 Internal Server Error", TRACE)


async def flaky(connection: Connection, asked: Asked, times: int) -> bool:
    """Fail once, in one of three ways, and be well then."""
    await connection.body(asked)
    if times > 1:
        return await ok(connection, Asked("GET", "/ok/20", asked.id, 0, False), times)
    way = (reset_head, busy, leave)[sum(asked.id.encode()) % 3]
    return await way(connection, Asked("GET", asked.path, asked.id, 0, False), times)


Way = Callable[[Connection, Asked, int], Awaitable[bool]]
WAYS: dict[str, Way] = {
    "ok": ok, "slowly": slowly, "chunked": chunked, "upload": upload, "early": early, "hang": hang,
    "drip": drip, "drip-head": drip_head, "reset-head": reset_head, "reset-body": reset_body,
    "reset-chunks": reset_chunks, "leave": leave, "garbage": garbage, "busy": busy, "trace": trace,
    "flaky": flaky, "secure": ok, "secure-flaky": flaky, "secure-reset": reset_body,
}  # fmt: skip


async def _main(port: int, control: int, secured: int | None = None, pem: str = "") -> None:
    seen = Seen()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Connection(reader, writer, seen).serve()

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        facts = {"open": seen.open, "requests": seen.requests, "posts_repeated": seen.posts_repeated}
        writer.write(json.dumps(facts).encode())
        writer.close()

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(await asyncio.start_server(tell, "127.0.0.1", control))
        if secured is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(pem)
            secure = await asyncio.start_server(accept, "127.0.0.1", secured, backlog=1024, ssl=tls)
            await stack.enter_async_context(secure)
        server = await asyncio.start_server(accept, "127.0.0.1", port, backlog=1024)
        await (await stack.enter_async_context(server)).serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(*map(int, sys.argv[1:4]), *sys.argv[4:]))
