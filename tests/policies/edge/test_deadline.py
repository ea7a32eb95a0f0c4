"""How long one exchange may take, and what the upstream is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.units import Duration, HeaderName
from proxy.exchange import Exchange, Outcome
from proxy.policies.edge.deadline import Deadline, DeadlineConfig
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import FakeClock, FakeUpstream, exchange, fake_services, route
from tests.policies.reading import problems

LEFT = HeaderName("X-Request-Timeout")


def a_deadline(
    total: str = "30s",
    *,
    propagate: HeaderName | None = None,
    accept: bool = False,
    clock: FakeClock | None = None,
) -> Deadline:
    config = DeadlineConfig(total=Duration.parse(total), propagate=propagate, accept_from_clients=accept)
    return Deadline(config, fake_services(clock))


def end_of(asked: Exchange) -> tuple[float | None, str | None, int | None]:
    refusal = asked.deadline_refusal
    return (asked.deadline, refusal.reason, refusal.status) if refusal else (asked.deadline, None, None)


async def test_the_whole_exchange_ends_a_fixed_time_after_its_head_arrived() -> None:
    asked = exchange(started=100.0)

    await route(a_deadline("30s")).respond(asked)

    assert (130.0, "deadline.exceeded", 504) == end_of(asked)


async def test_an_earlier_end_that_somebody_else_set_stays() -> None:
    asked = exchange(started=100.0)
    pipeline = route(a_deadline("10s"), a_deadline("30s"))

    await pipeline.respond(asked)

    assert 110.0 == asked.deadline


async def test_the_refusal_tells_an_operator_which_limit_was_crossed() -> None:
    asked = exchange()

    await route(a_deadline("1m30s")).respond(asked)

    assert asked.deadline_refusal is not None
    assert {"total": "1.5m"} == asked.deadline_refusal.facts


async def test_the_upstream_is_told_the_whole_milliseconds_that_are_left() -> None:
    clock = FakeClock()
    asked = exchange(started=clock.monotonic())
    await clock.advance(0.2504)
    upstream = FakeUpstream(200)

    await route(a_deadline("30s", propagate=LEFT, clock=clock), upstream=upstream).respond(asked)

    assert ["29749"] == upstream.seen[0].headers.get_all(LEFT)


async def test_the_upstream_is_never_told_zero_which_some_take_for_no_limit_at_all() -> None:
    clock = FakeClock()
    asked = exchange(started=clock.monotonic())
    await clock.advance(2.0)
    upstream = FakeUpstream(200)

    await route(a_deadline("1s", propagate=LEFT, clock=clock), upstream=upstream).respond(asked)

    assert ["1"] == upstream.seen[0].headers.get_all(LEFT)


async def test_without_a_header_the_upstream_is_told_nothing() -> None:
    upstream = FakeUpstream(200)

    await route(a_deadline(), upstream=upstream).respond(exchange())

    assert [] == list(upstream.seen[0].headers)


@pytest.mark.parametrize(
    ("accept", "trusted", "sent", "left"),
    [
        pytest.param(True, True, "1500", 1500, id="a trusted peer asks for less"),
        pytest.param(True, True, "99999999", 30_000, id="a trusted peer asks for more than is granted"),
        pytest.param(True, False, "1500", 30_000, id="an untrusted peer asks"),
        pytest.param(False, True, "1500", 30_000, id="nobody may ask"),
        pytest.param(True, True, None, 30_000, id="a trusted peer does not ask"),
        pytest.param(True, True, "", 30_000, id="nothing"),
        pytest.param(True, True, "0", 30_000, id="zero"),
        pytest.param(True, True, "-5", 30_000, id="a negative number"),
        pytest.param(True, True, "1.5", 30_000, id="a fraction"),
        pytest.param(True, True, "1_000", 30_000, id="a number as only Python writes it"),
        pytest.param(True, True, "٣", 30_000, id="a digit that is not ASCII"),
        pytest.param(True, True, "000000001", 30_000, id="more digits than any timeout needs"),
        pytest.param(True, True, "10s", 30_000, id="a unit"),
    ],
)
async def test_whose_deadline_counts(accept: bool, trusted: bool, sent: str | None, left: int) -> None:
    asked = exchange(headers={} if sent is None else {LEFT: sent}, peer_trusted=trusted)
    upstream = FakeUpstream(200)

    await route(a_deadline("30s", propagate=LEFT, accept=accept), upstream=upstream).respond(asked)

    assert (left / 1000, [str(left)]) == (asked.deadline, upstream.seen[0].headers.get_all(LEFT))


async def test_the_refusal_of_an_accepted_deadline_names_the_time_that_was_asked_for() -> None:
    asked = exchange(headers={LEFT: "1500"}, peer_trusted=True)

    await route(a_deadline("30s", propagate=LEFT, accept=True)).respond(asked)

    assert asked.deadline_refusal is not None
    assert {"total": "1.5s"} == asked.deadline_refusal.facts


async def test_a_client_that_sends_the_header_twice_is_not_believed() -> None:
    asked = exchange(headers={LEFT: "1500", LEFT.lower(): "2500"}, peer_trusted=True)

    await route(a_deadline("30s", propagate=LEFT, accept=True)).respond(asked)

    assert 30.0 == asked.deadline


@pytest.mark.parametrize(
    ("ended", "reported"),
    [
        pytest.param(29.0, [], id="in time"),
        pytest.param(31.0, ["deadline.exceeded"], id="too late"),
    ],
)
async def test_in_shadow_it_reports_and_neither_ends_anything_nor_tells_the_upstream(
    ended: float, reported: list[str]
) -> None:
    asked = exchange()
    upstream = FakeUpstream(200)
    hooks = in_shadow("deadline", Hooks.of(a_deadline("30s", propagate=LEFT)))
    pipeline = route(hooks, upstream=upstream)

    await pipeline.respond(asked)
    pipeline.finish(asked, Outcome(200, ended=ended))

    assert (None, [], reported) == (
        asked.deadline,
        list(upstream.seen[0].headers),
        [rejection.reason for rejection in asked.shadowed or []],
    )


@pytest.mark.parametrize(
    ("policies", "wrong"),
    [
        pytest.param("deadline: 30s", [], id="the total alone"),
        pytest.param(
            "deadline: {total: 30s, propagate: X-Left, accept_from_clients: true}",
            [],
            id="a header both ways",
        ),
        pytest.param("deadline: {propagate: X-Left}", ["deadline"], id="no total"),
        pytest.param("deadline: {total: 0s}", ["deadline.total"], id="no time at all"),
        pytest.param(
            "deadline: {total: 30s, accept_from_clients: true}",
            ["deadline.accept_from_clients"],
            id="no name for the header that clients send",
        ),
    ],
)
def test_what_a_policy_file_may_say(policies: str, wrong: list[str], tmp_path: Path) -> None:
    assert wrong == problems(policies, tmp_path)


def test_it_says_in_words_how_long_an_exchange_may_take() -> None:
    assert ["at most 1m from a request's first byte to the last of its response"] == list(
        DeadlineConfig(total=Duration(60)).in_words()
    )
