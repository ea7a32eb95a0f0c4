"""What hostile hands tried on heads after the grammar became our own, and what got through at first."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from proxy.exchange import Exchange
from proxy.headers import HeaderBlock
from proxy.wire.client import ClientConnection
from proxy.wire.head import HOP_BY_HOP, SPOOFABLE, UNDERSTOOD, RequestFields, believed, response_head
from proxy.wire.intake import refuse_head
from proxy.wire.parser import MalformedError, Specials, parse_fields, parse_request_line
from proxy.wire.serving import HeadCaps
from proxy.wire.target import host_of
from tests.wire.attacks import OK, get
from tests.wire.bare import Bare, FakeTransport, bare

PEER = "192.0.2.1"
TRUSTED = [ip_network("192.0.2.0/24")]


def asked(here: Bare, client: FakeTransport, raw: bytes) -> bytes:
    """What the upstream gets of `raw`, which it answers."""
    client.send(raw)
    here.settle()
    got = b"".join(upstream.take() for upstream in here.upstreams)
    if got:
        here.upstreams[-1].send(OK)
        here.settle()
    return got


# ---- hosts


@pytest.mark.parametrize("digits", [5, 8, 4300, 5000, 60_000])
def test_a_host_of_many_digits_is_a_name_and_no_port(digits: int) -> None:
    """More than 4300 digits are more than int() takes."""
    host = "9" * digits
    lines = get(b"Host: " + host.encode())
    absolute = get(b"Host: a", target=b"http://" + host.encode()[:9000] + b"/")

    with bare() as here:
        in_field = asked(here, here.client(), lines)
        in_target = asked(here, here.client(), absolute)

    assert host == host_of(host)
    assert lines[:-2] in in_field
    assert b"Host: " + host.encode()[:9000] in in_target


@pytest.mark.parametrize("host", ["a:65536", "99999:99999", "[::1]:65536", "9:999999"])
def test_a_port_that_can_not_be_is_none(host: str) -> None:
    assert host_of(host) is None


# ---- methods


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_connect_with_a_path_never_reaches_the_upstream(version: bytes) -> None:
    """Go's net/rpc and others answer it 200 and go on with bytes that are no HTTP."""
    with bare() as here:
        client = here.client()
        got = asked(here, client, b"CONNECT /rpc HTTP/%b\r\nHost: a\r\n\r\n" % version)
        answer = client.take()

    assert (b"", b"400") == (got, answer[9:12])


# ---- what is remembered of the last request


class Changes:
    """A policy that changes all that can be changed, in every second request."""

    block = HeaderBlock({"X-Stamped": "1", "Cookie": "stamped"}, ["X-Gone"])

    def __init__(self) -> None:
        self.asked = 0

    def on_request(self, exchange: Exchange) -> None:
        self.asked += 1
        if self.asked % 2:
            headers = exchange.request.headers
            headers.set("X-Set", "1")
            headers.add("Accept", "more")
            headers.remove("X-Removed")
            headers.stamp(self.block)

    def on_response(self, exchange: Exchange, response: Any) -> None:
        del exchange
        if self.asked % 2:
            response.headers.set("X-Answered", "1")
            response.headers.remove("Server")


def test_what_a_policy_changes_in_one_request_does_not_show_in_the_next_that_says_the_same() -> None:
    raw = get(b"Host: a", b"Accept: a", b"X-Removed: 1", b"X-Gone: 1", b"Cookie: c")
    answer = OK.replace(b"\r\n\r\n", b"\r\nServer: s\r\n\r\n")
    untouched = []
    with bare(Changes()) as here:
        client = here.client()
        for _ in range(4):
            client.send(raw)
            here.settle()
            sent = here.upstreams[0].take()
            here.upstreams[0].send(answer)
            here.settle()
            untouched.append((raw[:-2] in sent, b"X-Set" in sent, b"Server: s" in client.take()))

    assert [(False, True, False), (True, False, True)] * 2 == untouched


