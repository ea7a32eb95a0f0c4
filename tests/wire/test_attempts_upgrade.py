"""Upgrades: the handshake is HTTP, what comes behind it is a conversation in bytes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from proxy.errors import Rejection
from proxy.exchange import Attempt, Exchange, Forward, Response
from tests.wire.harness import BOTH_LOOPS, PATIENCE, Echo, Peer, RawUpstream, Running, until, wire

pytestmark = BOTH_LOOPS

ASK = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Other: 1\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Mine: 2\r\n\r\n"


class Passes:
    """A policy that waits, and lets everything through."""

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        return await forward(exchange)


WAYS = [pytest.param((), id="callbacks"), pytest.param((Passes(),), id="a policy waits")]


class Switches:
    """An upstream that speaks a protocol of its own: every line comes back in capitals."""

    def __init__(self, first: bytes = b"") -> None:
        self.first = first
        self.heads: list[bytes] = []
        self.ended = asyncio.Event()

    async def __call__(self, peer: Peer) -> None:
        self.heads.append(await peer.head())
        peer.send(SWITCH + self.first)
        while piece := await peer.reader.read(65536):
            peer.send(piece.upper())
            await peer.drained()
        self.ended.set()
        peer.send(b"BYE")


async def switched(running: Running, behind: bytes = b"") -> tuple[Peer, bytes]:
    peer = await running.connect()
    peer.send(ASK + behind)
    return peer, await peer.head()


@pytest.mark.parametrize("policies", WAYS)
async def test_after_a_switch_bytes_go_both_ways(policies: Any) -> None:
    switches = Switches()
    async with RawUpstream(switches) as upstream, wire(upstream.port, *policies) as running:
        peer, head = await switched(running)
        peer.send(b"hello\r\n\r\n")
        back = await peer.exactly(9)
        peer.send(b"\x00\xff")
        more = await peer.exactly(2)
        peer.close()
        await running.settled()

    lines = head.split(b"\r\n")
    assert b"HTTP/1.1 101 Switching Protocols" == lines[0]
    assert b"X-Mine: 2" == lines[1]
    assert lines[2].startswith(b"X-Request-ID: ")
    assert [b"Connection: upgrade", b"Upgrade: echo", b"", b""] == lines[3:]
    asked = switches.heads[0].split(b"\r\n")
    assert [b"GET /chat HTTP/1.1", b"Host: a", b"X-Other: 1"] == asked[:3]
    assert [b"Connection: upgrade", b"Upgrade: echo", b"", b""] == asked[4:]
    assert (b"HELLO\r\n\r\n", b"\x00\xff") == (back, more)
    [outcome] = running.records.outcomes
    assert (101, True, "") == (outcome.status, outcome.complete, outcome.reason)


@pytest.mark.parametrize("policies", WAYS)
async def test_bytes_behind_the_request_and_behind_the_switch_are_not_lost(policies: Any) -> None:
    async with (
        RawUpstream(Switches(first=b"welcome ")) as upstream,
        wire(upstream.port, *policies) as running,
    ):
        peer, _ = await switched(running, behind=b"early ")
        peer.send(b"late")
        back = await peer.exactly(18)
        peer.close()

    assert b"welcome EARLY LATE" == back


@pytest.mark.parametrize("policies", WAYS)
async def test_many_bytes_behind_the_request_are_not_lost_either(policies: Any) -> None:
    behind = b"x" * 300_000
    async with RawUpstream(Switches()) as upstream, wire(upstream.port, *policies) as running:
        peer, _ = await switched(running, behind=behind)
        back = await peer.exactly(len(behind))
        peer.send(b"more")
        more = await peer.exactly(4)
        peer.close()

    assert behind.upper() == back
    assert b"MORE" == more


@pytest.mark.parametrize("policies", WAYS)
async def test_an_upgrade_that_is_refused_leaves_the_connection_usable(policies: Any) -> None:
    echo = Echo(answer=b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: other\r\nContent-Length: 2\r\n\r\nno")
    async with RawUpstream(echo) as upstream, wire(upstream.port, *policies) as running:
        peer = await running.connect()
        answers = []
        for _ in range(3):
            peer.send(ASK)
            answers.append(await peer.message())
        peer.close()

    assert [b"no"] * 3 == [body for _, body in answers]
    assert all(head.startswith(b"HTTP/1.1 426 Upgrade Required\r\n") for head, _ in answers)
    assert (3, 1) == (len(echo.seen), upstream.connections)


@pytest.mark.parametrize("policies", WAYS)
async def test_an_upgrade_that_the_upstream_ignores_is_an_ordinary_request(policies: Any) -> None:
    echo = Echo(
        answer=b"HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: h2,h2c\r\nContent-Length: 2\r\n\r\nok"
    )
    async with RawUpstream(echo) as upstream, wire(upstream.port, *policies) as running:
        peer = await running.connect()
        bodies = []
        for request in (ASK, b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", ASK):
            peer.send(request)
            bodies.append((await peer.message())[1])
        peer.close()

    assert [b"ok"] * 3 == bodies
    assert 1 == upstream.connections


@pytest.mark.parametrize("protocol", [b"h2c", b"HTTP/2.0", b"TLS/1.2", b"H2C"])
async def test_an_upgrade_to_another_http_is_not_passed_on_since_no_policy_would_see_it(
    protocol: bytes,
) -> None:
    echo = Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(
            ASK.replace(b"echo", protocol).replace(
                b"Upgrade\r\n", b"Upgrade, HTTP2-Settings\r\nHTTP2-Settings: x\r\n"
            )
        )
        await peer.message()
        peer.close()

    assert b"pgrade" not in echo.seen[0]
    assert b"HTTP2-Settings" not in echo.seen[0]


async def test_an_upgrade_in_http_10_is_ignored() -> None:
    echo = Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(ASK.replace(b"HTTP/1.1", b"HTTP/1.0"))
        await peer.rest()

    assert b"pgrade" not in echo.seen[0]


@pytest.mark.parametrize(
    "request_",
    [b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", ASK.replace(b"echo", b"websocket")],
    ids=["nothing was asked for", "something else was asked for"],
)
@pytest.mark.parametrize("policies", WAYS)
async def test_a_switch_that_nobody_asked_for_is_no_answer(request_: bytes, policies: Any) -> None:
    async with RawUpstream(Switches()) as upstream, wire(upstream.port, *policies) as running:
        peer = await running.connect()
        peer.send(request_)
        head, body = await peer.message()
        peer.close()

    assert head.startswith(b"HTTP/1.1 502 ")
    assert b'"reason":"upstream.bad_response"' in body


async def test_a_switch_while_the_requests_body_is_still_coming_is_no_answer() -> None:
    async with RawUpstream(Switches()) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(ASK.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhel"))
        head, _ = await peer.message()
        peer.close()

    assert head.startswith(b"HTTP/1.1 502 ")


async def test_a_request_with_a_body_may_ask_for_a_switch() -> None:
    async def serve_(peer: Peer) -> None:
        _, body = await peer.message()
        peer.send(SWITCH + body)
        await peer.rest()

    async with RawUpstream(serve_) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(ASK.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhello"))
        await peer.head()
        back = await peer.exactly(5)
        peer.close()

    assert b"hello" == back


class Watches:
    """A policy that is told of attempts and of the end, and dresses every response."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.finished = 0

    def on_attempt(self, exchange: Exchange, attempt: Attempt) -> None:
        self.attempts.append(attempt)

    def on_response(self, exchange: Exchange, response: Response) -> None:
        response.headers.set("X-Dressed", str(response.status))

    def on_finish(self, exchange: Exchange, outcome: Any) -> None:
        self.finished += 1


