"""The upstream for where there is no nginx."""

from __future__ import annotations

import pytest

from bench.upstream import BODIES, JSON, Upstream
from tests.bench.test_load import Wire


def ask(*parts: bytes) -> bytes:
    """What a connection answers to what arrives in these parts."""
    connection, wire = Upstream(), Wire()
    connection.connection_made(wire)
    for part in parts:
        connection.data_received(part)
    return b"".join(wire.written)


@pytest.mark.parametrize(
    ("request_bytes", "body"),
    [
        (b"GET /json HTTP/1.1\r\nHost: a\r\n\r\n", JSON),
        (b"GET /routes/r7/items/3 HTTP/1.1\r\nHost: a\r\n\r\n", JSON),
        (b"GET /10k HTTP/1.1\r\nHost: a\r\n\r\n", BODIES["/10k"]),
        (b"POST /json HTTP/1.1\r\nContent-Length: 3\r\n\r\nxxx", JSON),
        (b"POST /json HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxxx\r\n0\r\n\r\n", JSON),
        (
            b"GET /seen HTTP/1.1\r\nx-forwarded-for: 1.2.3.4\r\nX-Forwarded-Proto: http\r\n\r\n",
            b"1.2.3.4  http ",
        ),
    ],
    ids=["small", "any route", "large", "posted", "posted in chunks", "what the proxy said"],
)
def test_each_request_gets_one_answer_however_it_arrives(request_bytes: bytes, body: bytes) -> None:
    at_once = ask(request_bytes)
    byte_by_byte = ask(*(bytes([byte]) for byte in request_bytes))

    assert (at_once, 1) == (byte_by_byte, at_once.count(b"HTTP/1.1 200 OK"))
    assert at_once.endswith(b"\r\n\r\n" + body)


def test_requests_that_arrive_together_are_answered_in_turn() -> None:
    both = ask(b"GET /json HTTP/1.1\r\n\r\nGET /none HTTP/1.1\r\n\r\n")

    assert (1, 1) == (both.count(b" 200 OK"), both.count(b" 404 Not Found"))


def test_what_is_broken_fails_and_the_connection_stays() -> None:
    both = ask(b"GET /broken HTTP/1.1\r\n\r\nGET /json HTTP/1.1\r\n\r\n")

    assert both.startswith(b"HTTP/1.1 500 ")
    assert both.endswith(JSON)


def test_connections_and_requests_are_counted_as_nginx_counts_them() -> None:
    before = ask(b"GET /status HTTP/1.1\r\n\r\n").split(b"\r\n\r\n")[1].split()
    after = ask(b"GET /json HTTP/1.1\r\n\r\nGET /status HTTP/1.1\r\n\r\n").split(b"\r\n\r\n")[2].split()

    assert b"server accepts handled requests" == b" ".join(before[3:7])
    assert (1, 2) == (int(after[7]) - int(before[7]), int(after[9]) - int(before[9]))
