"""What a policy in shadow changes is its own; what it reads and bounds stays as it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Rejection
from proxy.exchange import (
    AttemptLimits,
    Exchange,
    ExchangeKey,
    Identity,
    Outcome,
)
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import Chunks, exchange, route
from tests.trials import (
    REFUSAL,
    asking,
    ended,
    reading,
    reports,
    shadowed,
)

CHANGES: dict[str, Callable[[Exchange], None]] = {
    "a header that is set": lambda e: e.request.headers.set("X-Api-Key", "other"),
    "a header that is added": lambda e: e.request.headers.add("X-More", "1"),
    "a header that is removed": lambda e: e.request.headers.remove("Accept"),
    "the path": lambda e: setattr(e.request, "target", "/elsewhere"),
    "the identity": lambda e: setattr(e, "identity", Identity("mallory", "trial")),
    "the limits": lambda e: setattr(e, "limits", AttemptLimits(connect=0.1)),
    "the host": lambda e: setattr(e, "send_upstream_host", True),
    "the deadline": lambda e: e.bound_time(1.0, REFUSAL),
    "the bound of the body": lambda e: e.bound_body(10, REFUSAL),
    "a note of its own": lambda e: e.remember(ExchangeKey("trial"), 1),
}

each_change = pytest.mark.parametrize("change", [pytest.param(c, id=name) for name, c in CHANGES.items()])


class Wire:
    """Stands where the wire's side of an exchange does; a bound of a view is none of its business."""

    def bounded(self) -> None:
        raise AssertionError("told of a bound that is in shadow")


def an_exchange() -> Exchange:
    asked = exchange("POST", headers={"Accept": "*/*", "X-Api-Key": "mine"}, body=b"hello")
    asked.carrier = Wire()
    return asked


def facts(asked: Exchange) -> tuple[object, ...]:
    """All that the upstream and the other policies see of an exchange."""
    return (
        asked.request.headers.serialize(),
        asked.request.target,
        asked.identity,
        asked.limits,
        asked.send_upstream_host,
        asked.deadline,
        asked.deadline_refusal,
        asked.body_limit,
        asked.body_refusal,
    )


@each_change
async def test_no_change_leaves_the_shadow(change: Callable[[Exchange], None]) -> None:
    asked = an_exchange()
    before = facts(asked)

    await shadowed(Hooks(on_request=change)).respond(asked)

    assert before == facts(asked)


@given(st.lists(st.sampled_from(list(CHANGES))), st.lists(st.sampled_from(list(CHANGES))))
def test_what_policies_in_shadow_do_together_changes_nothing(one: list[str], other: list[str]) -> None:
    def changing(names: list[str]) -> Hooks:
        def on_request(view: Exchange) -> None:
            for name in names:
                CHANGES[name](view)

        return Hooks(on_request=on_request)

    asked = an_exchange()
    before = facts(asked)

    answered = route(in_shadow("one", changing(one)), in_shadow("other", changing(other))).admit(asked)

    assert (None, before, []) == (answered, facts(asked), reports(asked))


async def test_it_sees_what_it_changed_itself_and_what_others_changed() -> None:
    key = ExchangeKey[str]("trial")
    seen: list[object] = []

    def change(view: Exchange) -> None:
        view.identity = Identity("me", "trial")
        view.bound_time(5.0, REFUSAL)
        view.request.headers.set("X-Mine", "1")
        view.remember(key, "noted")

    def look(view: Exchange, _: Outcome) -> None:
        assert view.identity is not None
        seen.extend((view.identity.id, view.deadline, view.request.headers.get("X-Mine")))
        noted: str | None = view.recall(key)
        seen.append(noted)
        seen.extend((view.limits.connect, view.attempts, view.client_ip))

    others = Hooks(on_request=lambda asked: setattr(asked, "limits", AttemptLimits(connect=9.0)))
    asked = exchange(client_ip="192.0.2.9")
    pipeline = route(in_shadow("trial", Hooks(on_request=change, on_finish=look)), others)

    await pipeline.respond(asked)
    pipeline.finish(asked, ended(at=1.0))

    assert ["me", 5.0, "1", "noted", 9.0, 1, "192.0.2.9"] == seen
    assert asked.identity is None


async def test_what_it_reports_itself_is_reported() -> None:
    asked = exchange()

    await shadowed(asking(lambda view: view.shadow(REFUSAL))).respond(asked)

    assert [REFUSAL] == asked.shadowed


async def test_one_policy_in_shadow_sees_nothing_of_another() -> None:
    seen: list[str | None] = []
    one = in_shadow("one", asking(lambda view: view.request.headers.set("X-One", "1")))
    other = in_shadow("other", asking(lambda view: seen.append(view.request.headers.get("X-One"))))

    await route(one, other).respond(exchange())

    assert [None] == seen


