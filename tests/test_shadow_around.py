"""A policy in shadow that owns the call: it is made once, and nobody waits."""

from __future__ import annotations

import asyncio

import pytest

from proxy.errors import UpstreamError
from proxy.exchange import (
    Exchange,
    Forward,
    Response,
)
from proxy.headers import Headers
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import Chunks, FakeClock, FakeUpstream, exchange, route
from tests.trials import (
    REFUSAL,
    Own,
    reports,
    shadowed,
)


def owning(own: Own) -> Hooks:
    return Hooks(around=own)


async def passing(asked: Exchange, forward: Forward) -> Response:
    return await forward(asked)


async def refusing(_: Exchange, __: Forward) -> Response:
    raise REFUSAL


async def answering(_: Exchange, __: Forward) -> Response:
    return Response(203)


async def breaking(_: Exchange, __: Forward) -> Response:
    raise ZeroDivisionError


async def twice(asked: Exchange, forward: Forward) -> Response:
    await forward(asked)
    return await forward(asked)


async def both_at_once(asked: Exchange, forward: Forward) -> Response:
    first, _ = await asyncio.gather(forward(asked), forward(asked))
    return first


async def refusing_late(asked: Exchange, forward: Forward) -> Response:
    await forward(asked)
    raise REFUSAL


async def replacing(asked: Exchange, forward: Forward) -> Response:
    await forward(asked)
    return Response(502)


async def waiting_for_ever(_: Exchange, __: Forward) -> Response:
    await asyncio.Event().wait()
    raise AssertionError


async def giving_up(asked: Exchange, forward: Forward) -> Response:
    calling = asyncio.ensure_future(forward(asked))
    await asyncio.sleep(0)
    calling.cancel()
    raise REFUSAL


async def changing(asked: Exchange, forward: Forward) -> Response:
    response = await forward(asked)
    response.status = 500
    response.headers.set("X-Changed", "yes")
    response.content = b"other"
    return response


each_owner = pytest.mark.parametrize(
    ("own", "reported"),
    [
        pytest.param(passing, [], id="passes it on"),
        pytest.param(refusing, [(403, "trial.refused")], id="refuses"),
        pytest.param(answering, [(203, "trial.answered")], id="answers"),
        pytest.param(breaking, [(500, "internal.error")], id="has a bug"),
        pytest.param(twice, [], id="calls twice"),
        pytest.param(both_at_once, [], id="calls twice at once"),
        pytest.param(refusing_late, [(403, "trial.refused")], id="refuses after the call"),
        pytest.param(replacing, [(502, "trial.answered")], id="answers something else after the call"),
        pytest.param(waiting_for_ever, [], id="waits for ever"),
        pytest.param(giving_up, [(403, "trial.refused")], id="gives up while it waits"),
        pytest.param(changing, [], id="changes the response"),
    ],
)


async def slowly(_: Exchange) -> Response:
    for _turn in range(10):
        await asyncio.sleep(0)
    return Response(200, Headers([(b"X-From", b"upstream")]), b"hello")


@each_owner
async def test_the_call_is_made_once_whatever_the_owner_does(
    own: Own, reported: list[tuple[int, str]]
) -> None:
    asked, upstream = exchange(), FakeUpstream(slowly)

    response = await shadowed(owning(own), upstream).respond(asked)

    assert (200, b"hello", "upstream", None) == (
        response.status,
        response.content,
        response.headers.get("X-From"),
        response.headers.get("X-Changed"),
    )
    assert (1, reported) == (len(upstream.seen), reports(asked))


@each_owner
async def test_a_call_that_is_over_at_once_is_made_once_too(
    own: Own, reported: list[tuple[int, str]]
) -> None:
    asked, upstream = exchange(), FakeUpstream(200)

    response = await shadowed(owning(own), upstream).respond(asked)

    assert (200, 1, reported) == (response.status, len(upstream.seen), reports(asked))


async def rescuing(asked: Exchange, forward: Forward) -> Response:
    try:
        return await forward(asked)
    except UpstreamError:
        return Response(200)


@pytest.mark.parametrize(
    ("own", "reported"),
    [
        pytest.param(passing, [], id="passes it on"),
        pytest.param(twice, [], id="would have called again"),
        pytest.param(rescuing, [(200, "trial.answered")], id="would have answered"),
        pytest.param(answering, [(203, "trial.answered")], id="never called"),
        pytest.param(waiting_for_ever, [], id="waits for ever"),
    ],
)
async def test_a_failure_of_the_upstream_stays_one(own: Own, reported: list[tuple[int, str]]) -> None:
    asked, upstream = exchange(), FakeUpstream(UpstreamError(502, "upstream.reset"))

    response = await shadowed(owning(own), upstream).respond(asked)

    assert (502, 1, reported) == (response.status, len(upstream.seen), reports(asked))


