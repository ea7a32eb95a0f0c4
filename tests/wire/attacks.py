"""Request smuggling as a table: what is sent, who would fall for it, and what Seawall makes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from proxy.wire.serving import WireSettings
from tests.wire import sloppy
from tests.wire.harness import Peer, RawUpstream, until, wire
from tests.wire.sloppy import Reader

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
_ID = re.compile(rb"X-Request-ID: [0-9a-f]{32}\r\n")


def post(*lines: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    return b"\r\n".join((b"POST / HTTP/%b" % version, b"Host: a", *lines, b"", body))


def get(*lines: bytes, target: bytes = b"/") -> bytes:
    return b"\r\n".join((b"GET %b HTTP/1.1" % target, *lines, b"", b""))


def length(body: bytes) -> bytes:
    return b"Content-Length: %d" % len(body)


@dataclass
class Tape:
    """An upstream that keeps every byte and answers each request that it sees by the book."""

    received: bytes = b""
    answer: bytes = OK

    async def __call__(self, peer: Peer) -> None:
        answered, pending = 0, b""
        while piece := await peer.reader.read(65536):
            self.received += piece
            pending += piece
            complete = [m for m in sloppy.BY_THE_BOOK.messages(pending) if _is_complete(m)]
            peer.send(self.answer * (len(complete) - answered))
            answered = len(complete)

    @property
    def seen(self) -> bytes:
        """All of it, but for the request ids."""
        return _ID.sub(b"", self.received)


def _is_complete(message: bytes) -> bool:
    head, end, body = message.partition(b"\r\n\r\n")
    declared = re.search(rb"content-length: ?(\d+)", head, re.IGNORECASE)
    if b"\r\nTransfer-Encoding: chunked" in head:
        return body.startswith(b"0\r\n") or b"\r\n0\r\n" in body
    return bool(end) and len(body) >= (int(declared[1]) if declared else 0)


@dataclass
class Attack:
    """What is sent; who would fall for it; and what Seawall makes of it."""

    raw: bytes
    front: Reader
    back: Reader
    statuses: tuple[int, ...] = (400,)
    seen: bytes = b""
    """By the upstream, without request ids."""
    reason: str = "request.malformed or request.framing"
    stalls: bool = False
    """More is waited for, until time is up."""


@dataclass
class Played:
    """What came of it."""

    answered: bytes
    seen: bytes
    reasons: list[str]

    @property
    def statuses(self) -> tuple[int, ...]:
        return tuple(int(status) for status in _STATUS.findall(self.answered))

    @property
    def problem(self) -> dict[str, Any]:
        """The members of the last response."""
        members: dict[str, Any] = json.loads(self.answered.rpartition(b"\r\n\r\n")[2])
        return members


async def play(
    raw: bytes, exchanges: int = 1, *policies: Any, stalls: bool = False, tape: Tape | None = None
) -> Played:
    """Send `raw`, which makes so many exchanges; read until the connection is closed, at last by time."""
    tape = tape or Tape()
    async with (
        RawUpstream(tape) as upstream,
        wire(upstream.port, *policies, settings=WireSettings(linger=0.5)) as running,
    ):
        records = running.records
        peer = await running.connect()
        peer.send(raw)
        await until(lambda: len(records.exchanges) >= exchanges)
        await until(lambda: stalls or records.in_flight == 0)
        running.advance(1000.0)
        answered = await peer.rest()
        await running.settled()
    assert exchanges == len(records.exchanges) == len(records.outcomes)
    return Played(answered, tape.seen, [outcome.reason for outcome in records.outcomes])


async def hold(attack: Attack, caplog: pytest.LogCaptureFixture) -> None:
    """It works on a naive forwarder, and not on Seawall."""
    passed_on = attack.front.messages(attack.raw)[0]
    assert 1 < len(attack.back.messages(passed_on))

    played = await play(attack.raw, len(attack.statuses), stalls=attack.stalls)

    assert (attack.statuses, attack.seen) == (played.statuses, played.seen)
    assert not set(attack.reason.split(" or ")).isdisjoint(played.reasons)
    sent = attack.statuses.count(200)
    assert [sent] * len(sloppy.ALL) == [len(reader.messages(played.seen)) for reader in sloppy.ALL]
    assert [] == caplog.records


def table(attacks: Mapping[str, Attack]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("attack", attacks.values(), ids=attacks)
