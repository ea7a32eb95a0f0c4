"""A reload serves what the files say now, or goes on with what worked; nothing is dropped."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import trustme

from proxy.config.nodes import Node
from proxy.testing import FakeClock
from tests.app.served import Served, served
from tests.app.trial import Files, routes
from tests.wire.harness import Echo, Peer, RawUpstream, until


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


async def test_an_upstream_that_is_as_before_keeps_its_connections(
    files: Files, upstream: RawUpstream
) -> None:
    async with served(files, upstream) as running:
        await running.get()
        running.edit("Revision: one", "Revision: two")
        await running.proxy.reload()
        await running.get()

        assert 1 == upstream.connections


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param('"}}', '", pool: {idle_timeout: 7s}}}', id="other settings"),
        pytest.param("{app:", "{other:", id="another name"),
    ],
)
async def test_connections_of_an_upstream_that_changed_are_closed(files: Files, old: str, new: str) -> None:
    ended = 0

    async def serve(peer: Peer) -> None:
        nonlocal ended
        try:
            await Echo()(peer)
        finally:
            ended += 1

    async with RawUpstream(serve) as upstream, served(files, upstream) as running:
        await running.get()
        running.edit(old, new)
        await running.proxy.reload()
        await until(lambda: ended == 1)
        await running.get()

        assert (1, 2) == (ended, upstream.connections)


@contextmanager
def tls_files(folder: Path) -> Iterator[ssl.SSLContext]:
    """The context of a server for `127.0.0.1`, whose authority stands in `ca.pem`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    yield context


async def test_files_of_tls_are_read_again(files: Files, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("pki")
    connections = 0

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            await Echo()(Peer(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    with tls_files(folder) as context:
        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        files.write(
            f'version: 1\nupstreams:\n  app:\n    url: "https://127.0.0.1:{port}"\n'
            f"    tls: {{ca_file: {folder}/ca.pem}}\n" + routes(a="{}")
        )
        async with served(files) as running, server:
            first = await running.get("/a")
            await running.proxy.reload()
            second = await running.get("/a")
            trustme.CA().cert_pem.write_to_path(str(folder / "ca.pem"))
            await running.proxy.reload()
            distrusted = await running.get("/a")

    assert (200, 200, 2) == (first.status_code, second.status_code, connections)
    assert (502, "upstream.unreachable") == (distrusted.status_code, distrusted.json()["reason"])


async def test_counts_go_on(files: Files, upstream: RawUpstream) -> None:
    async with served(files, upstream) as running:
        await running.get()
        running.edit("Revision: one", "Revision: two")
        await running.proxy.reload()
        await running.get()
        await until(lambda: running.proxy.in_flight == 0)

        counted = 'http_requests_total{endpoint="/app/**",method="GET",status="200"}'
        assert "2.0" == running.metrics()[f"seawall_{counted}"]
        running.edit("routes:", "metrics: {namespace: shop}\nroutes:")
        await running.proxy.reload()
        assert "2.0" == running.metrics()[f"shop_{counted}"]


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


async def test_health_on_the_data_port_moves_with_the_file(files: Files, upstream: RawUpstream) -> None:
    more = "health: {paths: {/health: liveness}}\n"
    async with served(files, upstream, more=more) as running:
        running.edit("/health", "/status")
        await running.proxy.reload()

        assert [404, 200] == [(await running.get(path)).status_code for path in ("/health", "/status")]


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


async def test_what_is_replaced_is_freed_though_the_collector_sleeps(
    files: Files, upstream: RawUpstream
) -> None:
    async with served(files, upstream) as running:
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
