"""The fakes that policies are tested with do what the real things do, without waiting."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import FetchError, Rejection, UpstreamError
from proxy.exchange import Attempt, Exchange, Forward, Identity, Response
from proxy.headers import Headers
from proxy.policy import Hooks
from proxy.testing import Chunks, FakeClock, FakeFetch, FakeUpstream, exchange, fake_services, route


class Retry:
    """A policy that calls again after a second, for as long as the upstream says 503."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        response = await forward(exchange)
        while response.status == 503:
            await self._clock.sleep(1)
            exchange.request.headers.set("X-Attempt", str(exchange.attempts + 1))
            response = await forward(exchange)
        return response


# ---- the clock


async def test_time_stands_still_until_it_is_moved() -> None:
    clock = FakeClock(start=1000.0)
    before = clock.now(), clock.monotonic()

    await clock.advance(2.5)

    assert ((1000.0, 0.0), (1002.5, 2.5)) == (before, (clock.now(), clock.monotonic()))


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=8))
def test_sleepers_wake_in_the_order_of_their_times_and_see_those(sleeps: list[float]) -> None:
    async def run() -> list[tuple[float, float]]:
        clock = FakeClock()
        woken: list[tuple[float, float]] = []

        async def sleeper(seconds: float) -> None:
            await clock.sleep(seconds)
            woken.append((seconds, clock.monotonic()))

        async with asyncio.TaskGroup() as sleepers:
            for seconds in sleeps:
                sleepers.create_task(sleeper(seconds))
            await clock.advance(max(sleeps))
        return woken

    assert [(seconds, seconds) for seconds in sorted(sleeps)] == asyncio.run(run())


async def test_who_sleeps_longer_sleeps_on() -> None:
    clock = FakeClock()
    sleeping = asyncio.create_task(clock.sleep(10))

    await clock.advance(9.5)
    assert not sleeping.done()
    await clock.advance(0.5)

    assert sleeping.done()


async def test_one_move_wakes_who_sleeps_again() -> None:
    clock = FakeClock()
    woken: list[float] = []

    async def ticking() -> None:
        for _ in range(3):
            await clock.sleep(1)
            woken.append(clock.monotonic())

    ticker = asyncio.create_task(ticking())
    await clock.advance(10)

    assert ([1.0, 2.0, 3.0], True) == (woken, ticker.done())


@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_who_sleeps_for_nothing_only_lets_the_others_run(seconds: float) -> None:
    clock = FakeClock()
    said: list[str] = []
    asyncio.get_running_loop().call_soon(said.append, "the others")

    await clock.sleep(seconds)

    assert (["the others"], 0.0) == (said, clock.monotonic())


async def test_a_time_limit_ends_what_takes_longer() -> None:
    clock = FakeClock()

    async def bounded() -> str:
        try:
            async with clock.timeout(2):
                await clock.sleep(3)
        except TimeoutError:
            return f"ended at {clock.monotonic():g}"
        return "not ended"

    running = asyncio.create_task(bounded())
    await clock.advance(5)

    assert "ended at 2" == await running


async def test_a_time_limit_that_is_kept_ends_nothing_later() -> None:
    clock = FakeClock()

    async def bounded() -> str:
        async with clock.timeout(2):
            await clock.sleep(1)
        await clock.sleep(10)
        return "went on"

    running = asyncio.create_task(bounded())
    await clock.advance(20)

    assert "went on" == await running


async def test_a_time_limit_of_nothing_ends_whoever_waits() -> None:
    clock = FakeClock()

    with pytest.raises(TimeoutError):
        async with clock.timeout(0):
            await clock.sleep(1)


# ---- the upstream


async def test_the_upstream_answers_by_its_script_and_repeats_the_last_line() -> None:
    async def teapot(_: Exchange) -> Response:
        return Response(418)

    upstream = FakeUpstream(503, Response(201, content=b"made"), teapot, 204)
    pipeline = route(upstream=upstream)

    answers = [await pipeline.respond(exchange()) for _ in range(5)]

    assert [503, 201, 418, 204, 204] == [answer.status for answer in answers]
    assert b"made" == answers[1].content
    assert all(answer.from_upstream for answer in answers)


async def test_the_upstream_fails_by_its_script() -> None:
    asked = exchange()

    response = await route(upstream=FakeUpstream(UpstreamError(502, "upstream.reset"))).respond(asked)

    assert (502, None, 1) == (response.status, asked.upstream_status, asked.attempts)


async def test_an_attempt_shows_on_the_exchange() -> None:
    asked = exchange()

    await route(upstream=FakeUpstream(404)).respond(asked)

    assert (404, 1) == (asked.upstream_status, asked.attempts)


async def test_each_call_is_seen_as_it_was_sent() -> None:
    clock = FakeClock()
    upstream = FakeUpstream(503, 503, 200)
    responding = asyncio.create_task(route(Retry(clock), upstream=upstream).respond(exchange()))
    await clock.advance(5)

    assert 200 == (await responding).status
    assert [None, "2", "3"] == [request.headers.get("X-Attempt") for request in upstream.seen]


