"""What a key stands for in a request, and what a decision shows of it."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.config.keys import Key
from proxy.exchange import Exchange, Identity, RouteFacts
from proxy.policies.keys import SIGNATURE, needs_body, reader, shown
from proxy.testing import exchange


def asked(**facts: Any) -> Exchange:
    found = exchange(**facts)
    found.route = RouteFacts("orders", "/orders/{id}")
    found.params = {"id": "42"}
    return found


def value(*keys: str, body: bytes = b"", ipv6_prefix: int = 64, **facts: Any) -> str | None:
    return reader([Key.parse(key) for key in keys], ipv6_prefix)(asked(**facts), body)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("route.name", "orders"),
        ("path.id", "42"),
        ("query:q", "a b"),
        ("query:twice", "1,2"),
        ("header:x-tenant", "acme"),
        ("constant", "*"),
    ],
)
def test_a_fact_of_the_head_is_read(key: str, expected: str) -> None:
    given = {"query": "q=a+b&twice=1&twice=2&empty=", "headers": {"X-Tenant": "acme", "X-Empty": ""}}

    assert expected == value(key, **given)


@pytest.mark.parametrize("key", ["query:gone", "query:empty", "header:X-Gone", "header:X-Empty", "auth.id"])
def test_what_is_not_there_or_is_empty_is_missing(key: str) -> None:
    assert None is value(key, query="empty=", headers={"X-Empty": ""})


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(["theme=dark; session=abc; lang=de"], "abc", id="among others"),
        pytest.param(["session=abc.def=="], "abc.def==", id="with what looks like more of them"),
        pytest.param(["theme=dark", "session=abc"], "abc", id="on a line of its own"),
        pytest.param(["session=abc; session=def"], "abc,def", id="twice"),
        pytest.param(["a=1;session=abc;b"], "abc", id="without spaces"),
        pytest.param(['session="abc"'], '"abc"', id="in quotes"),
        pytest.param(["Session=abc"], None, id="of another case"),
        pytest.param(["xsession=abc; session_id=1"], None, id="with a name that is alike"),
        pytest.param(["session="], None, id="empty"),
        pytest.param(["session"], None, id="without a value"),
        pytest.param([], None, id="none"),
    ],
)
def test_a_cookie_is_the_one_of_that_name(sent: list[str], expected: str | None) -> None:
    found = exchange()
    for line in sent:
        found.request.headers.add("Cookie", line)

    assert expected == reader([Key("cookie:session")])(found, b"")


def test_the_caller_is_who_was_proved() -> None:
    request = exchange()
    request.identity = Identity("key-7", "api_key")

    assert "key-7" == reader([Key("auth.id")])(request, b"")


def test_requests_without_a_route_have_a_name_as_well() -> None:
    assert "no_route" == reader([Key("route.name")])(exchange(), b"")


@pytest.mark.parametrize(
    ("address", "prefix", "ip", "net"),
    [
        pytest.param("192.0.2.7", 64, "192.0.2.7", "192.0.2.0/24", id="IPv4"),
        pytest.param("2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::/64", "2001:db8:1:2::/64", id="IPv6"),
        pytest.param(
            "2001:db8:1:2:3:4:5:6", 128, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", id="IPv6 one by one"
        ),
        pytest.param("2001:db8:1:2:3:4:5:6", 48, "2001:db8:1::/48", "2001:db8:1:2::/64", id="IPv6 by site"),
        pytest.param("::ffff:192.0.2.7", 64, "192.0.2.7", "192.0.2.0/24", id="IPv4 written as IPv6"),
        pytest.param("fe80::1%eth0", 64, "fe80::/64", "fe80::/64", id="with a zone"),
        pytest.param("", 64, None, None, id="on a unix socket"),
        pytest.param("who:knows", 64, "who:knows", "who:knows", id="no address at all"),
    ],
)
def test_an_address_is_that_of_a_client_or_of_its_network(
    address: str, prefix: int, ip: str | None, net: str | None
) -> None:
    found = [value(key, client_ip=address, ipv6_prefix=prefix) for key in ("client.ip", "client.net")]

    assert [ip, net] == found


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("/id", "7"),
        ("/a/1", "second"),
        ("/odd~1name~0", "x"),
        ("/yes", "true"),
        ("/half", "0.5"),
        ("/gone", None),
        ("/null", None),
        ("/empty", None),
        ("/a", None),
        ("/a/2", None),
        ("/a/-1", None),
        ("/a/99999999999", None),
        ("/id/deeper", None),
    ],
)
def test_a_place_in_the_body_is_read(pointer: str, expected: str | None) -> None:
    body = b'{"id":7,"a":["first","second"],"odd/name~":"x","yes":true,"half":0.5,"null":null,"empty":""}'

    assert expected == value(f"body:{pointer}", body=body)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'"\xff"'])
def test_of_a_body_that_is_no_json_everything_is_missing(body: bytes) -> None:
    assert None is value("body:/id", body=body)


def test_a_whole_body_is_its_digest() -> None:
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    assert digest == value("body.sha256")


def test_several_facts_are_one_key_and_each_ends_in_one_place_only() -> None:
    split = [
        value("header:A", "header:B", headers={"A": a, "B": b})
        for a, b in [("x", "yz"), ("xy", "z"), ("x1:", "y"), ("x", "1:y"), ("x2:1:", "y")]
    ]

    assert 5 == len(set(split))


def test_a_key_with_a_part_missing_is_missing() -> None:
    assert None is value("client.ip", "header:X-Tenant")


def test_only_some_keys_need_the_body() -> None:
    keys = [Key("client.ip"), Key("header:A"), Key("path.id")]

    assert [False, True, True] == [
        needs_body(keys),
        needs_body([*keys, Key("body:/a")]),
        needs_body([Key("body.sha256")]),
    ]


def test_what_could_be_a_secret_is_shown_as_the_beginning_of_its_hash() -> None:
    keys = [Key.parse(key) for key in ("client.ip", "route.name", "header:X-Key", "path.id", "query:gone")]

    told = shown(keys, asked(headers={"X-Key": "hunter2"}))

    assert (
        "client.ip 192.0.2.1, route.name orders, header:X-Key sha256:f52fbd32b2b3, "
        "path.id sha256:73475cb40a56, query:gone is missing"
    ) == told


def test_undecodable_bytes_can_be_shown_and_told_apart() -> None:
    found = {value("query:q", query=query) for query in ("q=%ff", "q=%fe", "q=%ed%a0%80")}

    assert 3 == len(found)
    assert "sha256:" in shown([Key("query:q")], asked(query="q=%ff"))


def test_a_signature_is_what_was_verified() -> None:
    signed, unsigned = asked(), asked()
    signed.remember(SIGNATURE, "0f")

    read = reader([Key("signature")])

    assert ("0f", None) == (read(signed, b""), read(unsigned, b""))


def test_a_fact_that_nothing_tells_is_refused_when_it_is_built() -> None:
    with pytest.raises(ValueError, match="`key` asks for weather"):
        reader([Key("weather")])
