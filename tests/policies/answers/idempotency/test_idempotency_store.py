"""What becomes of repetitions without the store, and what who can read it can read of answers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

import pytest

from proxy.app.vault import vault
from proxy.errors import StoreError
from proxy.stores.memory import MemoryStore
from proxy.testing import FakeClock, fake_services
from tests.policies.answers.shop import CREATED, IN_FLIGHT, Shop, asked, is_replayed
from tests.policies.away import Remote
from tests.policies.reading import refusal


class Away(MemoryStore):
    """A store that fails at one of its verbs."""

    def __init__(self, clock: FakeClock, verb: str) -> None:
        super().__init__(clock)
        self.verb = verb

    async def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        if self.verb == "claim":
            raise StoreError("out of reach")
        return await super().claim(key, value, ttl)

    async def confirm(self, key: str, expected: bytes, value: bytes, ttl: float) -> bool:
        if self.verb == "confirm":
            raise StoreError("out of reach")
        return await super().confirm(key, expected, value, ttl)


def without_a_store(verb: str, **settings: Any) -> Shop:
    clock = FakeClock()
    services = replace(fake_services(clock), store=Away(clock, verb))
    return Shop(services=services, **settings)


async def test_without_the_store_it_is_refused() -> None:
    answer = await without_a_store("claim").ask()

    assert (503, "idempotency.unavailable") == refusal(answer)
    assert answer.headers.get("Retry-After")


async def test_or_it_passes_unguarded() -> None:
    shop = without_a_store("claim", when_store_fails="allow")

    assert [201, 201] == [(await shop.ask()).status for _ in range(2)]


async def test_where_it_fails_after_the_answer_the_client_gets_it_and_the_key_stays_under_way() -> None:
    shop = without_a_store("confirm")

    first, second = await shop.ask(), await shop.ask()

    assert (201, IN_FLIGHT) == (first.status, refusal(second))


async def test_without_the_store_it_may_go_on_in_memory() -> None:
    clock = FakeClock()
    services = replace(fake_services(clock), store=Remote(clock, away=True))
    shop = Shop(services=services, when_store_fails="local")

    first, again = await shop.ask(), await shop.ask()

    assert (1, [False, True]) == (shop.calls, [is_replayed(first), is_replayed(again)])


# ---- sealed


def sealed_shop(clock: FakeClock, store: MemoryStore, keys: str, **settings: Any) -> Shop:
    made = partial(vault, {"SEAWALL_SEAL_KEY": keys}, Random(1))
    return Shop(services=replace(fake_services(clock, name="s"), store=store, vault=made), **settings)


async def test_a_sealed_answer_is_given_again_and_cannot_be_read_in_the_store() -> None:
    clock = FakeClock()
    store = MemoryStore(clock)
    shop = sealed_shop(clock, store, "11" * 32)

    await shop.ask()
    [kept] = [value for _, value, _ in store._values.items.values()]  # type: ignore[attr-defined]  # a dict

    assert is_replayed(again := await shop.ask())
    assert CREATED.content == again.content
    assert [] == [word for word in (b"ticket", b"42", b"Set-Cookie", b"Made") if word in kept]


@pytest.mark.parametrize(
    ("keys", "replayed"),
    [
        pytest.param("22" * 32 + "," + "11" * 32, True, id="a new key before the old one"),
        pytest.param("22" * 32, False, id="without the old one"),
    ],
)
async def test_after_a_change_of_keys(keys: str, replayed: bool) -> None:
    clock = FakeClock()
    store = MemoryStore(clock)
    await sealed_shop(clock, store, "11" * 32).ask()
    after = sealed_shop(clock, store, keys)

    again = await after.ask()

    expected = (201, None) if replayed else (409, "idempotency.answer_not_kept")
    assert 0 == after.calls
    assert expected == ((again.status, None) if replayed else refusal(again))


async def test_an_answer_in_the_clear_is_not_believed_where_answers_are_sealed() -> None:
    clock = FakeClock()
    store = MemoryStore(clock)
    await Shop(services=replace(fake_services(clock, name="s"), store=store)).ask()

    again = await sealed_shop(clock, store, "11" * 32).ask()

    assert (409, "idempotency.answer_not_kept") == refusal(again)


async def test_an_answer_that_was_moved_to_another_key_is_not_given() -> None:
    clock = FakeClock()
    store = MemoryStore(clock)
    shop = sealed_shop(clock, store, "11" * 32)
    await shop.ask(asked("mine"))
    items: Any = store._values.items
    [[place, (until, word, size)]] = items.items()
    await shop.ask(asked("yours"))
    [other] = [key for key in items if key != place]
    items[other] = (until, word, size)

    again = await shop.ask(asked("yours"))

    assert (409, "idempotency.answer_not_kept") == refusal(again)
