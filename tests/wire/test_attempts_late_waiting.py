"""Policies that wait now and then, on a route whose first call is made without those who own it.

Each is asked exactly once, in its place: once for the request, or once for each call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.clock import SystemClock
from proxy.config.units import Duration, Rate
from proxy.exchange import Exchange
from proxy.policies.edge.deadline import Deadline, DeadlineConfig
from proxy.policies.resilience.concurrency import Concurrency, ConcurrencyConfig, QueueConfig
from proxy.policies.resilience.mask_errors import MaskErrors, MaskErrorsConfig
from proxy.policies.resilience.pace import Pace, PaceConfig
from proxy.policies.resilience.retry import Retry, RetryConfig
from proxy.policies.resilience.retry.settings import BackOffConfig
from proxy.policy import Hooks, Services
from proxy.state import Gauged, Shared
from proxy.stores.memory import MemoryStore
from tests.wire.harness import BOTH_LOOPS, Peer, RawUpstream, Running, until, wire
from tests.wire.test_attempts_late import ANSWERS, ASKED, OK, SCRIPTS, compare

WAYS = ["passes", "waits", "refuses", "answers", "waits and refuses", "waits and answers"]
WAITS = st.tuples(*(st.lists(st.sampled_from(["passes", "waits", *WAYS]), max_size=8) for _ in range(3)))
PLACES = ["before all", "in front of retry", "behind it"]
GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


@BOTH_LOOPS
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", [0, 1, 2], ids=PLACES)
async def test_whatever_one_does_at_the_first_call(place: int, way: str) -> None:
    waits: list[list[str]] = [["waits"], ["waits"], ["waits"]]
    waits[place][0] = way

    _, seen, _, told, *_ = await compare(["busy", "ok"], ["GET"], waits=waits)

    asked = [name for name, *_ in told if name.startswith("waits")]
    passes = way in ("passes", "waits")
    assert (2 if passes else 0) == len(seen)
    assert ["waits0", "waits3", "waits7"][: 3 if passes else place + 1] == list(dict.fromkeys(asked))
    firsts = [each for each in told if each[1:] == (0,) and each[0].startswith("waits")]
    assert len(set(firsts)) == len(firsts)


@BOTH_LOOPS
@pytest.mark.parametrize("way", WAYS)
async def test_whatever_one_does_before_a_repetition(way: str) -> None:
    _, seen, _, told, *_ = await compare(["busy", "ok"], ["GET"], waits=[[], ["waits"], ["waits", way]])

    assert (2 if way in ("passes", "waits") else 1) == len(seen)
    assert [("waits0", 0), ("waits3", 0), ("waits7", 0), ("waits7", 1)] == [
        each for each in told if each[0].startswith("waits") and each[1] != "has waited"
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCRIPTS, ASKED, st.booleans(), WAITS)
def test_whatever_they_do(
    script: list[str], requests: list[str], answers: bool, waits: tuple[list[str], ...]
) -> None:
    asyncio.run(compare(script, requests, answers=answers, waits=waits))


# ---- the policies themselves


class Route:
    """mask_errors, concurrency, retry and pace in front of an upstream that is scripted."""

    def __init__(self, **pace: Any) -> None:
        self.shared, clock = Shared(), SystemClock()

        def services(name: str) -> Services:
            return Services(clock, Random(1), MemoryStore(clock), self.shared, name)

        backoff = BackOffConfig(base=Duration(0.001), max=Duration(0.001), jitter="none")
        queue = QueueConfig(size=5, timeout=Duration(20))
        self.hooks = [
            Hooks.of(Deadline(DeadlineConfig(total=Duration(20)), services("deadline"))),
            Hooks.of(MaskErrors(MaskErrorsConfig(), services("mask_errors"))),
            Hooks.of(
                Concurrency(ConcurrencyConfig(max=1, queue=queue), services("concurrency"))
            ).at_each_call(),
            Hooks.of(Retry(RetryConfig(max_retries=2, backoff=backoff), services("retry"))),
            Hooks.of(Pace(PaceConfig(**pace), services("pace"))).at_each_call(),
        ]

    @property
    def numbers(self) -> dict[str, float]:
        kept = [state for state in self.shared._kept.values() if isinstance(state, Gauged)]
        return {name: value for state in kept for name, value in state.gauges().items()}

    async def all_is_given_back(self, running: Running) -> None:
        await running.settled()
        numbers = self.numbers
        assert (0, 0, 0) == tuple(
            numbers[name] for name in ("concurrency_in_flight", "concurrency_waiting", "pace_waiting")
        )
        # One that was cancelled needs a turn of the loop to end.
        await until(lambda: not [task for task in asyncio.all_tasks() if "_respond" in repr(task)])
        assert 0 == running.server.buffers.held


def scripted(calls: list[float], *script: bytes) -> Callable[[Peer], Awaitable[None]]:
    left = list(script)

    async def serve(peer: Peer) -> None:
        while True:
            await peer.message()
            calls.append(asyncio.get_running_loop().time())
            peer.send(left.pop(0) if left else OK)

    return serve


@BOTH_LOOPS
async def test_each_call_is_paced_and_a_place_is_held_once() -> None:
    calls: list[float] = []
    route = Route(limit=Rate("20/s"))
    serve = scripted(calls, ANSWERS["busy"], ANSWERS["busy"])
    async with RawUpstream(serve) as upstream, wire(upstream.port, *route.hooks) as running:
        peers = [await running.connect() for _ in range(3)]
        start = asyncio.get_running_loop().time()
        for peer in peers:
            peer.send(GET)
        heads = [(await peer.message())[0] for peer in peers]
        await route.all_is_given_back(running)

    assert [b"HTTP/1.1 200 OK"] * 3 == [head.partition(b"\r\n")[0] for head in heads]
    assert 5 == len(calls)
    # A call may arrive late, and the next one then is close behind; but none is ever early.
    assert [] == [n for n, when in enumerate(calls) if when - start < n * 0.05 - 0.001]


@BOTH_LOOPS
@pytest.mark.parametrize("script", [[], [ANSWERS["busy"]]], ids=["at the first call", "before a repetition"])
async def test_a_client_that_leaves_while_it_waits_gives_everything_back(script: list[bytes]) -> None:
    calls: list[float] = []
    route = Route(limit=Rate("1/10s"))
    async with (
        RawUpstream(scripted(calls, *script)) as upstream,
        wire(upstream.port, *route.hooks) as running,
    ):
        peer = await running.connect()
        if not script:  # somebody else takes the token
            peer.send(GET)
            await peer.message()
        peer.send(GET)
        await until(lambda: route.numbers["pace_waiting"] == 1)
        peer.abort()
        await route.all_is_given_back(running)

    assert 1 == len(calls)


@BOTH_LOOPS
async def test_a_client_that_leaves_while_it_waits_for_a_place_is_not_counted() -> None:
    calls: list[float] = []
    route = Route(limit=Rate("1/10s"))
    async with RawUpstream(scripted(calls)) as upstream, wire(upstream.port, *route.hooks) as running:
        first, second, third = [await running.connect() for _ in range(3)]
        first.send(GET)
        await first.message()
        for peer, waiting in ((second, (1, 0)), (third, (1, 1))):
            peer.send(GET)
            await until(
                lambda waiting=waiting: (
                    waiting == (route.numbers["pace_waiting"], route.numbers["concurrency_waiting"])
                )
            )
        third.abort()
        await until(lambda: route.numbers["concurrency_waiting"] == 0)
        second.abort()
        await route.all_is_given_back(running)

    assert 1 == len(calls)


@BOTH_LOOPS
async def test_the_deadline_ends_a_wait_that_could_not_be_foreseen() -> None:
    class Never:
        """Has every call wait until it is cancelled."""

        def on_request(self, _: Exchange) -> Callable[[], Awaitable[None]]:
            async def later() -> None:
                await asyncio.Event().wait()

            return later

    calls: list[float] = []
    route = Route(limit=Rate("100/s"))
    hooks = [*route.hooks, Hooks.of(Never()).at_each_call()]
    async with RawUpstream(scripted(calls)) as upstream, wire(upstream.port, *hooks) as running:
        peer = await running.connect()
        peer.send(GET)
        await until(lambda: route.numbers["concurrency_in_flight"] == 1)
        running.advance(21)
        head, _ = await peer.message()
        await route.all_is_given_back(running)

    assert (b"504", []) == (head.split(b" ")[1], calls)


@BOTH_LOOPS
@pytest.mark.parametrize("size", [1000, 400_000], ids=["a small body", "one that is held back"])
async def test_a_body_streams_on_once_it_is_its_turn(size: int) -> None:
    bodies: list[bytes] = []

    async def serve(peer: Peer) -> None:
        while True:
            bodies.append((await peer.message())[1])
            peer.send(OK)

    route = Route(limit=Rate("10/s"))
    async with RawUpstream(serve) as upstream, wire(upstream.port, *route.hooks) as running:
        first, second = await running.connect(), await running.connect()
        first.send(GET)
        await first.message()
        body = bytes(range(256)) * (size // 256)
        second.send(b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
        second.send(body[:100])
        await until(lambda: route.numbers["pace_waiting"] == 1)
        second.send(body[100:])
        head, _ = await second.message()
        await route.all_is_given_back(running)

    assert (b"200", [b"", body]) == (head.split(b" ")[1], bodies)


@BOTH_LOOPS
async def test_a_broken_body_ends_the_wait() -> None:
    route = Route(limit=Rate("1/10s"))
    calls: list[float] = []
    async with RawUpstream(scripted(calls)) as upstream, wire(upstream.port, *route.hooks) as running:
        first, second = await running.connect(), await running.connect()
        first.send(GET)
        await first.message()
        second.send(b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        await until(lambda: route.numbers["pace_waiting"] == 1)
        second.send(b"zz\r\n")
        head, _ = await second.message()
        await route.all_is_given_back(running)

    assert (b"400", 1) == (head.split(b" ")[1], len(calls))
