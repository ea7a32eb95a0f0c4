from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.clock import SystemClock
from proxy.errors import StoreError
from proxy.stores.guarded import GuardedStore, Patience
from proxy.stores.memory import MemoryStore
from proxy.stores.opening import AnyStore, StoreUrl, close_store, open_store
from proxy.testing import FakeClock
from tests.stores.valkey import LiveValkey


class Opening:
    """Opens stores, and hears what operators are told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, text: str, numbers: Mapping[str, object]) -> None:
        self.told.append(text)

    async def open(self, url: str) -> AnyStore:
        return await open_store(StoreUrl.parse(url), SystemClock(), Patience(5.0), self.tell)


@pytest.fixture
def opening() -> Opening:
    return Opening()


async def test_memory_is_at_hand(opening: Opening) -> None:
    store = await opening.open("memory://")
    await close_store(store)

    assert isinstance(store, MemoryStore)


async def test_a_file_is_guarded_and_keeps_what_it_got(opening: Opening, tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/store.db"
    first = await opening.open(url)
    await first.set("k", b"v", 60)
    await close_store(first)
    second = await opening.open(url)
    seen = await second.get("k")
    await close_store(second)

    assert isinstance(second, GuardedStore)
    assert (b"v", "sqlite", url) == (seen, second.kind, second.condition().where)


@pytest.mark.parametrize(("failures", "breaker"), [(1, "open"), (2, "closed")])
async def test_a_server_that_is_away_is_left_alone_after_as_many_failures_as_are_said(
    opening: Opening, failures: int, breaker: str
) -> None:
    url = StoreUrl.parse("redis://127.0.0.1:1")
    clock = FakeClock()
    store = await open_store(url, clock, Patience(5.0, failures, 7.0), opening.tell)
    assert isinstance(store, GuardedStore)
    with pytest.raises(StoreError):
        await store.get("k")
    then = store.condition().breaker
    await clock.advance(7)
    later = store.condition().breaker
    await close_store(store)

    assert (breaker, breaker.replace("open", "half-open")) == (then, later)


async def test_a_server_is_guarded(opening: Opening, valkey: LiveValkey) -> None:
    store = await opening.open(f"{valkey.url}?namespace=opening")
    await store.set("k", b"v", 60)
    seen = await store.get("k")
    await close_store(store)

    assert isinstance(store, GuardedStore)
    assert (b"v", "redis", []) == (seen, store.kind, opening.told)


async def test_a_server_that_is_away_is_told_of_and_does_not_keep_us_from_starting(opening: Opening) -> None:
    gone = LiveValkey()
    store = await opening.open(f"redis://:secret@127.0.0.1:{gone.port}")
    await close_store(store)

    assert [
        f"the redis store redis://:***@127.0.0.1:{gone.port}/0 is away, and is tried again with each request"
    ] == (opening.told)


async def test_a_server_that_was_away_at_the_start_does_not_count_as_reachable(opening: Opening) -> None:
    gone = LiveValkey()
    store = await opening.open(f"redis://127.0.0.1:{gone.port}")
    await close_store(store)

    assert isinstance(store, GuardedStore)
    assert (False, True) == (store.condition().reachable, bool(store.condition().last_error))


async def test_a_file_that_cannot_be_used_keeps_us_from_starting(opening: Opening, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be opened"):
        await opening.open(f"sqlite://{tmp_path}/missing/store.db")


async def test_a_server_that_does_not_let_us_in_keeps_us_from_starting(opening: Opening) -> None:
    server = LiveValkey("requirepass other")
    server.start()
    try:
        with pytest.raises(ValueError, match=r"the store redis://:\*\*\*@127.* cannot be used"):
            await opening.open(f"redis://:secret@127.0.0.1:{server.port}")
    finally:
        server.stop()


@pytest.mark.parametrize(
    "url",
    ["", "memory", "memory://x", "sqlite://a.db", "sqlite:///", "sqlite:///a?b=c", "mysql://x", "redis:"],
)
def test_what_is_no_store_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        StoreUrl.parse(url)


def test_a_url_as_text_has_no_password() -> None:
    assert ["memory://", "sqlite:///data/s.db", "redis://:***@a:6379/0"] == [
        str(StoreUrl.parse(url)) for url in ("memory://", "sqlite:///data/s.db", "redis://:secret@a")
    ]
