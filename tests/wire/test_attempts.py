"""Policies around the call: they answer without it, repeat it, replace what it brought."""

from __future__ import annotations

import asyncio

import pytest

from proxy.errors import UpstreamError
from proxy.exchange import Attempt, Exchange, Forward, Response
from proxy.headers import Headers
from tests.wire.harness import BOTH_LOOPS, PATIENCE, Echo, Peer, RawUpstream, Running, until, wire
from tests.wire.probes import GET, OK, Limits, Passes, answers_half, refusal, waits


@BOTH_LOOPS
async def test_a_policy_may_answer_without_calling() -> None:
    class Answers:
        async def around(self, exchange: Exchange, forward: Forward) -> Response:
            return Response(203, Headers([(b"A", b"b")]), b"from here")

    async with RawUpstream(Echo()) as upstream, wire(upstream.port, Answers()) as running:
        peer = await running.connect()
        peer.send(GET)
        head, body = await peer.message()
        peer.send(GET.replace(b"GET", b"HEAD"))
        without = await peer.head()
        peer.send(GET)
        _, again = await peer.message()
        peer.close()

    assert head.startswith(b"HTTP/1.1 203 Non-Authoritative Information\r\nA: b\r\nContent-Length: 9\r\n")
    assert b"Content-Length: 9\r\n" in without
    assert (b"from here", b"from here", 0) == (body, again, upstream.connections)


class Retries:
    """A policy that calls again after a failure or a 503."""

    def __init__(self, *, reads_body: bool = False) -> None:
        self.reads_body = reads_body
        self.attempts: list[Attempt] = []

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        if self.reads_body:
            await exchange.body()
        try:
            response = await forward(exchange)
        except UpstreamError:
            return await forward(exchange)
        return await forward(exchange) if response.status == 503 else response

    def on_attempt(self, exchange: Exchange, attempt: Attempt) -> None:
        self.attempts.append(attempt)


BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"


@BOTH_LOOPS
@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([BUSY, OK], id="a whole answer"),
        pytest.param([BUSY[:-2], OK], id="an answer of which some is missing still"),
        pytest.param([b"", OK], id="none"),
        pytest.param([b"HTTP/1.1 nonsense\r\n\r\n", OK], id="nonsense"),
    ],
)
async def test_a_policy_may_call_again_with_the_same_body(answers: list[bytes]) -> None:
    seen: list[bytes] = []
    script = list(answers)

    async def serve(peer: Peer) -> None:
        while True:
            head, body = await peer.message()
            seen.append(head.split(b"\r\n")[0] + body)
            answer = script.pop(0)
            if not answer:
                return
            peer.send(answer)

    retries = Retries(reads_body=True)
    async with RawUpstream(serve) as upstream, wire(upstream.port, retries) as running:
        peer = await running.connect()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        head, body = await peer.message()
        peer.close()
        await running.settled()

    first = 503 if answers[0].startswith(BUSY[:-2]) else None
    assert (b"HTTP/1.1 200 OK", b"ok") == (head[:15], body)
    assert [b"POST / HTTP/1.1hello"] * 2 == seen
    assert [(1, first), (2, 200)] == [(attempt.number, attempt.status) for attempt in retries.attempts]
    assert [first is None, False] == [attempt.error is not None for attempt in retries.attempts]
    assert retries.attempts[0].ended <= retries.attempts[1].started
    assert ["", 200] == [running.records.outcomes[0].reason, running.records.outcomes[0].status]


async def test_a_streamed_body_cannot_be_sent_twice() -> None:
    async def serve(peer: Peer) -> None:
        await peer.message()
        peer.send(BUSY)
        await peer.rest()

    async with RawUpstream(serve) as upstream, wire(upstream.port, Retries()) as running:
        peer = await running.connect()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        answer = await peer.message()
        peer.close()

    assert (502, "upstream.failed") == refusal(*answer)
    assert 1 == upstream.connections


