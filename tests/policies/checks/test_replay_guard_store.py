"""What of messages is remembered where, and what happens when that is out of reach."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from proxy.config.units import Duration
from proxy.errors import StoreError
from proxy.policies.checks.replay_guard import ReplayGuard
from proxy.policy import Services
from proxy.state import Shared
from proxy.stores.memory import MemoryStore
from proxy.testing import FakeClock, route
from tests.policies.checks.test_replay_guard import ACKNOWLEDGED, PASSED, PENDING, a_config, answers, post
from tests.policies.reading import fields

UNAVAILABLE = (503, "replay_guard.unavailable")


async def test_state_belongs_to_the_name_and_outlives_a_reload() -> None:
    clock = FakeClock()
    store = MemoryStore(clock)

    def built(name: str, seed: int) -> ReplayGuard:
        return ReplayGuard(a_config(), Services(clock, Random(seed), store, Shared(), name))

    await answers(built("replay_guard/hooks", 1), post())

    assert [[ACKNOWLEDGED], [PASSED]] == [
        await answers(built("replay_guard/hooks", 2), post()),
        await answers(built("replay_guard/others", 1), post()),
    ]


class Broken(MemoryStore):
    """A store that is out of reach, from the verb on that is named."""

    def __init__(self, clock: FakeClock, verb: str) -> None:
        super().__init__(clock)
        self._verb = verb

    async def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        if self._verb == "claim":
            raise StoreError("out of reach")
        return await super().claim(key, value, ttl)

    async def confirm(self, key: str, expected: bytes, value: bytes, ttl: float) -> bool:
        raise StoreError("out of reach")


def on_broken(verb: str, clock: FakeClock | None = None, **settings: Any) -> ReplayGuard:
    clock = clock or FakeClock()
    services = Services(clock, Random(1), Broken(clock, verb), Shared(), "replay_guard/hooks")
    return ReplayGuard(a_config(**settings), services)


@pytest.mark.parametrize(
    ("when_store_fails", "expected"), [("refuse", [UNAVAILABLE] * 2), ("allow", [PASSED] * 2)]
)
async def test_without_its_store_the_policy_does_what_it_says(
    when_store_fails: str, expected: list[tuple[int, str | None]]
) -> None:
    assert expected == await answers(on_broken("claim", when_store_fails=when_store_fails), post(), post())


async def test_who_is_refused_for_the_store_is_told_to_come_back() -> None:
    assert ["5"] == fields(await route(on_broken("claim")).respond(post()))["retry-after"]


async def test_a_store_that_fails_after_the_answer_spoils_nothing_and_the_claim_ends_by_itself() -> None:
    clock = FakeClock()
    policy = on_broken("confirm", clock, pending_for=Duration(60))

    before = await answers(policy, post(), post())
    await clock.advance(60)

    assert ([PASSED, PENDING], [PASSED]) == (before, await answers(policy, post()))


async def test_more_messages_than_fit_are_refused_and_none_is_forgotten() -> None:
    clock = FakeClock()
    store = MemoryStore(clock, max_keys=2)
    policy = ReplayGuard(a_config(), Services(clock, Random(1), store, Shared(), "replay_guard/hooks"))

    found = await answers(policy, *[post(body) for body in (b"a", b"b", b"c", b"a")])

    assert [PASSED, PASSED, UNAVAILABLE, ACKNOWLEDGED] == found
