"""An upstream that is stopped under load, and goes on: a process of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from tests.app.served import Served, served
from tests.app.trial import Files
from tests.wire.harness import PATIENCE, Echo, RawUpstream, until

SCRIPT = """
import asyncio

async def serve(reader, writer):
    try:
        while True:
            await reader.readuntil(b"\\r\\n\\r\\n")
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\napp")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""
POLICIES = """\
version: 1
upstreams:
  app:
    url: "http://127.0.0.1:{app}"
    health_check: {{path: /, interval: 100ms, timeout: 200ms, unhealthy_after: 2, healthy_after: 2}}
  backup: {{url: "http://127.0.0.1:{backup}"}}
policies:
  circuit_breaker:
    app:
      trip: {{consecutive_failures: 5}}
      open_for: 1h
      half_open: {{probes: 1, probe_timeout: 300ms}}
      health_check: true
      on_open: {{upstream: backup}}
routes:
  - name: all
    match: {{path: "/**"}}
    upstream: app
    policies: {{circuit_breaker: app, timeout: 200ms}}
"""
BACKUP = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nbackup"
HEALTHY = 'seawall_upstream_healthy{upstream="app"}'
CLIENTS = 8


@asynccontextmanager
async def process() -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """An upstream, and its port."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCRIPT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert started.stdout is not None
        async with asyncio.timeout(PATIENCE):
            port = int(await started.stdout.readline())
        yield started, port
    finally:
        started.kill()
        await started.wait()


@dataclass
class Load:
    """Clients that ask again and again."""

    running: Served
    sent: int = 0
    answers: list[str] = field(default_factory=list)
    """What each request got: the body, or the reason of a failure."""
    over: bool = False

    async def ask(self) -> None:
        async with httpx.AsyncClient(base_url=self.running.client.base_url, trust_env=False) as client:
            while not self.over:
                self.sent += 1
                answer = await client.get("/")
                self.answers.append(answer.text if answer.status_code == 200 else answer.json()["reason"])
                await asyncio.sleep(0.002)

    def last(self, number: int) -> set[str]:
        return set(self.answers[-number:])


async def test_a_backup_answers_while_it_is_stopped_and_it_gets_its_requests_back(files: Files) -> None:
    async with process() as (app, port), RawUpstream(Echo(answer=BACKUP)) as backup:
        files.write(POLICIES.format(app=port, backup=backup.port))
        async with served(files) as running, asyncio.TaskGroup() as group:
            load = Load(running)
            for _ in range(CLIENTS):
                group.create_task(load.ask())
            await until(lambda: len(load.answers) > 50)
            before = load.last(50)

            app.send_signal(signal.SIGSTOP)
            await until(lambda: running.proxy.breakers()["app"] == "open" and load.last(50) == {"backup"})
            await until(lambda: running.metrics()[HEALTHY] == "0.0")

            app.send_signal(signal.SIGCONT)
            await until(lambda: running.proxy.breakers()["app"] == "closed" and load.last(50) == {"app"})
            load.over = True
        lost = load.answers.count("timeout.response")
        state = running.proxy.details().in_flight

    assert {"app"} == before
    assert (load.sent, 0) == (len(load.answers), state)
    assert {"app", "backup", "timeout.response"} >= set(load.answers)
    assert lost <= 2 * CLIENTS  # those under way when it stopped, and no more than one each until it opened
