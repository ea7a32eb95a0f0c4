"""Who the upstream believes the client to be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import Request
from proxy.policies.edge.forwarded import Forwarded, ForwardedConfig
from proxy.testing import FakeUpstream, exchange, fake_services, route
from tests.policies.reading import problems

Emit = Literal["x-forwarded", "forwarded"]
X: tuple[Emit, ...] = ("x-forwarded",)
STANDARD: tuple[Emit, ...] = ("forwarded",)

CLIENT: dict[str, Any] = {"client_ip": "192.0.2.1", "peer_ip": "192.0.2.1"}
BEHIND_PROXY: dict[str, Any] = {"client_ip": "192.0.2.1", "peer_ip": "10.0.0.5", "peer_trusted": True}


async def seen_by_upstream(
    emit: tuple[Emit, ...],
    headers: dict[str, str],
    **facts: Any,
) -> Request:
    upstream = FakeUpstream(200)
    policy = Forwarded(ForwardedConfig(emit=emit), fake_services())
    await route(policy, upstream=upstream).respond(exchange(headers=headers, **{"host": "", **facts}))
    return upstream.seen[0]


def as_text(request: Request) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode()) for name, value in request.headers]


async def test_a_client_without_a_proxy_is_the_only_hop() -> None:
    request = await seen_by_upstream(X, {"Host": "shop.example:8443"}, secure=True, **CLIENT)

    assert [
        ("Host", "shop.example:8443"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Forwarded-Host", "shop.example:8443"),
        ("X-Forwarded-Proto", "https"),
        ("X-Real-IP", "192.0.2.1"),
    ] == as_text(request)


async def test_a_trusted_proxy_is_added_to_the_chain_that_it_sent() -> None:
    sent = {
        "Host": "inside.local",
        "X-Forwarded-For": "203.0.113.9, 192.0.2.1",
        "X-Forwarded-Host": "shop.example",
        "X-Forwarded-Proto": "https",
        "X-Real-IP": "203.0.113.9",
    }

    request = await seen_by_upstream(X, sent, secure=True, **BEHIND_PROXY)

    assert [
        ("Host", "inside.local"),
        ("X-Forwarded-For", "203.0.113.9, 192.0.2.1, 10.0.0.5"),
        ("X-Forwarded-Host", "shop.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Real-IP", "192.0.2.1"),
    ] == as_text(request)


async def test_chains_in_several_lines_become_one() -> None:
    sent = {"X-Forwarded-For": "203.0.113.9", "x-forwarded-for": "192.0.2.1"}

    request = await seen_by_upstream(X, sent, **BEHIND_PROXY)

    assert ["203.0.113.9, 192.0.2.1, 10.0.0.5"] == request.headers.get_all("X-Forwarded-For")


@pytest.mark.parametrize(
    ("headers", "facts", "expected"),
    [
        pytest.param(
            {"Host": "shop.example"}, CLIENT, "for=192.0.2.1;host=shop.example;proto=http", id="IPv4"
        ),
        pytest.param(
            {"Host": "[::1]:8080"},
            {"client_ip": "2001:db8::17", "peer_ip": "2001:db8::17"},
            'for="[2001:db8::17]";host="[::1]:8080";proto=http',
            id="IPv6 in brackets, and in quotes",
        ),
        pytest.param(
            {}, {"client_ip": "fe80::1%eth0"}, 'for="[fe80::1]";proto=http', id="a zone stays at home"
        ),
        pytest.param(
            {},
            {**CLIENT, "host": "shop.example"},
            "for=192.0.2.1;host=shop.example;proto=http",
            id="HTTP/1.0",
        ),
        pytest.param(
            {"Host": "shop.example", "Forwarded": "for=203.0.113.9;proto=https"},
            {**BEHIND_PROXY, "secure": True},
            "for=203.0.113.9;proto=https, for=10.0.0.5;host=shop.example;proto=https",
            id="added to a trusted proxy's",
        ),
        pytest.param(
            {
                "Host": "shop.example",
                "X-Forwarded-For": '203.0.113.9:4711, [2001:db8::17]:80, 2001:db8::18, x";proto=https',
            },
            BEHIND_PROXY,
            'for=203.0.113.9, for="[2001:db8::17]", for="[2001:db8::18]", for=unknown, '
            "for=10.0.0.5;host=shop.example;proto=http",
            id="taken over from X-Forwarded-For (RFC 7239, section 7.4)",
        ),
        pytest.param(
            {"Forwarded": "for=203.0.113.9", "X-Forwarded-For": "198.51.100.1", "Host": "a"},
            BEHIND_PROXY,
            "for=203.0.113.9, for=10.0.0.5;host=a;proto=http",
            id="the standard's chain goes before the other",
        ),
        pytest.param({"Host": "a"}, {"client_ip": ""}, "for=unknown;host=a;proto=http", id="a unix socket"),
        pytest.param(
            {"X-Forwarded-Host": 'a"; proto=https\\'},
            BEHIND_PROXY,
            'for=10.0.0.5;host="a\\"; proto=https\\\\";proto=http',
            id="a host that tries to leave its quotes",
        ),
    ],
)
async def test_the_standard_field(headers: dict[str, str], facts: dict[str, Any], expected: str) -> None:
    request = await seen_by_upstream(STANDARD, headers, **facts)

    assert [expected] == request.headers.get_all("Forwarded")


async def test_both_kinds_can_be_sent() -> None:
    request = await seen_by_upstream(("forwarded", "x-forwarded"), {"Host": "a"}, **CLIENT)

    assert ("192.0.2.1", "for=192.0.2.1;host=a;proto=http") == (
        request.headers.get("X-Forwarded-For"),
        request.headers.get("Forwarded"),
    )


SPOOFED = {
    "Forwarded": "for=203.0.113.9",
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Real-IP": "203.0.113.9",
}


@pytest.mark.parametrize(
    ("emit", "names"),
    [
        pytest.param((), [], id="nothing"),
        pytest.param(STANDARD, ["Forwarded"], id="the standard alone"),
        pytest.param(
            X, ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP"], id="the old ones"
        ),
    ],
)
async def test_the_upstream_hears_only_the_story_that_is_told(
    emit: tuple[Emit, ...], names: list[str]
) -> None:
    request = await seen_by_upstream(emit, SPOOFED, **BEHIND_PROXY)

    assert names == [name for name, _ in as_text(request)]


@pytest.mark.parametrize(
    ("headers", "facts", "expected"),
    [
        pytest.param({}, {"client_ip": ""}, [("X-Forwarded-Proto", "http")], id="nobody has an address"),
        pytest.param(
            {"X-Forwarded-For": "192.0.2.1"},
            {"client_ip": "192.0.2.1", "peer_trusted": True},
            [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "http"), ("X-Real-IP", "192.0.2.1")],
            id="a trusted proxy on a unix socket",
        ),
    ],
)
async def test_addresses_are_never_made_up(
    headers: dict[str, str], facts: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    request = await seen_by_upstream(X, headers, **facts)

    assert expected == as_text(request)


_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_ELEMENT = re.compile(rf"for={_TOKEN};host=(?P<host>{_TOKEN}|{_QUOTED});proto=http", re.DOTALL)


@given(host=st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), min_size=1))
async def test_whatever_a_proxy_says_stays_one_value_of_one_element(host: str) -> None:
    request = await seen_by_upstream(STANDARD, {"X-Forwarded-Host": host}, **BEHIND_PROXY)

    element = _ELEMENT.fullmatch(request.headers.get("Forwarded") or "")
    assert element is not None
    sent = element["host"]
    assert host == (re.sub(r"\\(.)", r"\1", sent[1:-1], flags=re.DOTALL) if sent.startswith('"') else sent)


@pytest.mark.parametrize(
    ("host", "upstreams"),
    [pytest.param("preserve", False, id="the client's"), pytest.param("upstream", True, id="the upstream's")],
)
async def test_whose_name_goes_into_host(host: Literal["preserve", "upstream"], upstreams: bool) -> None:
    asked = exchange()

    await route(Forwarded(ForwardedConfig(host=host), fake_services())).respond(asked)

    assert upstreams == asked.send_upstream_host


@pytest.mark.parametrize(
    ("policies", "wrong"),
    [
        pytest.param("forwarded: {}", [], id="as it is by default"),
        pytest.param("forwarded: {emit: [], host: upstream}", [], id="nothing told"),
        pytest.param(
            "forwarded: {emit: [x-forwarded-for]}", ["forwarded.emit[0]"], id="a field instead of a kind"
        ),
        pytest.param("forwarded: {mode: shadow}", ["forwarded.mode"], id="shadow, with nothing to report"),
    ],
)
def test_what_a_policy_file_may_say(policies: str, wrong: list[str], tmp_path: Path) -> None:
    assert wrong == problems(policies, tmp_path)
