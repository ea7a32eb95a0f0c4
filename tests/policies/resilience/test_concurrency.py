"""So many at once, and who waits: what clients get, and that every place is given back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.units import Duration, HeaderName
from proxy.errors import UpstreamError
from proxy.exchange import Exchange, Outcome, Response
from proxy.pipeline import Pipeline
from proxy.policies.resilience.concurrency import (
    AdaptiveConfig,
    Concurrency,
    ConcurrencyConfig,
    PriorityConfig,
    QueueConfig,
)
from proxy.policy import Hooks, Services
from proxy.shadow import in_shadow
from proxy.state import Gauged
from proxy.testing import FakeClock, FakeUpstream, exchange, fake_services, route
from tests.policies.reading import problems, refusal

FULL = (503, "concurrency.full")
TOO_LONG = (503, "concurrency.queue_timeout")
QUEUE = QueueConfig(size=2, timeout=Duration(1))
RANKED = QueueConfig(
    size=2,
    timeout=Duration(1),
    priority=PriorityConfig(classes=("high", "normal"), header=HeaderName("X-Priority")),
)


class Door:
    """A route with a bound, in front of an upstream that answers when it is told to."""

    def __init__(self, services: Services | None = None, **config: Any) -> None:
        self.clock = FakeClock()
        self.services = services or fake_services(self.clock, name="concurrency/app")
        self.policy = Concurrency(ConcurrencyConfig(**config), self.services)
        self.inside: list[asyncio.Future[int]] = []
        self.pipeline = route(self.policy, upstream=FakeUpstream(self._serve))
        self._running: list[asyncio.Task[Any]] = []

    async def _serve(self, _: Exchange) -> int:
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.inside.append(answer)
        return await answer

    async def come(self, headers: Mapping[str, str] | None = None) -> Guest:
        """A request, as far as it gets without anybody's help."""
        guest = Guest(self.pipeline, exchange(headers=headers))
        await turns()
        return guest

    def answer(self, index: int = 0, status: int = 200) -> None:
        """Of those that the upstream is at work on."""
        answer = self.inside.pop(index)
        if not answer.done():  # its client may have left
            answer.set_result(status)

    @property
    def numbers(self) -> dict[str, float]:
        """As metrics show them: bound, inside, waiting."""
        [gauged] = [state for state in self.services.state._kept.values() if isinstance(state, Gauged)]
        return dict(gauged.gauges())

    @property
    def standing(self) -> tuple[float, float]:
        """Inside, and waiting."""
        numbers = self.numbers
        return numbers["concurrency_in_flight"], numbers["concurrency_waiting"]


class Guest:
    """One exchange, from its first hook to its last."""

    def __init__(self, pipeline: Pipeline, asked: Exchange) -> None:
        self.asked = asked
        self._pipeline = pipeline
        self._task = asyncio.ensure_future(pipeline.respond(asked))

    @property
    def outcome(self) -> tuple[int, str | None] | None:
        """Status and reason; None for one who still waits."""
        return refusal(self._task.result()) if self._task.done() else None

    def finish(self) -> None:
        """The last byte is out, or the client has left."""
        self._task.cancel()
        self._pipeline.finish(self.asked, Outcome(200, 0.0))

    async def gone(self) -> None:
        self.finish()
        await turns()


async def turns() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


async def test_one_more_than_max_is_refused_at_once() -> None:
    door = Door(max=2)
    guests = [await door.come() for _ in range(3)]

    assert [None, None, FULL] == [guest.outcome for guest in guests]
    assert 2 == len(door.inside)


async def test_a_refusal_says_when_to_come_again() -> None:
    door = Door(max=1)
    await door.come()

    response = await door.pipeline.respond(exchange())

    assert "1" == response.headers.get("Retry-After")


async def test_a_place_is_free_again_with_the_last_byte_and_not_before() -> None:
    door = Door(max=1)
    first = await door.come()
    door.answer()
    await turns()
    too_early = await door.come()
    first.finish()
    in_time = await door.come()

    assert (FULL, None) == (too_early.outcome, in_time.outcome)


