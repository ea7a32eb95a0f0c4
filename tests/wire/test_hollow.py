"""Heads that differ in the value of one field: what was read before is used again, and nobody can tell."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.exchange import Exchange
from proxy.headers import Headers, OfField
from proxy.wire.hollow import Hollow
from tests.wire.attacks import OK, get
from tests.wire.bare import Bare, FakeTransport, bare

PEER = "192.0.2.1"
TRUSTED = [ip_network("192.0.2.0/24")]
BEFORE = (b"Host: a", b"Cookie: c", b"Connection: keep-alive, x-own", b"X-Own: 1")
BEHIND = (b"Accept: */*", b"Cookie: d")


class Reads:
    """A policy that reads, drops and adds, as those that exist do."""

    def __init__(self) -> None:
        self.traces: list[tuple[str | None, tuple[str, ...], int, str]] = []
        self._accept = OfField("Accept", ",".join)
        self._trace = OfField("Trace", tuple)

    def on_request(self, exchange: Exchange) -> None:
        headers = exchange.request.headers
        headers.drop(frozenset((b"cookie", b"x-own")))
        headers.add("X-Added", "1")
        self.traces.append(
            (
                headers.get("Trace"),
                headers.once(self._trace),
                headers.once(_size),
                headers.once(self._accept),
            )
        )


def _size(headers: Headers) -> int:
    return headers.received_size + headers.received_count


def asked(here: Bare, client: FakeTransport, raw: bytes) -> tuple[list[bytes], bytes]:
    """What the upstream gets of `raw`, without our own id, and how the client is answered."""
    client.send(raw)
    here.settle()
    got = b"".join(upstream.take() for upstream in here.upstreams)
    if got:
        here.upstreams[-1].send(OK)
        here.settle()
    lines = [line for line in got.split(b"\r\n") if not line.startswith(b"X-Request-ID: ")]
    return lines, client.take()[:12]


def head(trace: bytes, *, name: bytes = b"Trace: ") -> bytes:
    return get(*BEFORE, name + trace, *BEHIND)


@pytest.fixture
def here() -> Iterator[Bare]:
    with bare(Reads()) as running:
        yield running


def test_what_is_new_each_time_arrives_and_all_else_too(here: Bare) -> None:
    client = here.client()

    for trace in (b"1", b"2", b"345", b"\xc3\xbc b", b"2", b"2"):
        got, answer = asked(here, client, head(trace))

        assert [b"Host: a", b"Trace: " + trace, b"Accept: */*", b"X-Added: 1"] == got[1:5]
        assert answer.startswith(b"HTTP/1.1 200")


def test_nothing_is_read_again_but_the_value(here: Bare, monkeypatch: pytest.MonkeyPatch) -> None:
    client = here.client()
    for trace in (b"1", b"2"):
        asked(here, client, head(trace))
    monkeypatch.setattr("proxy.wire.intake.parse_fields", None)

    got, _ = asked(here, client, head(b"3"))

    assert b"Trace: 3" in got


@pytest.mark.parametrize("wrong", [b"a\x00", b"\x00", b"a\rb", b"a\nb", b"a\x7fb", b"\r", b"a\r\nb"])
def test_a_value_that_is_none_is_refused_as_ever(here: Bare, wrong: bytes) -> None:
    client = here.client()
    for trace in (b"1", b"2", b"3"):
        asked(here, client, head(trace))

    assert ([b""], b"HTTP/1.1 400") == asked(here, client, head(wrong))
    assert client.ended


@pytest.mark.parametrize(
    "name",
    [
        b"X-Forwarded-For: ",
        b"X-Forwarded-Whatever: ",
        b"X-Request-ID: ",
        b"Content-Length: ",
        b"Host: ",
        b"TE: ",
    ],
)
def test_of_a_field_that_means_something_each_value_is_read(name: bytes) -> None:
    with bare(peers=TRUSTED) as here:
        client = here.client(PEER)
        for value in (b"1", b"2", b"3"):
            body = b"x" * int(value) if name == b"Content-Length: " else b""
            host = () if name == b"Host: " else (b"Host: a",)
            got, _ = asked(here, client, get(*host, b"Accept: b", name + value, b"Cookie: c") + body)

            assert [b"GET / HTTP/1.1"] == got[:1]
            assert client.protocol.hollow is None


@pytest.mark.parametrize("name", [b"X_Real_IP", b"X-Real.IP"])
def test_what_could_be_taken_for_a_guarded_field_is_left_out_as_ever(here: Bare, name: bytes) -> None:
    client = here.client()

    for trace in (b"1", b"2", b"3"):
        got, _ = asked(here, client, get(b"Host: a", name + b": 127.0.0.1", b"Trace: " + trace))

        assert [b"Host: a", b"Trace: " + trace, b"X-Added: 1"] == got[1:4]


def test_another_revision_reads_all_of_it_again(here: Bare) -> None:
    client = here.client()
    for trace in (b"1", b"2", b"3"):
        asked(here, client, head(trace))
    assert client.protocol.hollow is not None

    here.server.serving = replace(here.server.serving, request_id_header="Trace")
    got, _ = asked(here, client, head(b"4"))

    assert b"Trace: 4" not in got, "it is the field of our own id now"


def test_who_says_several_things_anew_is_not_compared_for_ever(here: Bare) -> None:
    client = here.client()

    for number in range(100):
        asked(here, client, get(b"Host: a", b"A: %d" % number, b"B: %d" % number))

    assert (16, None) == (client.protocol.compared, client.protocol.hollow)


def test_what_is_remembered_is_a_few_times_its_size() -> None:
    with bare(Reads()) as here:
        client = here.client()
        for number in range(5):
            asked(
                here,
                client,
                get(b"Host: a", b"Trace: %d" % number, b"Connection: keep-alive", b"B: " + b"b" * 900),
            )
        hollow, last = client.protocol.hollow, client.protocol.last_lines

    assert b"" == last
    fields = hollow.fields
    assert retained(hollow, fields.kept, fields.kept_lower, *fields.all.special.items()) < 4 * 1024
    assert all(b"Trace: 4" not in value for value in fields.known.values() if isinstance(value, bytes))


def retained(hollow: Hollow, *more: Any) -> int:
    parts = [*msgspec.structs.astuple(hollow)[:3], *more]
    return sum(map(sys.getsizeof, parts))


values = st.one_of(
    st.sampled_from(
        [b"1", b"2", b"", b" ", b"a ", b" a", b"a\tb", b"\t", b"a\x00", b"\r", b"1\r\nX-Own: 2", b"1\r\n"]
    ),
    st.binary(max_size=4),
)
named = st.sampled_from([b"Trace: ", b"Trace:", b"TRACE: ", b"Cookie: ", b"X-Own: ", b"X_Own: ", b"Accept: "])


@given(st.lists(st.tuples(named, values), min_size=2, max_size=8), st.booleans())
@example([(b"Trace: ", b"1"), (b"Trace: ", b"2"), (b"Trace: ", b"3"), (b"Trace:", b"4")], False)
@example([(b"Cookie: ", b"1"), (b"Cookie: ", b"2"), (b"Cookie: ", b"3")], False)
@example([(b"X-Own: ", b"1"), (b"X-Own: ", b"2"), (b"X-Own: ", b"3")], True)
def test_whatever_came_before_a_request_is_read_as_on_a_new_connection(
    requests: list[tuple[bytes, bytes]], trusted: bool
) -> None:
    reads = Reads()
    with bare(reads, peers=TRUSTED if trusted else ()) as here:
        used = here.client(PEER)
        for name, value in requests:
            raw = head(value, name=name)
            fresh = here.client(PEER)
            assert asked(here, fresh, raw) == asked(here, used, raw)
            assert (fresh.closing, fresh.ended) == (used.closing, used.ended)
            if used.closing or used.ended:
                used = here.client(PEER)
    assert all(one == other for one, other in list(pairwise(reads.traces))[::2])