async def test_a_bug_of_another_policy_is_not_its_own(caplog: pytest.LogCaptureFixture) -> None:
    asked = exchange()

    response = await route(in_shadow("trial", owning(passing)), owning(breaking)).respond(asked)

    assert (500, []) == (response.status, reports(asked))
    assert "bug in the shadow" not in caplog.text


async def test_nobody_waits_while_it_waits() -> None:
    clock = FakeClock()
    said: list[str] = []

    async def pacing(asked: Exchange, forward: Forward) -> Response:
        await clock.sleep(30)
        response = await forward(asked)
        said.append(f"shown {response.status} at {clock.monotonic():g}")
        return response

    response = await shadowed(owning(pacing)).respond(exchange())
    assert (200, 0.0, []) == (response.status, clock.monotonic(), said)
    await clock.advance(30)

    assert ["shown 200 at 30"] == said


async def test_a_time_limit_of_its_own_does_not_end_the_call() -> None:
    clock = FakeClock()
    finished = asyncio.Event()

    async def limiting(asked: Exchange, forward: Forward) -> Response:
        try:
            async with clock.timeout(2):
                return await forward(asked)
        except TimeoutError:
            raise REFUSAL from None

    async def slow(_: Exchange) -> Response:
        await finished.wait()
        return Response(200)

    asked, upstream = exchange(), FakeUpstream(slow)
    responding = asyncio.create_task(shadowed(owning(limiting), upstream).respond(asked))
    await clock.advance(3)
    assert [(403, "trial.refused")] == reports(asked)
    finished.set()
    response = await responding

    assert (200, 1) == (response.status, len(upstream.seen))


async def test_it_never_causes_a_body_to_be_read_of_a_response_either() -> None:
    async def inspecting(asked: Exchange, forward: Forward) -> Response:
        response = await forward(asked)
        assert await response.body(1000) is None
        return response

    body = Chunks(b"hel", b"lo")
    asked = exchange()

    response = await shadowed(owning(inspecting), FakeUpstream(Response(200, content=body))).respond(asked)

    assert body is response.content
    assert [(200, "trial.skipped")] == reports(asked)


async def test_it_decides_by_the_body_of_a_response_that_is_there() -> None:
    seen: list[bytes | None] = []

    async def inspecting(asked: Exchange, forward: Forward) -> Response:
        response = await forward(asked)
        seen.append(await response.body(1000))
        return response

    await shadowed(owning(inspecting), FakeUpstream(Response(200, content=b"hello"))).respond(exchange())

    assert [b"hello"] == seen


async def test_an_owner_that_needs_the_requests_body_is_skipped() -> None:
    async def remembering(asked: Exchange, forward: Forward) -> Response:
        await asked.body()
        return await forward(asked)

    asked, upstream = exchange("POST", body=Chunks(b"x")), FakeUpstream(200)

    await shadowed(owning(remembering), upstream).respond(asked)

    assert (1, [(200, "trial.skipped")]) == (len(upstream.seen), reports(asked))


async def test_it_ends_where_the_client_leaves() -> None:
    said: list[str] = []

    async def holding(asked: Exchange, forward: Forward) -> Response:
        try:
            return await forward(asked)
        finally:
            said.append("permit given back")

    async def never(_: Exchange) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    asked = exchange()
    responding = asyncio.create_task(shadowed(owning(holding), FakeUpstream(never)).respond(asked))
    for _ in range(5):
        await asyncio.sleep(0)
    responding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await responding
    for _ in range(5):
        await asyncio.sleep(0)

    assert (["permit given back"], []) == (said, reports(asked))


async def test_an_enforced_owner_around_it_is_shown_the_real_response() -> None:
    seen: list[Response] = []
    upstream_response = Response(200, content=Chunks(b"x"))

    async def outer(asked: Exchange, forward: Forward) -> Response:
        seen.append(await forward(asked))
        return seen[-1]

    upstream = FakeUpstream(upstream_response)

    response = await route(owning(outer), in_shadow("trial", owning(changing)), upstream=upstream).respond(
        exchange()
    )

    assert response is seen[0]
    assert upstream_response.content is response.content