async def test_who_waits_is_let_in_when_a_place_is_free() -> None:
    door = Door(max=1, queue=QUEUE)
    first, second = await door.come(), await door.come()
    waited = (second.outcome, len(door.inside))
    await first.gone()

    assert (None, 1) == waited
    assert (2, (1, 0)) == (len(door.inside), door.standing)


async def test_who_waits_longer_than_the_timeout_is_refused_and_leaves_the_queue() -> None:
    door = Door(max=1, queue=QUEUE)
    _, second = await door.come(), await door.come()

    await door.clock.advance(1.0)

    assert (TOO_LONG, (1, 0)) == (second.outcome, door.standing)


async def test_a_full_queue_refuses_at_once() -> None:
    door = Door(max=1, queue=QUEUE)
    guests = [await door.come() for _ in range(4)]

    assert [None, None, None, FULL] == [guest.outcome for guest in guests]


async def test_a_better_class_goes_first_and_takes_the_place_of_the_last_of_a_worse_one() -> None:
    door = Door(max=1, queue=RANKED)
    inside = await door.come()
    early, late = await door.come(), await door.come()
    high = await door.come({"X-Priority": "high"})
    await inside.gone()
    door.answer(-1)
    await turns()

    assert [None, FULL, (200, None)] == [early.outcome, late.outcome, high.outcome]


@pytest.mark.parametrize(
    ("header", "priority", "expected"),
    [
        pytest.param({"X-Priority": "high"}, None, "high", id="the header says it"),
        pytest.param({}, None, "normal", id="nothing: the last"),
        pytest.param({"X-Priority": "urgent"}, None, "normal", id="a word that is no class"),
        pytest.param({}, "high", "high", id="the route's own"),
        pytest.param({"X-Priority": "normal"}, "high", "normal", id="the header goes before the route's own"),
    ],
)
async def test_the_class_of_a_request(header: dict[str, str], priority: str | None, expected: str) -> None:
    door = Door(max=1, queue=RANKED, priority=priority)
    for _ in range(3):
        await door.come({"X-Priority": "high"})
    guest = await door.come(header)

    assert guest.asked.refusal is not None
    assert expected == guest.asked.refusal.facts["priority"]


async def test_a_client_that_leaves_while_it_waits_gives_its_place_in_the_queue_back() -> None:
    door = Door(max=1, queue=QUEUE)
    _, second = await door.come(), await door.come()

    await second.gone()

    assert (1, 0) == door.standing


async def test_one_that_is_admitted_in_the_turn_in_which_it_leaves_gives_its_place_back() -> None:
    door = Door(max=1, queue=QUEUE)
    first, second = await door.come(), await door.come()

    first.finish()  # admits the second
    second.finish()
    await turns()

    assert ((0, 0), 1) == (door.standing, len(door.inside))


async def test_one_that_is_admitted_as_its_time_runs_out_is_let_in() -> None:
    door = Door(max=1, queue=QUEUE)
    first, second = await door.come(), await door.come()

    waiting = asyncio.ensure_future(door.clock.advance(1.0))
    first.finish()
    await waiting
    door.answer(-1)
    await turns()

    assert (200, None) == second.outcome


async def test_an_upstream_that_fails_gives_the_place_back() -> None:
    clock = FakeClock()
    policy = Concurrency(ConcurrencyConfig(max=1), fake_services(clock))
    pipeline = route(policy, upstream=FakeUpstream(UpstreamError(502, "upstream.reset")))

    outcomes = []
    for _ in range(3):
        asked = exchange()
        outcomes.append(refusal(await pipeline.respond(asked)))
        pipeline.finish(asked, Outcome(502, 0.0))

    assert [(502, "upstream.reset")] * 3 == outcomes


async def test_two_routes_with_one_policy_have_one_bound() -> None:
    one = Door(max=1)
    other = Door(one.services, max=1)
    await one.come()

    assert FULL == (await other.come()).outcome


async def test_a_reload_keeps_who_is_in_and_goes_by_the_new_bound() -> None:
    before = Door(max=1)
    await before.come()
    after = Door(before.services, max=2)

    guests = [await after.come() for _ in range(2)]

    assert [None, FULL] == [guest.outcome for guest in guests]


async def test_the_last_requests_of_an_older_revision_do_not_bring_its_bound_back() -> None:
    old = Door(max=1)
    new = Door(old.services, max=3)
    await new.come()
    await old.come()

    assert 3 == new.numbers["concurrency_limit"]


