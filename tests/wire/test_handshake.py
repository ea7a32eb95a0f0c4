"""Handshakes on the data port: each has its place and its time, and nothing behind it is lost."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from typing import Any

import pytest

from proxy.wire import handshake
from proxy.wire.handshake import TlsAcceptor
from proxy.wire.serving import WireSettings
from tests.wire.harness import BOTH_LOOPS, PATIENCE, Echo, Peer, RawUpstream, secured, until, wire

pytestmark = BOTH_LOOPS

GET = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class ByHand:
    """TLS of a client whose bytes the test sends when it likes."""

    def __init__(self, trusting: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = trusting.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def begin(self) -> bytes:
        """What a client says first."""
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    async def finish(self, peer: Peer) -> bytes:
        """What it says last; not sent yet."""
        while True:
            self.incoming.write(await peer.reader.read(65536))
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                continue
            return self.outgoing.read()


async def test_a_handshake_that_is_not_finished_in_time_is_ended(
    tls: ssl.SSLContext, trusting: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    settings = WireSettings(head_timeout=0.05)
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, settings=settings, tls=tls) as running:
        silent, begun = await running.connect(), await running.connect()
        begun.send(ByHand(trusting).begin()[:100])
        ended = await silent.closed(), await begun.closed()
        await until(lambda: running.server.open_connections == 0)

    assert (True, True) == ended
    assert "Traceback" not in caplog.text


async def test_a_handshake_takes_a_place_among_the_connections(
    tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    settings = WireSettings(max_connections=3)
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, settings=settings, tls=tls) as running:
        answered = await secured(running, trusting)
        idle = [await running.connect() for _ in range(2)]
        await until(lambda: running.server.open_connections == 3)
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await secured(running, trusting)
        turned_away = running.server.turned_away
        idle[0].close()
        await until(lambda: running.server.open_connections == 2)
        later = await secured(running, trusting)
        answers = []
        for peer in (answered, later):
            peer.send(GET)
            answers.append((await peer.rest())[9:12])

    assert (1, [b"200", b"200"]) == (turned_away, answers)


async def test_a_request_right_behind_the_handshake_is_answered(
    tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    hand = ByHand(trusting)
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, tls=tls) as running:
        peer = await running.connect()
        peer.send(hand.begin())
        last = await hand.finish(peer)
        hand.tls.write(GET)
        peer.send(last + hand.outgoing.read())
        answer = b""
        async with asyncio.timeout(PATIENCE):
            while not answer.endswith(b"\r\n\r\nok"):
                hand.incoming.write(await peer.reader.read(65536))
                answer += read_of(hand.tls)

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def read_of(tls: ssl.SSLObject) -> bytes:
    try:
        return tls.read(65536)
    except ssl.SSLWantReadError:
        return b""


async def test_who_leaves_right_behind_the_handshake_is_forgotten(
    tls: ssl.SSLContext, trusting: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    hand = ByHand(trusting)
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, tls=tls) as running:
        peer = await running.connect()
        peer.send(hand.begin())
        peer.send(await hand.finish(peer))
        peer.close()
        await until(lambda: running.server.open_connections == 0)
        again = await secured(running, trusting)
        again.send(GET)
        answer = await again.rest()

    assert b"200" == answer[9:12]
    assert "Traceback" not in caplog.text


NO_TLS = {
    "a plain request": GET,
    "noise": bytes(range(256)),
    "nothing": b"",
    "half of a hello": bytes.fromhex("1603010200010001fc0303"),
}


@pytest.mark.parametrize("sent", NO_TLS.values(), ids=NO_TLS)
async def test_what_is_no_tls_ends_the_connection_and_nothing_is_logged_but_that(
    sent: bytes, tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, tls=tls) as running:
        peer = await running.connect()
        await until(lambda: running.server.open_connections == 1)
        peer.send(sent)
        peer.end()
        answer = await peer.rest()
        await until(lambda: running.server.open_connections == 0)

    assert b"HTTP" not in answer
    assert "Traceback" not in caplog.text
    assert [] == running.records.exchanges


async def test_the_end_does_not_wait_for_handshakes(tls: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, tls=tls, drain=60.0) as running:
        peer = await running.connect()
        await until(lambda: running.server.open_connections == 1)
        await running.listener.close()
        closed = await peer.closed()
        await until(lambda: running.server.open_connections == 0)

    assert closed


async def test_the_end_leaves_no_socket_of_a_handshake_that_had_not_begun(tls: ssl.SSLContext) -> None:
    async with RawUpstream(Echo()) as upstream, wire(upstream.port, tls=tls) as running:
        peer = Peer(*await asyncio.open_connection("127.0.0.1", running.port))
        accepting = running.listener._accepting
        assert isinstance(accepting, TlsAcceptor)
        while not running.server.handshakes:
            accepting._accept()
        await running.listener.close()
        closed = await peer.closed()
        await until(lambda: running.server.open_connections == 0)
        peer.close()

    assert closed


class Exhausted(socket.socket):
    """A listening socket of a process that has no file descriptor left, once."""

    exhausted = True

    def accept(self) -> Any:
        if self.exhausted:
            self.exhausted = False
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


async def test_without_a_file_descriptor_it_waits_and_tries_again(
    tls: ssl.SSLContext,
    trusting: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(handshake, "_BREAK", 0.01)
    bound = Exhausted()
    bound.bind(("127.0.0.1", 0))
    bound.listen()
    bound.setblocking(False)
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        accepting = TlsAcceptor(running.server, bound, tls, asyncio.get_running_loop())
        running.port = bound.getsockname()[1]
        peer = await secured(running, trusting)
        peer.send(GET)
        answer = await peer.rest()
        accepting.close()

    assert b"200" == answer[9:12]
    assert ["cannot accept connections for now: [Errno 24] Too many open files"] == [
        record.getMessage() for record in caplog.records if record.name == "seawall"
    ]


async def test_an_end_during_that_wait_ends_the_wait(tls: ssl.SSLContext) -> None:
    bound = Exhausted()
    bound.bind(("127.0.0.1", 0))
    bound.listen()
    bound.setblocking(False)
    async with RawUpstream(Echo()) as upstream, wire(upstream.port) as running:
        accepting = TlsAcceptor(running.server, bound, tls, asyncio.get_running_loop())
        client = socket.create_connection(bound.getsockname())
        await until(lambda: accepting._later is not None)
        accepting.close()
        with client, pytest.raises(ConnectionResetError):  # the system ends what nobody has accepted
            client.recv(1)

    assert bound.fileno() == -1
