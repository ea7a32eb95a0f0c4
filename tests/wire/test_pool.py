"""Connections to an upstream: kept while they are good, and never used for the wrong request."""

from __future__ import annotations

import asyncio

import pytest

from tests.wire.harness import BOTH_LOOPS, Echo, Peer, RawUpstream, Running, until, wire
from tests.wire.probes import GET, OK, POST, Script, answers, ask, refusal

pytestmark = BOTH_LOOPS


async def answers_once_and_closes_on_the_next(script: Script, peer: Peer) -> None:
    """The race that keep-alive has: the upstream closes an idle connection while a request is on its way."""
    await peer.message()
    peer.send(OK)
    script.requests.append(b"".join(await peer.message())[:4])


@pytest.mark.parametrize("method", [b"GET ", b"HEAD", b"PUT ", b"DELE"])
async def test_a_stale_connection_is_replaced_where_the_request_may_be_repeated(method: bytes) -> None:
    script = Script(answers_once_and_closes_on_the_next, answers)
    name = b"DELETE" if method == b"DELE" else method.strip()
    async with RawUpstream(script) as upstream, wire(upstream.port) as running:
        await ask(running)
        peer = await running.connect()
        peer.send(name + b" /a HTTP/1.1\r\nHost: a\r\n\r\n")
        head = await peer.head()
        peer.close()

    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert ([method] * 2, 2) == (script.requests, upstream.connections)


async def test_a_call_over_a_stale_connection_is_counted_as_every_call_is() -> None:
    script = Script(answers_once_and_closes_on_the_next, answers)
    async with RawUpstream(script) as upstream, wire(upstream.port) as running:
        await ask(running)
        await ask(running)
        await running.settled()

    assert [1, 2] == [exchange.attempts for exchange in running.records.exchanges]
    reasons = [getattr(error, "reason", status) for status, error in running.records.attempts]
    assert [200, "upstream.stale", 200] == reasons


@pytest.mark.parametrize("method", [b"POST", b"PATC"])
async def test_a_stale_connection_is_not_replaced_where_it_may_not(method: bytes) -> None:
    script = Script(answers_once_and_closes_on_the_next, answers)
    name = b"PATCH" if method == b"PATC" else method
    async with RawUpstream(script) as upstream, wire(upstream.port) as running:
        await ask(running)
        answer = await ask(running, POST.replace(b"POST", name))

    assert (502, "upstream.reset") == refusal(*answer)
    assert ([method], 1) == (script.requests, upstream.connections)


async def test_a_put_whose_body_was_streamed_cannot_be_repeated() -> None:
    script = Script(answers_once_and_closes_on_the_next, answers)
    async with RawUpstream(script) as upstream, wire(upstream.port) as running:
        await ask(running)
        answer = await ask(running, POST.replace(b"POST", b"PUT"))

    assert (502, "upstream.reset") == refusal(*answer)


async def test_a_new_connection_that_is_closed_is_the_upstreams_answer() -> None:
    async def closes(_: Script, peer: Peer) -> None:
        await peer.message()

    async with RawUpstream(Script(closes)) as upstream, wire(upstream.port) as running:
        answer = await ask(running)

    assert (502, "upstream.reset") == refusal(*answer)
    assert 1 == upstream.connections


async def test_a_request_is_repeated_only_once() -> None:
    async def closes(_: Script, peer: Peer) -> None:
        await peer.message()

    script = Script(answers_once_and_closes_on_the_next, closes)
    async with RawUpstream(script) as upstream, wire(upstream.port) as running:
        await ask(running)
        answer = await ask(running)

    assert (502, "upstream.reset") == refusal(*answer)
    assert 2 == upstream.connections


async def test_an_idle_connection_that_the_upstream_closed_is_forgotten() -> None:
    async def answers_once(_: Script, peer: Peer) -> None:
        await peer.message()
        peer.send(OK)
        await close.wait()

    close = asyncio.Event()
    async with RawUpstream(Script(answers_once)) as upstream, wire(upstream.port) as running:
        await ask(running)
        kept = running.pool.summary()
        close.set()
        await until(lambda: not running.upstream_connections)
        left = running.pool.summary()
        answer = await ask(running, POST)

    assert ((1, 1), (0, 0)) == ((kept["open"], kept["idle"]), (left["open"], left["idle"]))
    assert b"ok" == answer[1]


async def test_the_connection_that_was_used_last_is_used_next() -> None:
    echo = Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port) as running:
        peers = [await running.connect() for _ in range(3)]
        for peer in peers:
            peer.send(GET)
        for peer in peers:
            await peer.message()
        await until(lambda: running.pool.summary()["opening"] == 0)  # one may have been overtaken
        last = running.pool._idle[-1]
        await ask(running)
        again = running.pool._idle[-1]

    assert last is again


async def test_idle_connections_are_closed_in_time() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, pool={"idle_timeout": 5.0}) as running:
        await ask(running)
        running.advance(4.9)
        kept = running.pool.summary()["idle"]
        running.advance(0.2)
        await until(lambda: not running.upstream_connections)
        await ask(running)

    assert (1, 2) == (kept, upstream.connections)


