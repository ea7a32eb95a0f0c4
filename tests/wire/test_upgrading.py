"""Upgrades: to what a client may switch. What goes through then is in `test_attempts_upgrade.py`."""

from __future__ import annotations

import pytest

from proxy.wire.head import (
    HOP_BY_HOP,
    UNDERSTOOD,
    ResponseHead,
    believed,
    response_head,
)
from proxy.wire.parser import Fields, RequestLine, Specials, parse_fields, parse_request_line
from proxy.wire.upgrading import switches_to, upgrade_of

SPECIALS = Specials(HOP_BY_HOP | UNDERSTOOD)


def fields(lines: bytes) -> Fields:
    return parse_fields(b"\r\n" + lines, SPECIALS)


def request(lines: bytes, line: bytes = b"POST / HTTP/1.1") -> tuple[RequestLine, Fields]:
    return parse_request_line(line), fields(b"Host: a\r\n" + lines)


def response(lines: bytes, line: bytes = b"HTTP/1.1 200 OK") -> ResponseHead:
    return response_head(b"%b\r\n%b\r\n" % (line, lines), SPECIALS, HOP_BY_HOP)


ASKS = b"GET / HTTP/1.1"


@pytest.mark.parametrize(
    ("line", "lines", "asked"),
    [
        pytest.param(ASKS, b"Connection: upgrade\r\nUpgrade: websocket\r\n", "websocket", id="a protocol"),
        pytest.param(ASKS, b"Connection: upgrade\r\nUpgrade: a/1,  b\r\n", "a/1, b", id="several"),
        pytest.param(
            ASKS, b"Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n", "a, b", id="in two fields"
        ),
        pytest.param(
            ASKS, b"Connection: upgrade\r\nUpgrade: h2c, HTTP/2.0, TLS/1.2\r\n", "", id="another HTTP"
        ),
        pytest.param(
            ASKS, b"Connection: upgrade\r\nUpgrade: h2c, echo\r\n", "echo", id="and another protocol"
        ),
        pytest.param(ASKS, b"Connection: upgrade\r\nUpgrade: a b\r\n", "", id="no protocol"),
        pytest.param(ASKS, b"Upgrade: echo\r\n", "", id="not said in Connection"),
        pytest.param(b"GET / HTTP/1.0", b"Connection: upgrade\r\nUpgrade: echo\r\n", "", id="HTTP/1.0"),
    ],
)
def test_what_a_client_may_switch_to(line: bytes, lines: bytes, asked: str) -> None:
    asking, found = request(lines, line)

    assert asked == upgrade_of(asking, believed(found, HOP_BY_HOP, HOP_BY_HOP))


@pytest.mark.parametrize(
    ("offered", "asked", "fits"),
    [
        (b"Upgrade: echo\r\n", "echo", True),
        (b"Upgrade: Echo\r\n", "websocket, echo", True),
        (b"Upgrade: echo, h2c\r\n", "echo", False),
        (b"Upgrade: echo\r\nUpgrade: h2c\r\n", "echo", False),
        (b"Upgrade: echo\r\n", "", False),
        (b"", "echo", False),
    ],
)
def test_a_switch_fits_only_what_was_asked_for(offered: bytes, asked: str, fits: bool) -> None:
    head = response(b"Connection: upgrade\r\n" + offered, b"HTTP/1.1 101 Switching Protocols")

    assert fits is switches_to(head, asked)
