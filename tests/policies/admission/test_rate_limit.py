"""Who is let through, who waits how long, and why."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.units import Duration, Rate, Share
from proxy.errors import Change
from proxy.exchange import RouteFacts
from proxy.policies.admission.rate_limit import RateLimit, RateLimitConfig
from proxy.policies.limit_config import PenaltyConfig
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.stores.memory import MemoryStore
from proxy.testing import exchange, route
from tests.policies.admission.limits import (
    StoppedClock,
    a_config,
    a_limit,
    admitted,
    answers,
    passed,
    refused,
    services_of,
)

EXCEEDED = (429, "rate_limit.exceeded")
PASSED = (200, None)


@settings(max_examples=200)
@given(start=st.floats(0, 1e9))
def test_of_a_burst_of_a_tenth_of_a_hundred_ten_pass_and_the_eleventh_is_refused(start: float) -> None:
    clock = StoppedClock()
    clock.at = start
    policy = a_limit(MemoryStore(clock), burst=Share.parse("10%"))

    found = [route(policy).admit(exchange()) for _ in range(11)]

    assert [None] * 10 == found[:10]
    last = found[10]
    assert last is not None
    assert isinstance(last.content, bytes)
    body = json.loads(last.content)
    assert (429, "application/problem+json", "rate_limit.exceeded", 429, 1) == (
        last.status,
        last.headers.get("Content-Type"),
        body["reason"],
        body["status"],
        body["retry_after"],
    )


async def test_one_passes_again_as_soon_as_a_token_is_back_and_not_before(
    store: MemoryStore, clock: StoppedClock
) -> None:
    policy = a_limit(store)
    await answers(policy, 10)

    clock.at = 0.599999
    before = await answers(policy, 1)
    clock.at = 0.6
    after = await answers(policy, 2)

    assert ([EXCEEDED], [PASSED, EXCEEDED]) == (before, after)


@settings(max_examples=60, deadline=None)
@given(
    limit=st.integers(1, 200),
    burst=st.integers(1, 20),
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=60),
)
def test_in_no_window_pass_more_than_the_burst_and_the_rate(
    limit: int, burst: int, gaps: list[float]
) -> None:
    clock = StoppedClock()
    policy = a_limit(MemoryStore(clock), f"{limit}/10s", burst=burst)
    times = []
    for gap in gaps:
        clock.at += gap
        if passed(policy, exchange()):
            times.append(clock.at)

    over = [
        (first, last)
        for at, first in enumerate(times)
        for count, last in enumerate(times[at:], start=1)
        if count > burst + (last - first + 2e-6) * limit / 10
    ]
    assert [] == over


def test_without_a_burst_all_of_the_limit_may_come_at_once(store: MemoryStore) -> None:
    assert 6 == admitted(RateLimit(RateLimitConfig(limit=Rate("6/min")), services_of(store)), 20)


def test_each_client_has_a_bucket_and_an_ipv6_client_one_for_its_network(store: MemoryStore) -> None:
    policy = a_limit(store, burst=2)
    addresses = ["192.0.2.1", "192.0.2.2", "2001:db8:1:1::1", "2001:db8:1:1:ffff::2", "2001:db8:1:2::1"]

    assert [2, 2, 2, 0, 2] == [admitted(policy, 3, client_ip=address) for address in addresses]


def test_how_much_of_an_ipv6_address_is_one_client_is_up_to_the_operator(store: MemoryStore) -> None:
    policy = RateLimit(a_config(burst=1), services_of(store, ipv6_prefix=128))

    assert [1, 1] == [admitted(policy, 2, client_ip=f"2001:db8::{n}") for n in (1, 2)]


def test_a_cost_is_taken_for_each_request(store: MemoryStore) -> None:
    assert 3 == admitted(a_limit(store, cost=3), 10)


def test_a_name_is_one_limit_on_however_many_routes(store: MemoryStore) -> None:
    first, second = a_limit(store), a_limit(store)

    assert (7, 3) == (admitted(first, 7), admitted(second, 7))


def test_two_names_are_two_limits(store: MemoryStore) -> None:
    first, second = a_limit(store), a_limit(store, name="rate_limit/other")

    assert (10, 10) == (admitted(first, 20), admitted(second, 20))


def test_another_key_is_another_limit_even_where_the_values_are_the_same(store: MemoryStore) -> None:
    first = a_limit(store)
    second = a_limit(store, "100/min", "header:X-Id", on_missing_key="refuse")

    assert (10, 10) == (admitted(first, 20), admitted(second, 20, headers={"X-Id": "192.0.2.1"}))


@pytest.mark.parametrize(
    ("limit", "burst", "passes"),
    [
        pytest.param("100/min", 10, 5, id="as it was"),
        pytest.param("100/min", 20, 10, id="a larger burst"),
        pytest.param("100/min", 2, 1, id="a smaller burst"),
        pytest.param("1000/min", 10, 5, id="a higher limit"),
        pytest.param("10/h", 10, 5, id="a lower limit"),
    ],
)
def test_a_reload_keeps_what_is_used_in_proportion(
    store: MemoryStore, limit: str, burst: int, passes: int
) -> None:
    admitted(a_limit(store), 5)

    assert passes == admitted(a_limit(store, limit, burst=burst), 40)


@pytest.mark.parametrize(
    ("on_missing_key", "expected"),
    [
        pytest.param("refuse", [(400, "rate_limit.key_missing")] * 3, id="refused"),
        pytest.param("allow", [PASSED] * 3, id="let pass without a limit"),
        pytest.param("ip", [PASSED, PASSED, EXCEEDED], id="limited by address"),
    ],
)
async def test_who_leaves_the_key_out_is_treated_as_stated(
    store: MemoryStore, on_missing_key: str, expected: list[tuple[int, str | None]]
) -> None:
    policy = a_limit(store, "100/min", "header:X-Tenant", burst=2, on_missing_key=on_missing_key)

    assert expected == await answers(policy, 3)


def test_no_header_can_use_up_the_bucket_of_an_address(store: MemoryStore) -> None:
    policy = a_limit(store, "100/min", "header:X-Tenant", on_missing_key="ip")
    admitted(policy, 20, headers={"X-Tenant": "192.0.2.1"})

    assert 10 == admitted(policy, 20)


async def test_a_client_without_an_address_is_refused_where_nothing_else_is_said(store: MemoryStore) -> None:
    by_ip = a_limit(store, "100/min", "header:X-Tenant", on_missing_key="ip", name="rate_limit/b")

    found = [(await answers(policy, 1, client_ip=""))[0] for policy in (a_limit(store), by_ip)]

    assert [(400, "rate_limit.key_missing")] * 2 == found


def test_a_refusal_is_explained_with_its_numbers_and_the_smallest_change(store: MemoryStore) -> None:
    found = refused(a_limit(store)).refusal

    assert found is not None
    assert (0.6, "rate_limit/per_client", Change("burst", 11)) == (
        found.retry_after,
        found.policy,
        found.change,
    )
    assert {"limit": "100/min", "burst": 10, "remaining": 0, "cost": 1, "key": "client.ip 192.0.2.1"} == (
        found.facts
    )


def test_the_change_would_have_let_it_pass_and_a_smaller_one_not(
    store: MemoryStore, clock: StoppedClock
) -> None:
    found = refused(a_limit(store, cost=3)).refusal
    assert found is not None
    change = found.change
    assert change is not None
    assert isinstance(change.value, int)

    tries = [a_limit(MemoryStore(clock), cost=3, burst=burst) for burst in (change.value - 1, change.value)]

    assert [3, 4] == [admitted(policy, 4) for policy in tries]


def test_a_decision_shows_no_value_that_could_be_a_secret(store: MemoryStore) -> None:
    policy = a_limit(store, "100/min", "header:X-API-Key", on_missing_key="refuse")

    found = refused(policy, exchange(headers={"X-API-Key": "hunter2"})).refusal

    assert found is not None
    assert "header:X-API-Key sha256:f52fbd32b2b3" == found.facts["key"]


def test_who_goes_on_asking_waits_longer_and_no_burst_would_have_helped(store: MemoryStore) -> None:
    penalty = PenaltyConfig(after=2, factor=3.0, max=Duration(5))
    policy = a_limit(store, penalty=penalty)
    admitted(policy, 10)

    found = [refused(policy).refusal for _ in range(6)]

    assert [0.6, 0.6, 1.8, 5.0, 5.0, 5.0] == [each and each.retry_after for each in found]
    assert [Change("burst", 11)] * 2 + [None] * 4 == [each and each.change for each in found]


@pytest.mark.parametrize(("at", "passes"), [(5.999999, False), (6.0, True)])
def test_the_longer_wait_is_kept(store: MemoryStore, clock: StoppedClock, at: float, passes: bool) -> None:
    policy = a_limit(store, penalty=PenaltyConfig(after=0, factor=10.0, max=Duration(6)))
    admitted(policy, 11)
    clock.at = at

    assert passes == passed(policy, exchange())


def test_in_shadow_it_reports_and_refuses_nobody(store: MemoryStore) -> None:
    pipeline = route(in_shadow("rate_limit", Hooks.of(a_limit(store, burst=1))))
    asked = [exchange() for _ in range(3)]

    found = [pipeline.admit(each) for each in asked]

    reported = [[report.reason for report in each.shadowed or ()] for each in asked]
    assert ([None] * 3, [[], ["rate_limit.exceeded"], ["rate_limit.exceeded"]]) == (found, reported)


def test_memory_is_bounded_and_the_bound_resets_nobody(store: MemoryStore) -> None:
    policy = a_limit(store, max_keys=100)
    admitted(policy, 10)

    for n in range(1000):
        passed(policy, exchange(client_ip=f"10.0.{n // 250}.{n % 250}"))

    assert (0, 901) == (admitted(policy, 1), store.forgotten)


def test_a_key_of_the_path_is_what_the_route_found_there(store: MemoryStore) -> None:
    policy = a_limit(store, "100/min", "path.id", burst=1)
    asked = [exchange() for _ in range(3)]
    for each, found in zip(asked, ("1", "1", "2"), strict=True):
        each.route, each.params = RouteFacts("orders", "/orders/{id}"), {"id": found}

    assert [True, False, True] == [passed(policy, each) for each in asked]
