"""One exchange through real sockets: what the client sent arrives, what the upstream answered arrives."""

from __future__ import annotations

import asyncio

import pytest

from proxy.errors import Rejection
from proxy.exchange import Exchange, Forward, Response
from proxy.router import Match
from tests.wire.harness import PATIENCE, Echo, Peer, RawUpstream, Running, until, wire
from tests.wire.probes import (
    GET,
    Limits,
    Permits,
    Reads,
    WaitsNowAndThen,
    received,
    refusal,
    says_nothing,
    waits,
)


async def test_a_request_and_its_answer_pass() -> None:
    echo = Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(
            b"POST /a?b=%20c HTTP/1.1\r\nHost: example.com\r\nX-Odd:  va lue \r\n"
            b"Content-Length: 5\r\n\r\nhello"
        )
        head, body = await peer.message()
        request_id = head.split(b"X-Request-ID: ")[1].partition(b"\r\n")[0]
        peer.close()

    assert b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-ID: " + request_id + b"\r\n\r\n" == head
    assert b"ok" == body
    assert [
        b"POST /a?b=%20c HTTP/1.1\r\nHost: example.com\r\nX-Odd: va lue\r\nContent-Length: 5\r\n"
        b"X-Request-ID: " + request_id + b"\r\n\r\nhello"
    ] == echo.seen


async def test_the_trace_that_a_request_belongs_to_goes_on_as_it_came() -> None:
    trace = b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ntracestate: a=1,b=2\r\n"
    echo = Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + trace + b"\r\n")
        await peer.message()
        peer.close()

    assert trace in echo.seen[0]


async def test_connections_are_kept_on_both_sides() -> None:
    echo = Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        for _ in range(5):
            peer.send(GET)
            await peer.message()
        peer.close()

    assert (5, 1) == (len(echo.seen), upstream.connections)


async def test_pipelined_requests_are_answered_in_order() -> None:
    async def serve(peer: Peer) -> None:
        while True:
            path = (await peer.head()).split()[1]
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(20)))
        bodies = [(await peer.message())[1] for _ in range(20)]
        peer.close()

    assert [b"/%d" % n for n in range(20)] == bodies


async def test_a_client_that_leaves_ends_the_call() -> None:
    left = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.rest()
        left.set()

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(GET)
        await until(lambda: upstream.connections == 1)
        peer.close()
        async with asyncio.timeout(PATIENCE):
            await left.wait()
        await running.settled()

    assert [(499, False)] == [(o.status, o.complete) for o in running.records.outcomes]


@pytest.mark.parametrize("size", [10, 1000, 200_000])
async def test_a_policy_that_waits_reads_the_body_and_it_is_sent_on(size: int) -> None:
    reads = Reads()
    echo = Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port, reads) as running:
        peer = await running.connect()
        peer.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
            % (size, b"x" * size)
        )
        head, _ = await peer.message()
        peer.close()

    assert b"x" * size == reads.body
    assert head.startswith(b"HTTP/1.1 200")
    assert echo.seen[0].endswith(b"\r\n\r\n" + b"x" * size)
    assert b"Content-Length: %d\r\n" % size in echo.seen[0]


@pytest.mark.parametrize("size", [0, 10, 200_000])
async def test_a_request_that_had_to_wait_for_its_turn_is_passed_on_whole(size: int) -> None:
    turn, echo, permits = WaitsNowAndThen(), Echo(), Permits()
    async with RawUpstream(echo) as upstream, wire(upstream.port, permits, turn) as running:
        peer = await running.connect()
        for _ in range(2):
            turn.gate.clear()
            peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
            await until(lambda: turn.waiting == len(echo.seen) + 1)
            turn.gate.set()
            head, _ = await peer.message()
            assert head.startswith(b"HTTP/1.1 200")
        peer.close()
        await running.settled()

    assert [True, True] == [seen.endswith(b"\r\n\r\n" + b"x" * size) for seen in echo.seen]
    assert (2, 2) == (permits.taken, len(permits.returned))


async def test_a_deadline_ends_the_wait_for_a_turn() -> None:
    turn = WaitsNowAndThen()
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, Limits(5.0), turn) as running:
        peer = await running.connect()
        peer.send(GET)
        await until(lambda: turn.waiting == 1)
        running.advance(6.0)
        answer = await peer.message()
        peer.close()

    assert (504, "deadline.exceeded") == refusal(*answer)


def refuse_next(running: Running) -> None:
    """The pool's next connection is refused, as by a server that is just being restarted."""
    pool, connect = running.pool, running.pool._open_one

    async def refused() -> None:
        pool._open_one = connect  # type: ignore[method-assign]
        pool._fail_one(ConnectionRefusedError("refused"))

    pool._open_one = refused  # type: ignore[method-assign]


async def test_a_bug_in_a_policy_is_answered_500_and_nothing_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Buggy:
        async def around(self, exchange: Exchange, forward: Forward) -> Response:
            raise RuntimeError("secret")

    async with RawUpstream(Echo()) as upstream, wire(upstream.port, Buggy()) as running:
        peer = await running.connect()
        peer.send(GET)
        answer = await peer.message()
        peer.close()

    assert (500, "internal.error") == refusal(*answer)
    assert b"secret" not in answer[1]
    assert "secret" in caplog.text