@pytest.mark.parametrize("policies", WAYS)
async def test_policies_see_a_switch_as_a_response_and_a_good_attempt(policies: Any) -> None:
    watches = Watches()
    async with RawUpstream(Switches()) as upstream, wire(upstream.port, watches, *policies) as running:
        peer, head = await switched(running)
        attempts = [(attempt.status, attempt.error) for attempt in watches.attempts]
        finished = watches.finished
        peer.close()
        await running.settled()

    assert b"X-Dressed: 101\r\n" in head
    assert ([(101, None)], 0, 1) == (attempts, finished, watches.finished)
    assert 1 == len(watches.attempts)


async def test_a_policy_may_answer_something_else_after_a_switch() -> None:
    class Denies:
        async def around(self, exchange: Exchange, forward: Forward) -> Response:
            await forward(exchange)
            raise Rejection(403, "test.denied")

    switches = Switches()
    async with RawUpstream(switches) as upstream, wire(upstream.port, Denies()) as running:
        peer = await running.connect()
        peer.send(ASK)
        head, _ = await peer.message()
        async with asyncio.timeout(PATIENCE):
            await switches.ended.wait()
        peer.close()

    assert head.startswith(b"HTTP/1.1 403 ")


async def test_an_upstream_that_leaves_while_a_policy_ponders_its_switch_is_answered_502() -> None:
    class Ponders:
        go_on = asyncio.Event()
        pondering = asyncio.Event()

        async def around(self, exchange: Exchange, forward: Forward) -> Response:
            response = await forward(exchange)
            self.pondering.set()
            await self.go_on.wait()
            return response

    async def serve_(peer: Peer) -> None:
        await peer.head()
        peer.send(SWITCH)
        await ponders.pondering.wait()
        peer.abort()

    ponders = Ponders()
    async with RawUpstream(serve_) as upstream, wire(upstream.port, ponders) as running:
        peer = await running.connect()
        peer.send(ASK)
        async with asyncio.timeout(PATIENCE):
            await ponders.pondering.wait()
        for connection in running.upstream_connections:
            connection.resume_reading()  # else it is noticed only by writing
        await until(lambda: not running.upstream_connections)
        ponders.go_on.set()
        head, _ = await peer.message()
        peer.close()

    assert head.startswith(b"HTTP/1.1 502 ")


