"""Rate limits for tests, on a clock that stands still."""

from __future__ import annotations

from random import Random
from typing import Any

from proxy.config.keys import Key
from proxy.config.units import Rate
from proxy.exchange import Exchange, Response
from proxy.headers import Headers
from proxy.policies.admission.rate_limit import RateLimit, RateLimitConfig
from proxy.policy import Hooks, Policy, Services
from proxy.state import Shared
from proxy.stores.memory import MemoryStore
from proxy.testing import FakeClock, FakeUpstream, exchange, route
from tests.policies.reading import fields, refusal


class StoppedClock(FakeClock):
    """Stands at any time one likes, without an event loop."""

    at = 0.0

    def monotonic(self) -> float:
        return self.at


def a_config(limit: str = "100/min", *keys: str, **settings: Any) -> RateLimitConfig:
    key = {"key": tuple(Key.parse(key) for key in keys)} if keys else {}
    burst = {"burst": 10} if "burst" not in settings else {}
    return RateLimitConfig(limit=Rate.parse(limit), **key, **burst, **settings)


def a_limit(store: MemoryStore, *config: str, name: str = "rate_limit/per_client", **more: Any) -> RateLimit:
    services = Services(FakeClock(), Random(1), store, Shared(), name)
    return RateLimit(a_config(*config, **more), services)


async def answers(policy: Policy | Hooks, times: int, **facts: Any) -> list[tuple[int, str | None]]:
    return [refusal(await route(policy).respond(exchange(**facts))) for _ in range(times)]


def passed(policy: RateLimit, asked: Exchange) -> bool:
    return route(policy).admit(asked) is None


def admitted(policy: Policy | Hooks, times: int, **facts: Any) -> int:
    pipeline = route(policy)
    return sum(pipeline.admit(exchange(**facts)) is None for _ in range(times))


def services_of(store: MemoryStore, **more: Any) -> Services:
    return Services(FakeClock(), Random(1), store, Shared(), **more)


def refused(policy: RateLimit, asked: Exchange | None = None) -> Exchange:
    asked = asked or exchange()
    for _ in range(100):
        if not passed(policy, asked):
            return asked
    raise AssertionError("nothing was refused")


async def told(*policies: Policy, times: int = 1, **upstream: str) -> list[dict[str, list[str]]]:
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in upstream.items()]
    pipeline = route(*policies, upstream=FakeUpstream(Response(200, Headers(given))))
    return [fields(await pipeline.respond(exchange())) for _ in range(times)]
