"""Whatever bytes come: never two requests where one was sent, never a hang, never a failure of our own."""

from __future__ import annotations

import itertools
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.exchange import Exchange, Forward, Response
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.decisions import Decisions
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.recorder import Recorder
from proxy.testing import FakeClock
from tests.wire import strict
from tests.wire.attacks import OK
from tests.wire.bare import Bare, FakeTransport, bare
from tests.wire.harness import Records

EXAMPLES = 500
"""For each test: all of them together take some seconds."""

HOST = b"Host: a\r\n"
REQUESTS = (
    b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /x?y=z HTTP/1.1\r\n" + HOST + b"X-A: b\r\nConnection: keep-alive, x-a\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-B: c\r\n\r\n",
    b"PUT / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 36\r\n\r\n"
    b"GET /inner HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"HEAD http://b/x HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
)
RESPONSES = (
    OK,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-B: c\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nok",
    b"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 4\r\n\r\nnone",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
)
PARTS = (
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b"\t", b"\0", b"\x0b", b"\xff", b":", b",", b";", b"/", b"%"),
    *(b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"chunked"),
    *(b"Connection: close\r\n", b"Connection: content-length\r\n", b"Host: b\r\n", b"Upgrade: h2c\r\n"),
    *(
        b"0\r\n\r\n",
        b"5\r\n",
        b"0x5",
        b"-1",
        b"+5",
        b"f" * 17,
        b"HTTP/1.1",
        b"HTTP/1.0",
        b"GET /in HTTP/1.1\r\n",
    ),
    *(b"Content_Length: 5\r\n", b"Transfer_Encoding: chunked\r\n", b"X-Forwarded-For: b\r\n", b"99999"),
    *(b"CONNECT ", b"HEAD ", b"http://b", b"Transfer-Encoding:\tchunked \r\n", b"Expect: 100-continue\r\n"),
)


class Reads:
    """A policy that waits for every body, both ways."""

    async def on_request(self, exchange: Exchange) -> None:
        await exchange.body()

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        response: Response = await forward(exchange)
        await response.body(1000)
        return response


@st.composite
def mutated(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Some of `seeds`, one behind the other, with a few edits."""
    data = b"".join(draw(st.lists(st.sampled_from(seeds), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        edit = draw(st.sampled_from(("insert", "insert", "delete", "byte", "repeat")))
        if edit == "insert":
            data = data[:at] + draw(st.sampled_from(PARTS)) + data[at:]
        elif edit == "delete":
            data = data[:at] + data[at + draw(st.integers(1, 8)) :]
        elif edit == "byte":
            data = data[:at] + draw(st.binary(min_size=1, max_size=1)) + data[at + 1 :]
        else:
            data = data[:at] + data[at : at + draw(st.integers(1, 30))] + data[at:]
    return data


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` in pieces."""
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if start < end]


PLACES = st.lists(st.integers(0, 500), max_size=5) | st.just(list(range(600)))
POLICIES = st.sampled_from(((), (Reads(),)))
bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


class Lines:
    """What would have been written to the access log."""

    dropped = 0

    def __init__(self) -> None:
        self.written = b""

    def put(self, buffer: bytearray) -> None:
        self.written += buffer


def tell(records: Records) -> None:
    """Whatever was asked for, there is one line of JSON about it, and telemetry has no trouble with it."""
    lines, clock = Lines(), FakeClock()
    log = AccessLog(lines, clock, lambda *_: None)  # type: ignore[arg-type]
    decisions = Decisions()
    recorder = Recorder(Metrics(), log, decisions, clock)
    for exchange, outcome in zip(records.exchanges, records.outcomes, strict=True):
        recorder.started(exchange)
        recorder.finished(exchange, outcome)
    log.flush()
    entries = [json.loads(line) for line in lines.written.splitlines()]
    assert [exchange.request_id for exchange in records.exchanges] == [each["request_id"] for each in entries]
    assert json.loads(msgspec.json.encode(decisions.recent())) is not None


@contextmanager
def quiet(caplog: pytest.LogCaptureFixture, *policies: Any) -> Iterator[Bare]:
    """Nothing is logged, nothing is raised, and every exchange ends, once."""
    caplog.clear()
    with caplog.at_level(logging.WARNING), bare(*policies) as here:
        yield here
        for _ in range(4):
            here.advance(1000.0)
        assert len(here.records.exchanges) == len(here.records.outcomes)
        tell(here.records)
        assert [] == here.server.connections
        assert [] == [upstream for upstream in here.upstreams if not upstream.lost]
    assert [] == caplog.records


