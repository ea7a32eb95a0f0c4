"""Slow hashes: how often they are computed, for whom, and what a flood of them does."""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.secrets import Secret
from proxy.config.units import Duration
from proxy.errors import Busy
from proxy.policies.identity.basic_auth import BasicAuth, BasicAuthConfig
from proxy.policies.identity.basic_auth import passwords as module
from proxy.policies.identity.basic_auth.htpasswd import Hashed, Htpasswd
from proxy.policies.identity.basic_auth.passwords import MOST_REMEMBERED, Verified
from proxy.policy import Services
from proxy.testing import FakeClock, FakeUpstream, exchange, fake_services, route
from tests.policies.reading import refusal

PASSED = (200, None)
INVALID = (401, "basic_auth.invalid")
UNAVAILABLE = (503, "basic_auth.unavailable")


def hashed(password: str, cost: int = 4) -> Hashed:
    return Hashed(bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)), cost)


USERS = {"ann": hashed("open:sesame"), "bob": hashed("b" * 72), "jürgen": hashed("größe")}


class Pool:
    """Stands for the threads: counts, and lets a test decide when work is done."""

    def __init__(self, *, full: bool = False) -> None:
        self.costs: list[bytes] = []
        self.full = full
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, work: Callable[[], Any]) -> Any:
        if self.full:
            raise Busy("66 pieces of work are waiting")
        self.costs.append(b"")
        await self.gate.wait()
        return work()


def a_config(users: dict[str, Hashed] = USERS, **settings: Any) -> BasicAuthConfig:
    return BasicAuthConfig(htpasswd=Htpasswd("/run/users").holding(users), **settings)


def a_policy(
    pool: Pool, services: Services | None = None, users: dict[str, Hashed] = USERS, **settings: Any
) -> BasicAuth:
    services = replace(services or fake_services(), in_thread=pool)
    return BasicAuth(a_config(users, **settings), services)


def basic(credential: str | bytes) -> dict[str, str]:
    raw = credential.encode() if isinstance(credential, str) else credential
    return {"Authorization": f"Basic {base64.b64encode(raw).decode()}"}


async def answer(policy: BasicAuth, credential: str | bytes) -> tuple[int, str | None]:
    return refusal(await route(policy).respond(exchange(headers=basic(credential))))


@pytest.mark.parametrize(
    ("credential", "expected"),
    [
        pytest.param("ann:open:sesame", PASSED, id="user and password"),
        pytest.param("jürgen:größe", PASSED, id="not ASCII"),
        pytest.param("bob:" + "b" * 72, PASSED, id="as long as bcrypt looks"),
        pytest.param("bob:" + "b" * 73, INVALID, id="longer than that"),
        pytest.param("bob:" + "b" * 71, INVALID, id="shorter"),
        pytest.param("ann:open", INVALID, id="up to the colon"),
        pytest.param("ann:", INVALID, id="no password"),
        pytest.param("ann", INVALID, id="no colon"),
        pytest.param("bob:open:sesame", INVALID, id="another user's"),
        pytest.param("eve:open:sesame", INVALID, id="nobody's"),
        pytest.param("Ann:open:sesame", INVALID, id="a user in other letters"),
        pytest.param("ann:open:sesame\0", INVALID, id="a NUL behind it"),
        pytest.param(b"\xff:open:sesame", INVALID, id="bytes that are no text"),
        pytest.param(b"ann:" + USERS["ann"].hash, INVALID, id="the hash itself"),
        pytest.param(":", INVALID, id="nothing"),
    ],
)
async def test_a_user_of_the_file(credential: str | bytes, expected: tuple[int, str | None]) -> None:
    assert expected == await answer(a_policy(Pool()), credential)


PLAIN = b"ann:open:sesame"


@given(at=st.integers(0, len(PLAIN) - 1), bit=st.integers(0, 7))
def test_no_changed_bit_is_accepted(at: int, bit: int) -> None:
    changed = PLAIN[:at] + bytes([PLAIN[at] ^ (1 << bit)]) + PLAIN[at + 1 :]

    assert INVALID == asyncio.run(answer(a_policy(Pool()), changed))


@pytest.mark.parametrize("credential", ["ann:wrong", "eve:wrong"], ids=["a user", "nobody"])
async def test_who_is_not_in_the_file_costs_a_check_as_well(credential: str) -> None:
    pool = Pool()
    policy = a_policy(pool)

    await answer(policy, credential)
    await answer(policy, credential)

    assert 2 == len(pool.costs)


