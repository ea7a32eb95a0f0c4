from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from proxy.config.keys import Key
from proxy.config.units import Duration, Rate, Share
from proxy.errors import Change
from proxy.exchange import Exchange, Identity, Response
from proxy.headers import Headers
from proxy.policies.checks.quota import Quota, QuotaConfig, together
from proxy.policies.limit_config import PenaltyConfig
from proxy.policy import Policy, Services
from proxy.state import Shared
from proxy.stores.memory import MemoryStore
from proxy.stores.protocol import Store
from proxy.stores.sqlite import SqliteStore
from proxy.testing import Chunks, FakeClock, FakeUpstream, exchange, route
from tests.policies.reading import fields, problems, refusal

NOON = datetime(2026, 2, 28, 12, tzinfo=UTC).timestamp()
HOUR = 3600.0


NO_CALENDAR = (
    "no calendar has periods of 7h; expected one that divides a day, a day, a week or a month, "
    "or `reset: rolling`"
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    return MemoryStore(clock)


def a_quota(
    store: Store, clock: FakeClock, limit: str = "3/day", name: str = "quota/plan", **more: Any
) -> Quota:
    services = Services(clock, Random(1), store, Shared(), name)
    return Quota(QuotaConfig(limit=Rate.parse(limit), **more), services)


def by(caller: str | None = "alice", **facts: Any) -> Exchange:
    asked = exchange(**facts)
    asked.identity = Identity(caller, "api_key") if caller else None
    return asked


async def passed(policy: Policy, times: int, caller: str | None = "alice", **facts: Any) -> int:
    pipeline = route(policy)
    return sum([(await pipeline.respond(by(caller, **facts))).status == 200 for _ in range(times)])


async def test_in_one_day_exactly_the_limit_passes_for_each_caller(
    store: MemoryStore, clock: FakeClock
) -> None:
    policy = a_quota(store, clock)

    assert (3, 3) == (await passed(policy, 10), await passed(policy, 10, "bob"))


async def test_nothing_comes_back_before_midnight_and_all_of_it_then(
    store: MemoryStore, clock: FakeClock
) -> None:
    policy = a_quota(store, clock)
    first = await passed(policy, 10)
    await clock.advance(12 * HOUR - 0.001)
    before = await passed(policy, 10)
    await clock.advance(0.001)

    assert (3, 0, 3) == (first, before, await passed(policy, 10))


@pytest.mark.parametrize(
    ("limit", "hours"),
    [
        pytest.param("3/hour", 1, id="at the full hour"),
        pytest.param("3/4h", 4, id="every four hours from midnight"),
        pytest.param("3/day", 12, id="at midnight"),
        pytest.param("3/week", 36, id="on Monday"),  # 28 February 2026 is a Saturday
        pytest.param("3/7d", 36, id="seven days are a week"),
        pytest.param("3/month", 12, id="on the first"),
    ],
)
async def test_a_period_ends_when_the_calendar_says_so(
    store: MemoryStore, clock: FakeClock, limit: str, hours: int
) -> None:
    policy = a_quota(store, clock, limit)
    await passed(policy, 3)
    refused = await route(policy).respond(by())

    assert (429, [str(hours * 3600)]) == (refused.status, fields(refused)["retry-after"])


async def test_the_wait_is_rounded_up_to_whole_seconds(store: MemoryStore, clock: FakeClock) -> None:
    policy = a_quota(store, clock, "1/hour")
    await passed(policy, 1)
    await clock.advance(0.25)
    refused = await route(policy).respond(by())

    assert ["3600"] == fields(refused)["retry-after"]


async def test_every_response_says_what_remains_and_until_when(store: MemoryStore, clock: FakeClock) -> None:
    pipeline = route(a_quota(store, clock, headers="both"))
    heads = [fields(await pipeline.respond(by())) for _ in range(4)]

    assert ['"plan";r=2;t=43200', '"plan";r=1;t=43200', '"plan";r=0;t=43200', '"plan";r=0;t=43200'] == [
        head["ratelimit"][0] for head in heads
    ]
    assert (['"plan";q=3;w=86400'], ["3"], ["2"], ["43200"]) == (
        heads[0]["ratelimit-policy"],
        heads[0]["x-ratelimit-limit"],
        heads[0]["x-ratelimit-remaining"],
        heads[0]["x-ratelimit-reset"],
    )


async def test_what_the_upstream_promises_is_not_loosened(store: MemoryStore, clock: FakeClock) -> None:
    upstream = FakeUpstream(Response(200, Headers([(b"X-RateLimit-Remaining", b"1")])))
    response = await route(a_quota(store, clock, headers="legacy"), upstream=upstream).respond(by())

    assert ["1"] == fields(response)["x-ratelimit-remaining"]


async def test_rolling_gives_back_evenly(store: MemoryStore, clock: FakeClock) -> None:
    policy = a_quota(store, clock, "24/day", reset="rolling", burst=2)
    first = await passed(policy, 10)
    await clock.advance(HOUR)

    assert (2, 1) == (first, await passed(policy, 10))


async def test_rolling_has_penalties(store: MemoryStore, clock: FakeClock) -> None:
    policy = a_quota(
        store, clock, "1/hour", reset="rolling", penalty=PenaltyConfig(after=0, max=Duration(86400))
    )
    await passed(policy, 1)
    waits = [fields(await route(policy).respond(by()))["retry-after"] for _ in range(2)]

    assert [["7200"], ["14400"]] == waits


async def test_a_refusal_is_explained_and_the_smallest_change_would_have_let_it_pass(
    store: MemoryStore, clock: FakeClock
) -> None:
    policy = a_quota(store, clock, cost=2)
    await passed(policy, 1)
    asked = by()
    await route(policy).respond(asked)

    assert asked.refusal is not None
    assert ("quota.exceeded", Change("limit", "4/day", "set"), 12 * HOUR) == (
        asked.refusal.reason,
        asked.refusal.change,
        asked.refusal.retry_after,
    )
    assert {"limit": "3/day", "burst": 3, "remaining": 1, "cost": 2} == {
        name: value for name, value in asked.refusal.facts.items() if name != "key"
    }
    assert 2 == await passed(a_quota(MemoryStore(clock), clock, "4/day", cost=2), 5)


async def test_who_is_nobody_is_refused_where_nothing_else_is_said(
    store: MemoryStore, clock: FakeClock
) -> None:
    asked = by(None)
    seen = refusal(await route(a_quota(store, clock)).respond(asked))

    assert (400, "quota.key_missing") == seen


async def test_who_is_nobody_may_be_counted_by_address(store: MemoryStore, clock: FakeClock) -> None:
    policy = a_quota(store, clock, on_missing_key="ip")

    assert (3, 3) == (
        await passed(policy, 5, None),
        await passed(policy, 5, None, client_ip="192.0.2.77"),
    )


async def test_a_fact_of_the_body_is_a_key(store: MemoryStore, clock: FakeClock) -> None:
    policy = a_quota(store, clock, key=(Key("body:/tenant"),), on_missing_key="refuse")
    acme = [await passed(policy, 1, body=Chunks(b'{"tenant":', b'"acme"}')) for _ in range(4)]

    assert ([1, 1, 1, 0], 1) == (acme, await passed(policy, 1, body=b'{"tenant":"other"}'))


async def test_several_decide_as_one(store: MemoryStore, clock: FakeClock) -> None:
    daily = a_quota(store, clock, "5/day", name="quota/daily")
    monthly = a_quota(store, clock, "7/month", name="quota/monthly")
    both = together([daily, monthly])
    first = await passed(both, 20)
    alone = await passed(monthly, 1)  # a refusal by the day cost the month nothing
    await clock.advance(12 * HOUR)  # the first of March: both begin anew

    assert (5, 1, 5, 2, 0) == (
        first,
        alone,
        await passed(both, 5),
        await passed(monthly, 5),
        await passed(both, 5),
    )


async def test_a_plain_hook_on_memory_and_a_coroutine_where_the_body_is_asked_for(
    store: MemoryStore, clock: FakeClock
) -> None:
    by_body = a_quota(store, clock, key=(Key("body.sha256"),))

    assert (True, False) == (route(a_quota(store, clock)).plain, route(by_body).plain)


async def test_with_a_file_a_restart_forgets_nothing(clock: FakeClock, tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "store.db", clock)
    before = await passed(a_quota(first, clock), 2)
    await first.close()
    second = SqliteStore(tmp_path / "store.db", clock)
    after = await passed(a_quota(second, clock), 5)
    await second.close()

    assert (2, 1) == (before, after)


async def test_a_changed_limit_leaves_the_same_share_used(store: MemoryStore, clock: FakeClock) -> None:
    await passed(a_quota(store, clock, "10/day"), 5)

    assert 50 == await passed(a_quota(store, clock, "100/day"), 100)


async def test_a_flood_of_callers_resets_nobody(store: MemoryStore, clock: FakeClock) -> None:
    policy = a_quota(store, clock, max_keys=20)
    await passed(policy, 5)
    for number in range(200):
        await passed(policy, 1, f"made up {number}")

    assert 0 == await passed(policy, 5)


async def test_a_clock_that_went_back_begins_no_period_twice(store: MemoryStore, clock: FakeClock) -> None:
    policy = a_quota(store, clock)
    await passed(policy, 3)
    clock._start -= 60 * 60  # still the same day
    same_day = await passed(policy, 3)
    clock._start -= 24 * 60 * 60

    assert (0, 3) == (same_day, await passed(policy, 5))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param({}, [], id="by default"),
        pytest.param({"limit": "10/week"}, [], id="a week"),
        pytest.param({"limit": "10/month"}, [], id="a month"),
        pytest.param({"limit": "10/90min"}, [], id="sixteen times a day"),
        pytest.param(
            {"limit": "10/7h"},
            [
                (
                    "limit",
                    NO_CALENDAR,
                )
            ],
            id="a period that no calendar has",
        ),
        pytest.param({"limit": "10/2month"}, None, id="two months"),
        pytest.param({"limit": "10/500ms"}, None, id="half a second"),
        pytest.param({"limit": "10/7h", "reset": "rolling"}, [], id="rolling has no calendar"),
        pytest.param(
            {"burst": 3},
            [("burst", "all of `limit` may come at once in a period; expected `reset: rolling` beside it")],
            id="a burst in a calendar",
        ),
        pytest.param(
            {"penalty": PenaltyConfig()},
            [("penalty", "nothing comes back before the reset; expected `reset: rolling` beside it")],
            id="a penalty in a calendar",
        ),
        pytest.param({"key": (Key("auth.id"), Key("signature"), Key("body.sha256"))}, [], id="late facts"),
    ],
)
def test_what_a_calendar_does_not_have_is_refused(
    config: dict[str, Any], expected: list[tuple[str, str]] | None
) -> None:
    config = {"limit": "10/day"} | config
    found = list(QuotaConfig(**config | {"limit": Rate.parse(config["limit"])}).check())

    assert expected == found if expected is not None else ["limit"] == [path for path, _ in found]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, ("at most 10000 in each day of the calendar (UTC), for each caller",)),
        (
            {"cost": 5},
            ("at most 10000 in each day of the calendar (UTC), for each caller", "each request counts as 5"),
        ),
        (
            {"reset": "rolling", "burst": Share(0.01)},
            ("at most 100 at once, then one per 8.64s, for each caller",),
        ),
    ],
)
def test_it_is_told_in_words(config: dict[str, Any], words: tuple[str, ...]) -> None:
    assert words == tuple(QuotaConfig(limit=Rate.parse("10000/day"), **config).in_words())


def test_a_mistake_is_told_of_at_its_place(tmp_path: Path) -> None:
    assert ["quota.limit"] == problems("quota: {limit: 10/7h}", tmp_path)