async def test_it_never_causes_a_body_to_be_read() -> None:
    body = Chunks(b"hel", b"lo")
    asked = exchange("POST", body=body)

    response = await shadowed(reading(lambda _: None)).respond(asked)

    assert (200, [(200, "trial.skipped")]) == (response.status, reports(asked))
    assert body is asked.request.content


async def test_it_decides_by_a_body_that_an_enforced_policy_has_read() -> None:
    seen: list[bytes] = []
    asked = exchange("POST", body=Chunks(b"hel", b"lo"))

    await route(reading(lambda _: None), in_shadow("trial", reading(seen.append))).respond(asked)

    assert ([b"hello"], []) == (seen, reports(asked))


async def test_it_decides_by_a_body_that_is_not_there() -> None:
    seen: list[bytes] = []

    await shadowed(reading(seen.append)).respond(exchange("GET"))

    assert [b""] == seen


def bounding(bound: Callable[[Exchange], None]) -> Hooks:
    return Hooks(on_request=bound)


@pytest.mark.parametrize(
    ("received", "reported"),
    [
        pytest.param(10, [], id="as large as it may be"),
        pytest.param(11, [(413, "trial.body")], id="a byte too large"),
    ],
)
async def test_a_body_over_its_bound_is_reported_at_the_end(
    received: int, reported: list[tuple[int, str]]
) -> None:
    asked = exchange("POST", body=Chunks(b"x" * received))
    pipeline = shadowed(bounding(lambda view: view.bound_body(10, Rejection(413, "trial.body"))))

    await pipeline.respond(asked)
    assert [] == reports(asked)
    pipeline.finish(asked, ended(received=received))

    assert reported == reports(asked)


async def test_a_body_that_says_that_it_is_too_large_is_reported_at_once() -> None:
    asked = exchange("POST", body=b"x" * 11)
    pipeline = shadowed(bounding(lambda view: view.bound_body(10, Rejection(413, "trial.body"))))

    await pipeline.respond(asked)
    assert [(413, "trial.body")] == reports(asked)
    pipeline.finish(asked, ended(received=11))

    assert [(413, "trial.body")] == reports(asked)


@pytest.mark.parametrize(
    ("end", "status", "reported"),
    [
        pytest.param(5.0, 200, [], id="in time"),
        pytest.param(5.5, 200, [(504, "trial.time")], id="too late"),
        pytest.param(5.5, 499, [(504, "trial.time")], id="too late for a client that left"),
        pytest.param(3600.0, 101, [], id="a conversation, which has no bound"),
    ],
)
async def test_an_exchange_over_its_time_is_reported_at_the_end(
    end: float, status: int, reported: list[tuple[int, str]]
) -> None:
    asked = exchange()
    pipeline = shadowed(bounding(lambda view: view.bound_time(5.0, Rejection(504, "trial.time"))))

    await pipeline.respond(asked)
    pipeline.finish(asked, ended(at=end, status=status))

    assert reported == reports(asked)


async def test_the_earliest_of_its_bounds_counts() -> None:
    def bound(view: Exchange) -> None:
        view.bound_time(5.0, Rejection(504, "trial.early"))
        view.bound_time(9.0, Rejection(504, "trial.late"))
        view.bound_body(5, Rejection(413, "trial.small"))
        view.bound_body(9, Rejection(413, "trial.large"))

    early, small = exchange(), exchange("POST", body=Chunks(b"123456"))
    pipeline = shadowed(bounding(bound))
    for asked in (early, small):
        await pipeline.respond(asked)

    pipeline.finish(early, ended(at=6.0))
    pipeline.finish(small, ended(received=6))

    assert [(504, "trial.early")] == reports(early)
    assert [(413, "trial.small")] == reports(small)


async def test_an_enforced_bound_that_is_stricter_is_not_reported_as_its_own() -> None:
    asked = exchange("POST", body=Chunks(b"x"))

    def enforced(asked: Exchange) -> None:
        asked.bound_time(1.0, Rejection(504, "enforced.time"))
        asked.bound_body(1, Rejection(413, "enforced.body"))

    def lax(view: Exchange) -> None:
        view.bound_time(2.0, Rejection(504, "trial.time"))
        view.bound_body(2, Rejection(413, "trial.body"))

    pipeline = route(bounding(enforced), in_shadow("trial", bounding(lax)))

    await pipeline.respond(asked)
    pipeline.finish(asked, ended(at=1.01, received=1))

    assert [] == reports(asked)
