"""What stands behind a request on its connection: never part of it, and never answered out of turn."""

from __future__ import annotations

import pytest

from proxy.errors import Rejection
from proxy.exchange import Exchange
from proxy.router import Match
from tests.wire import sloppy
from tests.wire.attacks import HIDDEN, OK, Tape, get, length, play, post
from tests.wire.harness import BOTH_LOOPS, Echo, Peer, RawUpstream, until, wire

pytestmark = BOTH_LOOPS

UPGRADE = (b"Host: a", b"Connection: upgrade")


class Refuses:
    """A policy that refuses every request but GET /hidden."""

    def on_request(self, exchange: Exchange) -> None:
        if exchange.request.path != "/hidden":
            raise Rejection(403, "test.refused")


async def test_a_request_in_a_body_stays_body() -> None:
    raw = post(length(HIDDEN), body=HIDDEN)
    assert 2 == len(sloppy.NO_BODIES.messages(raw))

    played = await play(raw)

    assert (raw, (200,)) == (played.seen, played.statuses)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(get(b"Host: a b"), "request.host", id="a bad host"),
        pytest.param(get(b"Host: a", b"X: a\0"), "request.malformed", id="a bad head"),
        pytest.param(post(b"Transfer-Encoding: cow"), "request.transfer_coding", id="an unknown coding"),
        pytest.param(get(b"Host: a").replace(b"/1.1", b"/2.0"), "request.version", id="another version"),
        pytest.param(
            post(b"Transfer-Encoding: chunked", body=b"0\r\nX\r\n\r\n"), "request.framing", id="a bad body"
        ),
        pytest.param(get(b"Host: a", b"X: " + b"a" * 65536), "request.head_too_large", id="a large head"),
        pytest.param(
            get(b"Host: a", target=b"/" + b"a" * 16384), "request.target_too_long", id="a long target"
        ),
    ],
)
async def test_nothing_behind_a_request_that_lost_its_framing_is_taken(raw: bytes, reason: str) -> None:
    played = await play(raw + HIDDEN)

    assert ([reason], b"", 1) == (played.reasons, played.seen, len(played.statuses))
    assert reason == played.problem["reason"]
    assert b"\r\nConnection: close\r\n" in played.answered
    assert b"\r\nContent-Type: application/problem+json\r\n" in played.answered


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(post(), id="no body"),
        pytest.param(post(length(HIDDEN), body=HIDDEN), id="a body by length"),
        pytest.param(
            post(b"Transfer-Encoding: chunked", body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)),
            id="a body in chunks",
        ),
        pytest.param(
            post(length(HIDDEN), b"Expect: 100-continue", body=HIDDEN), id="a body that is announced"
        ),
    ],
)
async def test_the_body_of_a_refused_request_is_no_request(raw: bytes) -> None:
    played = await play(raw + HIDDEN, 2, Refuses())

    assert ((403, 200), HIDDEN) == (played.statuses, played.seen)


async def test_a_body_that_is_not_waited_for_is_no_request_when_it_comes() -> None:
    tape = Tape()
    async with RawUpstream(tape) as upstream, wire(upstream.port, Refuses()) as running:
        peer = await running.connect()
        peer.send(post(length(HIDDEN), body=HIDDEN[:5]))
        first, _ = await peer.message()
        peer.send(HIDDEN[5:20])
        peer.send(HIDDEN[20:] + HIDDEN)
        second, _ = await peer.message()

    assert (b"403", b"200", HIDDEN) == (first[9:12], second[9:12], tape.seen)


async def test_who_expects_to_continue_and_is_refused_has_its_connection_closed() -> None:
    tape = Tape()
    async with RawUpstream(tape) as upstream, wire(upstream.port, Refuses()) as running:
        peer = await running.connect()
        peer.send(post(length(HIDDEN), b"Expect: 100-continue"))  # may leave the body out, or send it
        head, _ = await peer.message()
        peer.send(HIDDEN)
        rest = await peer.rest()

    assert (b"403", True, b"", b"") == (head[9:12], b"Connection: close\r\n" in head, rest, tape.seen)


