"""What a response says of a limit."""

from __future__ import annotations

from proxy.exchange import Exchange
from proxy.stores.memory import MemoryStore
from tests.policies.admission.limits import (
    StoppedClock,
    a_limit,
    told,
)


async def test_every_response_says_what_is_left(store: MemoryStore) -> None:
    first, second, third = await told(a_limit(store, burst=2), times=3)

    assert [
        (['"per_client";q=100;w=60'], ['"per_client";r=1;t=1'], None),
        (['"per_client";q=100;w=60'], ['"per_client";r=0;t=2'], None),
        (['"per_client";q=100;w=60'], ['"per_client";r=0;t=1'], ["1"]),
    ] == [
        (head["ratelimit-policy"], head["ratelimit"], head.get("retry-after"))
        for head in (first, second, third)
    ]


async def test_a_wait_is_rounded_up_to_whole_seconds(store: MemoryStore, clock: StoppedClock) -> None:
    policy = a_limit(store, "1/10s", burst=1)
    await told(policy)
    clock.at = 0.000001

    (head,) = await told(policy)

    assert (["10"], ['"per_client";r=0;t=10']) == (head["retry-after"], head["ratelimit"])


class Refusing:
    """Refuses before the limit is asked."""

    def on_request(self, exchange: Exchange) -> None:
        raise ZeroDivisionError("a bug")


async def test_a_response_that_was_never_counted_tells_the_policy_alone(store: MemoryStore) -> None:
    (head,) = await told(Refusing(), a_limit(store))

    assert (['"per_client";q=100;w=60'], False) == (head["ratelimit-policy"], "ratelimit" in head)


async def test_headers_can_be_those_of_old_or_none(store: MemoryStore) -> None:
    (old,) = await told(a_limit(store, headers="legacy"))
    (none,) = await told(a_limit(store, headers="none"))

    assert {"x-ratelimit-limit": ["100"], "x-ratelimit-remaining": ["9"], "x-ratelimit-reset": ["1"]} == old
    assert {} == none


async def test_what_the_upstream_promises_is_not_loosened(store: MemoryStore) -> None:
    (head,) = await told(
        a_limit(store, headers="both"),
        RateLimit='"up";r=1;t=9',
        X_RateLimit_Remaining="1",
        X_RateLimit_Reset="7",
    )

    assert (['"up";r=1;t=9', '"per_client";r=9;t=1'], ["1"], ["7"]) == (
        head["ratelimit"],
        head["x-ratelimit-remaining"],
        head["x-ratelimit-reset"],
    )
