"""Two Seawalls in processes of their own, and one Valkey: together they keep to one pace."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.app.seawall import Seawall, seawall
from tests.stores.valkey import LiveValkey
from tests.wire.harness import PATIENCE, Peer, RawUpstream

RATE, BURST = 40, 5
POLICIES = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:{port}"}}}}
policies:
  pace: {{api: {{limit: {rate}/s, burst: {burst}, max_wait: {max_wait}, when_store_fails: refuse}}}}
routes:
  - {{name: a, match: {{path: /a}}, policies: {{pace: api}}}}
  - {{name: b, match: {{path: /b}}, policies: {{pace: api}}}}
"""


@pytest.fixture
def server() -> Iterator[LiveValkey]:
    made = LiveValkey()
    made.start()
    yield made
    made.stop()


async def asked(running: Seawall, times: int) -> list[int]:
    limits = httpx.Limits(max_connections=times)
    base = f"http://127.0.0.1:{running.data}"
    async with httpx.AsyncClient(base_url=base, trust_env=False, limits=limits, timeout=PATIENCE) as client:
        responses = await asyncio.gather(*(client.get("/a" if n % 2 else "/b") for n in range(times)))
    return [response.status_code for response in responses]


@pytest.mark.parametrize(
    ("max_wait", "refused"),
    [pytest.param("20s", False, id="all wait"), pytest.param("300ms", True, id="few do")],
)
async def test_no_more_calls_are_made_than_the_rate_lets_through(
    tmp_path: Path, server: LiveValkey, max_wait: str, refused: bool
) -> None:
    loop = asyncio.get_running_loop()
    calls: list[float] = []

    async def serve(peer: Peer) -> None:
        while True:
            await peer.head()
            calls.append(loop.time())
            peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    file = tmp_path / "policies.yaml"
    store = ("--store", server.url, "--store-timeout", "20s")
    async with RawUpstream(serve) as upstream:
        file.write_text(POLICIES.format(port=upstream.port, rate=RATE, burst=BURST, max_wait=max_wait))
        async with seawall(file, *store) as one, seawall(file, *store) as other:
            start = loop.time()
            statuses = [
                each for some in await asyncio.gather(asked(one, 30), asked(other, 30)) for each in some
            ]

    # From any moment before the first: a call is made after its token was taken.
    assert [] == [n for n, when in enumerate(calls) if n + 1 > BURST + RATE * (when - start) + 1e-3]
    assert ({204, 503} if refused else {204}) == set(statuses)
    assert statuses.count(204) == len(calls)
