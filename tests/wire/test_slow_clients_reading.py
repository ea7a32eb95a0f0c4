"""Clients that take nothing, leave, or come in crowds: what waits for them is little, and not for ever."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from proxy.wire.serving import WireSettings
from tests.wire.attacks import OK, get, length, post
from tests.wire.bare import bare
from tests.wire.harness import Echo, RawUpstream, until, wire
from tests.wire.test_slow_clients import GET, SETTINGS, status

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