# ---- a real client and a real server


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@pytest.mark.parametrize("policies", WAYS)
async def test_websockets_carry_large_messages_and_the_clients_close_code(policies: Any) -> None:
    message = bytes(range(256)) * 4096
    codes: list[tuple[int | None, str | None]] = []

    async def handle(connection: ServerConnection) -> None:
        with suppress(websockets.ConnectionClosedError):
            await echo(connection)
        codes.append((connection.close_code, connection.close_reason))

    async with (
        serve(handle, "127.0.0.1", 0, max_size=2**22) as server,
        wire(next(iter(server.sockets)).getsockname()[1], *policies) as running,
    ):
        async with connect(f"ws://127.0.0.1:{running.port}/chat", max_size=2**22, proxy=None) as client:
            await client.send(message)
            back = await client.recv()
            await client.send("text")
            text = await client.recv()
            await client.close(4001, "enough")
        await until(lambda: bool(codes))
        await running.settled()

    assert message == back
    assert "text" == text
    assert [(4001, "enough")] == codes


async def test_websockets_carry_the_servers_close_code() -> None:
    async def handle(connection: ServerConnection) -> None:
        await connection.close(4002, "go away")

    async with (
        serve(handle, "127.0.0.1", 0) as server,
        wire(next(iter(server.sockets)).getsockname()[1]) as running,
    ):
        async with connect(f"ws://127.0.0.1:{running.port}/", proxy=None) as client:
            with pytest.raises(websockets.ConnectionClosedError) as closed:
                await client.recv()
        await running.settled()

    assert closed.value.rcvd is not None
    assert (4002, "go away") == (closed.value.rcvd.code, closed.value.rcvd.reason)


async def test_a_websocket_that_the_upstream_refuses_is_refused_with_its_answer() -> None:
    async with (
        serve(echo, "127.0.0.1", 0, process_request=lambda c, _: c.respond(403, "not you\n")) as server,
        wire(next(iter(server.sockets)).getsockname()[1]) as running,
    ):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{running.port}/", proxy=None)

    assert (403, b"not you\n") == (refused.value.response.status_code, refused.value.response.body)
