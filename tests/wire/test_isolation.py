"""Nothing of one exchange turns up in the next on the same connection, on either side."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from proxy.errors import Rejection
from proxy.exchange import Exchange, Forward, Response
from proxy.policy import Hooks
from tests.wire.attacks import OK, get, length, post
from tests.wire.bare import Bare, FakeTransport, bare

PLAIN = get(b"Host: a")
CHUNKED = b"Transfer-Encoding: chunked"


class Waits:
    """A policy that waits, so that the exchange is carried by a task."""

    async def on_request(self, exchange: Exchange) -> None:
        return None


class ReadsBodies:
    """A policy that reads every body, both ways."""

    async def on_request(self, exchange: Exchange) -> None:
        await exchange.body()

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        response: Response = await forward(exchange)
        await response.body(1000)
        return response


CARRIED = pytest.mark.parametrize(
    "policies",
    [(), (Waits(),), (ReadsBodies(),)],
    ids=["by callbacks", "by a task", "by a policy that reads"],
)


def without_id(raw: bytes) -> bytes:
    return re.sub(rb"X-Request-ID: [0-9a-f]{32}\r\n", b"", raw)


REQUESTS = {
    "a plain one": PLAIN,
    "many fields": get(b"Host: first", *[b"X-First-%d: first" % n for n in range(50)]),
    "an absolute target": get(b"Host: a", b"X-First: first", target=b"http://first/"),
    "fields that Connection names": get(b"Host: a", b"Connection: x-next, keep-alive", b"X-Next: first"),
    "a body": post(length(b"first"), body=b"first"),
    "a body in chunks": post(CHUNKED, body=b"5\r\nfirst\r\n0\r\n\r\n"),
    "a body in chunks with trailers": post(
        CHUNKED, body=b"5\r\nfirst\r\n0\r\nX-First: first\r\nX-Next: first\r\n\r\n"
    ),
    "a body in chunks with one trailer": post(
        CHUNKED, b"Trailer: x-next", body=b"0\r\nX-Next: first\r\n\r\n"
    ),
    "an upgrade that is not taken": get(b"Host: a", b"Connection: upgrade", b"Upgrade: websocket"),
    "an upgrade to what aiohttp does not know": get(b"Host: a", b"Connection: upgrade", b"Upgrade: frob"),
    "an upgrade with a body": post(
        b"Connection: upgrade", b"Upgrade: websocket", length(b"first"), body=b"first"
    ),
    "an upgrade with chunks": post(
        b"Connection: upgrade",
        b"Upgrade: websocket",
        CHUNKED,
        body=b"5\r\nfirst\r\n0\r\nX-Next: first\r\n\r\n",
    ),
    "Expect": post(b"Expect: 100-continue", length(b"first"), body=b"first"),
    "TE": get(b"Host: a", b"Connection: te", b"TE: trailers"),
    "a path that is refused": get(b"Host: a", b"X-Next: first", target=b"/%2e%2e/"),
    "a star": b"OPTIONS * HTTP/1.1\r\nHost: a\r\nX-Next: first\r\n\r\n",
    "HEAD": PLAIN.replace(b"GET", b"HEAD"),
}


def answer(here: Bare, client: FakeTransport, response: bytes = OK) -> tuple[bytes, bytes]:
    """Let the upstream answer whatever it was asked: that, and what the client gets."""
    asked = b""
    here.settle()
    for upstream in here.upstreams:
        if upstream.open and (request := upstream.take()):
            asked += request
            upstream.send(response)
            here.settle()
    return asked, client.take()


@CARRIED
@pytest.mark.parametrize("first", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("pipelined", [False, True], ids=["one by one", "in one piece"])
def test_a_request_is_the_same_behind_any_other(
    first: bytes, pipelined: bool, policies: tuple[object, ...]
) -> None:
    second = get(b"Host: b", b"X-Own: 1", target=b"/second")
    ok = OK if not first.startswith(b"HEAD") else OK.removesuffix(b"ok")
    with bare(*policies) as here:
        client = here.client()
        client.send(first + second * pipelined)
        asked, _ = answer(here, client, ok)
        if not pipelined:
            client.send(second)
        asked += answer(here, client)[0]
        exchange = here.records.exchanges[-1]

    assert second == without_id(asked)[-len(second) :]
    assert 1 == asked.count(b"/second")
    assert ("b", b"", 0) == (exchange.request.host, exchange.request.content, exchange.request.content_length)


RESPONSES = {
    "a plain one": OK,
    "many fields": OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: first\r\nX-First: first\r\n\r\n"),
    "fields that Connection names": OK.replace(b"\r\n\r\n", b"\r\nConnection: x-own\r\nX-Own: first\r\n\r\n"),
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n",
    "chunks with trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n"
    b"X-First: first\r\nSet-Cookie: first\r\n\r\n",
    "chunks with one trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    b"Set-Cookie: first\r\n\r\n",
    "interim heads": b"HTTP/1.1 103 Hints\r\nSet-Cookie: first\r\nLink: first\r\n\r\n" + OK,
    "100": b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    "no body": b"HTTP/1.1 204 No Content\r\nSet-Cookie: first\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nSet-Cookie: first\r\n\r\n",
    "an upgrade offered": OK.replace(b"\r\n\r\n", b"\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"),
    "an odd phrase": OK.replace(b"200 OK", b"200 first"),
    "no phrase": OK.replace(b"200 OK", b"200"),
    "HTTP/1.0 that is kept": OK.replace(b"HTTP/1.1", b"HTTP/1.0").replace(
        b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"
    ),
}


@CARRIED
@pytest.mark.parametrize("first", RESPONSES.values(), ids=RESPONSES)
def test_a_response_is_the_same_behind_any_other(first: bytes, policies: tuple[object, ...]) -> None:
    second = b"HTTP/1.1 201 Made\r\nX-Own: 1\r\nContent-Length: 6\r\n\r\nsecond"
    with bare(*policies) as here:
        one, other = here.client("192.0.2.1"), here.client("192.0.2.2")
        one.send(PLAIN)
        answer(here, one, first)
        other.send(PLAIN)
        _, got = answer(here, other, second)
        connections = len(here.upstreams)
        leaked = one.take()

    assert (second, b"", 1) == (without_id(got), leaked, connections)


class Refuses:
    """A policy that refuses the first request, in the middle of things."""

    def __init__(self, when: str) -> None:
        self.when = when
        self.seen = 0

    def on_request(self, exchange: Exchange) -> None:
        self.seen += 1
        if self.seen > 1:
            return
        refusal = Rejection(429, "test.refused", "first")
        if self.when == "at once":
            raise refusal
        if self.when == "a bug":
            raise ZeroDivisionError("first")
        exchange.bound_body(3, refusal)


ERRORS: dict[str, tuple[Callable[[], Hooks | Refuses], bytes, bytes]] = {
    "refused at once": (lambda: Refuses("at once"), PLAIN, b""),
    "refused, with a body": (lambda: Refuses("at once"), post(length(b"first"), body=b"first"), b""),
    "refused, with chunks": (lambda: Refuses("at once"), post(CHUNKED, body=b"5\r\nfirst\r\n0\r\n\r\n"), b""),
    "a bug": (lambda: Refuses("a bug"), PLAIN, b""),
    "too long a body, in chunks": (
        lambda: Refuses("too long"),
        post(CHUNKED, body=b"5\r\nfirst\r\n0\r\n\r\n"),
        b"",
    ),
    "an answer that is none": (Hooks, PLAIN, b"HTTP/1.1 200 OK\r\nSet-Cookie: first\r\nX: \0\r\n\r\n"),
    "an answer of two": (Hooks, PLAIN, OK + OK.replace(b"ok", b"no")),
}


@pytest.mark.parametrize(("policy", "first", "response"), ERRORS.values(), ids=ERRORS)
def test_an_error_leaves_nothing_behind(
    policy: Callable[[], Hooks | Refuses], first: bytes, response: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    second = get(b"Host: b", b"X-Own: 1", target=b"/second")
    expected = b"HTTP/1.1 201 Made\r\nX-Own: 1\r\nContent-Length: 6\r\n\r\nsecond"
    with bare(policy()) as here:
        client = here.client()
        client.send(first)
        answer(here, client, response)
        client = client if client.open and not client.ended else here.client()
        client.send(second)
        here.settle()
        [upstream] = [upstream for upstream in here.upstreams if upstream.open]
        asked = upstream.take()
        upstream.send(expected)
        here.settle()
        got = client.take()

    assert (second, expected) == (without_id(asked), without_id(got))
    assert here.records.in_flight == 0
