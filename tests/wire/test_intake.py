"""From a head to an exchange: what is refused before any route is asked, and the facts that policies see."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from proxy.exchange import Exchange, Response
from proxy.headers import Headers
from proxy.router import Match
from proxy.wire.intake import check_head_so_far
from proxy.wire.serving import HeadCaps
from tests.wire.attacks import OK, get
from tests.wire.bare import bare
from tests.wire.harness import Echo, Peer, RawUpstream, wire
from tests.wire.probes import ask

CAPS = HeadCaps(target=100, head=400, fields=3)


def verdict(data: bytes, seen: int = 0) -> tuple[int, str] | None:
    refusal = check_head_so_far(data, CAPS, seen)
    return None if refusal is None else (refusal.status, refusal.reason)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"G", None, id="one letter"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n", None, id="a part of a head"),
        pytest.param(b"GET / HTTP/1.0\r\n", None, id="a part of a head of HTTP/1.0"),
        pytest.param(
            b"GET /" + b"a" * 200, (414, "request.target_too_long"), id="a line that is too long already"
        ),
        pytest.param(
            b"GET /" + b"a" * 200 + b" HTTP/1.1\r\n\r\n",
            (414, "request.target_too_long"),
            id="a line that is too long",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nA: " + b"b" * 500,
            (431, "request.head_too_large"),
            id="a head that is too large already",
        ),
        pytest.param(b"GET / HTTP/1.1\nHost", (400, "request.malformed"), id="a line that ends in LF"),
        pytest.param(b"\x16\x03\x01\x02", (400, "request.malformed"), id="TLS"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", (400, "request.malformed"), id="another protocol"),
        pytest.param(b"x" * 40, (400, "request.malformed"), id="a method without an end"),
        pytest.param(b"GET / HTTP/2.0\r\n\r\n", (505, "request.version"), id="another version"),
        pytest.param(
            b"DESCRIBE / RTSP/1.0\r\n\r\n", (400, "request.malformed"), id="another protocol with a version"
        ),
    ],
)
def test_a_head_is_judged_as_soon_as_something_can_be_told(
    data: bytes, expected: tuple[int, str] | None
) -> None:
    assert expected == verdict(data)


def test_what_was_looked_at_before_is_not_looked_at_again_but_for_its_last_byte() -> None:
    assert [None, (400, "request.malformed")] == [
        verdict(b"GET / HT\n" + b"T", 10),
        verdict(b"GET / HT\n", 8),
    ]


FIVE = [b"A: %d" % n for n in range(5)]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (get(b"Host: a").replace(b"GET", b"BREW"), b"501 request.method"),
        (get(b"Host: a", b"B : c"), b"400 request.malformed"),
        (get(b"Host: a").replace(b"GET", b"\xff"), b"400 request.malformed"),
        (get(b"Host: a").replace(b"/1.1", b"/2.0"), b"505 request.version"),
        (get(b"Host: a", *FIVE), b"431 request.head_too_large"),
        (get(b"Host: a", *FIVE[1:]), b"200"),
        (get(b"Host: a", target=b"/" + b"a" * 90), b"414 request.target_too_long"),
        (get(b"Host: a", b"B: " + b"c" * 400), b"431 request.head_too_large"),
        (get(), b"400 request.host"),
        (get(b"Host: a", b"Host: a"), b"400 request.host"),
        (get(b"Host: a/b"), b"400 request.host"),
        (get().replace(b"/1.1", b"/1.0"), b"200"),
    ],
    ids=lambda value: value.decode("latin-1")[:60] if isinstance(value, bytes) else None,
)
def test_a_whole_head_is_judged(raw: bytes, expected: bytes) -> None:
    with bare() as here:
        here.server.serving = replace(here.server.serving, caps=HeadCaps(target=100, head=400, fields=5))
        client = here.client()
        client.send(raw)
        here.settle()
        for upstream in here.upstreams:
            upstream.send(OK)
        here.settle()
        answer = client.take()

    status, _, reason = expected.partition(b" ")
    assert status == answer[9:12]
    assert reason in answer


def test_what_a_client_says_again_is_read_anew_where_something_differs() -> None:
    """A connection remembers the fields of its last request, to compare them with the next one's."""
    with bare() as here:
        client = here.client()
        sent = []
        for lines in (
            (b"Host: a", b"X: 1"),
            (b"Host: a", b"X: 1"),
            (b"Host: a", b"X: 2"),
            (b"Host: a", b"X: 1"),
        ):
            client.send(get(*lines))
            here.settle()
            here.upstreams[0].send(OK)
            here.settle()
            sent.append(re.findall(rb"X: .", here.upstreams[0].take()))

    assert [[b"X: 1"], [b"X: 1"], [b"X: 2"], [b"X: 1"]] == sent