FIELDS: tuple[tuple[bytes, ...], ...] = (
    (b"Host: a", b"X-Forwarded-For: 203.0.113.9", b"X-Request-ID: theirs"),
    (b"Host: a", b"X-Trace: theirs", b"X_Trace: theirs"),
    (b"Host: a", b"Connection: keep-alive, x-a", b"X-A: 1"),
    (b"Host:\ta ", b"X-A:1"),
)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("lines", FIELDS, ids=repr)
def test_on_a_used_connection_a_request_is_read_as_on_a_new_one(
    lines: tuple[bytes, ...], version: bytes
) -> None:
    """Whatever came before it, and under whichever revision."""
    with bare() as here:
        plain = here.server.serving
        trusting = replace(here.client().protocol.serving, peers=type(plain.peers)(TRUSTED))
        revisions = (plain, trusting, replace(plain, request_id_header="X-Trace"))
        used = here.client(PEER)
        for before, (revision, target) in itertools.product(
            FIELDS, itertools.product(revisions, (b"/", b"/b"))
        ):
            raw = get(*lines, target=target).replace(b"HTTP/1.1", b"HTTP/" + version)
            here.server.serving = plain
            asked(here, used, get(*before))
            here.server.serving = revision
            on_used = asked(here, used, raw)
            fresh = here.client(PEER)
            on_fresh = asked(here, fresh, raw)
            assert _without_ids(on_fresh) == _without_ids(on_used)
            assert (fresh.closing, fresh.ended) == (used.closing, used.ended)
            if used.closing:
                used = here.client(PEER)


def _without_ids(sent: bytes) -> list[bytes]:
    """All lines but our own id, which is the last of them."""
    lines = sent.rstrip(b"\r\n").split(b"\r\n")
    return lines[:-1] if len(lines[-1].partition(b": ")[2]) == 32 else lines


def retained(fields: RequestFields) -> int:
    """Bytes of all that is kept of a request's fields."""
    all_ = fields.all
    parts: list[object] = [fields.kept, fields.kept_lower, all_.lines, all_.lower, all_.special]
    parts += [all_.connection, *all_.connection, *all_.special.values()]
    return sum(sys.getsizeof(part) for part in {id(part): part for part in parts}.values())


@pytest.mark.parametrize(
    "lines",
    [
        b"Connection: " + b",".join(b"%x" % n for n in range(240)),
        b"\r\n".join(b"Connection: %x" % n for n in range(60)),
        b"X:" + b"x" * 980,
        b"\r\n".join([b"x-forwarded-a:b"] * 55),
        b"\r\n".join([b"te:"] * 180),
    ],
    ids=lambda lines: repr(lines[:20]),
)
def test_what_is_remembered_of_a_request_is_a_few_times_its_size(lines: bytes) -> None:
    with bare() as here:
        client = here.client()
        asked(here, client, get(b"Host: a", lines))
        connection: ClientConnection = client.protocol

        assert retained(connection.last_fields) < 8 * 1024


# ---- the field of our own id


@pytest.mark.parametrize("header", ["X-Forwarded-Id", "X-Forwarded-For-Id", "Forwarded-", "X-Forwarded-"])
@pytest.mark.parametrize("peers", [TRUSTED, []], ids=["trusted", "stranger"])
def test_the_upstream_gets_one_id_whatever_its_field_is_called(header: str, peers: list[Any]) -> None:
    with bare(peers=peers) as here:
        here.server.serving = replace(here.server.serving, request_id_header=header)
        got = asked(here, here.client(PEER), get(b"Host: a", b"%b: not an id" % header.encode()))

    assert 1 == got.count(header.encode() + b":")
    assert b"not an id" not in got


# ---- answers


@pytest.mark.parametrize(
    "lengths",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: \r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 5\t\r\n",
        b"content-length: 9999999999999999999\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: \r\nContent-Length: 0\r\n",
    ],
    ids=repr,
)
@pytest.mark.parametrize(
    ("method", "status"), [(b"HEAD", b"200 OK"), (b"GET", b"304 Not Modified"), (b"GET", b"204 No Content")]
)
def test_a_length_that_is_none_is_not_passed_on_with_an_answer_without_a_body(
    method: bytes, status: bytes, lengths: bytes
) -> None:
    with bare() as here:
        client = here.client()
        client.send(get(b"Host: a").replace(b"GET", method))
        here.settle()
        here.upstreams[0].send(b"HTTP/1.1 %b\r\n%b\r\n" % (status, lengths))
        here.settle()
        answer = client.take()

    assert b"502" == answer[9:12]


@pytest.mark.parametrize(
    ("method", "status"), [(b"HEAD", b"200 OK"), (b"GET", b"304 Not Modified")], ids=["HEAD", "304"]
)
def test_a_length_of_a_body_that_is_not_sent_is_passed_on(method: bytes, status: bytes) -> None:
    with bare() as here:
        client = here.client()
        client.send(get(b"Host: a").replace(b"GET", method))
        here.settle()
        here.upstreams[0].send(b"HTTP/1.1 %b\r\nContent-Length: 5\r\n\r\n" % status)
        here.settle()
        answer = client.take()

    assert (status[:3], 1) == (answer[9:12], answer.count(b"\r\nContent-Length: 5\r\n"))


