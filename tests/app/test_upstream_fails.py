"""A real process in front of an upstream that fails in one way at a time, over real sockets."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bench.soak.certificate import certificate
from tests.app.seawall import ROOT, seawall
from tests.ports import free_port

POLICIES = """\
version: 1
upstreams:
  app: {{url: "http://127.0.0.1:{port}"}}
  refused: {{url: "http://127.0.0.1:{refused}"}}
  nowhere: {{url: "http://seawall-test.invalid"}}
defaults:
  deadline: 20s
  timeout: {{connect: 5s, response: 1s, idle: 1s}}
routes:
  - name: all
    match: {{path: "/**"}}
    upstream: app
    policies:
      retry:
        max_retries: 1
        backoff: {{base: 1ms}}
        honour_retry_after: {{max: 50ms}}
        attempts_header: X-Attempts
  - name: long
    match: {{path: /drip}}
    upstream: app
    policies: {{deadline: 1500ms, timeout: {{idle: 10s}}}}
  - name: guarded
    match: {{path: "/ok/**"}}
    upstream: app
    policies:
      circuit_breaker:
        trip: {{consecutive_failures: 3}}
        open_for: 200ms
        half_open: {{probe_timeout: 1s}}
  - {{name: refused, match: {{path: /refused}}, upstream: refused}}
  - {{name: nowhere, match: {{path: /nowhere}}, upstream: nowhere}}
"""


@dataclass
class Served:
    """What runs."""

    client: httpx.AsyncClient
    status: httpx.AsyncClient
    upstream: asyncio.subprocess.Process

    async def get(self, path: str) -> tuple[int, str]:
        """Status, and our reason where it is a refusal of ours."""
        answer = await self.client.get(path, headers={"X-Soak-Id": "a"})
        ours = answer.headers.get("Content-Type") == "application/problem+json"
        return answer.status_code, answer.json()["reason"] if ours else ""

    async def in_flight(self) -> float:
        """Exchanges that are not over, as an operator sees them."""
        text = (await self.status.get("/metrics")).text
        return next(
            float(line.split()[1]) for line in text.splitlines() if "_in_flight " in line and line[0] != "#"
        )


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Served]:
    port, control, secured, refused = (free_port() for _ in range(4))
    pem = folder / "upstream.pem"
    pem.write_bytes(certificate())
    (folder / "a.yaml").write_text(POLICIES.format(port=port, refused=refused))
    command = (sys.executable, "-m", "bench.soak.upstream", *map(str, (port, control, secured, pem)))
    upstream = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    try:
        async with (
            seawall(folder, "--access-log", "off") as running,
            httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{running.data}", trust_env=False, timeout=30
            ) as client,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.status}", trust_env=False) as status,
        ):
            found = Served(client, status, upstream)
            async with asyncio.timeout(20):
                while (await found.get("/upload"))[0] != 200:
                    await asyncio.sleep(0.02)
            yield found
    finally:
        upstream.kill()
        await upstream.wait()


ANSWERS = {
    "/hang": (504, "timeout.response"),
    "/drip-head": (504, "timeout.response"),
    "/reset-head": (502, "upstream.reset"),
    "/leave": (502, "upstream.reset"),
    "/garbage": (502, "upstream.bad_response"),
    "/busy": (503, ""),  # the upstream's own
    "/refused": (502, "upstream.unreachable"),
    "/nowhere": (502, "upstream.unreachable"),
}


async def test_each_failure_has_one_answer_that_says_what_was_wrong(tmp_path: Path) -> None:
    async with served(tmp_path) as running:
        found = {path: await running.get(path) for path in ANSWERS}
        after = await running.get("/upload")

        assert 0 == await running.in_flight()
    assert (ANSWERS, (200, "")) == (found, after)


async def test_a_body_that_does_not_end_is_broken_off_for_the_client_too(tmp_path: Path) -> None:
    async with served(tmp_path) as running:
        for path in ("/reset-body", "/reset-chunks", "/drip"):  # the last one until the deadline
            with pytest.raises(httpx.RemoteProtocolError):
                await running.get(path)

        assert 0 == await running.in_flight()


async def test_a_busy_upstream_that_says_when_is_asked_again_and_the_client_is_told(tmp_path: Path) -> None:
    async with served(tmp_path) as running:
        answer = await running.client.get("/busy", headers={"X-Soak-Id": "a"})

    assert ("2", "1") == (answer.headers["X-Attempts"], answer.headers["Retry-After"])


async def test_an_upstream_that_is_stopped_under_load_is_left_alone_and_found_again(tmp_path: Path) -> None:
    async with served(tmp_path) as running:
        running.upstream.send_signal(signal.SIGSTOP)
        stopped = set(await asyncio.gather(*(running.get("/ok/9") for _ in range(20))))
        refused = await running.get("/ok/9")
        running.upstream.send_signal(signal.SIGCONT)
        async with asyncio.timeout(10):
            while (await running.get("/ok/9"))[0] != 200:
                await asyncio.sleep(0.05)
        again = set(await asyncio.gather(*(running.get("/ok/9") for _ in range(20))))

        assert 0 == await running.in_flight()
    assert ({(504, "timeout.response")}, (503, "circuit_breaker.open")) == (stopped, refused)
    assert {(200, "")} == again
