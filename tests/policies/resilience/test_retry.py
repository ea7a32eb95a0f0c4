"""Calls that come to nothing, and are repeated if that can do no harm."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.config.patterns import Method
from proxy.config.units import Duration, HeaderName, Share, Size
from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Attempt, Exchange, Response
from proxy.exchange import Retry as RetryOf
from proxy.headers import Headers
from proxy.pipeline import Pipeline
from proxy.policies.resilience.retry import Retry, RetryConfig
from proxy.policies.resilience.retry.settings import (
    BackOffConfig,
    BodyCondition,
    BudgetConfig,
    ClassConfig,
    Pattern,
    RetryAfterConfig,
)
from proxy.policy import Hooks, Services
from proxy.testing import Chunks, FakeClock, FakeUpstream, exchange, fake_services, route
from tests.policies.reading import fields, problems

REFUSED = UpstreamError(502, "upstream.unreachable", nothing_sent=True)
RESET = UpstreamError(502, "upstream.reset")
LATE = UpstreamError(504, "timeout.response")
LATE_WHOLE = UpstreamError(504, "timeout.attempt")
LATE_CONNECT = UpstreamError(504, "timeout.connect", nothing_sent=True)
NO_HTTP = UpstreamError(502, "upstream.bad_response")
BUSY = UpstreamError(503, "upstream.busy", nothing_sent=True)
GONE = UpstreamError(502, "upstream.failed")


PLENTY = BudgetConfig(min_per_second=10_000.0)


def classes(*names: str, **more: ClassConfig) -> Any:
    return {**{name: ClassConfig() for name in names}, **more}


def a_config(**settings: Any) -> RetryConfig:
    """Twice, a second and then two later, exactly."""
    waits = BackOffConfig(base=Duration(1), factor=2.0, max=Duration(8), jitter="none")
    return RetryConfig(**{"backoff": waits, "budget": PLENTY, **settings})


class Trial:
    """A route with `retry` in front of a script."""

    def __init__(
        self, *script: Any, services: Services | None = None, behind: Any = (), **settings: Any
    ) -> None:
        self.clock = FakeClock()
        self.upstream = FakeUpstream(*script)
        services = services or fake_services(self.clock)
        self.policy = Retry(a_config(**settings), replace(services, clock=self.clock))
        self.pipeline: Pipeline = route(self.policy, *behind, upstream=self.upstream, clock=self.clock)

    async def ask(self, asked: Exchange | None = None, seconds: float = 1000.0) -> tuple[Response, Exchange]:
        asked = asked or exchange()
        task = asyncio.create_task(self.pipeline.respond(asked))
        await self.clock.advance(seconds)
        return await task, asked


def told(asked: Exchange) -> list[tuple[str, str, float | None, str]]:
    return [(each.error_class, each.cause, each.wait, each.outcome) for each in asked.retries or ()]


# ---- what is repeated


@pytest.mark.parametrize(
    ("failure", "named", "found"),
    [
        (REFUSED, ("connect_error", "network_error", "timeout"), "connect_error"),
        (REFUSED, ("network_error", "timeout"), "network_error"),
        (REFUSED, ("timeout",), None),
        (LATE_CONNECT, ("timeout", "connect_error", "network_error"), "connect_error"),
        (LATE_CONNECT, ("timeout", "network_error"), "timeout"),
        (LATE_CONNECT, ("network_error",), "network_error"),
        (LATE, ("timeout", "network_error"), "timeout"),
        (LATE, ("network_error", "connect_error"), None),
        (LATE_WHOLE, ("timeout", "network_error"), "timeout"),
        (RESET, ("network_error",), "network_error"),
        (NO_HTTP, ("network_error",), "network_error"),
        (BUSY, ("connect_error", "network_error", "timeout"), None),
        (GONE, ("network_error",), None),
        (429, ("rate_limited",), "rate_limited"),
        (503, ("rate_limited",), None),
        (503, ("server_error", "gateway_error"), "gateway_error"),
        (503, ("server_error",), "server_error"),
        (500, ("gateway_error",), None),
        (500, ("server_error",), "server_error"),
        (501, ("server_error",), None),
        (505, ("server_error",), None),
        (404, ("rate_limited", "server_error"), None),
    ],
)
async def test_by_the_class_of_its_failure(failure: Any, named: tuple[str, ...], found: str | None) -> None:
    trial = Trial(failure, 200, classes=classes(*named))

    response, asked = await trial.ask()

    expected = (1, None) if found is None else (2, found)
    assert expected == (len(trial.upstream.seen), told(asked)[0][0] if asked.retries else None)
    assert (200 == response.status) == (found is not None)


@pytest.mark.parametrize(
    ("failure", "calls"), [(RESET, 3), (REFUSED, 3), (LATE, 3), (502, 3), (429, 1), (500, 1)]
)
async def test_what_is_usual_without_classes(failure: Any, calls: int) -> None:
    trial = Trial(failure)

    await trial.ask()

    assert calls == len(trial.upstream.seen)


async def test_an_operators_own_class_comes_first_and_goes_by_the_body() -> None:
    odd = ClassConfig(body=BodyCondition(regex=Pattern("try again")), max_retries=1)
    trial = Trial(
        Response(503, content=b"please try again"), 503, 200, classes=classes("gateway_error", odd=odd)
    )

    response, asked = await trial.ask()

    assert ["odd", "gateway_error"] == [each[0] for each in told(asked)]
    assert 200 == response.status


async def test_it_is_known_how_long_a_call_took_that_came_to_nothing() -> None:
    clock_of: list[FakeClock] = []

    async def slow(_: Exchange) -> Response:
        await clock_of[0].sleep(4.0)
        return Response(503)

    trial = Trial(slow, 503, 200, classes=classes("gateway_error"))
    clock_of.append(trial.clock)

    _, asked = await trial.ask(exchange(started=trial.clock.monotonic()))

    assert [4.0, 0.0] == [each.took for each in asked.retries or ()]


async def test_the_client_gets_the_last_answer_as_it_is() -> None:
    last = Response(503, Headers([(b"X-Last", b"1")]), b"really")
    trial = Trial(503, 502, last)

    response, _ = await trial.ask()

    assert (503, b"really", ["1"]) == (response.status, response.content, fields(response)["x-last"])


async def test_or_the_last_failure() -> None:
    _, asked = await Trial(503, RESET, LATE).ask()

    assert asked.refusal is LATE
    assert [
        ("gateway_error", "503", 1.0, "failed"),
        ("network_error", "upstream.reset", 2.0, "failed"),
    ] == told(asked)[:2]
    assert ("timeout", "timeout.response", None, "exhausted") == told(asked)[2]


# ---- what must not be


@pytest.mark.parametrize(
    ("method", "settings", "failure", "key", "calls"),
    [
        ("GET", {}, RESET, None, 2),
        ("HEAD", {}, RESET, None, 2),
        ("OPTIONS", {}, RESET, None, 2),
        ("TRACE", {}, RESET, None, 2),
        ("PUT", {}, RESET, None, 2),
        ("DELETE", {}, RESET, None, 2),
        ("POST", {}, RESET, None, 1),
        ("PATCH", {}, 503, None, 1),
        ("PROPFIND", {}, RESET, None, 1),
        ("POST", {}, REFUSED, None, 2),
        ("POST", {}, LATE_CONNECT, None, 2),
        ("POST", {}, RESET, "k", 1),
        ("POST", {"upstream_honours_idempotency_key": True}, RESET, "k", 2),
        ("POST", {"upstream_honours_idempotency_key": True}, RESET, None, 1),
        ("POST", {"methods": (Method("POST"),)}, RESET, None, 2),
        ("PUT", {"methods": (Method("POST"),)}, RESET, None, 1),
    ],
)
async def test_only_what_may_be_repeated(
    method: str, settings: dict[str, Any], failure: Any, key: str | None, calls: int
) -> None:
    trial = Trial(failure, 200, **settings)

    await trial.ask(exchange(method, headers={} if key is None else {"Idempotency-Key": key}))

    assert calls == len(trial.upstream.seen)


@pytest.mark.parametrize(
    ("failure", "calls"), [(429, 2), (Response(200, content=b"try later"), 2), (503, 1), (RESET, 1)]
)
async def test_what_the_upstream_says_it_has_not_done_is_repeated_whatever_the_method(
    failure: Any, calls: int
) -> None:
    full = ClassConfig(body=BodyCondition(regex=Pattern("try later")), nothing_done=True)
    limited = ClassConfig(nothing_done=True)
    stated = classes("gateway_error", "network_error", rate_limited=limited, full=full)
    trial = Trial(failure, 200, methods=(), classes=stated)

    await trial.ask(exchange("POST", body=b"order"))

    assert [b"order"] * calls == [each.content for each in trial.upstream.seen]


async def test_a_body_that_is_gone_is_not_sent_again() -> None:
    trial = Trial(503, 200)

    response, asked = await trial.ask(exchange("PUT", body=Chunks(b"gone")))

    assert (503, 1, [("gateway_error", "503", None, "no_body")]) == (
        response.status,
        len(trial.upstream.seen),
        told(asked),
    )


async def test_what_a_policy_behind_refuses_ends_it_and_the_client_gets_what_was_there() -> None:
    asked_before: list[int] = []

    def breaker(asked: Exchange) -> None:
        asked_before.append(asked.attempts)
        if asked.attempts:
            raise Rejection(503, "circuit_breaker.open")

    trial = Trial(502, 200, behind=[Hooks(on_request=breaker).at_each_call()])

    response, asked = await trial.ask()

    assert (502, [0, 1], 1) == (response.status, asked_before, len(trial.upstream.seen))
    assert [("gateway_error", "502", 1.0, "refused")] == told(asked)
    assert None is asked.refusal


async def test_what_a_policy_behind_answers_instead_is_the_answer() -> None:
    stand_in = Hooks(on_request=lambda asked: Response(203) if asked.attempts else None).at_each_call()

    response, asked = await Trial(502, behind=[stand_in]).ask()

    assert (203, "answered") == (response.status, told(asked)[0][3])


async def test_the_first_refusal_of_a_policy_behind_is_no_failure_of_the_upstream() -> None:
    def refuse(_: Exchange) -> None:
        raise Rejection(503, "circuit_breaker.open")

    trial = Trial(200, behind=[Hooks(on_request=refuse).at_each_call()])

    response, asked = await trial.ask()

    assert (503, 0, None) == (response.status, len(trial.upstream.seen), asked.retries)


async def test_a_client_that_leaves_ends_it() -> None:
    trial, asked = Trial(503, 200), exchange()
    task = asyncio.create_task(trial.pipeline.respond(asked))
    await trial.clock.advance(0.5)

    task.cancel()
    await trial.clock.advance(100)

    assert (1, [("gateway_error", "503", 1.0, "abandoned")]) == (len(trial.upstream.seen), told(asked))


# ---- how often, how soon


@pytest.mark.parametrize(
    ("script", "more", "causes"),
    [
        pytest.param([503] * 9, {}, "503 503 503", id="max_retries of the policy"),
        pytest.param(
            [RESET] * 9, {"network_error": ClassConfig(max_retries=4)}, "reset " * 5, id="a class has more"
        ),
        pytest.param(
            [LATE] * 9, {"timeout": ClassConfig(max_retries=1)}, "response response", id="a class has less"
        ),
        pytest.param([LATE] * 9, {"timeout": ClassConfig(max_retries=0)}, "response", id="a class has none"),
        pytest.param(
            [RESET, RESET, RESET, 503],
            {"network_error": ClassConfig(max_retries=4), "gateway_error": ClassConfig()},
            "reset reset reset 503",
            id="the limit of the class of the last failure counts",
        ),
    ],
)
async def test_so_often(script: list[Any], more: dict[str, ClassConfig], causes: str) -> None:
    trial = Trial(*script, 200, classes=classes("network_error", "gateway_error", **more))

    _, asked = await trial.ask()

    assert causes.split() == [each[1].rpartition(".")[2] for each in told(asked)]


async def test_it_waits_longer_each_time_and_by_the_class() -> None:
    trial = Trial(
        503,
        503,
        LATE,
        200,
        max_retries=3,
        classes=classes("gateway_error", timeout=ClassConfig(multiplier=1.5)),
    )

    _, asked = await trial.ask()

    assert [1.0, 2.0, 6.0] == [each[2] for each in told(asked)]


def answering(status: int, retry_after: str) -> Response:
    return Response(status, Headers([(b"Retry-After", retry_after.encode())]))


@pytest.mark.parametrize(
    ("answer", "longest", "shortest_wait", "longest_wait"),
    [
        pytest.param(answering(503, "10"), 60, 10, 15, id="seconds"),
        pytest.param(answering(503, "Tue, 14 Nov 2023 22:13:40 GMT"), 60, 20, 30, id="a date"),
        pytest.param(answering(503, "100000"), 60, 60, 90, id="capped"),
        pytest.param(answering(503, "0"), 60, 1, 1, id="not sooner than else"),
        pytest.param(answering(503, "soon"), 60, 1, 1, id="nonsense"),
        pytest.param(answering(503, "10"), 0, 1, 1, id="not heard"),
        pytest.param(answering(501, "10"), 60, 1, 1, id="not on 501"),
    ],
)
async def test_an_upstream_that_says_when_is_heard(
    answer: Response, longest: float, shortest_wait: float, longest_wait: float
) -> None:
    trial = Trial(
        answer,
        200,
        honour_retry_after=RetryAfterConfig(max=Duration(longest)),
        classes=classes(any=ClassConfig(status={501, 503})),  # type: ignore[arg-type]  # a set of codes
    )

    _, asked = await trial.ask()

    wait = told(asked)[0][2]
    assert wait is not None
    assert shortest_wait <= wait <= longest_wait


@pytest.mark.parametrize(("left", "calls"), [(1.005, 1), (1.02, 2), (3.02, 3)])
async def test_without_time_for_another_call_there_is_none(left: float, calls: int) -> None:
    trial, asked = Trial(503), exchange()
    asked.bound_time(left, Rejection(504, "deadline.exceeded"))

    await trial.ask(asked)

    assert (calls, "no_time" if calls < 3 else "exhausted") == (len(trial.upstream.seen), told(asked)[-1][3])


# ---- the budget


async def test_of_all_calls_no_more_than_a_share_are_repeated() -> None:
    budget = BudgetConfig(ratio=Share(0.2), min_per_second=0.0, window=Duration(1000))
    trial = Trial(503, budget=budget, max_retries=1)

    outcomes = [told((await trial.ask(seconds=1.0))[1])[-1][3] for _ in range(50)]

    assert (60, 40) == (len(trial.upstream.seen), outcomes.count("over_budget"))


async def test_a_reload_keeps_what_was_spent_and_another_name_has_its_own() -> None:
    budget = BudgetConfig(ratio=Share(0.0), min_per_second=1.0, window=Duration(1))
    services = fake_services(name="retry/careful")
    others = replace(services, name="retry/other")

    outcomes = []
    for each in (services, services, others):
        trial = Trial(503, budget=budget, max_retries=1, services=each)
        outcomes.append(told((await trial.ask())[1])[0][3])

    assert ["failed", "over_budget", "failed"] == outcomes


# ---- what is told


async def test_the_client_is_told_how_many_calls_there_were_where_that_is_wanted() -> None:
    silent, _ = await Trial(503, 200).ask()
    told_so, _ = await Trial(503, 200, attempts_header=HeaderName("X-Seawall-Attempts")).ask()

    assert (None, ["2"]) == (
        fields(silent).get("x-seawall-attempts"),
        fields(told_so)["x-seawall-attempts"],
    )


def test_it_is_entered_only_for_answers_that_belong_to_a_class() -> None:
    body = ClassConfig(body=BodyCondition(regex=Pattern("x")))
    busy = ClassConfig(status={503}, body=BodyCondition(regex=Pattern("x")))  # type: ignore[arg-type]

    assert {502, 503, 504} == Trial(200).policy.late
    assert {429} == Trial(200, classes=classes("rate_limited", "timeout")).policy.late
    assert {503} == Trial(200, classes=classes(busy=busy)).policy.late
    assert set(range(200, 600)) == Trial(200, classes=classes(odd=body)).policy.late


def test_it_counts_first_calls_and_not_those_that_repeat_them() -> None:
    policy = Trial(200, budget=BudgetConfig(ratio=Share(1), min_per_second=0.0)).policy
    asked = exchange()
    for number in (1, 2, 3):
        policy.on_attempt(asked, Attempt(number, "app", 0.0, 0.0, 503))
        asked.retries = [RetryOf("gateway_error", "503")]

    assert [True, False] == [policy._plan._budget(0.0) for _ in range(2)]


def test_a_call_that_the_wire_has_made_again_is_a_first_one_all_the_same() -> None:
    policy = Trial(200, budget=BudgetConfig(ratio=Share(1), min_per_second=0.0)).policy
    policy.on_attempt(exchange(), Attempt(2, "app", 0.0, 0.0, 200))

    assert [True, False] == [policy._plan._budget(0.0) for _ in range(2)]


# ---- what a file may say


@pytest.mark.parametrize(
    ("policies", "wrong"),
    [
        pytest.param("retry: {}", [], id="nothing"),
        pytest.param(
            "retry: {classes: {timeout: {}, api: {body: {pointer: /status, values: [busy]}}}}",
            [],
            id="classes",
        ),
        pytest.param(
            'retry: {classes: {api: {body: {xpath: "//Error/@Number", values: [2030280]}}}}', [], id="numbers"
        ),
        pytest.param("retry: {classes: {busy: {header: {name: X-Busy}}}}", [], id="a header"),
        pytest.param("retry: {classes: {}}", ["retry.classes"], id="no class"),
        pytest.param("retry: {classes: {api: {}}}", ["retry.classes.api"], id="a class of nothing"),
        pytest.param(
            "retry: {classes: {timeout: {status: [503]}}}", ["retry.classes.timeout"], id="no answer"
        ),
        pytest.param("retry: {classes: {api: {body: {}}}}", ["retry.classes.api.body"], id="no place"),
        pytest.param(
            "retry: {classes: {api: {body: {pointer: /a, regex: b}}}}",
            ["retry.classes.api.body"],
            id="two places",
        ),
        pytest.param(
            "retry: {classes: {api: {body: {regex: b, values: [c]}}}}",
            ["retry.classes.api.body.values"],
            id="values",
        ),
        pytest.param(
            'retry: {classes: {api: {body: {regex: "("}}}}', ["retry.classes.api.body.regex"], id="no regex"
        ),
        pytest.param(
            'retry: {classes: {api: {body: {xpath: "//a[1]"}}}}', ["retry.classes.api.body.xpath"], id="xpath"
        ),
        pytest.param(
            "retry: {classes: {timeout: {nothing_done: true}, rate_limited: {nothing_done: true}}}",
            ["retry.classes.timeout.nothing_done"],
            id="who has not answered has not said what was done",
        ),
        pytest.param("retry: {max_retries: 21}", ["retry.max_retries"], id="too often"),
        pytest.param(
            "retry: {backoff: {base: 2s, max: 1s}}", ["retry.backoff.max"], id="the first is longest"
        ),
        pytest.param("retry: {mode: shadow}", ["retry.mode"], id="no shadow"),
    ],
)
def test_what_a_policy_file_may_say(policies: str, wrong: list[str], tmp_path: Path) -> None:
    assert wrong == problems(policies, tmp_path)


LOOKS = classes(odd=ClassConfig(body=BodyCondition(regex=Pattern("again"))))


@pytest.mark.parametrize(
    ("stated", "asked_for"),
    [
        pytest.param(LOOKS, "gzip", id="a class looks into bodies"),
        pytest.param(None, "br, gzip", id="none does"),
    ],
)
async def test_an_answer_that_is_looked_into_is_asked_for_as_it_can_be_read(
    stated: Any, asked_for: str
) -> None:
    trial = Trial(Response(200), classes=stated)
    _, asked = await trial.ask(exchange(headers={"Accept-Encoding": "br, gzip"}))

    assert asked_for == asked.request.headers.get("Accept-Encoding")


async def test_a_client_that_says_nothing_of_codings_has_nothing_said_for_it() -> None:
    _, asked = await Trial(Response(200), classes=LOOKS).ask()

    assert None is asked.request.headers.get("Accept-Encoding")


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ({"max_retries": 3}, 3),
        ({"max_retries": 3, "classes": classes("timeout", network_error=ClassConfig(max_retries=4))}, 4),
        ({"max_retries": 3, "classes": classes(timeout=ClassConfig(max_retries=1))}, 1),
        (
            {
                "max_retries": 5,
                "classes": classes(
                    timeout=ClassConfig(max_retries=1), network_error=ClassConfig(max_retries=1)
                ),
            },
            2,
        ),
        ({"max_retries": 0}, 0),
    ],
)
def test_it_knows_how_often_at_most(settings: dict[str, Any], most: int) -> None:
    assert most == a_config(**settings).most_retries


def test_it_says_in_words_what_it_comes_to() -> None:
    config = a_config(
        max_retries=3,
        budget=BudgetConfig(),
        classes=classes("rate_limited", network_error=ClassConfig(max_retries=4)),
        body_limit=Size(1000),
    )

    assert [
        "at most 5 calls of the upstream for one request",
        "waits of up to 1s, 2s, 4s, 8s, and up to 1.5m where the answer asks for it",
        "4 after network_error, which counts instead of max_retries 3",
        "all together 20% of the first calls and 3 a second, in 10s",
    ] == list(config.in_words())
