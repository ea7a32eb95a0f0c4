"""A route with a pace, and requests that come to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy.config.units import Duration, Rate
from proxy.exchange import Exchange, Outcome, Response
from proxy.pipeline import Pipeline, Waiting
from proxy.policies.resilience.pace import Pace, PaceConfig
from proxy.policy import Services
from proxy.state import Gauged
from proxy.testing import FakeClock, FakeUpstream, exchange, fake_services, route
from tests.policies.away import Remote
from tests.policies.reading import refusal

EXCEEDED = (503, "pace.exceeded")
FULL = (503, "pace.queue_full")
TWO = {"limit": Rate("2/s"), "max_wait": Duration(30)}


class Crossing:
    """A route with a pace, in front of an upstream that writes down when it was called."""

    def __init__(self, services: Services | None = None, store: Any = None, **config: Any) -> None:
        self.clock = FakeClock()
        self.services = services or fake_services(self.clock, name="pace/app")
        if store is not None:
            self.services = Services(
                self.clock, self.services.random, store(self.clock), self.services.state, "pace/app"
            )
        self.policy = Pace(PaceConfig(**config), self.services)
        self.calls: list[tuple[float, str]] = []
        self.pipeline = route(self.policy, upstream=FakeUpstream(self._serve))

    def reloaded(self, **config: Any) -> Crossing:
        after = Crossing(self.services, **config)
        after.clock, after.calls = self.clock, self.calls
        after.pipeline = route(after.policy, upstream=FakeUpstream(after._serve))
        return after

    async def _serve(self, asked: Exchange) -> int:
        self.calls.append((self.clock.monotonic(), asked.request_id))
        return 200

    async def come(self, name: str = "", **facts: Any) -> Guest:
        """A request, as far as it gets without anybody's help."""
        guest = Guest(self.pipeline, exchange(request_id=name, **facts))
        await turns()
        return guest

    @property
    def times(self) -> list[float]:
        return [round(when, 6) for when, _ in self.calls]

    @property
    def waiting(self) -> float:
        [gauged] = [state for state in self.services.state._kept.values() if isinstance(state, Gauged)]
        return gauged.gauges()["pace_waiting"]


class Guest:
    """One exchange as the wire takes it: a task only where a hook has to wait."""

    def __init__(self, pipeline: Pipeline, asked: Exchange) -> None:
        self.asked = asked
        self._pipeline = pipeline
        stopped = pipeline.admit(asked)
        self.plainly = not isinstance(stopped, Waiting)
        self._task = asyncio.ensure_future(_answered(pipeline, asked, stopped))

    @property
    def response(self) -> Response:
        return self._task.result()

    @property
    def outcome(self) -> tuple[int, str | None] | None:
        """Status and reason; None for one who still waits."""
        return refusal(self._task.result()) if self._task.done() else None

    def leave(self) -> None:
        self._task.cancel()
        self._pipeline.finish(self.asked, Outcome(499, 0.0))


async def _answered(pipeline: Pipeline, asked: Exchange, stopped: Response | Waiting | None) -> Response:
    if isinstance(stopped, Response):
        return stopped
    if stopped is None:
        return await pipeline.forward(asked)
    return await pipeline.respond(asked, stopped)


async def turns() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


STORES = pytest.mark.parametrize(
    "store",
    [
        pytest.param(None, id="a store at hand"),
        pytest.param(Remote, id="one that has to be asked"),
        pytest.param(lambda clock: Remote(clock, takes=0.001), id="one that takes its time"),
    ],
)
