"""Where an upstream's name leads, and which of its addresses is taken."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from proxy.wire import connecting
from proxy.wire.connecting import AddressInfo, by_system, connect
from proxy.wire.pool import Address
from tests.wire.harness import BOTH_LOOPS, Echo, RawUpstream, until, wire
from tests.wire.probes import ask, refusal

pytestmark = BOTH_LOOPS

LOOPBACK = ("::1", "127.0.0.1")


class Names:
    """A resolver that a test tells where a name leads, one look-up after another."""

    def __init__(self, *found: Sequence[tuple[str, int]]) -> None:
        self._found = list(found)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[AddressInfo]:
        self.asked.append((host, port))
        now = self._found.pop(0) if len(self._found) > 1 else self._found[0]
        return [entry for each in now for entry in await by_system(*each)]


@contextlib.asynccontextmanager
async def upstream_on(address: str, echo: Echo) -> AsyncIterator[int]:
    """One that listens on one address of loopback; skips where there is none of its family."""
    upstream = RawUpstream(echo)
    try:
        upstream._server = await asyncio.start_server(upstream._accept, address, 0)
    except OSError:
        pytest.skip(f"{address} is not there")
    try:
        yield upstream.port
    finally:
        await upstream.__aexit__(None)


@pytest.mark.parametrize("listening_on", LOOPBACK)
@pytest.mark.parametrize("first", LOOPBACK)
async def test_a_name_with_several_addresses_is_reached_at_the_one_that_answers(
    first: str, listening_on: str
) -> None:
    async with upstream_on(listening_on, Echo()) as port:
        names = Names(sorted(((each, port) for each in LOOPBACK), key=lambda each: each[0] != first))
        address = Address("localhost", "localhost", port)
        async with wire(0, address=address, pool={"connect": partial(connect, resolve=names)}) as running:
            answer = await ask(running)

    assert (b"ok", [("localhost", port)]) == (answer[1], names.asked)


async def test_localhost_is_reached_whichever_of_its_addresses_is_listened_on() -> None:
    known = {entry[4][0] for entry in socket.getaddrinfo("localhost", 80)}
    for listening_on in known.intersection(LOOPBACK):
        async with (
            upstream_on(listening_on, Echo()) as port,
            wire(0, address=Address("localhost", "localhost", port)) as running,
        ):
            answer = await ask(running)
        assert b"ok" == answer[1], listening_on


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """A port whose packets are dropped: its queue of connections is full, and nobody takes them off."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


async def test_an_address_that_says_nothing_does_not_use_up_the_time_for_the_others() -> None:
    async with RawUpstream(Echo()) as upstream:
        with silent() as port:
            names = Names([("127.0.0.1", port), ("127.0.0.1", upstream.port)])
            async with wire(
                0, address=Address("a", "app.test", 80), pool={"connect": partial(connect, resolve=names)}
            ) as running:
                answer = await ask(running)

    assert b"ok" == answer[1]


async def test_connecting_to_who_says_nothing_ends_in_time() -> None:
    with silent() as port:
        async with wire(port) as running:
            asking = asyncio.create_task(ask(running))
            await until(lambda: running.pool.summary()["opening"] == 1)
            running.advance(5.1)
            head, body = await asking
            running.pool.retire()

    assert (504, "timeout.connect") == refusal(head, body)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_an_address_is_no_name_that_is_looked_up(address: str) -> None:
    async def looks_up(*_: object, **__: object) -> None:
        raise AssertionError("it asked the system")

    loop = asyncio.get_running_loop()
    if isinstance(loop, asyncio.BaseEventLoop):
        loop.getaddrinfo = looks_up  # type: ignore[assignment,method-assign]
    assert [(address, 80)] == [entry[4][:2] for entry in await by_system(address, 80)]


async def test_a_name_whose_address_changes_is_looked_up_for_each_new_connection() -> None:
    first, second = Echo(), Echo()
    async with RawUpstream(first) as one, RawUpstream(second) as two:
        names = Names([("127.0.0.1", one.port)], [("127.0.0.1", two.port)])
        async with wire(
            0, address=Address("app.test", "app.test", 80), pool={"connect": partial(connect, resolve=names)}
        ) as running:
            for _ in range(2):
                await ask(running)
                await ask(running)  # on the same connection, for which nothing is looked up
                for connection in running.upstream_connections:
                    connection.close()
                await until(lambda: not running.upstream_connections)

    assert (2, 2) == (len(first.seen), len(second.seen))
    assert [("app.test", 80)] * 2 == names.asked


async def test_a_name_that_leads_nowhere_any_more_is_answered_502_and_asked_for_again() -> None:
    async with RawUpstream(Echo()) as upstream:
        names = Names([], [("127.0.0.1", upstream.port)])
        async with wire(
            0, address=Address("app.test", "app.test", 80), pool={"connect": partial(connect, resolve=names)}
        ) as running:
            failed, answered = await ask(running), await ask(running)

    assert (b"502", b"ok") == (failed[0][9:12], answered[1])


async def test_what_uvloop_calls_a_runtime_error_is_an_upstream_that_is_not_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fails(*_: Any, **__: Any) -> socket.socket:
        raise RuntimeError("unable to perform operation; the handler is closed")

    monkeypatch.setattr(connecting, "start_connection", fails)
    async with wire(1) as running:
        answer = await ask(running)

    assert (502, "upstream.unreachable") == refusal(*answer)
    assert "the handler is closed" in str(running.records.attempts[0][1])


async def test_small_pieces_are_not_held_back() -> None:
    """Nagle's algorithm would keep the second one until the first is acknowledged."""
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        await ask(running)
        [connection] = running.upstream_connections
        assert connection.transport is not None
        connected = connection.transport.get_extra_info("socket")
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