async def test_nobody_costs_as_much_as_the_users_do(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    monkeypatch.setattr(module, "bcrypt_check", lambda: lambda _, hash_: asked.append(hash_) or False)
    policy = a_policy(Pool(), users={"ann": hashed("x", 5), "bob": hashed("x", 6)})

    for number in range(60):
        await answer(policy, f"eve{number}:x")
        await answer(policy, f"eve{number}:y")

    costs = [hash_[4:6] for hash_ in asked]
    assert {b"05", b"06"} == set(costs)
    assert costs[::2] == costs[1::2]


async def test_a_dummy_is_a_hash_to_bcrypt() -> None:
    assert not bcrypt.checkpw(b"x", module._dummy(4))


async def test_what_was_right_is_not_checked_again_for_a_while() -> None:
    clock, pool = FakeClock(), Pool()
    policy = a_policy(pool, fake_services(clock), remember_for=Duration(60))

    for wait in (0, 59, 1, 30):
        await clock.advance(wait)
        assert PASSED == await answer(policy, "ann:open:sesame")

    assert 2 == len(pool.costs)


async def test_a_wrong_one_is_never_remembered_and_spoils_nothing() -> None:
    pool = Pool()
    policy = a_policy(pool)

    answers = [await answer(policy, f"ann:{each}") for each in ("x", "open:sesame", "x", "open:sesame")]

    assert ([INVALID, PASSED, INVALID, PASSED], 3) == (answers, len(pool.costs))


async def test_many_at_once_with_one_credential_are_one_check() -> None:
    pool = Pool()
    policy = a_policy(pool)
    pool.gate.clear()
    asked = [asyncio.create_task(answer(policy, "ann:open:sesame")) for _ in range(100)]
    for _ in range(5):
        await asyncio.sleep(0)
    asked[0].cancel()  # the one that began it leaves
    await asyncio.sleep(0)
    pool.gate.set()

    answers = await asyncio.gather(*asked[1:])

    assert ([PASSED] * 99, 1) == (answers, len(pool.costs))


async def test_over_the_queue_it_is_503_and_those_remembered_pass() -> None:
    pool = Pool()
    policy = a_policy(pool, credentials=(Secret("op:rator"),))
    await answer(policy, "ann:open:sesame")
    pool.full = True

    asked = exchange(headers=basic("ann:wrong"))
    answers = [
        refusal(await route(policy).respond(asked)),
        await answer(policy, "ann:open:sesame"),
        await answer(policy, "op:rator"),
    ]

    assert [UNAVAILABLE, PASSED, PASSED] == answers
    assert asked.refusal is not None
    assert 5.0 == asked.refusal.retry_after


async def test_it_is_remembered_over_a_reload_unless_the_password_was_changed() -> None:
    services, pool = fake_services(), Pool()
    changed = {**USERS, "ann": hashed("open:sesame")}
    answers = [
        await answer(a_policy(pool, services, users=users), "ann:open:sesame")
        for users in (USERS, USERS, changed)
    ]

    assert ([PASSED] * 3, 2) == (answers, len(pool.costs))


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    verified = Verified(b"k" * 32)
    for number in range(MOST_REMEMBERED + 1):
        verified.add(number.to_bytes(4, "big"), 60)

    assert [False, True, True] == [
        verified.has(number.to_bytes(4, "big"), 1) for number in (0, 1, MOST_REMEMBERED)
    ]


def test_nothing_of_a_password_is_kept() -> None:
    verified = Verified(b"k" * 32)
    digest = verified.digest(b"hash", b"ann:hunter2")

    assert digest != Verified(b"l" * 32).digest(b"hash", b"ann:hunter2")
    assert (32, False) == (len(digest), b"hunter2" in digest)


async def test_it_stays_plain_where_no_file_is_used() -> None:
    plain = BasicAuth(BasicAuthConfig(credentials=(Secret("a:b"),)), fake_services())

    assert (True, False) == (route(plain).plain, route(a_policy(Pool())).plain)


async def test_a_password_of_a_file_is_hidden_where_that_is_asked_for() -> None:
    upstream = FakeUpstream(200)
    policy = a_policy(Pool(), hide_credentials=True)

    await route(policy, upstream=upstream).respond(exchange(headers=basic("ann:open:sesame")))

    assert [] == list(upstream.seen[0].headers)


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bcrypt", None)

    with pytest.raises(ValueError, match=r"seawall\[htpasswd\]"):
        a_policy(Pool())


def test_too_long_a_credential_of_a_test_is_told_of() -> None:
    with pytest.raises(ValueError, match="at most 72 bytes"):
        module.cheaply_hashed(b"x" * 73)