# ---- borders of buffers

CAPS = HeadCaps()


def _of_size(size: int) -> bytes:
    raw = get(b"Host: a", b"X: ")
    return get(b"Host: a", b"X: " + b"x" * (size - len(raw)))


def _with_line(size: int) -> bytes:
    return get(b"Host: a", target=b"/" + b"x" * (size - len(b"GET / HTTP/1.1")))


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (_of_size(CAPS.head), b"200"),
        (_of_size(CAPS.head + 1), b"431"),
        (_with_line(CAPS.target), b"200"),
        (_with_line(CAPS.target + 1), b"414"),
    ],
    ids=["largest head", "too large a head", "longest line", "too long a line"],
)
@pytest.mark.parametrize("last", [0, 1, 2, 3, 4, 5])
def test_a_head_at_its_limit_is_judged_alike_however_it_is_cut(raw: bytes, status: bytes, last: int) -> None:
    line = raw.index(b"\r\n")
    for border in (len(raw), line + 2):
        with bare() as here:
            client = here.client()
            client.send(raw[: border - last])
            if client.open:
                asked(here, client, raw[border - last :])
            here.settle()
            if not client.written and here.upstreams:
                here.upstreams[-1].send(OK)
                here.settle()

            assert status == client.take()[9:12]


# ---- time


LINES: dict[str, Callable[[int], bytes]] = {
    "a method without end": lambda n: b"A" * n,
    "a target without end": lambda n: b"GET /" + b"a" * n,
    "many targets": lambda n: b"GET " + b"a " * (n // 2),
    "many versions": lambda n: b"GET /" + b" HTTP/1.1" * (n // 9),
    "a version without end": lambda n: b"GET / HTTP/1." + b"1" * n + b"x",
}
HOSTILE: dict[str, Callable[[int], bytes]] = {
    "a name without end": lambda n: b"\r\n" + b"a" * n,
    "a value without end": lambda n: b"\r\nX: " + b"a" * n + b"\r",
    "spaces": lambda n: b"\r\nX:" + b" " * n + b"\r\n",
    "spaces behind": lambda n: b"\r\nX: a" + b" " * n + b"\r\n",
    "tabs": lambda n: b"\r\nX:" + b"\t" * n + b"a\r\n",
    "line feeds": lambda n: b"\r\nX: " + b"\n" * n + b"\r\n",
    "a fault at the end": lambda n: b"\r\n" + b"a: b\r\n" * (n // 6) + b"\0",
    "underscores": lambda n: b"\r\n" + b"_" * n + b"a: b\r\n",
    "no underscore in a long name": lambda n: b"\r\nX: _\r\n" + b"a" * n + b": b\r\n",
    "nearly a special name": lambda n: b"\r\n" + b"connectio: b\r\n" * (n // 14),
    "a special name again and again": lambda n: b"\r\n" + b"te: \r\n" * (n // 6),
    "commas": lambda n: b"\r\nConnection: " + b"," * n + b"\r\n",
    "tokens": lambda n: b"\r\nConnection: " + b"a,b_," * (n // 5) + b"\r\n",
}
_NAMES = HOP_BY_HOP | SPOOFABLE | UNDERSTOOD
_SPECIALS = Specials(_NAMES - {b"x-forwarded-*"})


def _read(lines: bytes) -> None:
    if lines[:2] != b"\r\n":
        with pytest.raises(MalformedError) as refused:
            parse_request_line(lines)
        assert refuse_head(refused.value, lines).status in (400, 505)
        return
    try:
        believed(parse_fields(lines, _SPECIALS), HOP_BY_HOP | SPOOFABLE, HOP_BY_HOP | SPOOFABLE)
        response_head(b"HTTP/1.1 200 OK%b\r\n" % lines, _SPECIALS, HOP_BY_HOP)
    except MalformedError:
        pass


def _cpu(work: Callable[[], None]) -> float:
    """Seconds of this thread; the best of three, so that what else runs here counts for little."""
    best = float("inf")
    for _ in range(3):
        started = time.thread_time()
        work()
        best = min(best, time.thread_time() - started)
    return best


@pytest.mark.parametrize("attack", [*LINES.values(), *HOSTILE.values()], ids=[*LINES, *HOSTILE])
def test_no_head_takes_more_than_its_size_to_read(attack: Callable[[int], bytes]) -> None:
    """Eight times the bytes take eight times as long, or a quadratic step would take 64 times."""
    small, large = attack(32 * 1024), attack(256 * 1024)

    assert _cpu(lambda: _read(large)) < 30 * max(_cpu(lambda: _read(small)), 20e-6)
