"""Clients that take their time, take nothing, or send without end: each costs little, and not for ever."""

from __future__ import annotations

import pytest

from proxy.wire.serving import WireSettings
from tests.wire.attacks import OK, get, post
from tests.wire.bare import Bare, FakeTransport, bare

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
