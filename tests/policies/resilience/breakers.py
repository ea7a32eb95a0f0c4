"""Circuit breakers for tests, on a clock that stands still."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from proxy.config.units import Duration, Share
from proxy.exchange import Exchange, Outcome
from proxy.pipeline import Pipeline
from proxy.policies.resilience.circuit_breaker import CircuitBreaker, CircuitBreakerConfig
from proxy.policies.resilience.circuit_breaker.settings import HalfOpenConfig, TripConfig
from proxy.policy import Services
from proxy.state import Shared
from proxy.stores.memory import MemoryStore
from proxy.testing import FakeClock, FakeUpstream, exchange, route
from tests.policies.reading import refusal

APP = "circuit_breaker/app"


def a_config(consecutive: int | None = 5, **settings: Any) -> CircuitBreakerConfig:
    """Opens on the fifth failure in a row for 30s; two at a time, of which two have to go well."""
    more = {
        "trip": TripConfig(consecutive_failures=consecutive),
        "half_open": HalfOpenConfig(probes=2, successes=2, probe_timeout=Duration(10)),
    }
    return CircuitBreakerConfig(**{**more, **settings})


class FakeHealth:
    """What a health check says of the upstream."""

    def __init__(self) -> None:
        self.fails = False
        self.cause = "GET / was answered with 503"
        self.numbers = {"failed": 3, "threshold": 3}
        self.seconds_left = 7.0


class Breakers:
    """Makes breakers that share what a process shares."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.shared = Shared()
        self.told: list[str] = []
        self.health: FakeHealth | None = None

    def services(self, name: str = APP) -> Services:
        """What the constructor takes."""
        store = MemoryStore(self.clock)
        return Services(
            self.clock, Random(1), store, self.shared, name, report=self._hear, health=self.health
        )

    def _hear(self, text: str, numbers: Mapping[str, object]) -> None:
        self.told.append(f"{text} {dict(numbers)}")

    def breaker(self, config: CircuitBreakerConfig | None = None, name: str = APP) -> CircuitBreaker:
        """One of the name."""
        return CircuitBreaker(config or a_config(), self.services(name))

    def route(self, *script: Any, config: CircuitBreakerConfig | None = None) -> Pipeline:
        """A route with a breaker in front of an upstream that answers by `script`."""
        return route(self.breaker(config), upstream=FakeUpstream(*script), clock=self.clock)

    async def opened(self, config: CircuitBreakerConfig | None = None) -> None:
        """Have the upstream fail until it is open."""
        pipeline = self.route(500, config=config)
        for _ in range(5):
            await ask(pipeline)


async def ask(pipeline: Pipeline, asked: Exchange | None = None) -> tuple[int, str | None]:
    """One whole exchange: the status, and the reason of a refusal."""
    asked = asked or exchange()
    response = await pipeline.respond(asked)
    pipeline.finish(asked, Outcome(response.status, 0.0))
    return refusal(response)


def share(percent: int) -> Share:
    """`50%`."""
    return Share(percent / 100)
