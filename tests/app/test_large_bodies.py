"""A gigabyte goes through a process of its own in each direction, and is never held."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.app.seawall import POLICIES, Seawall, seawall
from tests.wire.harness import Peer, RawUpstream

GIB = 2**30
PIECE = bytes(range(256)) * 1024
MOST = 100
"""MiB that may be resident at any moment."""
UPLOAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % GIB
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
DOWNLOAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def give(peer: Peer, *, chunked: bool) -> None:
    """A gigabyte, as fast as it is taken."""
    piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE
    for _ in range(GIB // len(PIECE)):
        peer.send(piece)
        await peer.drained()
    if chunked:
        peer.send(b"0\r\n\r\n")


async def take(peer: Peer, *, chunked: bool) -> int:
    """All of a body; its size, framing included where it is chunked."""
    size, last = 0, b""
    async with asyncio.timeout(120):
        while size < GIB or (chunked and not last.endswith(b"\r\n0\r\n\r\n")):
            piece = await peer.reader.read(2**20)
            if not piece:
                break
            size += len(piece)
            last = (last + piece)[-7:]
    return size


def most_resident(running: Seawall) -> float:
    """MiB, at its peak."""
    status = Path(f"/proc/{running.process.pid}/status")
    if not status.exists():
        pytest.skip("the system does not tell what is resident")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    assert found is not None
    return int(found[1]) / 1024


@pytest.mark.parametrize("chunked", [False, True], ids=["of a length", "in chunks"])
async def test_a_gigabyte_up_and_one_down_leave_memory_flat(tmp_path: Path, chunked: bool) -> None:
    uploaded = 0

    async def serve(peer: Peer) -> None:
        nonlocal uploaded
        while True:
            head = await peer.head()
            if head.startswith(b"POST"):
                uploaded = await take(peer, chunked=chunked)
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            else:
                framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % GIB
                peer.send(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % framing)
                await give(peer, chunked=chunked)

    async with RawUpstream(serve) as upstream:
        policies = tmp_path / "p.yaml"
        policies.write_text(POLICIES.format(port=upstream.port))
        async with seawall(policies) as running:
            peer = Peer(*await asyncio.open_connection("127.0.0.1", running.data))
            peer.send(CHUNKED if chunked else UPLOAD)
            await give(peer, chunked=chunked)
            up, _ = await peer.message()
            peer.send(DOWNLOAD)
            down = await peer.head()
            downloaded = await take(peer, chunked=chunked)
            peak = most_resident(running)
            peer.close()

    assert (b"200", b"200") == (up[9:12], down[9:12])
    assert (True, True) == (uploaded >= GIB, downloaded >= GIB)
    assert chunked or (GIB, GIB) == (uploaded, downloaded)
    assert peak < MOST
