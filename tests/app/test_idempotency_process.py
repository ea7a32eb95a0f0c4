"""What becomes of a request whose first try ended badly: real processes, and stores that outlive them."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.app.seawall import Seawall, seawall
from tests.stores.valkey import LiveValkey
from tests.wire.harness import PATIENCE, Peer, RawUpstream, until

POLICIES = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:{port}"}}}}
routes:
  - name: forgets
    match: {{path: /forgets}}
    policies: {{idempotency: {{key: ["header:Idempotency-Key"], pending_for: 10m}}}}
  - name: dies
    match: {{path: /dies}}
    policies: {{idempotency: {{key: ["header:Idempotency-Key"], pending_for: {pending:g}s}}}}
  - name: holds
    match: {{path: /holds}}
    policies:
      idempotency: {{key: ["header:Idempotency-Key"], pending_for: {pending:g}s, on_unknown: hold}}
"""
PENDING = 4.0
"""Seconds that a request counts as under way, where a test waits for the end of that."""
SECRET = b"what nobody may read"


@dataclass
class Shop:
    """An upstream that leaves the first request without an answer until it is told what to do."""

    calls: int = 0
    holding: list[Peer] = field(default_factory=list)
    holds: int = 1

    async def serve(self, peer: Peer) -> None:
        while True:
            await peer.message()
            self.calls += 1
            if self.calls <= self.holds:
                self.holding.append(peer)
                await peer.rest()  # until it is given up
                return
            peer.send(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%b" % (len(SECRET), SECRET))


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite://{tmp_path / 'store.db'}"
        return
    server = LiveValkey()
    server.start()
    yield server.url
    server.stop()


@asynccontextmanager
async def running(folder: Path, store: str, upstream: RawUpstream) -> AsyncIterator[Seawall]:
    file = folder / "policies.yaml"
    file.write_text(POLICIES.format(port=upstream.port, pending=PENDING))
    async with seawall(file, "--store", store, "--store-timeout", "20s") as process:
        yield process


async def ask(process: Seawall, path: str) -> tuple[int, str]:
    """Status, and the reason or the mark of an answer that is given again."""
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
        response = await client.post(
            f"http://127.0.0.1:{process.data}{path}", content=b"10", headers={"Idempotency-Key": "k"}
        )
    if response.headers.get("Idempotent-Replayed"):
        assert SECRET == response.content
        return response.status_code, "replayed"
    problem = response.headers.get("Content-Type") == "application/problem+json"
    return response.status_code, response.json()["reason"] if problem else ""


async def begun(process: Seawall, path: str, shop: Shop) -> asyncio.Task[tuple[int, str]]:
    """A first request that the upstream is at work on."""
    start = time.monotonic()
    first = asyncio.create_task(ask(process, path))
    await until(lambda: bool(shop.holding))
    second = await ask(process, path)
    if time.monotonic() > start + PENDING and path != "/forgets":
        first.cancel()
        pytest.skip("this machine is too busy to see it under way")
    assert (409, "idempotency.in_flight") == second
    return first


async def leaves(first: asyncio.Task[tuple[int, str]], shop: Shop) -> None:
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def breaks_off(first: asyncio.Task[tuple[int, str]], shop: Shop) -> None:
    shop.holding[0].abort()
    assert (502, "upstream.reset") == await first


@pytest.mark.parametrize("badly", [leaves, breaks_off])
async def test_by_default_a_try_that_got_no_answer_is_forgotten(
    badly: Callable[..., object], tmp_path: Path, store: str
) -> None:
    shop = Shop()
    async with RawUpstream(shop.serve) as upstream, running(tmp_path, store, upstream) as process:
        await badly(await begun(process, "/forgets", shop), shop)  # type: ignore[misc]  # a coroutine
        async with asyncio.timeout(PATIENCE):
            while (second := await ask(process, "/forgets")) == (409, "idempotency.in_flight"):
                await asyncio.sleep(0.01)  # it is given up as soon as its end is noticed

        assert [(201, ""), (201, "replayed"), 2] == [second, await ask(process, "/forgets"), shop.calls]


@pytest.mark.parametrize("badly", [leaves, breaks_off])
async def test_or_it_is_held_until_its_time_is_over(
    badly: Callable[..., object], tmp_path: Path, store: str
) -> None:
    shop = Shop()
    async with RawUpstream(shop.serve) as upstream, running(tmp_path, store, upstream) as process:
        start = time.monotonic()
        await badly(await begun(process, "/holds", shop), shop)  # type: ignore[misc]  # a coroutine

        assert (201, "") == await passed(process, "/holds")
        assert time.monotonic() - start > PENDING - 0.5
        assert [(201, "replayed"), 2] == [await ask(process, "/holds"), shop.calls]


async def test_one_that_was_under_way_when_seawall_died_counts_as_such_until_its_time_is_over(
    tmp_path: Path, store: str
) -> None:
    shop, path = Shop(), "/dies"
    async with RawUpstream(shop.serve) as upstream:
        async with running(tmp_path, store, upstream) as process:
            start = time.monotonic()
            first = await begun(process, path, shop)
            process.signal(signal.SIGKILL)
            assert isinstance((await asyncio.gather(first, return_exceptions=True))[0], httpx.TransportError)
        async with running(tmp_path, store, upstream) as process:
            assert (201, "") == await passed(process, path)
            assert time.monotonic() - start > PENDING - 0.5
            assert [(201, "replayed"), 2] == [await ask(process, path), shop.calls]


async def passed(process: Seawall, path: str) -> tuple[int, str]:
    """What comes after the refusals of a request that counts as under way, if its time is not over yet."""
    async with asyncio.timeout(PATIENCE):
        while (answer := await ask(process, path)) == (409, "idempotency.in_flight"):
            await asyncio.sleep(0.05)
    return answer


async def test_an_answer_outlives_kill_9_and_is_sealed_where_a_key_is_given(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, old, new = Shop(holds=0), "11" * 32, "22" * 32
    monkeypatch.setenv("SEAWALL_SEAL_KEY", old)
    async with RawUpstream(shop.serve) as upstream:
        async with running(tmp_path, store, upstream) as process:
            assert (201, "") == await ask(process, "/forgets")
            process.signal(signal.SIGKILL)
            await process.exit_code()
        assert SECRET not in everything(store)
        monkeypatch.setenv("SEAWALL_SEAL_KEY", f"{new} {old}")
        async with running(tmp_path, store, upstream) as process:
            assert (201, "replayed") == await ask(process, "/forgets")
        monkeypatch.setenv("SEAWALL_SEAL_KEY", new)
        async with running(tmp_path, store, upstream) as process:
            assert (409, "idempotency.answer_not_kept") == await ask(process, "/forgets")
    assert 1 == shop.calls


async def test_without_a_key_it_is_kept_as_it_is(tmp_path: Path, store: str) -> None:
    shop = Shop(holds=0)
    async with RawUpstream(shop.serve) as upstream, running(tmp_path, store, upstream) as process:
        await ask(process, "/forgets")

        assert SECRET in everything(store)


async def test_a_key_that_is_none_keeps_it_from_starting(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAWALL_SEAL_KEY", "abc")
    async with RawUpstream(Shop().serve) as upstream:
        with pytest.raises(AssertionError, match=r"key 1 in SEAWALL_SEAL_KEY: it is no key"):
            async with running(tmp_path, store, upstream):
                pass


def everything(store: str) -> bytes:
    """All bytes that are in the store."""
    if store.startswith("sqlite://"):
        path = Path(store.removeprefix("sqlite://"))
        return b"".join(part.read_bytes() for part in path.parent.glob("store.db*"))
    server = LiveValkey.at(store)
    names = server.say("KEYS", "*").split(b"\r\n")[2::2]
    assert names
    return b"".join(server.say("GET", name.decode()) for name in names if name)
