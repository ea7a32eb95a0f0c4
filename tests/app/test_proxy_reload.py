"""A reload serves what the files say now, or goes on with what worked; nothing is dropped."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import pytest

from proxy.app import proxy as module
from proxy.app.settings import Settings
from proxy.config.configuration import Configuration
from proxy.config.nodes import Node
from proxy.testing import FakeClock
from tests.app.served import Served, served
from tests.app.trial import Files
from tests.wire.harness import Peer, RawUpstream, until


async def revision(running: Served) -> str:
    return (await running.get()).headers["X-Revision"]


# ---- what takes effect


async def test_an_edit_takes_effect(files: Files, upstream: RawUpstream) -> None:
    async with served(files, upstream) as running:
        before = await revision(running), running.proxy.configuration.revision
        running.edit("Revision: one", "Revision: two")

        told = await running.proxy.reload()

        assert ("one", "two") == (before[0], await revision(running))
        assert told == running.proxy.configuration.revision != before[1]


async def test_an_exchange_ends_as_it_began(files: Files) -> None:
    release = asyncio.Event()

    async def serve(peer: Peer) -> None:
        while True:
            await peer.head()
            await release.wait()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with RawUpstream(serve) as upstream, served(files, upstream) as running:
        asking = asyncio.create_task(running.get())
        await until(lambda: upstream.connections == 1)
        running.edit("Revision: one", "Revision: two")
        running.edit(f'{upstream.port}"', f'{upstream.port}", pool: {{max_connections: 7}}')
        await running.proxy.reload()
        release.set()

        assert (200, "one") == ((answer := await asking).status_code, answer.headers["X-Revision"])
        assert "two" == await revision(running)


@pytest.mark.usefixtures("built")
async def test_state_is_kept_by_its_name(files: Files, upstream: RawUpstream) -> None:
    more = "policies: {trial: {one: {after: 3}}}\n"
    async with served(files, upstream, more=more) as running:
        running.edit("    policies:\n", "    policies:\n      trial: one\n")
        await running.proxy.reload()
        statuses = [(await running.get()).status_code for _ in range(2)]
        running.edit("after: 3", "after: 4")
        await running.proxy.reload()
        statuses += [(await running.get()).status_code for _ in range(3)]
        running.edit("trial: one", "trial: {after: 1}")
        await running.proxy.reload()
        statuses += [(await running.get()).status_code for _ in range(2)]
        running.edit("trial: {after: 1}", "trial: one")
        await running.proxy.reload()
        statuses += [(await running.get()).status_code for _ in range(2)]

    kept, of_the_route, forgotten = statuses[:5], statuses[5:7], statuses[7:]
    assert ([200, 200, 200, 200, 429], [200, 429], [200, 200]) == (kept, of_the_route, forgotten)


async def test_whom_to_believe_moves_with_the_file(files: Files, upstream: RawUpstream) -> None:
    async with served(files, upstream) as running:
        given = {"X-Request-ID": "mine"}
        before = (await running.client.get("/app/x", headers=given)).headers["X-Request-ID"]
        running.edit("routes:", "clients: {trusted_proxies: [127.0.0.1]}\nroutes:")
        await running.proxy.reload()
        after = (await running.client.get("/app/x", headers=given)).headers["X-Request-ID"]

    assert before != "mine"
    assert "mine" == after


async def test_what_is_live_since_when_is_told(files: Files, upstream: RawUpstream) -> None:
    clock = FakeClock(1000.0)
    async with served(files, upstream, clock=clock) as running:
        told = []
        for edit in (False, True):
            await clock.advance(10.0)
            if edit:
                running.edit("Revision: one", "Revision: two")
            await running.proxy.reload()
            details = running.proxy.details()
            told.append((details.live_since, details.last_reload.at, details.uptime))

    assert [(1000.0, 1010.0, 10.0), (1020.0, 1020.0, 20.0)] == told


def nodes() -> int:
    """How much of parsed files is in memory."""
    return sum(isinstance(each, Node) for each in gc.get_objects())


class Slow(ThreadPoolExecutor):
    """Its threads have their next turn after the test: until then they hold what they made."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.held.append(super().submit(fn, *args, **kwargs))
        return self.held[-1]


