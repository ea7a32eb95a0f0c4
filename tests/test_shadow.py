"""A policy in shadow decides and reports, and neither client nor upstream feels anything of it."""

from __future__ import annotations

import asyncio

import pytest

from proxy.exchange import (
    Attempt,
    Exchange,
    Identity,
    Response,
)
from proxy.policy import Hooks, Later
from proxy.shadow import in_shadow
from proxy.testing import FakeUpstream, exchange, route
from tests.trials import (
    REFUSAL,
    Decide,
    answer,
    asking,
    break_down,
    ended,
    plain_or_waiting,
    refuse,
    reports,
    shadowed,
)


@plain_or_waiting
@pytest.mark.parametrize(
    ("decide", "reported"),
    [
        pytest.param(refuse, [(403, "trial.refused")], id="a refusal"),
        pytest.param(answer, [(204, "trial.answered")], id="an answer"),
        pytest.param(break_down, [(500, "internal.error")], id="a bug"),
        pytest.param(lambda _: None, [], id="nothing"),
    ],
)
async def test_what_it_decides_is_reported_and_the_upstream_answers(
    decide: Decide, waits: bool, reported: list[tuple[int, str]]
) -> None:
    asked = exchange()

    response = await shadowed(asking(decide, waits=waits), FakeUpstream(200)).respond(asked)

    assert (200, None) == (response.status, asked.refusal)
    assert reported == reports(asked)


async def test_a_report_is_the_refusal_with_its_numbers() -> None:
    asked = exchange()

    await shadowed(asking(refuse)).respond(asked)

    assert [REFUSAL] == asked.shadowed


async def test_a_bug_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    await shadowed(asking(break_down)).respond(exchange())

    assert "bug in the shadow of trial" in caplog.text
    assert "ZeroDivisionError: a bug" in caplog.text


@plain_or_waiting
def test_a_route_is_as_plain_as_it_is_when_enforced(waits: bool) -> None:
    enforced = asking(refuse, waits=waits)

    assert route(enforced).plain is shadowed(enforced).plain is not waits


async def test_a_plain_route_admits_what_is_refused_in_shadow() -> None:
    asked = exchange()

    assert shadowed(asking(refuse)).admit(asked) is None
    assert [(403, "trial.refused")] == reports(asked)


async def test_each_policy_in_shadow_reports() -> None:
    asked = exchange()
    one, other = in_shadow("one", asking(answer)), in_shadow("other", asking(refuse))

    await route(one, other).respond(asked)

    assert [(204, "one.answered"), (403, "trial.refused")] == reports(asked)


async def test_response_hooks_do_not_run() -> None:
    stamp = Hooks(on_response=lambda _, response: response.headers.set("X-Seen", "yes"))

    response = await shadowed(stamp).respond(exchange())

    assert response.headers.get("X-Seen") is None


async def test_attempts_and_the_end_are_told_with_the_view() -> None:
    said: list[tuple[str, str | None]] = []

    def change(view: Exchange) -> None:
        view.identity = Identity("me", "trial")

    def say(what: str, view: Exchange) -> None:
        said.append((what, view.identity.id if view.identity else None))

    pipeline = shadowed(
        Hooks(
            on_request=change,
            on_attempt=lambda view, attempt: say(f"attempt {attempt.status}", view),
            on_finish=lambda view, outcome: say(f"finish {outcome.status}", view),
        )
    )
    asked = exchange()

    await pipeline.respond(asked)
    pipeline.attempted(asked, Attempt(1, "app", 0.0, 1.0, status=201))
    pipeline.finish(asked, ended(status=202))

    assert [("attempt 201", "me"), ("finish 202", "me")] == said


async def test_the_end_is_told_also_where_its_request_hook_never_ran() -> None:
    said: list[int] = []
    finishing = Hooks(on_request=answer, on_finish=lambda _, outcome: said.append(outcome.status))
    pipeline = route(asking(refuse), in_shadow("trial", finishing))
    asked = exchange()

    await pipeline.respond(asked)
    pipeline.finish(asked, ended(status=403))

    assert ([403], []) == (said, reports(asked))


def leaving_it_for_later(decide: Decide, gate: asyncio.Event) -> Hooks:
    """A plain hook that would have the request wait until `gate` is open."""

    def on_request(asked: Exchange) -> Later:
        async def later() -> Response | None:
            await gate.wait()
            return decide(asked)

        return later

    return Hooks(on_request=on_request)


@pytest.mark.parametrize(
    ("decide", "reported"),
    [
        pytest.param(refuse, [(403, "trial.refused")], id="a refusal"),
        pytest.param(answer, [(204, "trial.answered")], id="an answer"),
        pytest.param(lambda _: None, [], id="nothing"),
    ],
)
async def test_who_would_have_waited_does_not_and_what_came_of_it_is_reported(
    decide: Decide, reported: list[tuple[int, str]]
) -> None:
    asked, gate = exchange(), asyncio.Event()

    response = await shadowed(leaving_it_for_later(decide, gate)).respond(asked)
    before = reports(asked)
    gate.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert (200, [], reported) == (response.status, before, reports(asked))


async def test_a_wait_in_shadow_ends_with_the_exchange() -> None:
    asked, gate = exchange(), asyncio.Event()
    pipeline = shadowed(leaving_it_for_later(refuse, gate))
    await pipeline.respond(asked)

    pipeline.finish(asked, ended())
    gate.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert [] == reports(asked)
