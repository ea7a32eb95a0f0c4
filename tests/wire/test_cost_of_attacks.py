"""What a hostile peer sends costs in proportion to its bytes, and what is remembered of it is bounded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from proxy import header_lines
from proxy.wire import head, intake, target
from proxy.wire.bodies import Body
from proxy.wire.buffers import Buffers
from proxy.wire.framing import LengthDecoder
from tests.wire.attacks import OK, get, post
from tests.wire.bare import Bare, FakeTransport, bare

CHUNKED = b"Transfer-Encoding: chunked"


def calls(work: Callable[[], object]) -> int:
    """Calls of functions, Python's and C's, that `work` makes: its cost on any machine."""
    made = 0

    def count(_: Any, event: str, __: Any) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return made


def bytewise(transport: FakeTransport, data: bytes) -> None:
    for at in range(len(data)):
        transport.send(data[at : at + 1])


def head_byte_by_byte(here: Bare, size: int) -> None:
    bytewise(here.client(), get(b"Host: a", b"X: " + b"x" * size)[:-1])


def fields_byte_by_byte(here: Bare, size: int) -> None:
    bytewise(here.client(), get(b"Host: a", *[b"X:"] * (size // 20))[:-1])


def chunks_of_one_byte(here: Bare, size: int) -> None:
    here.client().send(post(CHUNKED, body=b"1\r\nx\r\n" * size))


def chunks_byte_by_byte(here: Bare, size: int) -> None:
    client = here.client()
    client.send(post(CHUNKED))
    bytewise(client, b"1\r\nx\r\n" * (size // 6))


def extensions(here: Bare, size: int) -> None:
    here.client().send(post(CHUNKED, body=b"1;a=b;c=d\r\nx\r\n" * size))


def trailers(here: Bare, size: int) -> None:
    here.client().send(post(CHUNKED, body=b"0\r\n" + b"a:\r\n" * (size // 10)))


def requests_in_one_piece(here: Bare, size: int) -> None:
    here.client().send(get(b"Host: a", target=b"/%2f") * (size // 10))
    for _ in range(size // 10):
        here.settle()


def empty_lines(here: Bare, size: int) -> None:
    here.client().send(b"\r\n" * size)


def names_in_connection(here: Bare, size: int) -> None:
    here.client().send(get(b"Host: a", b"Connection: " + b"a," * size))


def upstream(here: Bare) -> FakeTransport:
    here.client().send(get(b"Host: a"))
    here.settle()
    return here.upstreams[0]


def answer_byte_by_byte(here: Bare, size: int) -> None:
    bytewise(upstream(here), OK.replace(b"\r\n\r\n", b"\r\nX: %b\r\n\r\n" % (b"x" * size))[:-3])


def interim_answers(here: Bare, size: int) -> None:
    upstream(here).send(b"HTTP/1.1 103 Hints\r\n\r\n" * (size // 10))


def answer_in_chunks_of_one_byte(here: Bare, size: int) -> None:
    upstream(here).send(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % CHUNKED + b"1\r\nx\r\n" * size)


@pytest.mark.parametrize(
    "attack",
    [
        head_byte_by_byte,
        fields_byte_by_byte,
        chunks_of_one_byte,
        chunks_byte_by_byte,
        extensions,
        trailers,
        requests_in_one_piece,
        empty_lines,
        names_in_connection,
        answer_byte_by_byte,
        interim_answers,
        answer_in_chunks_of_one_byte,
    ],
    ids=lambda attack: attack.__name__.replace("_", " "),
)
def test_twice_as_much_costs_twice_as_much(attack: Callable[[Bare, int], None]) -> None:
    with bare() as here:
        attack(here, 100)  # what is done once is done
    costs = []
    for size in (1000, 2000):
        with bare() as here:
            costs.append(calls(lambda: attack(here, size)))  # noqa: B023  # called at once

    assert costs[1] < 2.3 * costs[0]


class CountedPattern:
    """A pattern that counts the bytes that it is made to look at."""

    def __init__(self, pattern: Any) -> None:
        self._pattern = pattern
        self.scanned = 0

    def search(self, data: bytes, start: int = 0) -> Any:
        self.scanned += len(data) - start
        return self._pattern.search(data, start)


def test_a_head_that_comes_byte_by_byte_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = CountedPattern(intake._BARE_LF)
    monkeypatch.setattr(intake, "_BARE_LF", pattern)
    raw = get(b"Host: a", b"X: " + b"x" * 5000)[:-1]

    with bare() as here:
        bytewise(here.client(), raw)

    assert pattern.scanned <= 2 * len(raw)


def test_a_body_in_tiny_pieces_takes_no_more_memory_than_in_large_ones() -> None:
    body = Body(LengthDecoder(10**6), Buffers(10**6))
    for at in range(0, 10**6, 2):
        body.feed(b"%02d" % (at % 100))

    overhead = sum(sys.getsizeof(part) for part in body._parts) + sys.getsizeof(body._parts) - body.size
    assert overhead < body.size / 10
    assert 10**6 == len(body.take())


def retained(cache: Any) -> int:
    """Bytes of the keys of a cache, roughly."""
    return sum(len(str(key)) for key in cache)


def test_what_is_remembered_of_peers_is_bounded() -> None:
    with bare() as here:
        here.client().send(get(b"Host: a"))
        here.settle()
        here.upstreams[-1].send(OK)
        before = len(header_lines._finders)
        client = here.client()
        for n in range(3000):
            name = b"%d" % n
            client.send(
                get(
                    b"Host: %b.example.com" % name,
                    b"Connection: keep-alive, x-%b" % name,
                    b"X-%b: a" % name,
                    target=b"/%b" % name,
                )
            )
            here.settle()
            here.upstreams[-1].send(OK.replace(b"200 OK", b"200 %d" % n))
            here.settle()

        assert 3001 == len(here.records.outcomes)
    assert len(target._known_hosts) <= 1024
    assert len(head.STATUS_LINES) <= 1024
    assert before == len(header_lines._finders), "names that peers choose are not looked for by expressions"
    assert intake._remembered_line.cache_info().currsize <= 1024


def test_what_is_long_is_not_remembered() -> None:
    long = b"x" * 8000
    before = retained(target._known_hosts) + retained(head.STATUS_LINES)
    with bare() as here:
        client = here.client()
        for n in range(50):
            client.send(get(b"Host: %b%d" % (long, n), b"%b%d: a" % (long, n), target=b"/%b%d" % (long, n)))
            here.settle()
            here.upstreams[-1].send(OK.replace(b"200 OK", b"200 %b%d" % (long, n)))
            here.settle()
            client.take()
            here.upstreams[-1].take()

        assert 50 == len(here.records.outcomes)
    after = retained(target._known_hosts) + retained(head.STATUS_LINES)
    assert after - before < 1000
    assert client.protocol.last_lines == b""
    assert here.upstreams[-1].protocol._last_raw == b""