def nothing(_: pytest.MonkeyPatch) -> None:
    pass


def slow_threads(_: pytest.MonkeyPatch) -> None:
    asyncio.get_running_loop().set_default_executor(Slow())


def written_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever edits writes once more while the file is read."""
    seen = set[str]()

    def read(settings: Settings) -> Configuration:
        configuration = module_reads(settings)
        file = settings.policies / "a.yaml"
        text = file.read_text(encoding="utf-8")
        if text not in seen:
            seen.update((text, f"{text}\n"))
            file.write_text(f"{text}\n", encoding="utf-8")
        return configuration

    module_reads = module.read_policies
    monkeypatch.setattr(module, "read_policies", read)


@pytest.mark.parametrize("meanwhile", [nothing, slow_threads, written_meanwhile])
async def test_what_is_replaced_is_freed_though_the_collector_sleeps(
    files: Files,
    upstream: RawUpstream,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[pytest.MonkeyPatch], None],
) -> None:
    async with served(files, upstream) as running:
        meanwhile(monkeypatch)
        gc.disable()
        try:
            kept = []
            for number in range(3):
                running.edit("security_headers:", f"deadline: {number + 1}s\n      security_headers:")
                await running.proxy.reload()
                running.edit(f"deadline: {number + 1}s\n      security_headers:", "security_headers:")
                await running.proxy.reload()
                kept.append(nodes())
        finally:
            gc.enable()

    assert [kept[0]] * 3 == kept


# ---- under load


async def test_two_reloads_at_once_are_two_reloads(files: Files, upstream: RawUpstream) -> None:
    async with served(files, upstream) as running:
        running.edit("Revision: one", "Revision: two")

        first, second = await asyncio.gather(running.proxy.reload(), running.proxy.reload())

        assert first == second == running.proxy.configuration.revision
        assert "two" == await revision(running)


async def test_reloads_under_load_drop_nothing(files: Files, upstream: RawUpstream) -> None:
    reloads, callers = 30, 5
    seen: list[tuple[int, str, str]] = []
    done = asyncio.Event()
    async with served(files, upstream) as running:

        async def call(url: httpx.URL) -> None:
            async with httpx.AsyncClient(base_url=url, trust_env=False, verify=False) as client:
                while not done.is_set():
                    # Every other one with a body, which takes another way through the wire.
                    body = b"x" * 1000 if len(seen) % 2 else None
                    answer = await client.request("POST" if body else "GET", "/app/x", content=body)
                    seen.append((answer.status_code, answer.text, answer.headers["X-Revision"]))

        calling = [asyncio.create_task(call(running.client.base_url)) for _ in range(callers)]
        text = (files.folder / "a.yaml").read_text()
        for number in range(reloads):
            # A new revision each time, and every third time other connections, too.
            edited = text.replace("X-Revision: one", f"X-Revision: r{number}")
            files.write(edited.replace('"}}', f'", pool: {{max_connections: {50 + number // 3}}}}}}}'))
            await running.proxy.reload()
            await until(partial(lambda wanted: len(seen) > wanted, len(seen) + callers))  # one began after it
        done.set()
        await asyncio.gather(*calling)
        await until(lambda: running.proxy.in_flight == 0)
        counted = [
            float(count)
            for name, count in running.metrics().items()
            if name.startswith("seawall_http_requests_total")
        ]

    assert {(200, "ok")} == {(status, text) for status, text, _ in seen}
    assert {f"r{number}" for number in range(reloads)} <= {revision for _, _, revision in seen}
    assert len(seen) == sum(counted)
