"""Two Seawalls in processes of their own, and one Valkey: together they keep to one pace."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.app.seawall import Seawall, seawall
from tests.stores.valkey import LiveValkey
from tests.wire.harness import PATIENCE, Peer, RawUpstream, until

RATE, BURST = 40, 5
SLOW = 10
"""A second: what a token is worth is then more than a busy machine takes to begin."""
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


async def test_one_that_is_killed_while_its_line_is_full_leaves_the_pace_to_the_other(
    tmp_path: Path, server: LiveValkey
) -> None:
    """Counted by the store: when it says that the bucket is full again tells how many tokens were taken."""
    paid: list[int] = []

    async def serve(peer: Peer) -> None:
        while True:
            await peer.head()
            paid.append(full_at(server))
            peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    file = tmp_path / "policies.yaml"
    store = ("--store", server.url, "--store-timeout", "20s")
    async with RawUpstream(serve) as upstream:
        text = POLICIES.format(port=upstream.port, rate=SLOW, burst=1, max_wait="20m")
        file.write_text(text.replace("max_wait", "queue: {size: 40}, max_wait"))
        async with seawall(file, *store) as one, seawall(file, *store) as other:
            begun = now(server)
            dying = asyncio.create_task(answered(one, 60))
            going_on = asyncio.create_task(answered(other, 60))
            await until(lambda: len(paid) >= 20)
            before = len(paid)
            one.signal(signal.SIGKILL)
            await one.exit_code()
            died, lived = await dying, await going_on

    assert {0, 503} <= died.keys()  # its line was full, and all who stood in it are gone
    assert lived[204] >= 40
    assert lived.keys() == {204, 503}
    assert len(paid) > before
    assert len(paid) >= died[204] + lived[204]
    # A token is worth so many microseconds: never is there a call without one, whoever made it.
    assert [] == [n for n, full in enumerate(paid, 1) if full < begun + n * 1_000_000 // SLOW]


def now(server: LiveValkey) -> int:
    """By the clock of the store, in microseconds."""
    seconds, microseconds = server.say("TIME").split(b"\r\n")[2::2]
    return int(seconds) * 1_000_000 + int(microseconds)


def full_at(server: LiveValkey) -> int:
    """When the one bucket in the store is full again: now, where that is so already."""
    names = server.say("KEYS", "*").split(b"\r\n")[2::2]
    kept = [server.say("GET", name.decode()) for name in names if name]
    found = [int(each.split(b"\r\n")[1].split()[0]) for each in kept if each.count(b" ") == 2]
    return max([*found, now(server)])


async def answered(running: Seawall, times: int) -> Counter[int]:
    """By status; 0 where there was no answer."""
    base = f"http://127.0.0.1:{running.data}"
    limits = httpx.Limits(max_connections=times)
    plain = {"trust_env": False, "verify": False}  # no authorities are read, which takes a while
    async with httpx.AsyncClient(base_url=base, limits=limits, timeout=PATIENCE, **plain) as client:
        asking = (client.get("/a" if n % 2 else "/b") for n in range(times))
        found = await asyncio.gather(*asking, return_exceptions=True)
    return Counter(each.status_code if isinstance(each, httpx.Response) else 0 for each in found)