async def test_an_upstream_that_refuses_early_gets_no_body_for_a_request() -> None:
    """0.CL: it answers before it has the body, which it then would take for the next request."""

    async def serve(peer: Peer) -> None:
        seen.append(await peer.head())
        peer.send(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
        seen.append(await peer.rest())

    seen: list[bytes] = []
    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(post(length(HIDDEN), b"Expect: 100-continue"))
        head, _ = await peer.message()
        peer.send(HIDDEN)
        rest = await peer.rest()
        await until(lambda: len(seen) == 2)

    assert (b"417", True, b"") == (head[9:12], b"Connection: close\r\n" in head, rest)
    assert (1, b"") == (upstream.connections, seen[1])


@pytest.mark.parametrize("late", [False, True], ids=["in one piece", "afterwards"])
async def test_the_answer_to_a_request_that_only_the_upstream_saw_reaches_nobody(late: bool) -> None:
    """CL.0: it does not read bodies, and so answers what is in one as well."""

    async def serve(peer: Peer) -> None:
        while True:
            await peer.head()
            secret = OK.replace(b"ok", b"!!")
            if not late:
                peer.send(OK + secret)
                continue
            peer.send(OK)
            await until(lambda: len(running.records.outcomes) == 1)
            peer.send(secret)

    async with RawUpstream(serve) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(post(length(HIDDEN), body=HIDDEN))
        _, first = await peer.message()
        await until(lambda: not running.upstream_connections)
        victim = await running.connect()
        victim.send(get(b"Host: a"))
        _, second = await victim.message()

    assert (b"ok", b"ok", 2) == (first, second, upstream.connections)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        pytest.param(b"GET /\r\n\r\n", 400, id="HTTP/0.9"),
        pytest.param(b"GET / HTTP/0.9\r\n\r\n", 505, id="HTTP/0.9, which never said so"),
        pytest.param(b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, id="HTTP/1.2"),
        pytest.param(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, id="HTTP/2.0"),
        pytest.param(b"GET / HTTP/11.1\r\nHost: a\r\n\r\n", 505, id="HTTP/11.1"),
        pytest.param(b"GET / HTTP/1\r\nHost: a\r\n\r\n", 505, id="HTTP/1"),
        pytest.param(b"GET / http/1.1\r\nHost: a\r\n\r\n", 400, id="a version in lower case"),
        pytest.param(b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400, id="a space behind the version"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 505, id="the preface of HTTP/2"),
        pytest.param(b"PRI * HTTP/1.1\r\nHost: a\r\n\r\n", 501, id="the method of that preface"),
        pytest.param(b"OPTIONS * RTSP/1.0\r\nHost: a\r\n\r\n", 400, id="RTSP"),
        pytest.param(b"OPTIONS /x RTSP/1.1\r\nHost: a\r\n\r\n", 400, id="RTSP/1.1"),
        pytest.param(b"SOURCE / ICE/1.0\r\nHost: a\r\n\r\n", 400, id="Icecast"),
        pytest.param(b"FROB / HTTP/1.1\r\nHost: a\r\n\r\n", 501, id="an unknown method"),
        pytest.param(b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501, id="a method in lower case"),
        pytest.param(b"G\0T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="a NUL in the method"),
        pytest.param(b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="a tab behind the method"),
        pytest.param(b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="a space before the method"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(60), 400, id="TLS"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", 400, id="SSH"),
        pytest.param(b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", 400, id="SOCKS"),
        pytest.param(b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET / HTTP/1.1\r\n\r\n", 400, id="PROXY protocol"),
        pytest.param(b"\0" * 100, 400, id="nothing but NUL"),
    ],
)
async def test_another_protocol_is_told_so_at_once(
    raw: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    played = await play(raw)

    assert ((status,), b"") == (played.statuses, played.seen)
    assert status == played.problem["status"]
    assert [] == caplog.records


@pytest.mark.parametrize("protocol", [b"h2c", b"H2C", b"h2", b"HTTP/2.0", b"TLS/1.2", b"HTTP/1.1"])
async def test_no_connection_is_switched_to_another_http(protocol: bytes) -> None:
    """An upstream that agrees would serve what is sent over it without any policy."""
    raw = get(*UPGRADE, b"Upgrade: " + protocol)
    assert protocol in sloppy.BY_THE_BOOK.messages(raw)[0]

    played = await play(raw + HIDDEN, 2)

    assert (get(b"Host: a") + HIDDEN, (200, 200)) == (played.seen, played.statuses)


@pytest.mark.parametrize("protocol", [b"websocket", b"tcp", b"frob"])
async def test_what_stands_behind_an_upgrade_that_is_not_taken_is_the_next_request(protocol: bytes) -> None:
    first = get(*UPGRADE, b"Upgrade: " + protocol)

    played = await play(first + HIDDEN, 2)

    upstream_saw = get(b"Host: a", b"Connection: upgrade", b"Upgrade: " + protocol)
    assert (upstream_saw + HIDDEN, (200, 200)) == (played.seen, played.statuses)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((b"Upgrade: websocket",), id="no Connection"),
        pytest.param((b"Connection: upgrade",), id="no Upgrade"),
        pytest.param((b"Connection: upgrade", b"Upgrade: "), id="an empty Upgrade"),
        pytest.param((b"Connection: upgrade", "Upgrade: web\u4e2d".encode()), id="letters that are no token"),
        pytest.param((b"Connection: upgrade", b"Upgrade: a b, \xff"), id="spaces and bytes over 127"),
    ],
)
async def test_an_upgrade_to_nothing_is_no_upgrade(lines: tuple[bytes, ...]) -> None:
    played = await play(get(b"Host: a", *lines) + HIDDEN, 2)

    assert (get(b"Host: a") + HIDDEN, (200, 200)) == (played.seen, played.statuses)


async def test_http_1_0_can_not_upgrade() -> None:
    played = await play(get(*UPGRADE, b"Upgrade: websocket").replace(b"/1.1", b"/1.0"))

    assert (get(b"Host: a"), (200,)) == (played.seen, played.statuses)


async def test_the_body_of_an_upgrade_is_neither_a_request_nor_the_other_protocol() -> None:
    raw = post(b"Connection: upgrade", b"Upgrade: websocket", length(HIDDEN), body=HIDDEN)

    played = await play(raw + HIDDEN, 2)

    body = post(length(HIDDEN), b"Connection: upgrade", b"Upgrade: websocket", body=HIDDEN)
    assert (body + HIDDEN, (200, 200)) == (played.seen, played.statuses)


@pytest.mark.parametrize("target", [b"a:443", b"*", b"http://a/"])
async def test_what_stands_behind_a_refused_connect_is_no_request(target: bytes) -> None:
    """A proxy that does not wait for the answer has begun to pass on what a client meant for the tunnel."""
    raw = b"CONNECT %b HTTP/1.1\r\nHost: a\r\n\r\n" % target + HIDDEN
    assert [HIDDEN] == sloppy.NO_BODIES.messages(raw)[1:]

    played = await play(raw)

    assert (b"", (405,), ["route.method"]) == (played.seen, played.statuses, played.reasons)


async def test_a_hundred_requests_in_one_piece_are_a_hundred_requests() -> None:
    echo = Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port, match=Match("/even/**")) as running:
        peer = await running.connect()
        paths = [b"/even/%d" % n if n % 2 == 0 else b"/odd/%d" % n for n in range(100)]
        peer.send(b"".join(get(b"Host: a", target=path) for path in paths))
        statuses = [(await peer.message())[0][9:12] for _ in paths]

    assert [b"200", b"404"] * 50 == statuses
    assert paths[::2] == [seen.split()[1] for seen in echo.seen]