def test_what_a_client_said_is_believed_by_the_rules_of_the_revision_that_is_live() -> None:
    with bare() as here:
        client = here.client()
        sent = []
        for header in ("X-Request-ID", "X-Trace", "X-Request-ID"):
            here.server.serving = replace(here.server.serving, request_id_header=header)
            client.send(get(b"Host: a", b"X-Trace: forged"))
            here.settle()
            here.upstreams[0].send(OK.replace(b"\r\n\r\n", b"\r\nX-Trace: theirs\r\n\r\n"))
            here.settle()
            sent.append((b"forged" in here.upstreams[0].take(), b"theirs" in client.take()))

    assert [(True, True), (False, False), (True, True)] == sent


# ---- exchanges


class Sees:
    """A policy that keeps what it is shown."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []

    def on_request(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)


GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


async def seen_of(request: bytes, **options: Any) -> Exchange:
    sees = Sees()
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, sees, **options) as running:
        await ask(running, request)
    [exchange] = sees.exchanges
    return exchange


async def test_a_policy_sees_the_request_taken_apart() -> None:
    exchange = await seen_of(
        b"POST /caf%C3%A9/b?c=%20d HTTP/1.1\r\nHost: Example.COM:80\r\nContent-Length: 2\r\n\r\nhi",
        match=Match("/{name}/**"),
    )
    request = exchange.request

    assert ("POST", "/caf%C3%A9/b?c=%20d", "/café/b", "c=%20d") == (
        request.method,
        request.target,
        request.path,
        request.query,
    )
    assert ("example.com", 2, False) == (request.host, request.content_length, request.secure)
    assert "café" == exchange.params["name"]
    assert ("127.0.0.1", "127.0.0.1", False) == (exchange.client_ip, exchange.peer_ip, exchange.peer_trusted)
    assert "all" == exchange.route.name
    assert exchange.started > 0


@pytest.mark.parametrize(
    ("framing", "length"),
    [(b"", 0), (b"Content-Length: 0\r\n", 0), (b"Transfer-Encoding: chunked\r\n", None)],
    ids=["no body", "a body of no bytes", "chunked"],
)
async def test_the_declared_length_is_known_before_the_body_is(framing: bytes, length: int | None) -> None:
    request = b"POST /a HTTP/1.1\r\nHost: a\r\n%b\r\n" % framing
    exchange = await seen_of(request + (b"0\r\n\r\n" if length is None else b""))

    assert length == exchange.request.content_length


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [(b"http://B:81/x?y", "/x", "b"), (b"https://b", "/", "b"), (b"/x", "/x", "a")],
)
async def test_an_absolute_target_names_the_host(target: bytes, path: str, host: str) -> None:
    exchange = await seen_of(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target)

    assert (path, host) == (exchange.request.path, exchange.request.host)
    assert 1 == len(exchange.request.headers.get_all("Host"))


TRUSTED = [ip_network("127.0.0.0/8")]
PROXIED = (
    b"GET /a HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"
    b"X-Request-ID: given-1\r\n\r\n"
)


async def test_a_trusted_peer_is_believed() -> None:
    exchange = await seen_of(PROXIED, peers=TRUSTED)

    assert ("203.0.113.7", "127.0.0.1", True) == (exchange.client_ip, exchange.peer_ip, exchange.peer_trusted)
    assert ("given-1", True) == (exchange.request_id, exchange.request.secure)


async def test_nobody_else_is() -> None:
    exchange = await seen_of(PROXIED)

    assert ("127.0.0.1", False, False) == (exchange.client_ip, exchange.peer_trusted, exchange.request.secure)
    assert "given-1" != exchange.request_id
    assert not any(name in exchange.request.headers for name in ("X-Forwarded-For", "X-Request-ID"))


@pytest.mark.parametrize(
    "given", [b"", b"a b", b"x" * 129, b"a\xff"], ids=["none", "a space", "too long", "no ASCII"]
)
async def test_a_request_id_that_is_none_is_not_taken_even_from_a_trusted_peer(given: bytes) -> None:
    exchange = await seen_of(PROXIED.replace(b"given-1", given), peers=TRUSTED)

    assert 32 == len(exchange.request_id)


async def test_request_ids_of_trusted_peers_can_be_declined() -> None:
    sees = Sees()
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, sees, peers=TRUSTED) as running:
        running.server.serving = replace(running.server.serving, accept_request_id=False)
        await ask(running, PROXIED)

    assert 32 == len(sees.exchanges[0].request_id)


async def test_no_two_exchanges_have_the_same_ids() -> None:
    sees = Sees()
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, sees) as running:
        peer = await running.connect()
        for _ in range(300):
            peer.send(GET)
            await peer.message()
        peer.close()

    assert [300, 300] == [
        len({exchange.request_id for exchange in sees.exchanges}),
        len({exchange.decision_id for exchange in sees.exchanges}),
    ]


# ---- what has no route


@pytest.mark.parametrize(
    ("request_", "status", "reason", "stays_open"),
    [
        pytest.param(b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n", 404, "route.none", True, id="no such path"),
        pytest.param(b"PUT /a HTTP/1.1\r\nHost: a\r\n\r\n", 405, "route.method", True, id="not this method"),
        pytest.param(
            b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404, "route.none", True, id="the server as a whole"
        ),
        pytest.param(b"CONNECT b:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405, "route.method", False, id="CONNECT"),
        pytest.param(
            b"GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n", 400, "request.path", True, id="an encoded slash"
        ),
        pytest.param(b"GET /a HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "request.host", False, id="a bad host"),
        pytest.param(
            b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "request.target", False, id="a bad target"
        ),
        pytest.param(b"GET /a HTTP/1.1\r\n\r\n", 400, "request.host", False, id="no host"),
        pytest.param(
            b"BREW /a HTTP/1.1\r\nHost: a\r\n\r\n", 501, "request.method", False, id="no such method"
        ),
    ],
)
async def test_what_has_no_route_is_refused(
    request_: bytes, status: int, reason: str, stays_open: bool
) -> None:
    match = Match("/a", frozenset(("GET", "POST")))
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, match=match) as running:
        peer = await running.connect()
        peer.send(request_)
        head, body = await peer.message()
        peer.send(GET)
        again = await _next_answer(peer) if stays_open else await peer.rest()
        await running.settled()

    problem = json.loads(body)
    assert (status, reason) == (problem["status"], problem["reason"])
    assert (b"Connection: close\r\n" not in head) is stays_open
    assert again == (b"ok" if stays_open else b"")
    assert (b"Allow: GET, HEAD, POST\r\n" in head) is (request_[:3] == b"PUT")
    assert upstream.connections == int(stays_open)


async def _next_answer(peer: Peer) -> bytes:
    return (await peer.message())[1]


async def test_a_body_behind_a_refused_request_is_skipped() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, match=Match("/a")) as running:
        peer = await running.connect()
        peer.send(b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + GET)
        refused, _ = await peer.message()
        _, body = await peer.message()
        peer.close()

    assert refused.startswith(b"HTTP/1.1 404 ")
    assert b"ok" == body


async def test_a_body_whose_framing_breaks_behind_a_refused_request_ends_the_connection() -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, match=Match("/a")) as running:
        peer = await running.connect()
        peer.send(b"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n" + GET)
        answer = await peer.rest()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert 1 == answer.count(b"HTTP/1.1 ")


# ---- what is answered here


@pytest.mark.parametrize(("method", "body"), [(b"GET", b"fine"), (b"HEAD", b"")])
async def test_local_paths_are_answered_before_any_route(method: bytes, body: bytes) -> None:
    def healthy() -> Response:
        return Response(200, Headers([(b"A", b"b")]), b"fine")

    sees = Sees()
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, sees) as running:
        running.server.serving = replace(running.server.serving, local={"/health": healthy})
        peer = await running.connect()
        peer.send(method + b" /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = await peer.rest()
        posted = await ask(running, b"POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")

    head, _, rest = answer.partition(b"\r\n\r\n")
    assert b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 4" in head
    assert (body, b"ok") == (rest, posted[1])
    assert ["POST"] == [exchange.request.method for exchange in sees.exchanges]


async def test_a_preflight_finds_the_route_of_the_method_that_it_asks_about() -> None:
    sees = Sees()
    match = Match("/a", frozenset(("PUT",)))
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, sees, match=match) as running:
        preflight = (
            b"OPTIONS /a HTTP/1.1\r\nHost: a\r\nOrigin: https://b\r\n"
            b"Access-Control-Request-Method: %b\r\n\r\n"
        )
        answers = [(await ask(running, preflight % method))[0][9:12] for method in (b"PUT", b"GET")]

    assert [b"200", b"405"] == answers
    assert ["OPTIONS"] == [exchange.request.method for exchange in sees.exchanges]
