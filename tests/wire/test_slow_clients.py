"""Clients that take their time, take nothing, or send without end: each costs little, and not for ever."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from proxy.wire.serving import WireSettings
from tests.wire.attacks import OK, get, length, post
from tests.wire.bare import Bare, FakeTransport, bare
from tests.wire.harness import Echo, RawUpstream, until, wire

GET = get(b"Host: a")
SETTINGS = WireSettings(head_timeout=10.0, body_idle=30.0, keep_alive=75.0, linger=2.0)


def status(answer: bytes) -> int:
    return int(answer[9:12]) if answer else 0


def exchange(here: Bare, client: FakeTransport, answer: bytes = OK) -> bytes:
    """One request that is answered."""
    client.send(GET)
    here.settle()
    upstream = next(transport for transport in here.upstreams if transport.open)
    upstream.take()
    upstream.send(answer)
    here.settle()
    return client.take()


def outcomes(here: Bare) -> list[tuple[int, str]]:
    return [(outcome.status, outcome.reason) for outcome in here.records.outcomes]


# ---- heads


def test_who_sends_nothing_is_hung_up_on() -> None:
    with bare(settings=SETTINGS) as here:
        client = here.client()
        here.advance(9.9)
        before = client.open
        here.advance(0.2)

    assert (True, False, b"", []) == (before, client.open, client.written, here.records.outcomes)


def test_a_head_has_to_be_complete_in_time_however_it_is_fed() -> None:
    with bare(settings=SETTINGS) as here:
        client = here.client()
        for byte in GET[:18]:  # at this pace none of the pauses is long
            client.send(bytes((byte,)))
            here.advance(0.6)
        answer = client.take()

    assert (408, [(408, "request.timeout")]) == (status(answer), outcomes(here))
    assert b"\r\nConnection: close\r\n" in answer
    assert [] == here.upstreams


def test_the_time_for_a_head_begins_with_its_first_byte() -> None:
    with bare(settings=SETTINGS) as here:
        client = here.client()
        here.advance(9.0)
        client.send(GET[:9])
        here.advance(9.0)
        client.send(GET[9:])
        here.settle()
        asked = here.upstreams[0].take()

    assert asked.startswith(b"GET / HTTP/1.1\r\n")


def test_a_head_that_was_begun_behind_a_request_has_its_own_time() -> None:
    with bare(settings=SETTINGS) as here:
        client = here.client()
        client.send(GET + GET[:9])
        here.settle()
        here.advance(20.0)  # the upstream thinks
        here.upstreams[0].send(OK)
        here.settle()
        first = client.take()
        here.advance(9.0)
        before = client.take()
        here.advance(1.1)
        after = client.take()

    assert (200, b"", 408) == (status(first), before, status(after))


def test_empty_lines_do_not_keep_a_connection() -> None:
    with bare(settings=SETTINGS) as here:
        client = here.client()
        for _ in range(20):
            client.send(b"\r\n")
            here.advance(0.6)

    assert (False, b"") == (client.open, client.written)


def test_an_idle_connection_is_hung_up_on() -> None:
    with bare(settings=SETTINGS) as here:
        client = here.client()
        exchange(here, client)
        here.advance(74.0)
        second = exchange(here, client)
        here.advance(74.0)
        before = client.open
        here.advance(1.1)

    assert (200, True, False, b"") == (status(second), before, client.open, client.take())


CAPS = {
    "a request line of 16 KiB": (b"GET /" + b"a" * 16384, 414, "request.target_too_long"),
    "a header of 64 KiB": (get(b"Host: a", b"X: " + b"a" * 65536)[:-4], 431, "request.head_too_large"),
    "a field of 64 KiB that is complete": (
        get(b"Host: a", b"X: " + b"a" * 65536),
        431,
        "request.head_too_large",
    ),
    "200 fields": (get(b"Host: a", *[b"X: a"] * 200), 431, "request.head_too_large"),
}


@pytest.mark.parametrize(("raw", "expected", "reason"), CAPS.values(), ids=CAPS)
@pytest.mark.parametrize("pieces", [1, 7, 100_000])
def test_a_head_that_is_too_large_is_refused_once_that_shows(
    raw: bytes, expected: int, reason: str, pieces: int
) -> None:
    size = max(1, len(raw) // pieces)
    with bare(settings=SETTINGS) as here:
        client = here.client()
        for at in range(0, len(raw), size):
            client.send(raw[at : at + size])
        here.settle()

    assert (expected, [(expected, reason)]) == (status(client.take()), outcomes(here))


def test_as_large_a_head_as_allowed_is_taken() -> None:
    fields = [b"X-%03d: %b" % (n, b"a" * 230) for n in range(198)]
    raw = get(b"Host: a", *fields, b"Y: a", target=b"/" + b"a" * 16000)
    with bare(settings=SETTINGS) as here:
        client = here.client()
        client.send(raw)
        here.settle()
        asked = here.upstreams[0].take()

    assert 60_000 < len(raw) <= 65536
    assert raw[:-2] == asked.partition(b"X-Request-ID")[0]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(get(b"Host: a b"), id="a bad host"),
        pytest.param(get(b"Host: a", b"X: \0"), id="a bad head"),
        pytest.param(post(b"Transfer-Encoding: cow", body=b"moo"), id="a body nobody can measure"),
        pytest.param(
            post(b"Transfer-Encoding: chunked", body=b"x\r\n").replace(b"POST / ", b"POST /%2f "),
            id="a bad path and a bad body",
        ),
    ],
)
def test_a_refused_client_that_still_sends_gets_to_read_its_answer(raw: bytes) -> None:
    """A connection that is closed while bytes arrive is reset, and takes the answer with it."""
    with bare(settings=SETTINGS) as here:
        client = here.client()
        client.send(raw)
        here.settle()
        for _ in range(10):
            client.send(b"x" * 10_000)
        before = (client.ended, client.open)
        here.advance(2.1)

    assert ((True, True), False) == (before, client.open)
    assert (1, True) == (len(here.records.exchanges), status(client.take()) in (400, 501))


# ---- bodies


def test_a_body_that_stops_is_given_up_and_costs_the_upstream_nothing() -> None:
    with bare(settings=SETTINGS) as here:
        client = here.client()
        client.send(post(b"Content-Length: 10", body=b"12345"))
        here.settle()
        here.advance(30.1)
        answer = client.take()

    assert (408, [(408, "request.timeout")]) == (status(answer), outcomes(here))
    assert b"\r\nConnection: close\r\n" in answer
    assert (False, [(None, None)]) == (here.upstreams[0].open, here.records.attempts)


def test_a_body_that_comes_slowly_but_steadily_is_taken() -> None:
    with bare(settings=SETTINGS) as here:
        client = here.client()
        client.send(post(b"Content-Length: 10"))
        here.settle()
        for _ in range(10):
            here.advance(29.0)
            client.send(b"x")
        here.settle()
        sent = here.upstreams[0].take()

    assert sent.endswith(b"\r\n\r\nxxxxxxxxxx")


def test_the_rest_of_a_refused_body_is_not_waited_for_for_ever() -> None:
    with bare(settings=SETTINGS, match=None) as here:
        client = here.client()
        client.send(b"POST /%2f HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
        here.settle()
        refused = client.take()
        for _ in range(80):
            client.send(b"x")
            here.advance(1.0)

    assert (400, False) == (status(refused), client.open)


@pytest.mark.parametrize(
    "head",
    [post(b"Content-Length: 1000000000"), post(b"Transfer-Encoding: chunked")],
    ids=["length", "chunks"],
)
def test_a_body_that_nobody_can_take_is_not_read(head: bytes) -> None:
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n" if b"chunked" in head else b"x" * 65536
    with bare(settings=SETTINGS) as here:
        client = here.client()
        client.send(head)
        here.settle()
        here.upstreams[0].stuck = True
        sent = 0
        while client.reading and sent < 100:
            client.send(piece)
            sent += 1
        here.advance(60.1)
        answer = client.take()

    assert sent < 6
    assert (504, "timeout.idle") == (status(answer), here.records.outcomes[0].reason)


# ---- clients that do not read


def test_who_does_not_read_pauses_the_upstream_and_is_given_up() -> None:
    with bare(settings=SETTINGS) as here:
        client = here.client()
        client.send(GET)
        here.settle()
        client.stuck = True
        upstream = here.upstreams[0]
        upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        sent = 0
        while upstream.reading and sent < 100:
            upstream.send(b"x" * 65536)
            sent += 1
        here.advance(60.1)

    assert sent < 4
    assert (True, False) == (client.aborted, upstream.open)
    assert [(200, False)] == [(outcome.status, outcome.complete) for outcome in here.records.outcomes]


def test_who_asks_and_does_not_read_is_not_asked_for_more() -> None:
    with bare(settings=SETTINGS) as here:
        client = here.client()
        client.stuck = True
        sent = 0
        while client.reading and client.open and sent < 10_000:
            client.send(b"GET /%2f HTTP/1.1\r\nHost: a\r\n\r\n")  # is answered at once, with 400
            here.settle()
            sent += 1
        taken = len(here.records.outcomes)
        written = len(client.written)
        client.unstick()
        client.send(GET)
        here.settle()
        here.upstreams[0].send(OK)

    assert sent < 1000
    assert written < 2 * 64 * 1024
    assert (sent, True) == (taken, client.written.endswith(OK[-6:]))


@pytest.mark.parametrize("close", [False, True], ids=["kept alive", "closed"])
def test_an_answer_that_is_never_read_does_not_hold_a_connection_for_ever(close: bool) -> None:
    with bare(settings=replace(SETTINGS, body_idle=0.01)) as here:
        client = here.client()
        client.stuck = True
        client.send(get(b"Host: a", *[b"Connection: close"] * close))
        here.settle()
        here.upstreams[0].send(OK)
        here.settle()
        here.advance(75.1)
        here.loop.run_until_complete(until(lambda: client.lost))

    assert (True, 1) == (client.aborted, len(here.records.outcomes))


def test_an_answer_that_is_read_slowly_is_read_to_its_end() -> None:
    with bare(settings=SETTINGS) as here:
        client = here.client()
        client.stuck = True
        client.send(get(b"Host: a", b"Connection: close"))
        here.settle()
        here.upstreams[0].send(OK)
        here.settle()
        before = client.lost
        client.unstick()
        here.settle()

    assert (False, False, True) == (before, client.aborted, client.lost)


LEAVING = {
    "while its body waits": (post(b"Content-Length: 1000000000"), b"x" * 100_000),
    "while its next request waits": (GET, GET * 5000),
    "while it is answered": (GET, b""),
    "in the middle of a head": (GET[:9], b""),
    "in the middle of a body": (post(b"Content-Length: 10"), b"12345"),
}


@pytest.mark.parametrize(("head", "more"), LEAVING.values(), ids=LEAVING)
@pytest.mark.parametrize("connected", [False, True], ids=["before", "behind"])
def test_a_client_that_leaves_is_forgotten_at_once(head: bytes, more: bytes, connected: bool) -> None:
    with bare(settings=SETTINGS) as here:
        client = here.client()
        client.send(head)
        if connected:
            here.settle()
            for upstream in here.upstreams:
                upstream.stuck = True
        client.send(more)
        client.leave()
        here.settle()

        assert (0, math.inf) == (here.records.in_flight, client.protocol.timer.expires_at)
        assert [] == here.server.connections
        assert [] == [upstream for upstream in here.upstreams if upstream.open and upstream.written]


# ---- what waits its turn


def test_requests_that_wait_their_turn_are_few() -> None:
    with bare(settings=SETTINGS) as here:
        client = here.client()
        client.send(GET)
        here.settle()
        sent = 0
        while client.reading and sent < 10_000_000:
            client.send(GET * 100)
            sent += len(GET) * 100
        paused = client.reading
        here.upstreams[0].send(OK)
        here.settle()

    assert (False, True) == (paused, sent < 64 * 1024 + 100 * len(GET) + 1)
    assert 2 <= len(here.records.exchanges)


def test_a_body_that_waits_for_its_upstream_is_short() -> None:
    with bare(settings=SETTINGS) as here:
        client = here.client()
        client.send(post(b"Content-Length: 1000000000"))  # and the loop does not run: no connection yet
        sent = 0
        while client.reading and sent < 10_000_000:
            client.send(b"x" * 1000)
            sent += 1000

    assert sent <= 64 * 1024 + 1000


# ---- many of them


async def test_there_are_no_more_connections_than_allowed() -> None:
    async with (
        RawUpstream(Echo()) as upstream,
        wire(upstream.port, settings=WireSettings(max_connections=3)) as running,
    ):
        peers = [await running.connect() for _ in range(3)]
        for peer in peers:
            peer.send(GET)
            await peer.message()
        fourth = await running.connect()
        refused = await fourth.rest()
        peers[0].close()
        await until(lambda: len(running.clients) == 2)
        fifth = await running.connect()
        fifth.send(GET)
        head, _ = await fifth.message()

    assert (b"", b"200") == (refused, head[9:12])


async def test_three_hundred_that_never_finish_their_heads_do_not_keep_others_waiting() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, settings=SETTINGS) as running:
        slow = [await running.connect() for _ in range(300)]
        for peer in slow:
            peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b")
        await until(lambda: sum(bool(client._kept) for client in running.clients) == 300)
        other = await running.connect()
        other.send(get(b"Host: a", b"Connection: close"))
        head, _ = await other.message()
        running.advance(10.1)
        answers = [await peer.rest() for peer in slow]

    assert b"200" == head[9:12]
    assert {408} == {status(answer) for answer in answers}
    assert 301 == len(running.records.outcomes)


def test_an_idle_connection_keeps_nothing_of_its_requests() -> None:
    with bare(settings=SETTINGS) as here:
        client = here.client()
        body = b"x" * 50_000
        client.send(post(length(body), body=body))
        here.settle()
        here.upstreams[0].take()
        here.upstreams[0].send(OK)
        here.settle()
        connection = client.protocol

    assert (None, b"") == (connection._carrier, connection._kept)
