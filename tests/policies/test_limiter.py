"""Limits on a store that can be away: what each says is to happen, and what is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from proxy.algorithms.gcra import Taken
from proxy.config.units import Rate
from proxy.errors import StoreError
from proxy.policies.admission.rate_limit import RateLimit, RateLimitConfig, together
from proxy.policy import Hooks, Policy, Services
from proxy.shadow import in_shadow
from proxy.state import Shared
from proxy.stores.memory import MemoryStore
from proxy.stores.protocol import Buckets, Remote, Wanted
from proxy.testing import FakeClock, exchange, route
from tests.policies.reading import fields, refusal


class Far:
    """A store in another process, that may be away; counts what it is asked."""

    def __init__(self, clock: FakeClock) -> None:
        self.there = MemoryStore(clock)
        self.local = MemoryStore(clock)
        self.away = False
        self.asked = 0

    async def take(self, buckets: Buckets, key: str, cost: int = 1) -> Taken:
        return (await self.take_all([(buckets, key, cost)]))[0]

    async def take_all(self, wanted: Sequence[Wanted]) -> list[Taken]:
        self.asked += 1
        if self.away:
            raise StoreError("connection refused")
        return await self.there.take_all(wanted)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def far(clock: FakeClock) -> Far:
    return Far(clock)


def a_limit(store: Any, limit: str = "3/min", name: str = "rate_limit/a", **more: Any) -> RateLimit:
    services = Services(FakeClock(), Random(1), store, Shared(), name)
    return RateLimit(RateLimitConfig(limit=Rate.parse(limit), **more), services)


async def passed(policy: Policy | Hooks, times: int = 10) -> int:
    pipeline = route(policy)
    return sum([(await pipeline.respond(exchange())).status == 200 for _ in range(times)])


def test_the_fake_is_a_store_that_can_be_away(far: Far) -> None:
    assert isinstance(far, Remote)


def test_on_memory_a_request_costs_no_task_and_else_it_does(far: Far, clock: FakeClock) -> None:
    assert (True, False) == (route(a_limit(MemoryStore(clock))).plain, route(a_limit(far)).plain)


async def test_it_counts_in_the_store(far: Far) -> None:
    assert (3, 10) == (await passed(a_limit(far)), far.asked)
    assert 0 == await passed(a_limit(far))


async def test_several_are_one_question(far: Far) -> None:
    both = together([a_limit(far), a_limit(far, "5/min", "rate_limit/b")])

    assert (3, 10, 2) == (
        await passed(both),
        far.asked,
        await passed(a_limit(far, "5/min", "rate_limit/b")),
    )


@pytest.mark.parametrize(("when", "expected"), [("local", 3), ("allow", 10), ("refuse", 0), (None, 3)])
async def test_without_the_store_it_does_what_it_says(far: Far, when: str | None, expected: int) -> None:
    policy = a_limit(far, **({"when_store_fails": when} if when else {}))
    await passed(policy)
    far.away = True

    assert expected == await passed(policy)


async def test_when_the_store_is_back_its_count_is_what_counts(far: Far) -> None:
    policy = a_limit(far)
    await passed(policy, 2)
    far.away = True
    away = await passed(policy)
    far.away = False

    assert (3, 1) == (away, await passed(policy))


async def test_going_away_again_and_again_fills_no_local_bucket(far: Far) -> None:
    policy = a_limit(far)
    total = 0
    for _ in range(5):
        far.away = True
        total += await passed(policy)
        far.away = False
        await passed(policy)

    assert 3 == total


async def test_a_refusal_without_the_store_says_why(far: Far) -> None:
    far.away = True
    asked = exchange()
    response = await route(a_limit(far, when_store_fails="refuse")).respond(asked)

    assert ((503, "rate_limit.unavailable"), ["5"]) == (refusal(response), fields(response)["retry-after"])
    assert asked.refusal is not None
    assert ("connection refused", {"store": "away", "when_store_fails": "refuse"}) == (
        asked.refusal.cause,
        asked.refusal.facts,
    )


async def test_a_refusal_by_the_local_count_says_so_in_its_decision(far: Far) -> None:
    far.away = True
    policy = a_limit(far)
    await passed(policy, 3)
    asked = exchange()
    await route(policy).respond(asked)

    assert asked.refusal is not None
    assert ("rate_limit.exceeded", "away, so that this process counts by itself: connection refused") == (
        asked.refusal.reason,
        asked.refusal.facts["store"],
    )


async def test_headers_tell_of_the_local_count_and_of_none_where_nobody_counts(far: Far) -> None:
    far.away = True
    local = await route(a_limit(far)).respond(exchange())
    nobody = await route(a_limit(far, when_store_fails="allow")).respond(exchange())

    assert (['"a";r=2;t=20'], None) == (fields(local)["ratelimit"], fields(nobody).get("ratelimit"))


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        pytest.param(["allow"], 2, id="one allows, the other counts"),
        pytest.param(["local"], 2, id="both count"),
        pytest.param(["refuse"], 0, id="one refuses for both"),
        pytest.param(["allow", "allow"], 2, id="one of three counts"),
    ],
)
async def test_of_several_each_does_its_own(far: Far, others: list[str], expected: int) -> None:
    far.away = True
    limits = [a_limit(far, "2/min", when_store_fails="local")]
    limits += [
        a_limit(far, "9/min", f"rate_limit/{number}", when_store_fails=when)
        for number, when in enumerate(others)
    ]

    assert expected == await passed(together(limits))


async def test_in_shadow_it_reports_on_the_store_and_refuses_nobody(far: Far) -> None:
    pipeline = route(in_shadow("rate_limit", Hooks.of(a_limit(far))))
    asked = [exchange() for _ in range(5)]
    statuses = [(await pipeline.respond(each)).status for each in asked]

    assert ([200] * 5, [0, 0, 0, 1, 1]) == (statuses, [len(each.shadowed or ()) for each in asked])
