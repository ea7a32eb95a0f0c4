"""A Valkey that is killed under load and comes back: through real sockets, without a restart of ours."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from proxy.clock import SystemClock
from proxy.stores.guarded import GuardedStore, Patience
from proxy.stores.memory import MemoryStore
from proxy.stores.redis import RedisStore
from proxy.stores.redis_url import RedisUrl
from tests.app.served import Served, served
from tests.app.trial import Files
from tests.stores.valkey import LiveValkey
from tests.wire.harness import PATIENCE, RawUpstream

ROUTES = "".join(
    f"  - {{name: {when}, match: {{path: /{when}}}, policies: "
    f"{{rate_limit: {{limit: {limit}, key: [constant], when_store_fails: {when}}}}}}}\n"
    for when, limit in (("local", "20/365d"), ("allow", "1000000/s"), ("refuse", "1000000/s"))
)
TIMEOUT = 1.0
"""Wider than 50 ms, since other tests may keep the machine busy."""
OPEN_FOR = 3.0


@pytest.fixture
def server() -> Iterator[LiveValkey]:
    made = LiveValkey()
    made.start()
    yield made
    made.stop()


def guarded(server: LiveValkey, told: list[str]) -> GuardedStore:
    clock = SystemClock()
    return GuardedStore(
        RedisStore(RedisUrl.parse(server.url)),
        MemoryStore(clock),
        clock,
        kind="redis",
        where="redis://cache",
        patience=Patience(TIMEOUT, open_for=OPEN_FOR),
        tell=lambda text, _: told.append(text),
    )


async def statuses(site: Served, path: str, times: int) -> tuple[Counter[int], float]:
    """Of requests at once, and how long the slowest took."""

    async def one() -> tuple[int, float]:
        start = time.monotonic()
        response = await site.get(path)
        return response.status_code, time.monotonic() - start

    found = [each for _ in range(times // 10) for each in await asyncio.gather(*(one() for _ in range(10)))]
    return Counter(status for status, _ in found), max(seconds for _, seconds in found)


async def test_killed_under_load_and_brought_back(
    files: Files, upstream: RawUpstream, server: LiveValkey
) -> None:
    told: list[str] = []
    store = guarded(server, told)
    async with served(files, upstream, more=ROUTES, store=store) as site:
        for path in ("/local", "/allow", "/refuse"):
            assert (await statuses(site, path, 20))[0] == {200: 20}, path

        load = asyncio.create_task(statuses(site, "/refuse", 60))
        await asyncio.sleep(0)
        server.kill()
        under_load, longest = await load
        assert under_load[503] > 0
        assert under_load.keys() <= {200, 503}
        assert longest < PATIENCE / 2  # who waits for a dead store waits for ever

        await until_open(site)
        assert {
            "/local": {200: 20, 429: 10},  # a bucket of its own
            "/allow": {200: 30},
            "/refuse": {503: 30},
        } == {path: (await statuses(site, path, 30))[0] for path in ("/local", "/allow", "/refuse")}
        seen = site.metrics()
        assert float(seen['seawall_redis_operations_total{operation="take",status="skipped"}']) > 0
        details = site.proxy.details().store
        assert ("redis", False) == (details["kind"], details["reachable"])
        assert site.proxy.ready() == (True, "")

        server.start()
        await until_back(site)
        assert (await statuses(site, "/refuse", 30))[0] == {200: 30}
        assert site.metrics()['seawall_circuit_breaker_state{name="store"}'] == "0.0"
        assert site.proxy.details().store["reachable"]
    await store.close()
    assert ("the redis store is away: 5 failures in a row", "the redis store is back: 1 probe succeeded") == (
        told[0],
        told[-1],
    )


async def until_open(site: Served) -> None:
    deadline = time.monotonic() + 20
    while site.metrics()['seawall_circuit_breaker_state{name="store"}'] != "1.0":
        assert time.monotonic() < deadline
        await site.get("/allow")


async def until_back(site: Served) -> None:
    deadline = time.monotonic() + 20
    while (await site.get("/refuse")).status_code != 200:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
