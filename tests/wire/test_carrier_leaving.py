"""A client that leaves, in each phase: everything is given back, once."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.wire.reply import DECIDING, RECEIVING, SENDING, WAITING
from tests.wire.harness import BOTH_LOOPS, RawUpstream, until, wire
from tests.wire.probes import (
    GET,
    WAYS,
    Holds,
    HoldsLater,
    Passes,
    Permits,
    Reads,
    answers_half,
    says_nothing,
    waits,
)

POST_HALF = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello"


PHASES: list[Any] = [
    pytest.param(GET, says_nothing, (Holds(),), DECIDING, id="while a policy waits"),
    pytest.param(GET, says_nothing, (HoldsLater(),), DECIDING, id="while it waits for its turn"),
    pytest.param(POST_HALF, says_nothing, (HoldsLater(),), DECIDING, id="with half of a body, too"),
    pytest.param(POST_HALF, says_nothing, (Reads(),), DECIDING, id="while a policy reads the body"),
    pytest.param(POST_HALF, says_nothing, (), SENDING, id="while its body is sent on"),
    pytest.param(GET, says_nothing, (), WAITING, id="while the upstream thinks"),
    pytest.param(GET, says_nothing, (Passes(),), WAITING, id="while the upstream thinks and a policy waits"),
    pytest.param(GET, answers_half, (), RECEIVING, id="in the middle of the answer"),
    pytest.param(GET, answers_half, (Passes(),), RECEIVING, id="in the middle of the answer, past a policy"),
]


@BOTH_LOOPS
@pytest.mark.parametrize(("request_", "serve", "policies", "phase"), PHASES)
@pytest.mark.parametrize("way", ["close", "abort", "end"])
async def test_a_client_that_leaves_gives_everything_back_once(
    request_: bytes, serve: Any, policies: Any, phase: int, way: str
) -> None:
    permits = Permits()
    async with RawUpstream(serve) as upstream, wire(upstream.port, permits, *policies) as running:
        peer = await running.connect()
        peer.send(request_)
        await until(lambda: bool(running.records.exchanges))
        carrier = running.records.exchanges[0].carrier
        if phase == RECEIVING:
            await peer.until(b"hello")
        await until(lambda: carrier.phase == phase)
        getattr(peer, way)()
        await running.settled()
        await until(lambda: not running.upstream_connections and not running.clients)
        pool = running.pool.summary()

    assert (1, 1) == (permits.taken, len(permits.returned))
    assert (0, 0, 0) == (pool["open"], pool["opening"], pool["waiting"])
    assert 0 == running.server.buffers.held
    [outcome] = running.records.outcomes
    assert (200 if phase == RECEIVING else 499, False) == (outcome.status, outcome.complete)


@pytest.mark.parametrize("policies", WAYS)
async def test_a_client_that_leaves_while_it_waits_for_a_place_gives_it_up(policies: Any) -> None:
    permits = Permits()
    async with (
        RawUpstream(says_nothing) as upstream,
        wire(upstream.port, permits, *policies, pool={"max_connections": 1}) as running,
    ):
        first, second = await running.connect(), await running.connect()
        first.send(GET)
        await until(lambda: waits(running))
        second.send(GET)
        await until(lambda: running.pool.summary()["waiting"] == 1)
        second.close()
        await until(lambda: running.records.in_flight == 1)
        waiting = running.pool.summary()["waiting"]
        first.close()
        await running.settled()

    assert (0, 2, 2) == (waiting, permits.taken, len(permits.returned))