def answer_all(here: Bare, answered: dict[FakeTransport, int]) -> None:
    """Answer each whole request that an upstream has got, by the strictest reading."""
    busy = True
    while busy:
        busy = False
        here.settle()
        for upstream in here.upstreams:
            whole = strict.requests(upstream.written)[0]
            for message in whole[answered.get(upstream, 0) :]:
                upstream.send(OK.removesuffix(b"ok") if message.line[0] == b"HEAD" else OK)
                busy = True
            answered[upstream] = len(whole)


def pairs(message: strict.Message) -> tuple[bytes, bytes, bytes]:
    """Method, target and body, the target in origin-form."""
    origin = re.sub(rb"(?i)^https?://[^/?]*/?", b"/", message.line[1])
    return message.line[0], origin, message.body


@bounded
@given(raw=mutated(REQUESTS), places=PLACES, policies=POLICIES)
def test_the_upstream_gets_no_request_that_the_client_did_not_send(
    raw: bytes, places: list[int], policies: tuple[Reads, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with quiet(caplog, *policies) as here:
        client = here.client()
        answered: dict[FakeTransport, int] = {}
        for piece in cut(raw, places):
            client.send(piece)
            answer_all(here, answered)
        here.advance(1000.0)
        streams = [upstream.written for upstream in here.upstreams]
        outcomes = list(here.records.outcomes)

    sent = [pairs(message) for message in strict.requests(raw)[0]]
    forwarded = []
    for stream in streams:
        whole, broken = strict.requests(stream)
        assert not broken
        forwarded += [pairs(message) for message in whole]
    remaining = iter(sent)
    assert all(request in remaining for request in forwarded), (sent, forwarded)
    assert [] == [outcome for outcome in outcomes if outcome.status == 500]


@bounded
@given(raw=mutated(REQUESTS), places=PLACES, policies=POLICIES)
def test_the_client_gets_whole_answers_one_for_each_exchange(
    raw: bytes, places: list[int], policies: tuple[Reads, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with quiet(caplog, *policies) as here:
        client = here.client()
        answered: dict[FakeTransport, int] = {}
        for piece in cut(raw, places):
            client.send(piece)
            answer_all(here, answered)
        here.advance(1000.0)
        methods = [exchange.request.method.encode() for exchange in here.records.exchanges]
        statuses = [outcome.status for outcome in here.records.outcomes]

    got, at = [], 0
    for method in methods[: len([status for status in statuses if status != 499])]:
        message = strict.response(client.written, at, method, ended=False)
        got.append(int(message.line[1]))
        at = message.end
    assert client.written[at:] == b""
    assert [status for status in statuses if status != 499] == got


@bounded
@given(raw=mutated(RESPONSES), places=PLACES, policies=POLICIES, ends=st.booleans())
def test_the_client_gets_the_answer_to_its_request_or_none(
    raw: bytes, places: list[int], policies: tuple[Reads, ...], ends: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with quiet(caplog, *policies) as here:
        for _ in range(2):
            client = here.client()
            client.send(REQUESTS[0])
            here.settle()
            reused = len(here.upstreams) > 1 and here.upstreams[-1].written.count(b"GET") > 1
            upstream = here.upstreams[-1]
            for piece in cut(raw, places):
                upstream.send(piece)
                here.settle()
            if ends:
                upstream.leave()
            here.advance(1000.0)
            _check_answer(raw, client, ends=ends, complete=here.records.outcomes[-1].complete)
            assert not reused


def _check_answer(raw: bytes, client: FakeTransport, *, ends: bool, complete: bool) -> None:
    try:
        expected: strict.Message | None = strict.response(raw, 0, b"GET", ended=ends)
    except (strict.Broken, strict.Incomplete):
        expected = None
    try:
        got: strict.Message | None = strict.response(client.written, 0, b"GET", ended=False)
    except strict.Incomplete:
        got = None
    assert complete == (got is not None)
    if got is None:
        return
    assert got.end == len(client.written)
    ours = got.values(b"content-type") == [b"application/problem+json"]
    assert ours == (int(got.line[1]) in (502, 504) and got.body.startswith(b"{"))
    if not ours:
        assert expected is not None
        assert (expected.line[1], expected.body) == (got.line[1], got.body)
