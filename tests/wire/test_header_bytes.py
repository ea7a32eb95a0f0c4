"""Every byte that may stand in a field's value arrives, both ways; every other one is refused, both ways."""

from __future__ import annotations

import re

import pytest

from tests.wire.harness import BOTH_LOOPS, Echo, RawUpstream, once, wire
from tests.wire.probes import WAYS

pytestmark = BOTH_LOOPS

VISIBLE = bytes((*range(0x21, 0x7F), *range(0x80, 0x100)))
"""RFC 9110, section 5.5: with these a value begins and ends; spaces and tabs may stand between them."""
ILLEGAL = [byte for byte in range(256) if byte not in VISIBLE + b" \t"]
NAME = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
ALONE = [b"X-%d: %c\r\n" % (byte, byte) for byte in VISIBLE]
INSIDE = [b"X-%d: a%cb\r\n" % (byte, byte) for byte in VISIBLE + b" \t"]
FIELDS = {
    "all in one value": b"X-All: " + VISIBLE + b" \t " + VISIBLE[::-1] + b"\r\n",
    "all in one name": NAME + b": a\r\n",
    "each by itself": b"".join(ALONE[:150]),
    "each by itself, the others": b"".join(ALONE[150:]),
    "each within a value": b"".join(INSIDE[:150]),
    "each within a value, the others": b"".join(INSIDE[150:]),
}
_ID = re.compile(rb"X-Request-ID: [0-9a-f]{32}\r\n")


@pytest.mark.parametrize("policies", WAYS)
@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
async def test_what_is_legal_arrives_as_it_was_sent(fields: bytes, policies: tuple[object, ...]) -> None:
    asked = b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n"
    answered = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + fields + b"\r\n"
    echo = Echo(answer=answered + b"ok")
    async with RawUpstream(echo) as upstream, wire(upstream.port, *policies) as running:
        peer = await running.connect()
        peer.send(asked)
        head = await peer.head()

    assert (asked, answered) == (_ID.sub(b"", echo.seen[0]), _ID.sub(b"", head))


@pytest.mark.parametrize("byte", ILLEGAL, ids=hex)
@pytest.mark.parametrize("value", [b"%c", b"a%cb"], ids=["alone", "within a value"])
async def test_what_is_not_is_refused_and_goes_no_further(byte: int, value: bytes) -> None:
    field = b"X-Odd: " + value % byte + b"\r\n"
    echo = Echo()
    async with RawUpstream(echo) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + field + b"\r\n")
        refused = await peer.rest()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + field + b"\r\n"
    async with RawUpstream(once(answer)) as upstream, wire(upstream.port) as running:
        peer = await running.connect()
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        head, _ = await peer.message()

    assert (b"400", []) == (refused[9:12], echo.seen)
    assert (b"502", False) == (head[9:12], b"X-Odd" in head)
