"""Which host, and which fields: nobody gets to see another answer to that than the policies did."""

from __future__ import annotations

import re

import pytest

from proxy.exchange import Exchange
from tests.wire import sloppy
from tests.wire.attacks import HIDDEN, Attack, get, hold, length, play, post, table
from tests.wire.sloppy import Reader


class Sees:
    """A policy that remembers what it is shown."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self.names: set[bytes] = set()

    def on_request(self, exchange: Exchange) -> None:
        self.hosts.append(exchange.request.host)
        self.names |= {name.lower() for name, _ in exchange.request.headers}


BAD_HOSTS = {
    "two": b"Host: a\r\nHost: b",
    "twice the same": b"Host: a\r\nHost: a",
    "two, in another case": b"Host: a\r\nhost: b",
    "one, folded": b"Host: a\r\n b",
    "one behind a space": b"Host : a",
    "none": b"X: a",
    "a list": b"Host: a, b",
    "a path": b"Host: a/b",
    "a query": b"Host: a?b",
    "a fragment": b"Host: a#b",
    "a user": b"Host: b@a",
    "a scheme": b"Host: http://a",
    "a space inside": b"Host: a b",
    "a tab inside": b"Host: a\tb",
    "a NUL": b"Host: a\0b",
    "a quote": b'Host: "a"',
    "a backslash": b"Host: a\\b",
    "a bracket that opens": b"Host: [::1",
    "a bracket that closes": b"Host: ::1]",
    "two colons": b"Host: a:80:80",
    "a port of letters": b"Host: a:b",
    "a port with a sign": b"Host: a:-80",
    "a port of six digits": b"Host: a:100000",
    "a port in other digits": "Host: a:\u0668\u0660".encode(),
    "a name in other letters": "Host: \u0430".encode(),
    "a byte over 127": b"Host: a\xff",
    "angle brackets": b"Host: <a>",
    "a brace": b"Host: {a}",
    "a caret": b"Host: a^b",
    "a bar": b"Host: a|b",
}


@pytest.mark.parametrize("line", BAD_HOSTS.values(), ids=BAD_HOSTS)
async def test_a_host_that_is_none_or_two_is_refused(line: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert line in sloppy.BY_THE_BOOK.messages(get(line))[0]  # a naive forwarder passes it on

    played = await play(get(line))

    assert ((400,), b"") == (played.statuses, played.seen)
    assert played.reasons[0] in ("request.malformed", "request.host")
    assert b"\r\nConnection: close\r\n" in played.answered
    assert [] == caplog.records


GOOD_HOSTS = {
    "a name": (b"example.com", "example.com"),
    "another case": (b"Example.COM", "example.com"),
    "with a port": (b"a:8080", "a"),
    "IPv4": (b"127.0.0.1:80", "127.0.0.1"),
    "IPv6": (b"[::1]:80", "[::1]"),
    "nothing, as RFC 9110 has it": (b"", ""),
    "an underscore": (b"a_b", "a_b"),
}


@pytest.mark.parametrize(("host", "seen"), GOOD_HOSTS.values(), ids=GOOD_HOSTS)
async def test_a_host_is_passed_on_as_it_came(host: bytes, seen: str) -> None:
    sees = Sees()

    played = await play(get(b"Host: " + host), 1, sees)

    assert get(b"Host: " + host) == played.seen
    assert [seen] == sees.hosts


ABSOLUTE = {
    "another host": (b"http://b/x", b"/x", b"b", "b"),
    "another host and port": (b"http://b:81/x?y", b"/x?y", b"b:81", "b"),
    "https": (b"https://b/", b"/", b"b", "b"),
    "an odd scheme": (b"HTTP://B/", b"/", b"B", "b"),
    "no path": (b"http://b", b"/", b"b", "b"),
    "a query and no path": (b"http://b?y=/z", b"/?y=/z", b"b", "b"),
    "two slashes": (b"http://b/x//y", b"/x//y", b"b", "b"),
}


@pytest.mark.parametrize(("target", "origin", "authority", "host"), ABSOLUTE.values(), ids=ABSOLUTE)
async def test_an_absolute_target_stands_above_the_host(
    target: bytes, origin: bytes, authority: bytes, host: str
) -> None:
    raw = get(b"Host: a", b"X: x", target=target)
    forwarded = sloppy.BY_THE_BOOK.messages(raw)[0]
    assert {authority.lower(), b"a"} == {  # two hosts for whoever gets this as it is
        target.lower().split(b"://")[1].split(b"/")[0].split(b"?")[0],
        *sloppy.BY_THE_BOOK.fields(forwarded)[b"host"],
    }
    sees = Sees()

    played = await play(raw, 1, sees)

    assert get(b"X: x", b"Host: " + authority, target=origin) == played.seen
    assert [host] == sees.hosts


async def test_an_absolute_target_names_the_host_where_http_1_0_has_no_field_for_it() -> None:
    sees = Sees()

    played = await play(b"GET http://b/x HTTP/1.0\r\n\r\n", 1, sees)

    assert (get(b"Host: b", target=b"/x"), ["b"]) == (played.seen, sees.hosts)


def unframes(connection: bytes, *, front: Reader = sloppy.BY_THE_BOOK) -> Attack:
    """A forwarder that takes out what Connection names leaves a request without its framing."""
    raw = post(length(HIDDEN), connection, body=HIDDEN)
    return Attack(raw, front, Reader(name=lambda name: b"" if name == b"content-length" else name), (200,))


@table(
    {
        "the length": unframes(b"Connection: Content-Length"),
        "the length among others": unframes(b"Connection: keep-alive , content-length,x"),
        "the length in a second field": unframes(b"Connection: keep-alive\r\nConnection: Content-Length"),
    }
)
async def test_connection_does_not_take_the_framing_out(
    attack: Attack, caplog: pytest.LogCaptureFixture
) -> None:
    attack.seen = post(length(HIDDEN), body=HIDDEN)
    attack.reason = ""
    await hold(attack, caplog)


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        pytest.param(
            post(
                b"Transfer-Encoding: chunked", b"Connection: Transfer-Encoding", body=b"1\r\na\r\n0\r\n\r\n"
            ),
            post(b"Transfer-Encoding: chunked", body=b"1\r\na\r\n0\r\n\r\n"),
            id="the coding",
        ),
        pytest.param(get(b"Host: a", b"Connection: host"), get(b"Host: a"), id="the host"),
        pytest.param(get(b"Host: a", b"Connection: x", b"X: x"), get(b"Host: a"), id="any other field"),
        pytest.param(
            get(b"Host: a", b"Connection: close", b"Connection: x\t, y", b"X: x", b"Y: y"),
            get(b"Host: a"),
            id="fields of a second Connection",
        ),
        pytest.param(
            get(b"Host: a", b"Connection: x-request-id", b"Keep-Alive: 1", b"Proxy-Connection: a", b"TE: a"),
            get(b"Host: a"),
            id="what is of one connection anyway",
        ),
    ],
)
async def test_what_connection_names_is_not_passed_on_unless_it_frames_or_routes(
    raw: bytes, seen: bytes
) -> None:
    played = await play(raw)

    assert seen == played.seen


@pytest.mark.parametrize(
    "name",
    [
        b"X_Forwarded_For",
        b"x_forwarded-for",
        b"X-Forwarded_Proto",
        b"X_Real_IP",
        b"X_Request_ID",
        b"Content_Length",
        b"Transfer_Encoding",
        b"Proxy_Connection",
        b"True_Client_IP",
        b"X.Forwarded.For",
        b"X~Real_IP",
        b"Content!Length",
    ],
)
async def test_a_name_that_cgi_would_take_for_a_guarded_one_is_not_passed_on(name: bytes) -> None:
    raw = get(b"Host: a", name + b": 5", b"Under_Score: kept", b"Od.d: kept")
    by_cgi = Reader(name=lambda name: re.sub(rb"[^a-z0-9]", b"-", name))  # as lighttpd and old Apaches do
    assert re.sub(rb"[^a-z0-9]", b"-", name.lower()) in by_cgi.fields(raw.partition(b"\r\n\r\n")[0])
    sees = Sees()

    played = await play(raw, 1, sees)

    assert get(b"Host: a", b"Under_Score: kept", b"Od.d: kept") == played.seen
    assert {b"host", b"under_score", b"od.d"} == sees.names
