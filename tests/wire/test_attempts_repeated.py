"""`retry` in front of real sockets that fail in every way that sockets can."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

from proxy.clock import SystemClock
from proxy.config.units import Duration
from proxy.exchange import AttemptLimits, Exchange
from proxy.policies.resilience.retry import Retry, RetryConfig
from proxy.policies.resilience.retry.settings import BackOffConfig, ClassConfig
from proxy.policy import Services
from proxy.state import Shared
from proxy.stores.memory import MemoryStore
from proxy.wire.carrier import Carrier
from proxy.wire.pool import Address
from proxy.wire.reply import WAITING
from tests.wire.harness import BOTH_LOOPS, Echo, Peer, RawUpstream, Running, until, wire
from tests.wire.probes import GET, OK, ask, refusal, waits
from tests.wire.test_attempts import refuse_next

BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nbusy"
PUT = b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


class Limits:
    def on_request(self, exchange: Exchange) -> None:
        exchange.limits = AttemptLimits(connect=1.0, response=0.05, idle=5.0)


def a_retry(**settings: Any) -> Retry:
    clock = SystemClock()
    waits = BackOffConfig(base=Duration(0.001), max=Duration(0.001))
    classes = {name: ClassConfig() for name in ("connect_error", "network_error", "timeout", "gateway_error")}
    config = RetryConfig(**{"backoff": waits, "classes": classes, **settings})
    return Retry(config, Services(clock, Random(1), MemoryStore(clock), Shared(), "retry/test"))


async def mid_head(peer: Peer) -> None:
    await peer.message()
    peer.send(b"HTTP/1.1 200 OK\r\nConte")
    peer.abort()


async def hangs(peer: Peer) -> None:
    await peer.message()
    await peer.rest()


async def busy(peer: Peer) -> None:
    await peer.message()
    peer.send(BUSY)
    await peer.rest()


async def resets(peer: Peer) -> None:
    await peer.message()
    peer.abort()


async def busy_without_an_end(peer: Peer) -> None:
    await peer.message()
    peer.send(BUSY.replace(b"4", b"9"))
    await peer.rest()


def first(serve: Callable[[Peer], Awaitable[None]], then: Echo) -> Callable[[Peer], Awaitable[None]]:
    """`serve` has the first connection, `then` all others."""
    connections = [serve]

    async def serving(peer: Peer) -> None:
        await (connections.pop() if connections else then)(peer)

    return serving


@BOTH_LOOPS
@pytest.mark.parametrize("request_", [GET, PUT, CHUNKED], ids=["no body", "a body", "chunks"])
@pytest.mark.parametrize(
    ("failing", "told"),
    [
        (mid_head, ("network_error", "upstream.reset")),
        (resets, ("network_error", "upstream.reset")),
        (hangs, ("timeout", "timeout.response")),
        (busy_without_an_end, ("gateway_error", "503")),
    ],
)
async def test_the_next_call_gets_the_answer(
    failing: Callable[[Peer], Awaitable[None]], told: tuple[str, str], request_: bytes
) -> None:
    echo = Echo()
    if request_ is CHUNKED:
        echo_chunked(echo)
    async with (
        RawUpstream(first(failing, echo)) as upstream,
        wire(upstream.port, a_retry(), Limits()) as running,
    ):
        asking = asyncio.create_task(ask(running, request_))
        if failing is hangs:
            await until(
                lambda: any(c.carrier and c.carrier.phase == WAITING for c in running.upstream_connections)
            )
            running.advance(0.1)
        answer = await asking
        await running.settled()
        (retry,) = running.records.exchanges[0].retries or ()

    assert b"ok" == answer[1]
    assert (*told, "recovered", 2) == (
        retry.error_class, retry.cause, retry.outcome, upstream.connections,
    )  # fmt: skip


def echo_chunked(echo: Echo) -> None:
    """Read chunked bodies: to the empty line that ends them."""

    async def serve(peer: Peer) -> None:
        head, body = await peer.chunked()
        echo.seen.append(head + body)
        peer.send(echo.answer)
        await peer.rest()

    echo.__class__ = type("ChunkedEcho", (Echo,), {"__call__": lambda _, peer: serve(peer)})


@BOTH_LOOPS
async def test_a_whole_answer_that_is_repeated_leaves_its_connection_usable() -> None:
    answers = [BUSY, OK]

    async def serve(peer: Peer) -> None:
        while True:
            await peer.message()
            peer.send(answers.pop(0))

    async with RawUpstream(serve) as upstream, wire(upstream.port, a_retry()) as running:
        _, body = await ask(running)

    assert (b"ok", 1) == (body, upstream.connections)


@BOTH_LOOPS
@pytest.mark.parametrize(("methods", "answer"), [(("GET",), b"ok"), ((), b"upstream.reset")])
async def test_a_connection_that_was_closed_while_idle_is_replaced_only_for_methods_that_are_named(
    methods: tuple[str, ...], answer: bytes
) -> None:
    async def closes_on_the_second(peer: Peer) -> None:
        await peer.message()
        peer.send(OK)
        await peer.message()

    retry = a_retry(methods=methods, classes={"connect_error": ClassConfig()})
    async with (
        RawUpstream(first(closes_on_the_second, Echo())) as upstream,
        wire(upstream.port, retry) as running,
    ):
        await ask(running)
        _, body = await ask(running)

    assert answer in body


@BOTH_LOOPS
async def test_one_that_refuses_a_connection_is_called_again_whatever_the_method() -> None:
    echo = Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port, a_retry()) as running:
        refuse_next(running)
        _, body = await ask(running, PUT.replace(b"PUT", b"POST"))

    assert (b"ok", 1) == (body, len(echo.seen))


@BOTH_LOOPS
@pytest.mark.parametrize(
    "address",
    [
        pytest.param(Address("127.0.0.1:1", "127.0.0.1", 1), id="the port refuses"),
        pytest.param(Address("no-such-name.invalid:80", "no-such-name.invalid", 80), id="no such name"),
    ],
)
async def test_one_that_cannot_be_reached_is_tried_so_often(address: Address) -> None:
    async with wire(1, a_retry(max_retries=2), address=address) as running:
        answer = await ask(running)
        await running.settled()
        retries = running.records.exchanges[0].retries or []

    assert (502, "upstream.unreachable") == refusal(*answer)
    assert [("connect_error", outcome) for outcome in ("failed", "failed", "exhausted")] == [
        (each.error_class, each.outcome) for each in retries
    ]
    assert 3 == len(running.records.attempts)


@BOTH_LOOPS
async def test_a_body_that_broke_off_is_not_asked_for_again() -> None:
    async def half(peer: Peer) -> None:
        await peer.message()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")

    async with RawUpstream(half) as upstream, wire(upstream.port, a_retry()) as running:
        peer = await running.connect()
        peer.send(GET)
        answer = await peer.rest()

    assert answer.endswith(b"\r\n\r\nhello")
    assert 1 == upstream.connections


@BOTH_LOOPS
async def test_a_large_body_streams_and_is_not_sent_again() -> None:
    seen = 0

    async def serve(peer: Peer) -> None:
        nonlocal seen
        _, body = await peer.message()
        seen += len(body)
        peer.send(BUSY)
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port, a_retry()) as running:
        size = 2**20
        _, body = await ask(
            running, b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
        )
        await running.settled()
        (retry,) = running.records.exchanges[0].retries or ()
        held = running.server.buffers.held

    assert (b"busy", 1, size, "no_body", 0) == (body, upstream.connections, seen, retry.outcome, held)


@BOTH_LOOPS
async def test_an_early_answer_is_repeated_with_the_body_that_still_comes() -> None:
    bodies: list[bytes] = []

    async def early(peer: Peer) -> None:
        await peer.head()
        peer.send(BUSY)
        await peer.rest()

    async def serve(peer: Peer) -> None:
        _, body = await peer.message()
        bodies.append(body)
        peer.send(OK)
        await peer.rest()

    connections = [early, serve]

    async def serving(peer: Peer) -> None:
        await connections.pop(0)(peer)

    async with RawUpstream(serving) as upstream, wire(upstream.port, a_retry()) as running:
        peer = await running.connect()
        peer.send(PUT[:-3])
        await until(lambda: upstream.connections == 2)
        peer.send(PUT[-3:])
        _, body = await peer.message()

    assert (b"ok", [b"hello"]) == (body, bodies)


async def abandoned(running: Running, upstream: RawUpstream) -> None:
    """A client leaves while its call is about to be repeated."""
    peer = await running.connect()
    peer.send(GET)
    await until(lambda: bool(running.records.exchanges) and bool(running.records.exchanges[0].retries))
    peer.abort()
    await running.settled()


@BOTH_LOOPS
async def test_a_client_that_leaves_ends_the_waiting() -> None:
    waiting = a_retry(backoff=BackOffConfig(base=Duration(100), max=Duration(100), jitter="none"))
    async with RawUpstream(busy) as upstream, wire(upstream.port, waiting) as running:
        await abandoned(running, upstream)
        # One that was cancelled needs a turn of the loop to end.
        await until(lambda: not [task for task in asyncio.all_tasks() if "_respond" in repr(task)])
        still_out = waits(running)

    assert (1, False) == (upstream.connections, still_out)
    assert [499] == [outcome.status for outcome in running.records.outcomes]


@pytest.fixture
def no_collector() -> Any:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    "script", [[BUSY, OK], [b"", OK], [BUSY] * 9, [b""] * 9], ids=["503", "none", "503s", "nones"]
)
async def test_an_exchange_that_was_repeated_is_freed_without_the_collector(script: list[bytes]) -> None:
    answers = list(script)

    async def serve(peer: Peer) -> None:
        while True:
            await peer.message()
            answer = answers.pop(0)
            if not answer:
                return
            peer.send(answer)

    async with RawUpstream(serve) as upstream, wire(upstream.port, a_retry()) as running:
        await ask(running, PUT)
        await running.settled()
        running.records.exchanges.clear()
        kept = sum(isinstance(one, Carrier) for one in gc.get_objects())

    assert 0 == kept
