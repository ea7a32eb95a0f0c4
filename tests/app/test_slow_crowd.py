"""A thousand clients that never finish their heads, against a process of its own."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.app.seawall import POLICIES, Seawall, seawall
from tests.wire.harness import Peer, RawUpstream

SLOW = 1000
FILES = SLOW + 200
"""What the test and the process each have open at most."""
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nX-A: "


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many file descriptors as it takes, which the process inherits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        pytest.skip(f"a process may have {hard} open files here; {FILES} are needed")
    if soft != resource.RLIM_INFINITY and soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def connect(running: Seawall) -> Peer:
    return Peer(*await asyncio.open_connection("127.0.0.1", running.data))


async def answers_of_others(running: Seawall) -> set[bytes]:
    statuses = set()
    for _ in range(20):
        peer = await connect(running)
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        statuses.add((await peer.rest())[9:12])
        peer.close()
    return statuses


async def test_a_thousand_that_never_finish_their_heads_do_not_keep_others_waiting(
    tmp_path: Path, upstream: RawUpstream, many_files: None
) -> None:
    policies = tmp_path / "p.yaml"
    policies.write_text(POLICIES.format(port=upstream.port))
    async with seawall(policies, "--access-log", "off", module="tests.app.stepped") as running:
        slow = [await connect(running) for _ in range(SLOW)]
        for byte in HEAD:  # a byte each, in turn, as they do
            for peer in slow:
                peer.send(bytes((byte,)))
        meanwhile = await answers_of_others(running)
        ended_early = sum(peer.reader.at_eof() for peer in slow)
        running.signal(signal.SIGUSR1)
        statuses = {(await peer.rest())[9:12] for peer in slow}
        afterwards = await answers_of_others(running)
        for peer in slow:
            peer.close()
        async with httpx.AsyncClient() as client:
            metrics = (await client.get(f"http://127.0.0.1:{running.status}/metrics")).text

    assert ({b"200"}, 0) == (meanwhile, ended_early)
    assert ({b"408"}, {b"200"}) == (statuses, afterwards)
    assert 'seawall_refusals_total{mode="enforce",reason="request.timeout",route="none"} 1000.0' in metrics