async def test_where_none_is_kept_each_request_has_a_connection_of_its_own() -> None:
    pool = {"idle_timeout": 0.0, "max_connections": 1}
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, pool=pool) as running:
        bodies = [(await ask(running))[1] for _ in range(3)]
        at_once = await asyncio.gather(*[ask(running) for _ in range(3)])  # those wait for the one place

    assert [b"ok"] * 6 == bodies + [body for _, body in at_once]
    assert 6 == upstream.connections


async def test_each_idle_connection_has_its_own_time() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, pool={"idle_timeout": 5.0}) as running:
        first, second = await running.connect(), await running.connect()
        for peer in (first, second):
            peer.send(GET)
        for peer in (first, second):
            await peer.message()
        running.advance(3.0)
        await ask(running)
        running.advance(2.1)
        await until(lambda: len(running.upstream_connections) == 1)
        running.advance(3.0)
        await until(lambda: not running.upstream_connections)

    assert 2 == upstream.connections


@pytest.mark.parametrize(
    ("hint", "used_again"),
    [
        (b"timeout=5", [True, False]),
        (b"max=100, timeout=5", [True, False]),
        (b"timeout=100", [True, True]),
        (b"timeout=1", [False, False]),
        (b"max=100", [True, True]),
    ],
)
async def test_the_upstreams_word_on_how_long_it_keeps_a_connection_is_heeded(
    hint: bytes, used_again: list[bool]
) -> None:
    echo = Echo(answer=OK.replace(b"\r\n\r\n", b"\r\nKeep-Alive: %b\r\n\r\n" % hint))
    async with RawUpstream(echo) as upstream, wire(upstream.port) as running:
        await ask(running)
        again = []
        for idle in (3.5, 4.5):
            before = upstream.connections
            running.advance(idle)
            await ask(running)
            again.append(upstream.connections == before)

    assert used_again == again


CLOSES = {
    "it says Connection: close": OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
    "it speaks HTTP/1.0": OK.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "it sends more than it announced": OK + b"and more",
    "it sends a second answer to one question": OK + OK,
}


@pytest.mark.parametrize("answer", CLOSES.values(), ids=CLOSES)
async def test_a_connection_is_not_used_again_where(answer: bytes) -> None:
    async with RawUpstream(Echo(answer=answer)) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        bodies = []
        for _ in range(3):
            peer.send(GET)
            bodies.append((await peer.message())[1])
        peer.close()

    assert [b"ok"] * 3 == bodies
    assert 3 == upstream.connections


async def test_an_http_10_upstream_that_offers_it_is_kept() -> None:
    echo = Echo(
        answer=OK.replace(b"HTTP/1.1", b"HTTP/1.0").replace(
            b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"
        )
    )
    async with RawUpstream(echo) as upstream, wire(upstream.port) as running:
        for _ in range(3):
            await ask(running)

    assert 1 == upstream.connections


async def test_what_an_upstream_says_unasked_on_an_idle_connection_is_nobodys_answer() -> None:
    async def speaks_up(script: Script, peer: Peer) -> None:
        await peer.message()
        peer.send(OK)
        await speak.wait()
        peer.send(OK.replace(b"ok", b"no"))
        await peer.rest()

    speak = asyncio.Event()
    script = Script(speaks_up, answers)
    async with RawUpstream(script) as upstream, wire(upstream.port) as running:
        await ask(running)
        speak.set()
        await until(lambda: not running.upstream_connections)
        _, body = await ask(running)

    assert (b"ok", 2) == (body, upstream.connections)


async def test_an_upstream_that_greets_is_not_one() -> None:
    async def greets(_: Script, peer: Peer) -> None:
        peer.send(b"220 mail.example.com ESMTP\r\n")
        await peer.rest()

    async with RawUpstream(Script(greets)) as upstream, wire(upstream.port) as running:
        answer = await ask(running)

    assert (502, "upstream.bad_response") == refusal(*answer)


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


async def test_a_retired_pool_lets_what_is_in_flight_finish_and_keeps_nothing() -> None:
    gate = Gate()
    async with RawUpstream(gate) as upstream, wire(upstream.port) as running:
        gate.open.release()
        idle = await running.connect()
        idle.send(GET)
        busy = asyncio.create_task(ask(running))
        await idle.message()
        await until(lambda: gate.waiting == 1 and running.pool.summary()["idle"] == 1)
        running.pool.retire()
        gate.open.release()
        _, body = await busy
        await until(lambda: not running.upstream_connections)

    assert b"ok" == body


async def test_a_closed_pool_has_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        await ask(running)
        events = hang(running, monkeypatch)
        running.pool._connect(5.0)
        await until(lambda: events == ["connecting"])
        await running.pool.close()
        await until(lambda: not running.upstream_connections)

    assert ["connecting", "given up"] == events
    assert "0 open, 0 idle" in repr(running.pool)