@pytest.mark.parametrize("fails", ["a response that is none", "a call that was cancelled elsewhere"])
async def test_a_bug_that_leaves_no_answer_ends_the_connection_and_the_exchange(
    fails: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Buggy:
        async def around(self, exchange: Exchange, forward: Forward) -> Response:
            if fails == "a response that is none":
                return Response(200, content="no bytes")  # type: ignore[arg-type]
            lost = asyncio.get_running_loop().create_future()
            lost.cancel()
            await lost
            raise AssertionError

    permits = Permits()
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, permits, Buggy()) as running:
        peer = await running.connect()
        peer.send(GET)
        assert await peer.closed()
        await running.settled()

    assert (1, 1) == (permits.taken, len(permits.returned))
    assert "bug while answering" in caplog.text


async def test_response_hooks_see_every_answer_and_what_they_set_is_sent() -> None:
    class Adds:
        def on_response(self, exchange: Exchange, response: Response) -> None:
            response.headers.set("X-Added", str(response.status))

    statuses = []
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, Adds(), match=Match("/a")) as running:
        peer = await running.connect()
        for request in (GET, b"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"):
            peer.send(request)
            statuses.append(b"X-Added: 200\r\n" in (await peer.message())[0])
        refuse_next(running)
        for connection in running.upstream_connections:
            connection.abort()
        await until(lambda: not running.upstream_connections)
        peer.send(GET)
        statuses.append(b"X-Added: 502\r\n" in (await peer.message())[0])
        peer.close()

    assert [True, True, True] == statuses


async def test_a_body_over_a_routes_limit_is_refused_while_it_streams() -> None:
    class SizeLimit:
        def on_request(self, exchange: Exchange) -> None:
            exchange.bound_body(5, Rejection(413, "size_limit.body"))

    broken_off = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.rest()
        broken_off.set()

    async with RawUpstream(serve) as upstream, wire(upstream.port, SizeLimit()) as running:
        peer = await running.connect()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await until(lambda: waits(running))
        peer.send(b"1\r\n!\r\n")
        answer = await peer.message()
        closed = await peer.closed()
        async with asyncio.timeout(PATIENCE):
            await broken_off.wait()
        declared = await running.connect()
        declared.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n")
        at_once = await declared.message()

    assert [(413, "size_limit.body")] * 2 == [refusal(*answer), refusal(*at_once)]
    assert closed
    assert [(None, None)] == running.records.attempts


async def test_a_body_whose_framing_breaks_is_answered_400_and_is_not_the_upstreams_fault() -> None:
    async with RawUpstream(says_nothing) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        await until(lambda: waits(running))
        peer.send(b"nonsense\r\n")
        answer = await peer.message()
        closed = await peer.closed()

    assert (400, "request.framing") == refusal(*answer)
    assert closed
    assert [(None, None)] == running.records.attempts


async def test_a_body_that_is_broken_from_its_start_never_reaches_the_upstream() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")
        answer = await peer.message()
        peer.close()

    assert (400, "request.framing") == refusal(*answer)
    assert 0 == upstream.connections


async def test_a_policy_that_answers_at_once_needs_no_upstream() -> None:
    class Answers:
        def on_request(self, exchange: Exchange) -> Response:
            return Response(200, content=b"from here")

        def on_response(self, exchange: Exchange, response: Response) -> None:
            response.headers.set("X-Dressed", "1")

    async with RawUpstream(Echo()) as upstream, wire(upstream.port, Answers()) as running:
        peer = await running.connect()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + GET)
        answers = [await peer.message() for _ in range(2)]
        peer.close()

    assert [b"from here"] * 2 == [body for _, body in answers]
    assert all(b"X-Dressed: 1\r\n" in head for head, _ in answers)
    assert 0 == upstream.connections


async def test_a_policy_that_reads_the_body_asks_a_client_that_waits_to_be_asked() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, Reads()) as running:
        peer = await running.connect()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        interim = await peer.head()
        peer.send(b"hello")
        _, body = await peer.message()
        peer.close()

    assert (b"HTTP/1.1 100 Continue\r\n\r\n", b"ok") == (interim, body)


async def test_a_body_that_comes_before_a_policy_asks_for_it_waits_and_slows_the_client() -> None:
    class AsksLater(Reads):
        def __init__(self) -> None:
            self.go_on = asyncio.Event()

        async def on_request(self, exchange: Exchange) -> None:
            await self.go_on.wait()
            await super().on_request(exchange)

    asks = AsksLater()
    size = 2 * 2**20
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, asks) as running:
        peer = await running.connect()
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        await until(lambda: any(not client._reading for client in running.clients))
        waiting = received(running)
        asks.go_on.set()
        _, body = await peer.message()
        peer.close()

    assert waiting < size
    assert (size, b"ok") == (len(asks.body), body)
