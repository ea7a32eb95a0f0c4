"""Several limits on one route: all must let a request pass."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.errors import Change
from proxy.policies.admission.rate_limit import RateLimit, together
from proxy.stores.memory import MemoryStore
from proxy.testing import exchange, route
from tests.policies.admission.limits import (
    a_limit,
    admitted,
    told,
)


def two(store: MemoryStore, **of_all: Any) -> tuple[RateLimit, RateLimit]:
    """Ten at once for each client, and `of_all` for everybody."""
    everybody = {"burst": 3, "name": "rate_limit/all", **of_all}
    return a_limit(store), a_limit(store, "1/min", "constant", **everybody)


def test_of_several_limits_all_must_pass_and_one_that_refuses_costs_the_others_nothing(
    store: MemoryStore,
) -> None:
    per_client, everybody = two(store)
    policy = together([per_client, everybody])

    assert (3, 7) == (admitted(policy, 50), admitted(per_client, 50))


def test_whichever_of_them_refuses(store: MemoryStore) -> None:
    per_client, everybody = two(store, burst=30)
    policy = together([everybody, per_client])

    assert (10, 20) == (admitted(policy, 50), admitted(everybody, 50))


def test_the_refusal_is_of_the_one_that_makes_it_wait_longest(store: MemoryStore) -> None:
    policy = together(two(store, burst=10))
    admitted(policy, 10)

    asked = exchange()
    route(policy).admit(asked)

    assert asked.refusal is not None
    assert ("rate_limit/all", 60.0, None) == (
        asked.refusal.policy,
        asked.refusal.retry_after,
        asked.refusal.change,
    )


def test_a_change_is_named_where_one_alone_refuses(store: MemoryStore) -> None:
    policy = together(two(store))
    admitted(policy, 3)

    asked = exchange()
    route(policy).admit(asked)

    assert asked.refusal is not None
    assert ("rate_limit/all", Change("burst", 4)) == (asked.refusal.policy, asked.refusal.change)


async def test_several_limits_are_told_side_by_side_and_the_tightest_in_the_old_way(
    store: MemoryStore,
) -> None:
    policies = [
        a_limit(store, headers="both"),
        a_limit(store, "1/min", "constant", burst=3, headers="both", name="rate_limit/orders/all"),
    ]

    (head,) = await told(together(policies))

    assert {
        "ratelimit-policy": ['"per_client";q=100;w=60', '"all";q=1;w=60'],
        "ratelimit": ['"per_client";r=9;t=1', '"all";r=2;t=60'],
        "x-ratelimit-limit": ["1"],
        "x-ratelimit-remaining": ["2"],
        "x-ratelimit-reset": ["60"],
    } == head


async def test_in_a_refusal_the_others_tell_that_nothing_was_taken(store: MemoryStore) -> None:
    policy = together(two(store, burst=1))

    _, second = await told(policy, times=2)

    assert ['"per_client";r=9;t=1', '"all";r=0;t=60'] == second["ratelimit"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, 2, id="the others decide"),
        pytest.param({"X-Tenant": "acme"}, 1, id="it decides with them"),
    ],
)
def test_a_limit_may_be_passed_over_where_its_key_is_missing(
    store: MemoryStore, headers: dict[str, str], expected: int
) -> None:
    tenant = a_limit(
        store, "1/min", "header:X-Tenant", burst=1, on_missing_key="allow", name="rate_limit/tenant"
    )

    assert expected == admitted(together([a_limit(store, burst=2), tenant]), 5, headers=headers)


def test_where_every_key_is_missing_nothing_is_limited(store: MemoryStore) -> None:
    limits = [
        a_limit(store, "1/min", key, burst=1, on_missing_key="allow", name=f"rate_limit/{key}")
        for key in ("header:X-Tenant", "query:tenant")
    ]

    assert 5 == admitted(together(limits), 5)
