"""Upstreams that answer from a script, over connections in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proxy.rehearsal.messages import Answer, Fields, Head, answer_bytes, take_head
from proxy.rehearsal.transport import connected
from proxy.wire.framing import Decoder


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an upstream: what arrived there. Without a method: a connection that was not opened."""

    upstream: str
    method: str = ""
    target: str = ""
    headers: Fields = ()
    body: bytes = b""


class Upstreams:
    """Every upstream of a configuration. They share one script: an answer for each call, the last repeats.

    A connection that is opened takes its first answer there and then, since it may be that
    it is refused; it loses it when another script begins.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        """Address (`host:port`, or a path) -> name of the upstream."""
        self._script: Sequence[Answer] = (Answer(),)
        self._next = 0
        self.scripts = 0
        self.calls: list[Call] = []
        """Since the script began."""
        self.connections: dict[UpstreamEnd, None] = {}
        """Those that are open, the oldest first."""
        self.end: type[UpstreamEnd] = UpstreamEnd
        """What takes the requests of a connection; tests may have another."""

    def play(self, script: Sequence[Answer]) -> None:
        """Answer from `script` from now on."""
        self._script, self._next = script, 0
        self.scripts += 1
        self.calls = []
        self.hang_up()

    def hang_up(self) -> None:
        """Who is about to refuse connections keeps none open, as with a process that has ended."""
        if self._script[self._next].fault == "refuse":
            for connection in tuple(self.connections):
                connection.close_idle()

    def take(self) -> Answer:
        """The next answer."""
        answer = self._script[self._next]
        self._next = min(self._next + 1, len(self._script) - 1)
        return answer

    async def connect(self, protocol: asyncio.Protocol, to: str, tls: object) -> asyncio.Transport:
        """Connect `protocol` to the upstream at `to`. Raises OSError."""
        name = self._names.get(to)
        if name is None:
            raise ConnectionRefusedError(f"{to} is no upstream: a rehearsal reaches nothing else")
        loop = asyncio.get_running_loop()
        answer = self.take()
        if answer.fault in ("refuse", "hang_connect"):
            self.calls.append(Call(name))
            self.hang_up()
        if answer.fault == "hang_connect":
            await loop.create_future()
        elif answer.fault == "refuse":
            if answer.latency:
                await _after(loop, answer.latency)
            raise ConnectionRefusedError("the connection is refused")
        end = self.end(self, name, answer)
        return connected(
            loop, protocol, end, {"peername": ("192.0.2.80", 80), "sslcontext": tls or None}, {}
        )[0]


class UpstreamEnd(asyncio.Protocol):
    """The upstream's end of a connection: takes one request after the other."""

    def __init__(self, upstreams: Upstreams, name: str, first: Answer) -> None:
        self._upstreams = upstreams
        self._name = name
        self._first: Answer | None = first
        self._script = upstreams.scripts
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._pending = bytearray()
        self._head: Head | None = None
        self._decoder: Decoder | None = None
        self._body = b""
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # in memory they are
        self._transport = transport
        self._upstreams.connections[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._upstreams.connections.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()

    def close_idle(self) -> None:
        """Close, unless a request is under way."""
        if not self._busy and self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._pending += data
        if self._head is None:
            self._head = take_head(self._pending)
            if self._head is None:
                return
            self._busy = True
            self._decoder = self._head.body_decoder(until_close=False)
        if self._decoder is not None:
            payload, rest = self._decoder.feed(bytes(self._pending))
            self._pending = bytearray(rest)
            self._body += payload
            if not self._decoder.done:
                return
        self._called(self._head)

    def _called(self, head: Head) -> None:
        upstreams = self._upstreams
        call = Call(self._name, head.first[0], head.first[1], head.fields, self._body)
        self._head, self._decoder, self._body = None, None, b""
        upstreams.calls.append(call)
        reserved = self._first if self._script == upstreams.scripts else None
        self._first = None
        answer = upstreams.take() if reserved is None else reserved
        if answer.fault in ("hang", "hang_connect"):
            return
        if answer.latency:
            self._timer = self._loop.call_later(answer.latency, self._answer, answer, call.method)
        else:
            self._answer(answer, call.method)

    def _answer(self, answer: Answer, method: str) -> None:
        transport = self._transport
        if transport is None:
            return
        if answer.fault in ("reset", "refuse"):  # the second over a connection that was open already
            transport.abort()
            return
        head, body = answer_bytes(answer, method)
        if answer.fault in ("reset_body", "hang_body"):
            transport.write(head + body[: len(body) // 2])
            if answer.fault == "reset_body":
                transport.abort()
            return
        self._busy = False
        transport.write(head + body)
        self._upstreams.hang_up()


async def _after(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    passed = loop.create_future()
    timer = loop.call_later(seconds, passed.set_result, None)
    try:
        await passed
    finally:
        timer.cancel()  # the proxy may have given up meanwhile
