"""Who is calling: nobody's word but a trusted proxy's."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.peers import TrustedPeers, plain_address

TRUSTED = TrustedPeers([ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")])


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        pytest.param("10.1.2.3", True, id="inside the IPv4 network"),
        pytest.param("11.1.2.3", False, id="outside it"),
        pytest.param("2001:db8::1", True, id="inside the IPv6 network"),
        pytest.param("2001:db9::1", False, id="outside that"),
        pytest.param("", False, id="a unix socket"),
        pytest.param("example.com", False, id="a name"),
        pytest.param("10.1.2", False, id="no address"),
    ],
)
def test_a_peer_is_trusted_by_its_address(address: str, trusted: bool) -> None:
    assert trusted is TRUSTED.trusts(address)


def test_by_default_nobody_is_trusted() -> None:
    assert not TrustedPeers().trusts("127.0.0.1")


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        pytest.param(None, "10.0.0.1", id="nothing said"),
        pytest.param("", "10.0.0.1", id="an empty field"),
        pytest.param("203.0.113.7", "203.0.113.7", id="one hop"),
        pytest.param(
            "198.51.100.1, 203.0.113.7", "203.0.113.7", id="what a client wrote itself is left of its address"
        ),
        pytest.param("203.0.113.7, 10.0.0.9", "203.0.113.7", id="through two trusted proxies"),
        pytest.param("10.0.0.8, 10.0.0.9", "10.0.0.8", id="all are trusted: the first"),
        pytest.param("203.0.113.7, nonsense", "10.0.0.1", id="no address at the right"),
        pytest.param("203.0.113.7, nonsense, 10.0.0.9", "10.0.0.9", id="no address in the middle"),
        pytest.param("203.0.113.7:4711", "203.0.113.7", id="with a port"),
        pytest.param("[2001:db9::1]:80", "2001:db9::1", id="IPv6 with brackets and port"),
        pytest.param("2001:db9::1", "2001:db9::1", id="IPv6 without"),
        pytest.param("::ffff:203.0.113.7", "203.0.113.7", id="IPv4 mapped into IPv6"),
        pytest.param(", ,", "10.0.0.1", id="commas only"),
    ],
)
def test_the_client_is_the_right_most_hop_that_is_not_trusted(forwarded_for: str | None, client: str) -> None:
    assert client == TRUSTED.client_of("10.0.0.1", forwarded_for)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        pytest.param("127.0.0.1", "127.0.0.1", id="IPv4"),
        pytest.param("127.0.0.1:80", "127.0.0.1", id="IPv4 with a port"),
        pytest.param("::1", "::1", id="IPv6"),
        pytest.param("2001:DB8:0::1", "2001:db8::1", id="in its canonical form"),
        pytest.param("fe80::1%eth0", "fe80::1", id="with a zone"),
        pytest.param("[::1]:80", "::1", id="in brackets"),
        pytest.param("::ffff:127.0.0.1", "127.0.0.1", id="mapped"),
        pytest.param("unix:", None, id="a unix socket"),
        pytest.param("", None, id="nothing"),
        pytest.param("1.2.3.4.5", None, id="too much"),
        pytest.param("01.2.3.4", None, id="an octet with a leading zero"),
    ],
)
def test_an_address_is_plain_or_none(text: str, address: str | None) -> None:
    assert address == plain_address(text)


@given(st.text(max_size=40), st.text(max_size=10))
def test_no_field_makes_it_fail_and_the_client_is_always_an_address(field: str, port: str) -> None:
    client = TRUSTED.client_of("10.0.0.1", f"{field}, 10.0.0.2:{port}")

    assert plain_address(client) == client
