"""What only a trusted proxy may say about a client: said by anybody else, nobody hears of it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from proxy.exchange import Exchange
from tests.wire.attacks import OK, get
from tests.wire.bare import bare

PROXY, STRANGER = "10.0.0.7", "192.0.2.1"
TRUSTED = [ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")]

SPOOFED = {
    "X-Forwarded-For": "203.0.113.9",
    "x-forwarded-for": "203.0.113.9",
    "X-FORWARDED-HOST": "evil",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "port-443",
    "X-Forwarded-Prefix": "/admin",
    "X-Forwarded-Server": "evil",
    "X-Forwarded-Ssl": "on-spoofed",
    "X-Forwarded-User": "root",
    "X-FoRwArDeD-Client-Cert": "By=root",
    "CF-Connecting-IP": "203.0.113.9",
    "X-Real-IP": "203.0.113.9",
    "X-Client-IP": "203.0.113.9",
    "X-Cluster-Client-IP": "203.0.113.9",
    "True-Client-IP": "203.0.113.9",
    "Forwarded": "for=203.0.113.9;proto=https",
    "X-Request-ID": "spoofed",
}


class Sees:
    """A policy that looks for a field, and at the facts."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.values: list[str | None] = []
        self.facts: tuple[Any, ...] = ()
        self.request_id = ""

    def on_request(self, exchange: Exchange) -> None:
        self.values = [exchange.request.headers.get(name) for name in self.names]
        self.facts = (exchange.client_ip, exchange.peer_ip, exchange.peer_trusted, exchange.request.secure)
        self.request_id = exchange.request_id


def ask(address: str, *lines: bytes, sees: Sees) -> tuple[bytes, bytes]:
    """What the upstream gets, and the client."""
    with bare(sees, peers=TRUSTED) as here:
        client = here.client(address)
        client.send(get(b"Host: a", *lines))
        here.settle()
        asked = here.upstreams[0].take()
        here.upstreams[0].send(OK)
        here.settle()
        return asked, client.take()


@pytest.mark.parametrize(("name", "value"), SPOOFED.items(), ids=SPOOFED)
def test_from_a_stranger_it_reaches_neither_policy_nor_upstream(name: str, value: str) -> None:
    sees = Sees(name)

    asked, answer = ask(STRANGER, f"{name}: {value}".encode(), sees=sees)

    assert [None] == sees.values
    assert (STRANGER, STRANGER, False, False) == sees.facts
    assert (False, False) == (value.encode() in asked, value.encode() in answer)
    assert {b"host", b"x-request-id"} == {line.split(b":")[0].lower() for line in asked.split(b"\r\n")[1:-2]}


@pytest.mark.parametrize(("name", "value"), SPOOFED.items(), ids=SPOOFED)
def test_from_a_trusted_proxy_it_is_passed_on(name: str, value: str) -> None:
    asked, _ = ask(PROXY, f"{name}: {value}".encode(), sees=Sees())

    assert value.encode() in asked


@pytest.mark.parametrize("name", [name for name in SPOOFED if "-" in name])
def test_spelled_as_cgi_would_it_reaches_nobody_even_from_a_trusted_proxy(name: str) -> None:
    sees = Sees(name.replace("-", "_"))

    asked, _ = ask(PROXY, f"{name.replace('-', '_')}: spoofed".encode(), sees=sees)

    assert ([None], False) == (sees.values, b"spoofed" in asked)


def test_named_by_connection_it_is_still_dropped() -> None:
    sees = Sees("X-Real-IP")

    asked, _ = ask(STRANGER, b"Connection: keep-alive, x", b"X-Real-IP: 203.0.113.9", sees=sees)

    assert ([None], False) == (sees.values, b"203.0.113.9" in asked)


