from __future__ import annotations

from contextlib import suppress

from proxy.algorithms.gcra import Quota
from proxy.errors import StoreError
from proxy.stores.guarded import GuardedStore, Patience
from proxy.stores.memory import MemoryStore
from proxy.stores.protocol import Buckets
from proxy.telemetry.metrics import Metrics
from proxy.testing import FakeClock


class Slow(MemoryStore):
    """Takes 3 ms, and fails what it should set."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.clock = clock

    async def get(self, key: str) -> bytes | None:
        await self.clock.advance(0.003)
        return await super().get(key)

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        raise StoreError("gone")

    async def close(self) -> None:
        pass


async def test_prometheus_sees_what_the_store_was_asked_and_how_it_is() -> None:
    clock = FakeClock()
    store = GuardedStore(
        Slow(clock),
        MemoryStore(clock),
        clock,
        kind="redis",
        where="",
        patience=Patience(1.0),
        tell=lambda *_: None,
    )
    await store.get("k")
    await store.take(Buckets("a", Quota(1, 1.0, 1)), "k")
    for _ in range(7):
        with suppress(StoreError):
            await store.set("k", b"", 1)

    breakers = {"store": "closed", "app": "half-open"}
    text = Metrics("ingestion", store=store, breakers=lambda: breakers).render()[0].decode()

    for line in (
        'ingestion_redis_operations_total{operation="get",status="ok"} 1.0',
        'ingestion_redis_operations_total{operation="get",status="error"} 0.0',  # a rate needs where it began
        'ingestion_redis_operations_total{operation="set",status="error"} 5.0',
        'ingestion_redis_operations_total{operation="set",status="skipped"} 2.0',
        'ingestion_redis_operation_duration_seconds_bucket{le="0.0025",operation="get"} 0.0',
        'ingestion_redis_operation_duration_seconds_bucket{le="0.005",operation="get"} 1.0',
        'ingestion_redis_operation_duration_seconds_count{operation="set"} 5.0',
        'ingestion_circuit_breaker_state{name="store"} 1.0',
        'ingestion_circuit_breaker_state{name="circuit_breaker/store"} 0.0',  # a policy of that name
        'ingestion_circuit_breaker_state{name="app"} 2.0',
    ):
        assert line in text, line


def test_the_memory_store_has_nothing_to_count() -> None:
    text = Metrics().render()[0].decode()

    assert "_operations_total" not in text
