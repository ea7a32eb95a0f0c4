"""Upstreams that answer from a script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from proxy.rehearsal.messages import Answer
from proxy.rehearsal.upstream import Call, Upstreams
from proxy.rehearsal.virtual_loop import VirtualLoop

GET = b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n"


def ok(body: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Caller(asyncio.Protocol):
    """Notes what comes back, and when the connection ends."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.got = b""
        self.ended: tuple[float, type[Exception] | None] | None = None
        self.at: list[float] = []

    def data_received(self, data: bytes) -> None:
        self.got += data
        self.at.append(self.loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = self.loop.time(), None if exc is None else type(exc)


class Scripted:
    """Upstreams called `app` and `spare`, and connections to them."""

    def __init__(self) -> None:
        self.upstreams = Upstreams({"app:80": "app", "/run/spare.sock": "spare"})
        self.loop = VirtualLoop(self.upstreams)

    def connect(self, to: str = "app:80") -> tuple[Caller, asyncio.Transport]:
        caller = Caller(self.loop)
        return caller, self.loop.run_until_complete(self.upstreams.connect(caller, to, None))

    def settle(self) -> None:
        self.loop.run_until_complete(self.loop.settle())

    def call(self, raw: bytes = GET) -> bytes:
        """What comes back on a connection of its own at this moment."""
        caller, transport = self.connect()
        transport.write(raw)
        self.settle()
        return caller.got


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    scripted = Scripted()
    yield scripted
    scripted.loop.close()


def test_each_call_gets_the_next_answer_and_the_last_one_repeats(scripted: Scripted) -> None:
    scripted.upstreams.play([Answer(body=b"1"), Answer(body=b"2")])

    assert [ok(b"1"), ok(b"2"), ok(b"2")] == [scripted.call() for _ in range(3)]


def test_a_connection_is_kept_for_one_call_after_the_other(scripted: Scripted) -> None:
    scripted.upstreams.play([Answer(body=b"1"), Answer(body=b"2")])
    caller, transport = scripted.connect()
    for _ in range(2):
        transport.write(GET)
        scripted.settle()

    assert (ok(b"1") + ok(b"2"), None) == (caller.got, caller.ended)


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
        (b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", b"abc"),
    ],
    ids=["by its length", "in chunks"],
)
def test_what_arrived_is_noted_once_all_of_it_has(scripted: Scripted, raw: bytes, body: bytes) -> None:
    caller, transport = scripted.connect("/run/spare.sock")
    for at in range(len(raw)):
        transport.write(raw[at : at + 1])
        scripted.settle()
        assert (at == len(raw) - 1) is bool(caller.got)

    (call,) = scripted.upstreams.calls
    assert ("spare", "POST", "/a", body) == (call.upstream, call.method, call.target, call.body)


def test_latency_passes_before_the_answer(scripted: Scripted) -> None:
    scripted.upstreams.play([Answer(latency=1.5)])
    caller, transport = scripted.connect()
    transport.write(GET)
    scripted.loop.run_until_complete(asyncio.sleep(10))

    assert ([1.5], ok()) == (caller.at, caller.got)


def test_an_answer_that_nobody_waits_for_any_more_is_not_sent(scripted: Scripted) -> None:
    scripted.upstreams.play([Answer(latency=1.5)])
    caller, transport = scripted.connect()
    transport.write(GET)
    scripted.settle()
    transport.abort()
    scripted.loop.run_until_complete(asyncio.sleep(10))

    assert (b"", {}) == (caller.got, scripted.upstreams.connections)


@pytest.mark.parametrize(
    ("answer", "got", "ended"),
    [
        (Answer(fault="hang"), b"", None),
        (Answer(fault="hang_body", body=b"abcd"), ok(b"abcd")[:-2], None),
        (Answer(fault="reset", latency=2), b"", (2.0, ConnectionResetError)),
        (Answer(fault="reset_body", body=b"abcd"), ok(b"abcd")[:-2], (0.0, ConnectionResetError)),
    ],
    ids=["no answer", "half an answer", "a reset", "a reset in the body"],
)
def test_a_call_can_go_wrong(
    scripted: Scripted, answer: Answer, got: bytes, ended: tuple[float, type[Exception]] | None
) -> None:
    scripted.upstreams.play([answer])
    caller, transport = scripted.connect()
    transport.write(GET)
    scripted.loop.run_until_complete(asyncio.sleep(10))

    assert (got, ended) == (caller.got, caller.ended)


def test_a_refused_connection_is_a_call(scripted: Scripted) -> None:
    scripted.upstreams.play([Answer(fault="refuse", latency=3), Answer()])
    with pytest.raises(ConnectionRefusedError):
        scripted.connect()

    assert (3.0, [Call("app")]) == (scripted.loop.time(), scripted.upstreams.calls)
    assert ok() == scripted.call()


def test_a_connection_that_does_not_open_is_a_call(scripted: Scripted) -> None:
    scripted.upstreams.play([Answer(fault="hang_connect")])

    async def connect() -> None:
        async with asyncio.timeout(5):
            await scripted.upstreams.connect(Caller(scripted.loop), "app:80", None)

    with pytest.raises(TimeoutError):
        scripted.loop.run_until_complete(connect())
    assert [Call("app")] == scripted.upstreams.calls


def test_who_refuses_connections_keeps_no_idle_one(scripted: Scripted) -> None:
    idle, transport = scripted.connect()
    transport.write(GET)
    scripted.settle()
    before = idle.ended
    scripted.upstreams.play([Answer(fault="refuse")])
    scripted.settle()

    assert (None, (0.0, None)) == (before, idle.ended)


def test_the_connection_of_the_last_answer_before_refusals_is_closed_behind_it(scripted: Scripted) -> None:
    scripted.upstreams.play([Answer(), Answer(fault="refuse")])
    caller, transport = scripted.connect()
    transport.write(GET)
    scripted.settle()

    assert (ok(), (0.0, None)) == (caller.got, caller.ended)


@pytest.mark.parametrize(
    ("fault", "ended"), [("refuse", ConnectionResetError), ("hang_connect", None)], ids=["refuse", "hang"]
)
def test_over_a_connection_that_is_busy_trouble_with_connecting_shows_too(
    scripted: Scripted, fault: str, ended: type[Exception] | None
) -> None:
    scripted.upstreams.play([Answer(latency=1)])
    caller, transport = scripted.connect()
    transport.write(GET)
    scripted.settle()
    scripted.upstreams.play([Answer(fault=fault)])  # type: ignore[arg-type]
    scripted.loop.run_until_complete(asyncio.sleep(0.5))
    transport.write(GET)  # at once, before the first answer
    scripted.loop.run_until_complete(asyncio.sleep(2))

    assert ended == (caller.ended[1] if caller.ended else None)


def test_a_script_that_begins_takes_the_place_of_what_was_reserved(scripted: Scripted) -> None:
    scripted.upstreams.play([Answer(body=b"old")])
    caller, transport = scripted.connect()
    scripted.upstreams.play([Answer(body=b"new")])
    transport.write(GET)
    scripted.settle()

    assert ok(b"new") == caller.got


def test_nothing_but_upstreams_can_be_reached(scripted: Scripted) -> None:
    connect: Callable[[str], object] = scripted.connect
    with pytest.raises(ConnectionRefusedError, match=r"example\.com:443 is no upstream"):
        connect("example.com:443")
