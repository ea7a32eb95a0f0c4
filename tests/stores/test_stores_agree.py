"""Every store decides as the memory store does, whose arithmetic has tests of its own."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.algorithms.gcra import MICROSECONDS, Penalty, Quota
from proxy.stores.memory import MemoryStore
from proxy.stores.protocol import Buckets, Store
from proxy.stores.redis import RedisStore
from proxy.stores.redis_url import RedisUrl
from proxy.stores.sqlite import SqliteStore
from proxy.testing import FakeClock
from tests.stores.valkey import LiveValkey

_START = 1_700_000_000
_QUOTAS = st.builds(Quota, st.integers(1, 20), st.sampled_from([1.0, 7.0, 86400.0]), st.integers(1, 5))
_PENALTIES = st.none() | st.builds(
    Penalty, st.integers(0, 3), st.sampled_from([1.1, 1.5, 2.0, 100.0]), st.integers(1, 10**11)
)
_NAMES = st.fixed_dictionaries(
    {name: st.builds(Buckets, st.just(name), _QUOTAS, penalty=_PENALTIES) for name in "ab"}
    | {name: st.builds(Buckets, st.just(name), _QUOTAS, ends=st.just(_START + 10**9)) for name in "c"}
)
"""At one time a limit is the same for all who ask."""
_ASKED = st.tuples(st.sampled_from("aabc"), st.sampled_from(["x", "y}{\udcff"]), st.integers(1, 3))
_WAITS = st.sampled_from([0.0, 1e-6, 0.01, 0.13, 1.0, 600.0])
_STEPS = st.tuples(
    st.tuples(_NAMES, _NAMES),  # a reload changes them, and back
    st.lists(st.tuples(_WAITS, st.integers(0, 1), st.lists(_ASKED, min_size=1, max_size=3)), max_size=25),
)
Steps = tuple[
    tuple[dict[str, Buckets], dict[str, Buckets]], list[tuple[float, int, list[tuple[str, str, int]]]]
]
_namespaces = iter(range(10**9))


async def decisions(store: Store, clock: FakeClock, steps: Steps) -> list[object]:
    found: list[object] = []
    revisions, requests = steps
    for wait, revision, asked in requests:
        await clock.advance(wait)
        limits = revisions[revision]
        found.append(await store.take_all([(limits[name], key, cost) for name, key, cost in asked]))
    return found


async def _agree(make: Callable[[FakeClock], Awaitable[SqliteStore | RedisStore]], steps: Steps) -> None:
    clock, other = FakeClock(_START), FakeClock(_START)
    store = await make(clock)
    try:
        expected = await decisions(MemoryStore(other), other, steps)
        assert expected == await decisions(store, clock, steps)
    finally:
        await store.close()


@given(_STEPS)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_redis(valkey: LiveValkey, steps: Steps) -> None:
    async def make(clock: FakeClock) -> RedisStore:
        url = RedisUrl.parse(f"{valkey.url}?namespace=agree{next(_namespaces)}")
        return RedisStore(url, lambda: round(clock.now() * MICROSECONDS))

    asyncio.run(_agree(make, steps))


@given(_STEPS)
@settings(max_examples=40, deadline=None)
def test_sqlite(steps: Steps) -> None:
    with tempfile.TemporaryDirectory() as folder:

        async def make(clock: FakeClock) -> SqliteStore:
            return SqliteStore(Path(folder) / "store.db", clock)

        asyncio.run(_agree(make, steps))
