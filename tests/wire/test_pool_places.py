"""The bound on connections to an upstream, and what opening one can come to."""

from __future__ import annotations

import asyncio

import pytest

from proxy.wire.pool import Address
from tests.wire.harness import BOTH_LOOPS, Echo, Peer, RawUpstream, Running, until, wire
from tests.wire.probes import GET, OK, POST, Script, answers, ask, refusal

pytestmark = BOTH_LOOPS


class Gate:
    """An upstream that answers when it is told to."""

    def __init__(self) -> None:
        self.open = asyncio.Semaphore(0)
        self.waiting = 0

    async def __call__(self, peer: Peer) -> None:
        while True:
            await peer.message()
            self.waiting += 1
            await self.open.acquire()
            self.waiting -= 1
            peer.send(OK)


async def test_no_more_connections_are_opened_than_are_allowed_and_who_waits_gets_the_next() -> None:
    gate = Gate()
    async with RawUpstream(gate) as upstream, wire(upstream.port, pool={"max_connections": 2}) as running:
        asking = [asyncio.create_task(ask(running)) for _ in range(6)]
        await until(lambda: gate.waiting == 2 and running.pool.summary()["waiting"] == 4)
        for _ in range(6):
            gate.open.release()
        bodies = [body for _, body in await asyncio.gather(*asking)]

    assert [b"ok"] * 6 == bodies
    assert 2 == upstream.connections


async def test_who_waits_too_long_for_a_place_is_refused() -> None:
    gate = Gate()
    async with (
        RawUpstream(gate) as upstream,
        wire(upstream.port, pool={"max_connections": 1, "wait": 5.0}) as running,
    ):
        first = asyncio.create_task(ask(running))
        await until(lambda: gate.waiting == 1)
        second = asyncio.create_task(ask(running))
        await until(lambda: running.pool.summary()["waiting"] == 1)
        running.advance(5.1)
        refused = refusal(*await second)
        [(_, error)] = running.records.attempts
        gate.open.release()
        _, body = await first
        left = running.pool.summary()["waiting"]

    assert (503, "upstream.busy") == refused
    assert (True, b"ok", 0) == (error.nothing_sent, body, left)


async def test_a_place_that_is_lost_is_opened_again_for_who_waits() -> None:
    async def dies(_: Script, peer: Peer) -> None:
        await peer.message()
        await die.wait()

    die = asyncio.Event()
    async with (
        RawUpstream(Script(dies, answers)) as upstream,
        wire(upstream.port, pool={"max_connections": 1}) as running,
    ):
        first = asyncio.create_task(ask(running))
        await until(lambda: len(running.upstream_connections) == 1)
        second = asyncio.create_task(ask(running))
        await until(lambda: running.pool.summary()["waiting"] == 1)
        die.set()
        answers_ = [await first, await second]

    assert (502, "upstream.reset") == refusal(*answers_[0])
    assert b"ok" == answers_[1][1]


async def test_a_place_is_free_again_even_where_the_upstream_never_reads_what_was_sent() -> None:
    async def never_reads(_: Script, peer: Peer) -> None:
        peer.stop_reading()
        await end.wait()

    end = asyncio.Event()
    async with (
        RawUpstream(Script(never_reads, answers)) as upstream,
        wire(upstream.port, pool={"max_connections": 1}) as running,
    ):
        peer = await running.connect()
        peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 20_000_000)
        await until(lambda: any(c.write_paused for c in running.upstream_connections))
        peer.abort()
        running.advance(61.0)
        _, body = await ask(running)
        end.set()

    assert b"ok" == body


async def test_a_refused_connection_is_answered_502_and_may_be_repeated() -> None:
    async with RawUpstream(Echo()) as upstream:
        port = upstream.port
    async with wire(port) as running:
        answer = await ask(running, POST)
        [(status, error)] = running.records.attempts
        pool = running.pool.summary()

    assert (502, "upstream.unreachable") == refusal(*answer)
    assert b"127.0.0.1" not in answer[1]
    assert (None, True) == (status, error.nothing_sent)
    assert "app: " in error.cause
    assert (0, 0, 0) == (pool["open"], pool["opening"], pool["waiting"])


@pytest.mark.parametrize(
    "host", ["no-such-host.invalid", "a..b", "x" * 70], ids=["unknown", "empty label", "long label"]
)
async def test_a_name_that_leads_nowhere_is_answered_502(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with wire(1, address=Address("x", host, 80)) as running:
        answer = await ask(running)
        pool = running.pool.summary()

    assert (502, "upstream.unreachable") == refusal(*answer)
    assert (0, 0, 0) == (pool["open"], pool["opening"], pool["waiting"])


def hang(running: Running, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From now on connecting takes for ever, as where packets are dropped."""
    events: list[str] = []

    async def open_one() -> None:
        events.append("connecting")
        try:
            await asyncio.Event().wait()
        finally:
            events.append("given up")

    monkeypatch.setattr(running.pool, "_open_one", open_one)
    return events


async def test_connecting_for_too_long_is_answered_504(monkeypatch: pytest.MonkeyPatch) -> None:
    async with wire(1) as running:
        events = hang(running, monkeypatch)
        asking = asyncio.create_task(ask(running, POST))
        await until(lambda: running.pool.summary()["opening"] == 1)
        running.advance(4.9)
        early = list(running.records.outcomes)
        running.advance(0.2)
        answer = await asking
        [(status, error)] = running.records.attempts
        waiting = running.pool.summary()["waiting"]

    assert ([], 0) == (early, waiting)
    assert (504, "timeout.connect") == refusal(*answer)
    assert (None, True) == (status, error.nothing_sent)
    assert ["connecting", "given up"] == events


async def test_a_client_that_leaves_while_connecting_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async with wire(1) as running:
        hang(running, monkeypatch)
        peer = await running.connect()
        peer.send(GET)
        await until(lambda: running.pool.summary()["opening"] == 1)
        peer.close()
        await running.settled()
        waiting = running.pool.summary()["waiting"]

    assert 0 == waiting
    assert [(499, False)] == [(outcome.status, outcome.complete) for outcome in running.records.outcomes]


async def test_who_waits_for_a_new_connection_takes_one_that_is_released_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = Gate()
    async with RawUpstream(gate) as upstream, wire(upstream.port) as running:
        first = asyncio.create_task(ask(running))
        await until(lambda: gate.waiting == 1)
        hang(running, monkeypatch)
        second = asyncio.create_task(ask(running))
        await until(lambda: running.pool.summary()["waiting"] == 1)
        gate.open.release()
        gate.open.release()
        bodies = [(await first)[1], (await second)[1]]

    assert [b"ok", b"ok"] == bodies
    assert 1 == upstream.connections
