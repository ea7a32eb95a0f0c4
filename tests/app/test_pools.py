"""Which connections to upstreams outlive a reload, and which do not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from tests.app.served import served
from tests.app.trial import Files, routes
from tests.wire.harness import Echo, Peer, RawUpstream, until


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
