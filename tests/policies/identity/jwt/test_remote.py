"""The keys of an issuer: fetched in the background, known for a while, never waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from proxy.errors import FetchError
from proxy.policies.identity.jwt import Jwt
from proxy.policy import Services
from proxy.testing import FakeClock, FakeFetch, exchange, fake_services, route
from tests.policies.identity.tokens import (
    INVALID,
    MISSING,
    PASSED,
    UNAVAILABLE,
    URL,
    a_key,
    answer,
    bearing,
    by_url,
    jwk,
    jwks,
    token,
)
from tests.policies.reading import fields

AWAY = FetchError("nobody answers")
SETTINGS = {"refresh_every": 600, "unknown_kid_every": 30, "stale_keys_for": 3600}


class Issuer:
    """One that publishes keys, and a policy that knows where."""

    def __init__(self, **settings: Any) -> None:
        self.clock = FakeClock()
        self.fetch = FakeFetch({URL: jwks(jwk(a_key()))})
        self.told: list[tuple[str, Mapping[str, object]]] = []
        services = fake_services(self.clock, name="jwt/api", fetch=self.fetch)
        self.services: Services = replace(services, report=lambda *told: self.told.append(told))
        self.policy = self.built(**settings)

    def built(self, **settings: Any) -> Jwt:
        """A policy of one more revision."""
        return Jwt(by_url(**{**SETTINGS, **settings}), self.services)

    async def go_live(self) -> None:
        self.services.state.commit()
        await self.clock.advance(0)

    async def after(self, seconds: float, shown: str | None = None) -> tuple[int, str | None]:
        """What is answered to a token, by default one that lasts."""
        await self.clock.advance(seconds)
        return await answer(self.policy, shown or lasting())

    def publishes(self, found: Any) -> None:
        self.fetch.documents[URL] = found


def lasting(**more: Any) -> str:
    return token(exp=2_000_000_000, **more)


@pytest.fixture
async def issuer() -> Issuer:
    issuer = Issuer()
    await issuer.go_live()
    return issuer


async def test_keys_are_fetched_when_the_policy_goes_live(issuer: Issuer) -> None:
    assert ([URL], PASSED, [URL]) == ([*issuer.fetch.asked], await issuer.after(0), issuer.fetch.asked)


async def test_nothing_is_fetched_for_a_policy_that_never_goes_live() -> None:
    issuer = Issuer()
    await issuer.clock.advance(3600)

    assert ([], UNAVAILABLE) == (issuer.fetch.asked, await answer(issuer.policy, token()))


async def test_before_the_first_keys_requests_are_refused_at_once() -> None:
    issuer, held = Issuer(), asyncio.Event()

    async def slow() -> bytes:
        await held.wait()
        return jwks(jwk(a_key()))

    issuer.publishes(slow)
    await issuer.go_live()
    response = await route(issuer.policy).respond(bearing(token()))
    early, none = await answer(issuer.policy, token()), await answer(issuer.policy, exchange())
    held.set()

    assert (UNAVAILABLE, ["5"]) == (early, fields(response)["retry-after"])
    assert (MISSING, PASSED) == (none, await issuer.after(0))


async def test_keys_are_fetched_again_every_so_often(issuer: Issuer) -> None:
    await issuer.clock.advance(599)
    before = len(issuer.fetch.asked)
    await issuer.clock.advance(1)

    assert (1, 2) == (before, len(issuer.fetch.asked))


async def test_a_key_that_the_issuer_takes_back_counts_until_the_next_fetch(issuer: Issuer) -> None:
    issuer.publishes(jwks(jwk(a_key("P-256", 2), "k2")))

    assert [PASSED, PASSED, INVALID] == [await issuer.after(seconds) for seconds in (0, 599, 1)]


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(AWAY, id="nobody answers"),
        pytest.param(b"<html>", id="no JSON"),
        pytest.param(b'{"keys": []}', id="no keys"),
        pytest.param(b'{"keys": {}}', id="no list"),
        pytest.param(b"[" * 5000, id="deep"),
        pytest.param(b"x" * (1024 * 1024 + 1), id="too large"),
        pytest.param(jwks(jwk(a_key("weak"))), id="weak keys only"),
    ],
)
async def test_while_the_issuer_is_in_trouble_the_last_keys_count_for_a_while(
    issuer: Issuer, trouble: Any
) -> None:
    issuer.publishes(trouble)

    answers = [await issuer.after(seconds) for seconds in (600, 3599, 1, 1)]
    issuer.publishes(jwks(jwk(a_key())))

    assert [PASSED, PASSED, PASSED, UNAVAILABLE] == answers
    assert PASSED == await issuer.after(60)


async def test_operators_are_told_once_of_trouble_and_once_of_its_end(issuer: Issuer) -> None:
    issuer.publishes(AWAY)
    await issuer.clock.advance(3600)
    issuer.publishes(jwks(jwk(a_key())))
    await issuer.clock.advance(3600)

    assert [
        (f"jwt/api: the keys of {URL} cannot be fetched", {"cause": "nobody answers", "keys": 1}),
        (f"jwt/api: the keys of {URL} can be fetched again", {"keys": 1}),
    ] == issuer.told


async def test_the_cause_stands_in_the_decision() -> None:
    issuer = Issuer()
    issuer.publishes(AWAY)
    await issuer.go_live()
    asked = bearing(token())
    await answer(issuer.policy, asked)

    assert asked.refusal is not None
    assert "nobody answers" == asked.refusal.cause


async def test_after_a_failure_it_tries_again_soon_and_then_less_often(issuer: Issuer) -> None:
    issuer.publishes(AWAY)
    await issuer.clock.advance(600)
    counts = []
    for seconds in (4, 56, 540):
        before = len(issuer.fetch.asked)
        await issuer.clock.advance(seconds)
        counts.append(len(issuer.fetch.asked) - before)

    assert [True, True, True] == [2 <= counts[0] <= 4, 3 <= counts[1] <= 6, 9 <= counts[2] <= 20], counts


NEW = lasting(key=a_key("P-256", 2), kid="k2")


async def test_a_new_key_is_fetched_when_a_token_names_it(issuer: Issuer) -> None:
    issuer.publishes(jwks(jwk(a_key()), jwk(a_key("P-256", 2), "k2")))
    await issuer.clock.advance(30)
    first = await route(issuer.policy).respond(bearing(NEW))

    assert (503, ["1"]) == (first.status, fields(first)["retry-after"])
    assert [PASSED, PASSED] == [await issuer.after(1, NEW), await issuer.after(0)]


async def test_keys_that_nobody_has_are_looked_for_every_so_often_only(issuer: Issuer) -> None:
    await issuer.clock.advance(30)
    before = len(issuer.fetch.asked)
    answers = []
    for second in range(90):
        answers.append(await issuer.after(0, lasting(key=a_key("P-256", 2), kid=f"made-up-{second}")))
        await issuer.clock.advance(1)

    assert (3, 3) == (len(issuer.fetch.asked) - before, answers.count(UNAVAILABLE))
    assert {UNAVAILABLE, INVALID} == set(answers)


async def test_a_wrong_signature_by_a_known_key_has_nothing_fetched(issuer: Issuer) -> None:
    answers = [await issuer.after(30, lasting(key=a_key("P-256", 2))) for _ in range(3)]

    assert ([INVALID] * 3, 1) == (answers, len(issuer.fetch.asked))


async def test_one_fetch_is_under_way_at_a_time(issuer: Issuer) -> None:
    held = asyncio.Event()

    async def slow() -> bytes:
        await held.wait()
        return jwks(jwk(a_key()))

    issuer.publishes(slow)
    await issuer.clock.advance(30)
    answers = [await issuer.after(0, NEW) for _ in range(5)]
    await issuer.clock.advance(600)
    held.set()
    await issuer.clock.advance(0)

    assert ([UNAVAILABLE] * 5, 2) == (answers, len(issuer.fetch.asked))


async def test_a_reload_keeps_the_keys(issuer: Issuer) -> None:
    issuer.services.state.begin()
    issuer.policy = issuer.built(audience="tickets", leeway=5)
    await issuer.go_live()

    assert (PASSED, 1) == (await issuer.after(0), len(issuer.fetch.asked))


async def test_a_reload_with_another_pace_keeps_the_keys_and_goes_by_it(issuer: Issuer) -> None:
    issuer.services.state.begin()
    issuer.policy = issuer.built(refresh_every=60)
    await issuer.go_live()
    first = await issuer.after(0)
    await issuer.clock.advance(0)
    before = len(issuer.fetch.asked)
    await issuer.clock.advance(120)

    assert (PASSED, 2) == (first, len(issuer.fetch.asked) - before)


async def test_a_revision_that_is_refused_changes_nothing(issuer: Issuer) -> None:
    issuer.services.state.begin()
    issuer.built(refresh_every=60)
    issuer.services.state.rollback()
    await issuer.clock.advance(300)

    assert 1 == len(issuer.fetch.asked)


async def test_nothing_is_fetched_any_more_once_no_revision_uses_the_keys(issuer: Issuer) -> None:
    issuer.services.state.begin()
    issuer.services.state.commit()
    await issuer.clock.advance(3600)

    assert (1, PASSED) == (len(issuer.fetch.asked), await issuer.after(0))
    assert INVALID == await issuer.after(0, NEW)


async def test_a_token_without_a_name_of_a_key_may_be_by_any() -> None:
    issuer = Issuer()
    issuer.publishes(jwks(jwk(a_key("P-256", 2), "k2"), jwk(a_key())))
    await issuer.go_live()
    await issuer.clock.advance(30)

    assert [PASSED, UNAVAILABLE, INVALID] == [
        await issuer.after(0, lasting(kid=None)),
        await issuer.after(0, lasting(kid=None, key=a_key("P-256", 3))),
        await issuer.after(0, lasting(kid=None, key=a_key("P-256", 3))),
    ]
