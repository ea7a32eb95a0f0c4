"""What a route does with a request: hooks in their order, and a response whatever happens."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from proxy.errors import UpstreamError
from proxy.exchange import Attempt, Exchange, Forward, Outcome, Response
from proxy.pipeline import Pipeline, Waiting
from proxy.policy import MADE, Hooks
from proxy.testing import FakeUpstream, exchange, route
from tests.trials import REFUSAL, answer, asking, break_down, refuse

OUTCOME = Outcome(status=200, ended=1.0)
ATTEMPT = Attempt(number=1, upstream="app", started=0.0, ended=1.0, status=200)


class Recorder:
    """A policy with every hook, which writes down when each is called."""

    def __init__(self, name: str, said: list[str]) -> None:
        self._name = name
        self._said = said

    def on_request(self, _: Exchange) -> None:
        self._said.append(f"{self._name} request")

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        self._said.append(f"{self._name} around")
        response = await forward(exchange)
        self._said.append(f"{self._name} back")
        return response

    def on_attempt(self, _: Exchange, __: Attempt) -> None:
        self._said.append(f"{self._name} attempt")

    def on_response(self, _: Exchange, response: Response) -> None:
        self._said.append(f"{self._name} response {response.status}")

    def on_finish(self, _: Exchange, __: Outcome) -> None:
        self._said.append(f"{self._name} finish")


def stamp(name: str) -> Hooks:
    return Hooks(on_response=lambda _, response: response.headers.add("X-Seen", name))


async def responded(pipeline: Pipeline, asked: Exchange, *, plainly: bool) -> Response:
    """What the client gets, by way of the task or, for a plain route, as the wire does without one."""
    if not plainly:
        return await pipeline.respond(asked)
    assert pipeline.plain
    answer = pipeline.admit(asked)
    assert isinstance(answer, Response)
    pipeline.dress(asked, answer)
    return answer


both_ways = pytest.mark.parametrize(
    "plainly", [pytest.param(False, id="in a task"), pytest.param(True, id="without one")]
)


async def test_hooks_run_in_order_on_the_way_in_and_in_reverse_on_the_way_out() -> None:
    said: list[str] = []
    pipeline = route(Recorder("outer", said), Recorder("inner", said))
    asked = exchange()

    await pipeline.respond(asked)
    pipeline.attempted(asked, ATTEMPT)
    pipeline.finish(asked, OUTCOME)

    assert [
        "outer request", "inner request",
        "outer around", "inner around", "inner back", "outer back",
        "inner response 200", "outer response 200",
        "inner attempt", "outer attempt",
        "inner finish", "outer finish",
    ] == said  # fmt: skip


async def test_every_request_hook_runs_before_any_around() -> None:
    said: list[str] = []
    last = Hooks(on_request=lambda _: said.append("last request"))

    await route(Recorder("first", said), last).respond(exchange())

    assert ["first request", "last request", "first around"] == said[:3]


async def test_plain_and_waiting_request_hooks_keep_their_order() -> None:
    said: list[str] = []

    def saying(word: str, *, waits: bool = False) -> Hooks:
        return asking(lambda _: said.append(word), waits=waits)

    await route(saying("a", waits=True), saying("b"), saying("c", waits=True)).respond(exchange())

    assert ["a", "b", "c"] == said


@pytest.mark.parametrize("waits", [pytest.param(False, id="plain"), pytest.param(True, id="waiting")])
async def test_an_answer_stops_the_way_in_and_is_dressed(waits: bool) -> None:
    said: list[str] = []
    upstream = FakeUpstream(200)
    pipeline = route(asking(answer, waits=waits), Recorder("later", said), upstream=upstream)

    response = await pipeline.respond(exchange())

    assert (204, []) == (response.status, upstream.seen)
    assert ["later response 204"] == said


@both_ways
async def test_a_refusal_is_a_problem_and_is_dressed(plainly: bool) -> None:
    asked = exchange()

    response = await responded(route(stamp("on"), asking(refuse)), asked, plainly=plainly)

    assert isinstance(response.content, bytes)
    assert (403, "trial.refused", "Not today.") == (
        response.status,
        json.loads(response.content)["reason"],
        json.loads(response.content)["detail"],
    )
    assert "on" == response.headers.get("X-Seen")
    assert REFUSAL is asked.refusal


@both_ways
async def test_a_bug_is_a_500_without_detail_and_is_dressed(
    plainly: bool, caplog: pytest.LogCaptureFixture
) -> None:
    asked = exchange()

    response = await responded(route(stamp("on"), asking(break_down)), asked, plainly=plainly)

    assert isinstance(response.content, bytes)
    assert (500, "internal.error") == (response.status, json.loads(response.content)["reason"])
    assert b"a bug" not in response.content
    assert b"ZeroDivision" not in response.content
    assert "on" == response.headers.get("X-Seen")
    assert asked.refusal is not None
    assert "ZeroDivisionError: a bug" in caplog.text


async def test_a_bug_while_owning_the_call_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    async def around(exchange: Exchange, forward: Forward) -> Response:
        await forward(exchange)
        raise ZeroDivisionError

    response = await route(Hooks(around=around)).respond(exchange())

    assert 500 == response.status
    assert "ZeroDivisionError" in caplog.text


async def test_a_failure_of_the_upstream_is_answered_and_dressed() -> None:
    asked = exchange()
    failing = FakeUpstream(UpstreamError(502, "upstream.reset", "It broke off."))

    response = await route(stamp("on"), upstream=failing).respond(asked)

    assert (502, "on") == (response.status, response.headers.get("X-Seen"))
    assert asked.refusal is not None
    assert "upstream.reset" == asked.refusal.reason


async def test_what_the_upstream_answers_is_no_refusal() -> None:
    asked = exchange()

    response = await route(upstream=FakeUpstream(503)).respond(asked)

    assert (503, None) == (response.status, asked.refusal)


async def test_a_policy_may_answer_from_a_refusal_of_those_inside_it() -> None:
    async def around(exchange: Exchange, forward: Forward) -> Response:
        try:
            return await forward(exchange)
        except UpstreamError:
            return Response(200, content=b"the last one that was good")

    asked = exchange()
    failing = FakeUpstream(UpstreamError(502, "upstream.reset"))

    response = await route(Hooks(around=around), upstream=failing).respond(asked)

    assert (200, None) == (response.status, asked.refusal)


@pytest.mark.parametrize(
    ("hook", "run"),
    [
        pytest.param("on_response", lambda p, e: p.dress(e, Response(200)), id="of responses"),
        pytest.param("on_attempt", lambda p, e: p.attempted(e, ATTEMPT), id="of attempts"),
        pytest.param("on_finish", lambda p, e: p.finish(e, OUTCOME), id="of the end"),
    ],
)
def test_one_bad_hook_spoils_no_other(
    hook: str, run: Callable[[Pipeline, Exchange], None], caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []

    def bad(*_: Any) -> None:
        raise ZeroDivisionError

    def only(function: Any) -> Hooks:
        return replace(Hooks(), **{hook: function})

    outer, inner = only(lambda *_: said.append("outer")), only(lambda *_: said.append("inner"))
    run(route(outer, only(bad), inner), exchange())

    assert ["inner", "outer"] == said
    assert [logging.ERROR] == [record.levelno for record in caplog.records]
    assert "ZeroDivisionError" in caplog.text


# ---- a plain hook that has to wait now and then


def waiting(decide: Callable[[Exchange], Response | None]) -> Hooks:
    """A policy whose plain hook leaves the decision for later."""

    def on_request(asked: Exchange) -> Callable[[], Any]:
        async def later() -> Response | None:
            await asyncio.sleep(0)
            return decide(asked)

        return later

    return Hooks(on_request=on_request)


async def admitted(pipeline: Pipeline, asked: Exchange, *, plainly: bool) -> Response:
    """What the client gets; as the wire does it, the task begins only where a hook has to wait."""
    if not plainly:
        return await pipeline.respond(asked)
    assert pipeline.plain
    stopped = pipeline.admit(asked)
    assert isinstance(stopped, Waiting)
    return await pipeline.respond(asked, stopped)


@both_ways
async def test_a_hook_that_has_to_wait_holds_up_those_behind_it_and_none_runs_twice(plainly: bool) -> None:
    said: list[str] = []

    def saying(word: str) -> Callable[[Exchange], None]:
        return lambda _: said.append(word)

    pipeline = route(
        Hooks(on_request=saying("a")), waiting(saying("b")), Hooks(on_request=saying("c")),
        waiting(saying("d")), stamp("on"),
    )  # fmt: skip

    response = await admitted(pipeline, exchange(), plainly=plainly)

    assert ["a", "b", "c", "d"] == said
    assert (200, "on") == (response.status, response.headers.get("X-Seen"))


@both_ways
@pytest.mark.parametrize(
    ("decide", "status"),
    [
        pytest.param(answer, 204, id="an answer"),
        pytest.param(refuse, 403, id="a refusal"),
        pytest.param(break_down, 500, id="a bug"),
    ],
)
async def test_what_such_a_hook_decides_later_counts(
    decide: Callable[[Exchange], Response | None], status: int, plainly: bool
) -> None:
    upstream = FakeUpstream(200)

    response = await admitted(route(waiting(decide), upstream=upstream), exchange(), plainly=plainly)

    assert (status, []) == (response.status, upstream.seen)


@pytest.mark.parametrize(
    ("policy", "plain"),
    [
        pytest.param(Hooks(), True, id="no hook"),
        pytest.param(asking(answer), True, id="a plain request hook"),
        pytest.param(waiting(answer), True, id="one that waits now and then"),
        pytest.param(stamp("x"), True, id="a response hook"),
        pytest.param(asking(answer, waits=True), False, id="a request hook that waits"),
        pytest.param(Hooks(around=lambda e, f: f(e)), False, id="one that owns the call"),
    ],
)
def test_a_route_is_plain_where_nothing_waits(policy: Hooks, plain: bool) -> None:
    assert plain is route(stamp("x"), policy).plain


def test_a_plain_route_admits_what_nobody_answers() -> None:
    assert route(asking(lambda _: None), asking(lambda _: None)).admit(exchange()) is None


@both_ways
async def test_the_first_answer_counts(plainly: bool) -> None:
    first, second = asking(lambda _: Response(201)), asking(lambda _: Response(202))

    response = await responded(route(first, second), exchange(), plainly=plainly)

    assert 201 == response.status


async def test_who_is_cancelled_is_not_answered() -> None:
    async def never(_: Exchange) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    said: list[str] = []
    responding = asyncio.create_task(
        route(Recorder("r", said), upstream=FakeUpstream(never)).respond(exchange())
    )
    await asyncio.sleep(0)
    responding.cancel()

    with pytest.raises(asyncio.CancelledError):
        await responding
    assert ["r request", "r around"] == said


class Late:
    """A policy that is concerned with 503 alone, and answers instead of it and of failures."""

    late = frozenset((503,))

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        try:
            response = await forward(exchange)
        except UpstreamError:
            return await forward(exchange)
        return await forward(exchange) if response.status == 503 else response


def test_a_policy_that_acts_before_the_call_makes_all_be_entered_at_the_start() -> None:
    waits = Hooks(on_request=Recorder("r", []).on_request)
    asked_before_each = Hooks(on_request=lambda _: None).at_each_call()
    always = Hooks(around=Hooks.of(Late()).around)

    async def waiting(_: Exchange) -> None:
        """Takes its time."""

    ways = [
        route(waits),
        route(Late()),
        route(Late(), asked_before_each),
        route(Late(), always),
        route(Hooks(on_request=waiting), Late()),
    ]

    assert [(True, False), (True, True), (True, True), (False, False), (False, False)] == [
        (each.plain, each.late) for each in ways
    ]
    assert [set(), {503}, {503}, set(), set()] == [each.late_statuses for each in ways]


@pytest.mark.parametrize(
    ("made", "status", "calls"),
    [
        pytest.param(Response(503), 200, 1, id="a bad answer"),
        pytest.param(Response(204), 204, 0, id="a good one"),
        pytest.param(UpstreamError(502, "upstream.reset"), 200, 1, id="a failure"),
    ],
)
async def test_who_is_entered_late_gets_what_was_made_and_calls_from_then_on(
    made: Response | UpstreamError, status: int, calls: int
) -> None:
    asks: list[int] = []
    upstream = FakeUpstream(200)
    each_call = Hooks(on_request=lambda asked: asks.append(asked.attempts)).at_each_call()
    pipeline, asked = route(Late(), each_call, upstream=upstream), exchange()
    assert pipeline.admit(asked) is None
    asked.attempts = 1

    response = await pipeline.step_in(asked, made)

    assert (status, calls, [0] + [1] * calls) == (response.status, len(upstream.seen), asks)


async def test_who_is_not_late_is_asked_as_ever() -> None:
    asks: list[int] = []
    each_call = Hooks(on_request=lambda asked: asks.append(asked.attempts)).at_each_call()

    response = await route(Late(), each_call, upstream=FakeUpstream(503, 200)).respond(exchange())

    assert (200, [0, 1]) == (response.status, asks)


# ---- hooks that wait now and then, on a route whose first call is made without those who own it


def each_waiting(said: list[str], name: str, decide: Callable[[Exchange], Response | None]) -> Hooks:
    """Says at which attempt it was asked, and decides later."""

    def asked(exchange: Exchange) -> Any:
        said.append(f"{name}{exchange.attempts}")
        return waiting(decide).on_request(exchange)  # type: ignore[misc]  # it has one

    return Hooks(on_request=asked)


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        pytest.param(200, (200, ["a0", "b0", "c0"]), id="it goes well"),
        pytest.param(503, (200, ["a0", "b0", "c0", "c1"]), id="a bad answer"),
        pytest.param(UpstreamError(502, "upstream.reset"), (200, ["a0", "b0", "c0", "c1"]), id="a failure"),
    ],
)
async def test_those_that_wait_are_asked_once_for_each_call(
    first: Any, expected: tuple[int, list[str]]
) -> None:
    said: list[str] = []
    a, b, c = (each_waiting(said, name, lambda _: None) for name in "abc")
    upstream = FakeUpstream(first, 200)
    pipeline = route(a, Late(), b.at_each_call(), Late(), c.at_each_call(), upstream=upstream)
    asked = exchange()
    stopped = pipeline.admit(asked)
    assert pipeline.late
    assert isinstance(stopped, Waiting)

    response = await pipeline.respond(asked, stopped)

    calls = 1 if first == 200 else 2
    assert (*expected, calls) == (response.status, said, len(upstream.seen))
    assert asked.recall(MADE) is None


@pytest.mark.parametrize(
    ("decide", "status"),
    [pytest.param(answer, 204, id="answer"), pytest.param(refuse, 403, id="refuse")],
)
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_what_one_of_them_decides_ends_the_way_in(
    place: int, decide: Callable[[Exchange], Response | None], status: int
) -> None:
    said: list[str] = []
    a, b, c = (
        each_waiting(said, name, decide if index == place else lambda _: None)
        for index, name in enumerate("abc")
    )
    upstream = FakeUpstream(200)
    pipeline = route(stamp("on"), a, Late(), b.at_each_call(), c.at_each_call(), upstream=upstream)

    response = await admitted(pipeline, exchange(), plainly=True)

    assert (status, "on", []) == (response.status, response.headers.get("X-Seen"), upstream.seen)
    assert ["a0", "b0", "c0"][: place + 1] == said