CHAINS = {
    "no field": ((), PROXY),
    "one hop": ((b"203.0.113.9",), "203.0.113.9"),
    "what stands left of a stranger was written by it": ((b"1.1.1.1, 203.0.113.9",), "203.0.113.9"),
    "trusted hops are passed over": ((b"1.1.1.1, 203.0.113.9, 10.1.1.1, 10.2.2.2",), "203.0.113.9"),
    "several fields are one list": ((b"1.1.1.1", b"203.0.113.9", b"10.1.1.1"), "203.0.113.9"),
    "all hops are trusted": ((b"10.3.3.3, 10.1.1.1",), "10.3.3.3"),
    "a hop that is no address": ((b"203.0.113.9, unknown",), PROXY),
    "one that is none behind a trusted one": ((b"203.0.113.9, evil, 10.1.1.1",), "10.1.1.1"),
    "an empty hop": ((b"203.0.113.9,",), PROXY),
    "an empty field": ((b"",), PROXY),
    "IPv6": ((b"2001:db9::1",), "2001:db9::1"),
    "IPv6 that is trusted": ((b"203.0.113.9, 2001:db8::1",), "203.0.113.9"),
    "IPv6 in brackets, with a port": ((b"[2001:db9::1]:443",), "2001:db9::1"),
    "IPv4 with a port": ((b"203.0.113.9:1234",), "203.0.113.9"),
    "IPv4 in IPv6": ((b"::ffff:203.0.113.9",), "203.0.113.9"),
    "IPv4 in IPv6 that is trusted": ((b"203.0.113.9, ::ffff:10.1.1.1",), "203.0.113.9"),
    "digits that are not ASCII": (("\u0661.1.1.1".encode(),), PROXY),
    "a thousand trusted hops": ((b"203.0.113.9" + b", 10.1.1.1" * 1000,), "203.0.113.9"),
}


@pytest.mark.parametrize(("values", "client"), CHAINS.values(), ids=CHAINS)
def test_the_client_is_the_right_most_hop_that_is_not_trusted(values: tuple[bytes, ...], client: str) -> None:
    sees = Sees()

    ask(PROXY, *(b"X-Forwarded-For: " + value for value in values), sees=sees)

    assert (client, PROXY, True, False) == sees.facts


@pytest.mark.parametrize(
    ("address", "peer", "trusted"),
    [
        ("10.0.0.7", "10.0.0.7", True),
        ("::ffff:10.0.0.7", "10.0.0.7", True),
        ("2001:db8::7", "2001:db8::7", True),
        ("fe80::1%eth0", "fe80::1", False),
        ("11.0.0.7", "11.0.0.7", False),
    ],
)
def test_a_peer_is_trusted_by_its_address(address: str, peer: str, trusted: bool) -> None:
    sees = Sees()

    ask(address, sees=sees)

    assert (peer, peer, trusted, False) == sees.facts


@pytest.mark.parametrize(
    ("value", "secure"),
    [(b"https", True), (b"http", False), (b"HTTPS", False), (b"http, https", False), (b"", False)],
)
def test_a_trusted_proxy_says_whether_the_client_came_by_https(value: bytes, secure: bool) -> None:
    sees = Sees()

    ask(PROXY, b"X-Forwarded-Proto: " + value, sees=sees)

    assert (PROXY, PROXY, True, secure) == sees.facts


@pytest.mark.parametrize("given", [b"abc-123", b"A.b_c~d-9", b"a" * 128])
def test_a_trusted_proxy_gives_the_request_its_id(given: bytes) -> None:
    sees = Sees("X-Request-ID")

    asked, answer = ask(PROXY, b"X-Request-ID: " + given, sees=sees)

    assert (given.decode(), 1, 1) == (
        sees.request_id,
        asked.count(b"X-Request-ID: " + given + b"\r\n"),
        answer.count(b"X-Request-ID: " + given + b"\r\n"),
    )
    assert 1 == asked.lower().count(b"x-request-id")


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"a b",
        b"a" * 129,
        b"a,b",
        b'"a"',
        b"a;b",
        b"<a>",
        b"a/b",
        b"a%0d",
        "\u00e9".encode(),
        b"a\tb",
        b"{a}",
    ],
)
def test_an_id_that_could_break_a_log_is_replaced(given: bytes) -> None:
    sees = Sees()

    asked, answer = ask(PROXY, b"X-Request-ID: " + given, sees=sees)

    field = b"X-Request-ID: " + sees.request_id.encode() + b"\r\n"
    assert 32 == len(sees.request_id)
    assert (1, 1, 1) == (asked.count(field), answer.count(field), asked.lower().count(b"x-request-id"))


def test_a_percent_sign_in_the_name_of_the_id_is_one() -> None:
    with bare() as here:
        here.server.serving = replace(here.server.serving, request_id_header="X-100%d")
        client = here.client()
        client.send(get(b"Host: a"))
        here.settle()
        asked = here.upstreams[0].take()

    assert b"\r\nX-100%d: " in asked


def test_ids_of_our_own_can_not_be_guessed_from_others() -> None:
    """No two have a part in common that a counter would leave alone."""
    seen = []
    for _ in range(3):
        sees = Sees()
        ask(STRANGER, sees=sees)
        seen.append(sees.request_id)

    halves = {half for request_id in seen for half in (request_id[:16], request_id[16:])}
    assert 6 == len(halves)