@BOTH_LOOPS
async def test_a_streamed_body_of_which_nothing_was_sent_can() -> None:
    echo = Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port, Retries()) as running:
        refuse_next(running)
        peer = await running.connect()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        _, body = await peer.message()
        peer.close()

    assert b"ok" == body
    assert echo.seen[0].endswith(b"\r\n\r\nhello")
    assert [True, True] == [getattr(e, "nothing_sent", True) for _, e in running.records.attempts]


def refuse_next(running: Running) -> None:
    """The pool's next connection is refused, as by a server that is just being restarted."""
    pool, connect = running.pool, running.pool._open_one

    async def refused() -> None:
        pool._open_one = connect  # type: ignore[method-assign]
        pool._fail_one(ConnectionRefusedError("refused"))

    pool._open_one = refused  # type: ignore[method-assign]


async def test_between_two_calls_a_policy_may_take_its_time() -> None:
    class Backs:
        attempts: list[Attempt] = []  # noqa: RUF012
        backing_off = asyncio.Event()
        go_on = asyncio.Event()

        async def around(self, exchange: Exchange, forward: Forward) -> Response:
            try:
                return await forward(exchange)
            except UpstreamError:
                self.backing_off.set()
                await self.go_on.wait()
                return await forward(exchange)

        def on_attempt(self, exchange: Exchange, attempt: Attempt) -> None:
            self.attempts.append(attempt)

    served = 0

    async def serve(peer: Peer) -> None:
        nonlocal served
        await peer.message()
        served += 1
        if served == 2:
            peer.send(OK)
            await peer.rest()

    backs = Backs()
    async with RawUpstream(serve) as upstream, wire(upstream.port, Limits(response=5.0), backs) as running:
        peer = await running.connect()
        peer.send(GET)
        async with asyncio.timeout(PATIENCE):
            await backs.backing_off.wait()
        running.advance(60.0)
        backs.go_on.set()
        _, body = await peer.message()
        peer.close()
        await running.settled()

    assert b"ok" == body
    assert [1, 2] == [attempt.number for attempt in backs.attempts]


async def test_a_policy_that_stops_waiting_for_a_call_ends_it() -> None:
    class Impatient:
        async def around(self, exchange: Exchange, forward: Forward) -> Response:
            calling = asyncio.ensure_future(forward(exchange))
            await until(lambda: waits(running))
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
            await left.wait()
            return Response(200, content=b"from here")

    left = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.rest()
        left.set()

    async with RawUpstream(serve) as upstream, wire(upstream.port, Impatient()) as running:
        peer = await running.connect()
        peer.send(GET)
        _, body = await peer.message()
        peer.close()

    assert b"from here" == body
    assert [(None, None)] == running.records.attempts


@BOTH_LOOPS
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Request-ID"),
        (b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 204 No Content\r\nX-Request-ID"),
    ],
    ids=["length", "chunked", "304", "204"],
)
async def test_head_passes_a_policy_that_waits(answer: bytes, expected: bytes) -> None:
    async with RawUpstream(Echo(answer=answer)) as upstream, wire(upstream.port, Passes()) as running:
        peer = await running.connect()
        heads = []
        for _ in range(2):
            peer.send(GET.replace(b"GET", b"HEAD"))
            heads.append(await peer.head())
        peer.close()

    assert [True, True] == [head.startswith(expected) for head in heads]
    assert 1 == upstream.connections


async def test_a_policy_may_replace_an_answer_that_is_still_coming() -> None:
    class Masks:
        async def around(self, exchange: Exchange, forward: Forward) -> Response:
            await forward(exchange)
            return Response(200, content=b"masked")

    async with RawUpstream(answers_half) as upstream, wire(upstream.port, Masks()) as running:
        peer = await running.connect()
        bodies = []
        for _ in range(2):
            peer.send(GET)
            bodies.append((await peer.message())[1])
        peer.close()

    assert [b"masked", b"masked"] == bodies
    assert [(200, None), (200, None)] == running.records.attempts