async def test_a_response_that_is_repeated_is_not_the_one_that_a_policy_changed() -> None:
    adding = Hooks(on_response=lambda _, response: response.headers.add("X-Count", "1"))
    pipeline = route(adding, upstream=FakeUpstream(Response(200, Headers([(b"X-Count", b"0")]))))

    await pipeline.respond(exchange())
    again = await pipeline.respond(exchange())

    assert ["0", "1"] == again.headers.get_all("X-Count")


# ---- requests and routes


async def test_a_body_in_pieces_can_be_read() -> None:
    asked = exchange("POST", body=Chunks(b"hel", b"lo"))

    assert (None, b"hello") == (asked.request.content_length, await asked.body())


async def test_a_body_in_pieces_is_read_up_to_a_limit() -> None:
    with pytest.raises(Rejection, match=r"request\.body_too_large"):
        await exchange("POST", body=Chunks(b"hel", b"lo"), max_body=4).body()


def test_a_request_is_as_the_wire_hands_it_over() -> None:
    asked = exchange(
        "PUT", "/orders/7", headers={"X-Name": "Zoë"}, body=b"hello", query="a=1", host="shop", secure=True
    )
    request = asked.request

    assert ("PUT", "/orders/7?a=1", "/orders/7", "a=1") == (
        request.method,
        request.target,
        request.path,
        request.query,
    )
    assert ("Zoë", b"hello", 5, "shop", True) == (
        request.headers.get("x-name"),
        request.content,
        request.content_length,
        request.host,
        request.secure,
    )


def test_what_a_test_does_not_name_is_ordinary() -> None:
    asked = exchange()

    assert ("GET", "/", b"", 0) == (
        asked.request.method,
        asked.request.target,
        asked.request.content,
        asked.request.content_length,
    )
    assert ("192.0.2.1", "r1", "d1", None) == (
        asked.client_ip,
        asked.request_id,
        asked.decision_id,
        asked.identity,
    )


def test_a_test_may_name_the_facts_of_an_exchange() -> None:
    asked = exchange(client_ip="10.0.0.9", started=7.0, peer_trusted=True)

    assert ("10.0.0.9", 7.0, True) == (asked.client_ip, asked.started, asked.peer_trusted)


async def test_a_refusal_is_rendered_as_on_the_wire() -> None:
    def refuse(asked: Exchange) -> None:
        asked.identity = Identity("me", "test")
        raise Rejection(403, "test.refused")

    response = await route(Hooks(on_request=refuse)).respond(exchange(request_id="r7"))

    assert isinstance(response.content, bytes)
    assert ("test.refused", "r7") == (
        json.loads(response.content)["reason"],
        json.loads(response.content)["request_id"],
    )


async def test_services_go_by_the_clock_that_they_are_given() -> None:
    clock = FakeClock()
    services = fake_services(clock, name="rate_limit/x")
    await services.store.set("k", b"v", ttl=10)

    await clock.advance(11)

    assert (None, "rate_limit/x") == (await services.store.get("k"), services.name)


def test_chance_is_the_same_in_every_run() -> None:
    assert fake_services().random.random() == fake_services().random.random()
    assert fake_services().random.random() != fake_services(seed=8).random.random()


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (404, (1, 404, None)),
        (UpstreamError(502, "upstream.reset"), (1, None, "502 upstream.reset: ")),
    ],
    ids=["an answer", "a failure"],
)
async def test_policies_are_told_of_each_attempt(
    step: object, told: tuple[int, int | None, str | None]
) -> None:
    attempts: list[Attempt] = []
    watching = Hooks(on_attempt=lambda _, attempt: attempts.append(attempt))

    await route(watching, upstream=FakeUpstream(step), clock=FakeClock()).respond(exchange())

    assert [told] == [(each.number, each.status, each.error and str(each.error)) for each in attempts]


async def test_an_attempt_takes_the_time_of_the_clock() -> None:
    clock, attempts = FakeClock(), list[Attempt]()

    async def slow(_: Exchange) -> Response:
        await clock.sleep(3)
        return Response(200)

    watching = Hooks(on_attempt=lambda _, attempt: attempts.append(attempt))
    pipeline = route(watching, upstream=FakeUpstream(slow), clock=clock)
    responding = asyncio.create_task(pipeline.respond(exchange()))
    await clock.advance(5)
    await responding

    assert [(0.0, 3.0)] == [(each.started, each.ended) for each in attempts]


async def test_documents_are_those_that_a_test_gives() -> None:
    async def late() -> bytes:
        return b"late"

    fetch = FakeFetch(
        {"https://a": b"now", "https://b": late, "https://c": FetchError("away"), "http://d": b"d"}
    )
    found = []
    for url, plain in (("https://a", False), ("https://b", False), ("http://d", True)):
        found.append(await fetch(url, at_most=4, within=1.0, plain=plain))

    for url in ("https://c", "http://d", "https://other"):
        with pytest.raises(FetchError):
            await fetch(url, at_most=4, within=1.0)
    with pytest.raises(FetchError, match="larger"):
        await fetch("https://a", at_most=2, within=1.0)
    assert [b"now", b"late", b"d"] == found
    assert [
        "https://a",
        "https://b",
        "http://d",
        "https://c",
        "http://d",
        "https://other",
        "https://a",
    ] == fetch.asked
