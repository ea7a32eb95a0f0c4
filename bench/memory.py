"""What Seawall holds in memory for each idle connection of a client, and while a gigabyte passes through.

`python -m bench.memory`, a few seconds. Memory is what the kernel calls resident, which comes in pages: with
2,000 connections the figure for one is good to a few bytes. Buffers of the kernel are not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvloop

from bench import servers
from bench.processes import Process

GIB = 2**30
PIECE = b"x" * 2**18
GET = (
    b"GET /json HTTP/1.1\r\nHost: a\r\nUser-Agent: bench\r\nAccept: */*\r\nCookie: a=0123456789abcdef\r\n\r\n"
)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An upstream: `POST` is read to its end, `GET /large` is a gigabyte, everything else is short."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"POST"):
                await _read(reader, GIB)
            if head.startswith(b"GET /large"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIB)
                await _write(writer, GIB)
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    except (asyncio.IncompleteReadError, ConnectionError):
        return  # the other side has left
    finally:
        writer.close()
        await writer.wait_closed()


async def _read(reader: asyncio.StreamReader, size: int) -> None:
    while size:
        piece = await reader.read(min(size, len(PIECE)))
        if not piece:
            raise ConnectionError("the other side has left in the middle of a body")
        size -= len(piece)


async def _write(writer: asyncio.StreamWriter, size: int) -> None:
    for _ in range(size // len(PIECE)):
        writer.write(PIECE)
        await writer.drain()


class Client:
    """One connection to Seawall, kept."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self) -> None:
        self._writer.write(GET)
        await self._short_answer()

    async def upload(self) -> None:
        self._writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % GIB)
        await _write(self._writer, GIB)
        await self._short_answer()

    async def download(self) -> None:
        self._writer.write(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        await self._reader.readuntil(b"\r\n\r\n")
        await _read(self._reader, GIB)

    async def _short_answer(self) -> None:
        head = await self._reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"it answered {head.splitlines()[0]!r}")
        await self._reader.readexactly(2)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def connect(port: int) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", port))


async def idle_connections(process: Process, port: int, number: int) -> None:
    """Print what each costs before its first request, and after one."""
    before = process.resident_mib()
    clients = [await connect(port) for _ in range(number)]
    last = await connect(port)
    await last.get()  # it has accepted all those before this one
    silent = process.resident_mib() - before
    for client in clients:
        await client.get()
    kept = process.resident_mib() - before
    print(f"{before:8.1f} MiB  resident when ready, and warm")
    print(f"{silent * 1024 / number:8.2f} KiB  for each of {number} connections that have sent nothing")
    print(f"{kept * 1024 / number:8.2f} KiB  for each of them after one request")
    for client in (*clients, last):
        await client.close()


async def large_bodies(process: Process, port: int) -> None:
    """Print the most that was resident while a gigabyte went through, in each direction."""
    client = await connect(port)
    for name, pass_through in (("an upload", client.upload), ("a download", client.download)):
        _forget_peak(process)
        await pass_through()
        print(f"{_peak_mib(process):8.1f} MiB  resident at most during {name} of 1 GiB")
    await client.close()


def _forget_peak(process: Process) -> None:
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # proc(5): resets VmHWM


def _peak_mib(process: Process) -> float:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


async def measure(number: int) -> None:
    core = min(os.sched_getaffinity(0))
    serving: list[asyncio.Task[None]] = []
    upstream = await asyncio.start_server(
        lambda *ends: serving.append(asyncio.create_task(serve(*ends))), "127.0.0.1", 0
    )
    port = upstream.sockets[0].getsockname()[1]
    async with upstream:
        for part in (lambda *it: idle_connections(*it, number), large_bodies):
            # Each with a process of its own: memory that was used once is kept for the next time.
            with tempfile.TemporaryDirectory(prefix="seawall-bench-") as folder:
                seawall = servers.proxy(servers.SEAWALL, "plain", Path(folder), core, port)
                with seawall.process:
                    seawall.wait()
                    await warm(seawall.port)
                    await part(seawall.process, seawall.port)
        await asyncio.gather(*serving)  # Seawall has ended, so they do


async def warm(port: int) -> None:
    """What is allocated once is no connection's."""
    for _ in range(100):
        client = await connect(port)
        await client.get()
        await client.close()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--connections", type=int, default=2000, metavar="N", help="default: 2000")
    uvloop.run(measure(parser.parse_args(arguments).connections))


if __name__ == "__main__":
    main()