async def test_a_refusal_tells_how_many_are_in_and_wait() -> None:
    door = Door(max=1, queue=QUEUE)
    for _ in range(3):
        await door.come()
    refused = await door.come()

    assert refused.asked.refusal is not None
    assert {"limit": 1, "in_flight": 1, "waiting": 2} == refused.asked.refusal.facts


# ---- in front of it, behind it


async def test_behind_a_policy_that_answers_by_itself_no_place_is_taken() -> None:
    async def around(_: Exchange, __: Any) -> Response:
        return Response(204)

    policy = Concurrency(ConcurrencyConfig(max=1), fake_services())
    hooks = Hooks.of(policy).at_each_call()

    assert [204, 204] == [
        (await route(Hooks(around=around), hooks).respond(exchange())).status for _ in range(2)
    ]


async def test_behind_a_policy_that_calls_twice_one_place_is_taken() -> None:
    async def around(asked: Exchange, forward: Any) -> Response:
        await forward(asked)
        again: Response = await forward(asked)
        return again

    policy = Concurrency(ConcurrencyConfig(max=1), fake_services())
    pipeline = route(Hooks(around=around), Hooks.of(policy).at_each_call())

    assert 200 == (await pipeline.respond(exchange())).status


async def test_behind_such_a_policy_it_waits_as_well() -> None:
    async def around(asked: Exchange, forward: Any) -> Response:
        answer: Response = await forward(asked)
        return answer

    door = Door(max=1, queue=QUEUE)
    hooks = Hooks.of(door.policy).at_each_call()
    door.pipeline = route(Hooks(around=around), hooks, upstream=FakeUpstream(door._serve))
    first, second = await door.come(), await door.come()
    before = second.outcome
    await first.gone()
    door.answer(-1)
    await turns()

    assert (None, (200, None)) == (before, second.outcome)


# ---- in shadow


async def test_in_shadow_it_reports_what_it_would_have_refused_and_nobody_waits() -> None:
    door = Door(max=1, queue=QueueConfig(size=1, timeout=Duration(1)))
    door.pipeline = route(in_shadow("concurrency", Hooks.of(door.policy)), upstream=FakeUpstream(door._serve))
    guests = [await door.come() for _ in range(3)]
    await door.clock.advance(1.0)

    reasons = [[each.reason for each in guest.asked.shadowed or []] for guest in guests]
    assert (3, [[], ["concurrency.queue_timeout"], ["concurrency.full"]]) == (len(door.inside), reasons)


async def test_in_shadow_a_request_that_ends_while_it_would_have_waited_leaves_the_queue() -> None:
    door = Door(max=1, queue=QUEUE)
    door.pipeline = route(in_shadow("concurrency", Hooks.of(door.policy)), upstream=FakeUpstream(door._serve))
    await door.come()
    second = await door.come()

    await second.gone()

    assert ((1, 0), None) == (door.standing, second.asked.shadowed)


# ---- adaptive


async def test_an_adaptive_bound_grows_while_the_upstream_keeps_up() -> None:
    door = Door(adaptive=AdaptiveConfig(min=2, initial=4, max=50))

    for _ in range(90):
        guests = [await door.come() for _ in range(int(door.numbers["concurrency_limit"]))]
        await door.clock.advance(0.2)
        while door.inside:
            door.answer()
        await turns()
        for guest in guests:
            guest.finish()

    assert door.numbers["concurrency_limit"] > 8


async def test_calls_that_are_too_slow_shrink_an_adaptive_bound() -> None:
    clock = FakeClock()
    services = fake_services(clock)
    policy = Concurrency(ConcurrencyConfig(adaptive=AdaptiveConfig(min=2, initial=20, max=50)), services)
    pipeline = route(policy, upstream=FakeUpstream(UpstreamError(504, "timeout.response")))

    for _ in range(5):
        asked = exchange()
        response = await pipeline.respond(asked)
        pipeline.finish(asked, Outcome(response.status, 0.0))
        await clock.advance(2.0)

    [gate] = services.state._kept.values()
    assert gate.gauges()["concurrency_limit"] < 20


