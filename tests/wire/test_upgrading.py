"""Upgrades: to what a client may switch. What goes through then is in `test_attempts_upgrade.py`."""

from __future__ import annotations

import pytest

from proxy.wire.head import HOP_BY_HOP, believed
from proxy.wire.upgrading import switches_to, upgrade_of
from tests.wire.heads import request, response

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
