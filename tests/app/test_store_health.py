from __future__ import annotations

from proxy.app.store_health import store_health
from proxy.stores.memory import MemoryStore
from proxy.testing import FakeClock
from tests.stores.test_guarded import Guarded


def test_memory_is_always_there() -> None:
    assert {"kind": "memory", "reachable": True} == store_health(MemoryStore(FakeClock()), 0.0)


async def test_a_store_that_is_away_says_since_when_and_why() -> None:
    clock = FakeClock()
    guarded = Guarded(clock)
    await clock.advance(10)
    await guarded.fail(5)
    await clock.advance(3)

    assert {
        "kind": "redis",
        "url": "redis://cache:6379/0",
        "reachable": False,
        "breaker": "open",
        "seconds_in_this_state": 3.0,
        "last_error": "connection refused",
    } == store_health(guarded.store, clock.monotonic())