async def test_refusals_teach_nothing() -> None:
    door = Door(adaptive=AdaptiveConfig(min=1, initial=1, max=50))
    await door.come()
    for _ in range(30):
        await door.come()
        await door.clock.advance(0.2)

    assert 1 == door.numbers["concurrency_limit"]


# ---- whatever happens


EVENTS = st.lists(
    st.sampled_from(["come", "come high", "answer", "fail", "finish", "leave", "wait", "reload", "shrink"]),
    max_size=40,
)


class Storm:
    """Requests, cancellations, failures and reloads in any order."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.guests: list[Guest] = []

    async def play(self, event: str, number: int) -> None:
        if event.startswith("come"):
            self.guests.append(await self.door.come({"X-Priority": event.removeprefix("come ")}))
        elif event in ("answer", "fail") and self.door.inside:
            self.door.answer(number % len(self.door.inside), 200 if event == "answer" else 500)
        elif event in ("finish", "leave") and self.guests:
            self.guests.pop(number % len(self.guests)).finish()
        elif event == "wait":
            await self.door.clock.advance(0.6)
        elif event in ("reload", "shrink"):
            inside, clock = self.door.inside, self.door.clock
            self.door = Door(self.door.services, max=2 if event == "reload" else 1, queue=RANKED)
            self.door.inside, self.door.clock = inside, clock
        await turns()

    async def end(self) -> tuple[float, float]:
        for guest in self.guests:
            guest.finish()
        await turns()
        return self.door.standing


async def stormed(events: list[str]) -> tuple[float, float]:
    storm = Storm(Door(max=2, queue=RANKED))
    for number, event in enumerate(events):
        await storm.play(event, number)
    return await storm.end()


@settings(deadline=None, max_examples=150)
@given(events=EVENTS)
def test_when_all_is_over_every_place_is_free(events: list[str]) -> None:
    assert (0, 0) == asyncio.run(stormed(events))


def test_that_storm_finds_a_place_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    # The planted fault: one who leaves while waiting is not taken out of the queue.
    monkeypatch.setattr(Concurrency, "on_finish", lambda *_: None)

    assert (0, 0) != asyncio.run(stormed(["come", "come", "come", "leave"]))


# ---- as it stands in a file


@pytest.mark.parametrize(
    ("policies", "path"),
    [
        pytest.param("concurrency: {}", "concurrency", id="no bound"),
        pytest.param("concurrency: {max: 5, adaptive: {}}", "concurrency.adaptive", id="two bounds"),
        pytest.param("concurrency: {max: 0}", "concurrency.max", id="nobody"),
        pytest.param("concurrency: {max: 5, queue: {size: 0}}", "concurrency.queue.size", id="no queue"),
        pytest.param(
            "concurrency: {max: 5, queue: {size: 5, timeout: 3}}", "concurrency.queue.timeout", id="no unit"
        ),
        pytest.param(
            "concurrency: {adaptive: {min: 9, initial: 3}}", "concurrency.adaptive.initial", id="below min"
        ),
        pytest.param("concurrency: {max: 5, priority: high}", "concurrency.priority", id="no classes"),
        pytest.param(
            "concurrency: {max: 5, queue: {size: 5, priority: {classes: [a, a]}}}",
            "concurrency.queue.priority.classes[1]",
            id="a class twice",
        ),
        pytest.param(
            "concurrency: {max: 5, priority: c, queue: {size: 5, priority: {classes: [a, b]}}}",
            "concurrency.priority",
            id="no such class",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(policies: str, path: str, tmp_path: Path) -> None:
    assert [path] == problems(policies, tmp_path)


def test_a_number_alone_is_the_bound(tmp_path: Path) -> None:
    assert [] == problems("concurrency: 15", tmp_path)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        pytest.param({"max": 15}, "at most 15 at once", id="fixed"),
        pytest.param(
            {"max": 15, "queue": QUEUE}, "at most 15 at once, and 2 wait up to 1s", id="with a queue"
        ),
        pytest.param(
            {"adaptive": AdaptiveConfig()},
            "at most 5 to 200 at once, as the upstream can take",
            id="adaptive",
        ),
    ],
)
def test_check_says_it_in_words(config: dict[str, Any], words: str) -> None:
    assert (words,) == ConcurrencyConfig(**config).in_words()
