"""Whatever happens, and in whatever order: every exchange ends once, and nothing is left behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.errors import Rejection
from proxy.exchange import Exchange, Forward, Response
from tests.wire.attacks import OK, get, length, post
from tests.wire.bare import Bare, FakeTransport, bare
from tests.wire.test_fuzz import Reads, tell

Step = Callable[[Bare], None]

ASKED = (
    get(b"Host: a"),
    get(b"Host: a") * 3,
    get(b"Host: a")[:20],
    get(b"Host: a", b"Connection: close"),
    get(b"Host: a").replace(b"1.1", b"1.0"),
    get(b"Host: a", target=b"/%2f"),
    get(b"Host: a").replace(b"GET", b"HEAD"),
    get(b"Host: a", b"Connection: upgrade", b"Upgrade: frob"),
    post(length(b"hello"), body=b"hello"),
    post(length(b"hello"), b"Expect: 100-continue"),
    post(b"Content-Length: 200000"),
    post(b"Transfer-Encoding: chunked"),
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"x" * 100_000,
    b"junk\r\n\r\n",
)
ANSWERED = (
    OK,
    OK[:10],
    OK[10:],
    OK * 2,
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: frob\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nhello",
    b"x" * 100_000,
    b"junk\r\n\r\n",
)


class GivesUp:
    """A policy that does not wait for answers, and now and then asks twice."""

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        for _ in range(2):
            try:
                return await asyncio.wait_for(forward(exchange), 0)
            except (TimeoutError, Rejection):
                await asyncio.sleep(0)
        response: Response = await forward(exchange)
        return response


class Breaks:
    """A policy with a bug, which comes to light after the answer."""

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        await forward(exchange)
        raise Rejection(418, "test.broken")


def _client(here: Bare, number: int) -> FakeTransport:
    while len(here.clients) <= number:
        here.client()
    return here.clients[number]


def _upstreams(here: Bare) -> list[FakeTransport]:
    return [upstream for upstream in here.upstreams if upstream.open]


def client_sends(number: int, raw: bytes) -> Step:
    return lambda here: _client(here, number).send(raw)


def client_leaves(number: int) -> Step:
    return lambda here: _client(here, number).leave()


def client_reads(number: int, *, reads: bool) -> Step:
    def step(here: Bare) -> None:
        client = _client(here, number)
        client.unstick() if reads else setattr(client, "stuck", True)

    return step


def upstream_does(number: int, act: Callable[[FakeTransport], object]) -> Step:
    def step(here: Bare) -> None:
        for upstream in _upstreams(here)[number : number + 1]:
            act(upstream)

    return step


def time_passes(seconds: float) -> Step:
    return lambda here: here.advance(seconds)


def loop_turns(here: Bare) -> None:
    here.settle()


def all_of(*steps: Step) -> Step:
    def step(here: Bare) -> None:
        for each in steps:
            each(here)

    return step


ONE_OF_TWO = st.integers(0, 1)
ASKS = st.builds(client_sends, ONE_OF_TWO, st.sampled_from((*ASKED[:1] * 8, *ASKED)))
ANSWERS = st.builds(
    upstream_does,
    st.sampled_from((0, 0, 1)),
    st.sampled_from((*ANSWERED[:1] * 12, *ANSWERED)).map(lambda raw: lambda upstream: upstream.send(raw)),
)
HAPPENS = st.one_of(
    st.builds(client_leaves, ONE_OF_TWO),
    st.builds(client_reads, ONE_OF_TWO, reads=st.booleans()),
    st.builds(upstream_does, ONE_OF_TWO, st.just(lambda upstream: upstream.leave())),
    st.builds(upstream_does, ONE_OF_TWO, st.just(lambda upstream: setattr(upstream, "stuck", True))),
    st.builds(upstream_does, ONE_OF_TWO, st.just(lambda upstream: upstream.unstick())),
    st.builds(time_passes, st.sampled_from((0.5, 2.5, 31.0, 61.0, 76.0))),
)
TURN = st.just(loop_turns)
STEPS = st.lists(
    st.one_of(
        ASKS,
        ANSWERS,
        TURN,
        st.builds(all_of, ASKS, TURN, ANSWERS, TURN),
        st.builds(all_of, ASKS, TURN, ANSWERS, TURN),
        st.builds(all_of, ASKS, TURN, ANSWERS, HAPPENS, ANSWERS),
        HAPPENS,
    ),
    max_size=20,
)


@settings(
    max_examples=800,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    steps=STEPS,
    policies=st.sampled_from(((), (Reads(),), (GivesUp(),), (Breaks(),))),
    places=st.sampled_from((1, 2)),
)
def test_every_exchange_ends_once_and_leaves_nothing_behind(
    steps: list[Step], policies: tuple[object, ...], places: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    with caplog.at_level(logging.WARNING), bare(*policies, max_connections=places) as here:
        for step in steps:
            step(here)
        here.settle()
        for client in here.clients:
            client.unstick()
            client.leave()
        for _ in range(3):
            here.advance(1000.0)
        for upstream in here.upstreams:
            upstream.unstick()
        here.advance(1000.0)

        assert (0, len(here.records.exchanges)) == (here.records.in_flight, len(here.records.outcomes))
        assert len({id(exchange) for exchange in here.records.exchanges}) == len(here.records.exchanges)
        tell(here.records)
        assert [] == here.server.connections
        assert {"open": 0, "idle": 0, "opening": 0, "waiting": 0, "max": places} == here.pool.summary()
        assert 0 == here.server.buffers.held
    assert [] == caplog.records
