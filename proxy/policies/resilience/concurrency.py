"""Bound how many requests are under way at once, and let a few wait for their turn.

```yaml
concurrency:
  max: 15
  queue: {size: 50, timeout: 1s, priority: {header: X-Priority, classes: [high, normal]}}
```

An application with fifteen database connections answers the sixteenth request late, and when hundreds
wait inside of it, all of them too late. Here `max` are let in; the next `size` wait for up to `timeout`, and
everybody else is told at once to come later. A request holds its place until the last byte of its answer
is out, repetitions and waits behind this policy included; a connection that was switched to another
protocol (WebSocket) holds it until it ends.

**Adaptive.** With `adaptive: {}` instead of `max`, the bound follows from how long the upstream takes
until the head of its response: where that grows beyond what it was on average, requests queue inside,
and the bound shrinks; where it doesn't, and the bound is made use of, it grows (the Gradient2
algorithm of Netflix's concurrency-limits). Calls that fail for being too slow shrink it, too. It begins
with `initial` and stays between `min` and `max`. No traffic is held back to measure.

**Who waits.** Within a class, who came first is let in first. Classes stand from the most important to
the least: those of a better class go first, and where the queue is full they take the place of whoever
came last of the worst class. So a class can wait in vain while better ones fill all places; `timeout`
ends that. The header names the class; where it is missing or says something else, it is `priority`, or
else the last. Clients choose headers freely: let whoever stands in front of you set this one, or give
each route its class by `{use: NAME, priority: high}`.

**What the client sees.** `503` with `Retry-After`.

**State.** In memory, by the policy's name: on several routes a named policy is one bound, which must have
the same settings on each but for `priority`. A reload keeps who is in and who waits; a smaller bound is
reached as requests end. Every replica counts for itself, and there is nothing that could fail.
Metrics show the bound, who is in and who waits (`concurrency_limit`, `_in_flight`, `_waiting`). In
shadow those that it would have refused don't count, and those that it would have had wait pass at once.

**Hardened against.** Places that get lost: they are given back however a request ends, also where it is
cut off while it waits. Floods: a full queue costs a comparison. A bound that is stuck: the long average
follows the upstream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated

from msgspec import Meta

from proxy.algorithms.bulkhead import ADMITTED, EVICTED, WAITING, Bulkhead, Place
from proxy.algorithms.gradient import Bounds, Gradient
from proxy.config.schema import PolicyConfig, Schema
from proxy.config.spelling import spelled
from proxy.config.units import Duration, HeaderName
from proxy.errors import Rejection
from proxy.exchange import Exchange, ExchangeKey, Outcome, Response
from proxy.policy import Later, Services

FULL = (503, "concurrency.full", "Too many requests are under way. Try again later.")
TOO_LONG = (503, "concurrency.queue_timeout", "Too many requests are under way. Try again later.")

REASONS = (FULL, TOO_LONG)

_RETRY_AFTER = 1.0
_LONGEST_CLASS = 64
_TOO_SLOW = frozenset(("timeout.connect", "timeout.response", "timeout.attempt", "deadline.exceeded"))


class PriorityConfig(Schema, frozen=True, kw_only=True):
    """Who waits in front of whom."""

    classes: Annotated[
        tuple[str, ...],
        Meta(min_length=2, max_length=16, description="Names of the classes, the most important first."),
    ]
    header: Annotated[HeaderName | None, Meta(description="The header that names the class.")] = None

    def check(self) -> Iterator[tuple[str, str]]:
        """Names that a header can have, each once."""
        for index, name in enumerate(self.classes):
            if not name or len(name) > _LONGEST_CLASS or not name.isprintable() or name != name.strip():
                yield f"classes[{index}]", f"{name!r} is no name; expected a word, such as high"
            elif name in self.classes[:index]:
                yield f"classes[{index}]", f"{name} stands twice; expected each class once"


class QueueConfig(Schema, frozen=True, kw_only=True):
    """Who waits."""

    size: Annotated[int, Meta(ge=1, le=100_000, description="How many wait at most.")]
    timeout: Annotated[Duration, Meta(gt=0, description="How long each waits at most.")] = Duration(1)
    priority: Annotated[
        PriorityConfig | None, Meta(description="Who goes first; who came first where absent.")
    ] = None


class AdaptiveConfig(Schema, frozen=True, kw_only=True):
    """A bound that follows the upstream."""

    min: Annotated[int, Meta(ge=1, le=100_000, description="It never goes below this.")] = 5
    initial: Annotated[int, Meta(ge=1, le=100_000, description="What it begins with.")] = 20
    max: Annotated[int, Meta(ge=1, le=100_000, description="Nor above this.")] = 200

    def check(self) -> Iterator[tuple[str, str]]:
        """In their order."""
        if not self.min <= self.initial <= self.max:
            yield "initial", f"{self.initial} is not from `min` ({self.min}) to `max` ({self.max})"

    @property
    def bounds(self) -> Bounds:
        """For the algorithm."""
        return Bounds(self.initial, self.min, self.max)


class ConcurrencyConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    max: Annotated[int | None, Meta(ge=1, le=100_000, description="How many at once.")] = None
    adaptive: Annotated[
        AdaptiveConfig | None, Meta(description="Instead of `max`: a bound that follows the upstream.")
    ] = None
    queue: Annotated[QueueConfig | None, Meta(description="Who may wait; nobody where absent.")] = None
    priority: Annotated[
        str | None,
        Meta(description="The class of requests that name none, on this route; the last where absent."),
    ] = None

    def check(self) -> Iterator[tuple[str, str]]:
        """One bound."""
        if self.max is None and self.adaptive is None:
            yield "", "there is no bound; expected `max`, or `adaptive`"
        if self.max is not None and self.adaptive is not None:
            yield "adaptive", "`max` is the bound; expected one of the two"
        classes = self.queue.priority.classes if self.queue and self.queue.priority else ()
        if self.priority is not None and self.priority not in classes:
            expected = f"one of {', '.join(classes)}" if classes else "`queue.priority` with its classes"
            yield "priority", f"there is no class {self.priority}; expected {expected}"

    def in_words(self) -> Sequence[str]:
        """How many, and who waits."""
        at_once = f"at most {self.max} at once"
        if self.adaptive is not None:
            at_once = f"at most {self.adaptive.min} to {self.adaptive.max} at once, as the upstream can take"
        if self.queue is None:
            return (at_once,)
        return (f"{at_once}, and {self.queue.size} wait up to {spelled(self.queue.timeout)}",)


class _Gate:
    """What all routes with one bound share."""

    def __init__(self, config: ConcurrencyConfig, now: float) -> None:
        self.gradient: Gradient | None = None
        self.bulkhead = Bulkhead(0)
        self._issued = 0
        self.adopt(0, config, now)

    def edition(self) -> int:
        """A number for a policy that is being built, higher than those before."""
        self._issued += 1
        return self._issued

    def adopt(self, edition: int, config: ConcurrencyConfig, now: float) -> None:
        """Go by the settings of the newest policy that was ever asked; who is in stays in."""
        self.adopted = edition
        self._config = config
        if config.adaptive is None:
            self.gradient = None
        elif self.gradient is None:
            self.gradient = Gradient(config.adaptive.bounds, now)
        else:
            self.gradient.adopt(config.adaptive.bounds)
        self.resize()

    def resize(self) -> None:
        """As many as the bound says now."""
        config, gradient = self._config, self.gradient
        limit = gradient.limit if gradient is not None else config.max or 1
        self.bulkhead.resize(limit, config.queue.size if config.queue else 0)

    def gauges(self) -> dict[str, float]:
        """What operators see of it."""
        bulkhead = self.bulkhead
        return {
            "concurrency_limit": bulkhead.limit,
            "concurrency_in_flight": bulkhead.in_flight,
            "concurrency_waiting": bulkhead.waiting,
        }


class Concurrency:
    """See the module's docstring."""

    on_response: Callable[[Exchange, Response], None] | None
    """Only where there is something to learn: a response that no hook wants to see is passed on faster."""

    def __init__(self, config: ConcurrencyConfig, services: Services) -> None:
        self._config = config
        self._clock = services.clock
        self._name = services.name
        self._gate = services.shared("gate", lambda: _Gate(config, services.clock.monotonic()))
        self._bulkhead = self._gate.bulkhead
        self._edition = self._gate.edition()
        self._place = ExchangeKey[Place](services.name)
        self._admitted_at = ExchangeKey[float](services.name)
        self._timeout = config.queue.timeout if config.queue else Duration(0)
        self._rank = _ranking(config)
        self.on_response = self._learn if config.adaptive is not None else None

    def on_request(self, exchange: Exchange) -> Later | None:
        gate = self._gate
        if gate.adopted < self._edition:
            gate.adopt(self._edition, self._config, self._clock.monotonic())
        held = exchange.recall(self._place)
        if held is not None and held.state == ADMITTED:
            return None  # asked again, by a policy in front that calls again
        place = self._bulkhead.enter(self._rank(exchange))
        if place is None:
            raise self._full(exchange)
        exchange.remember(self._place, place)
        if place.state != ADMITTED:
            return partial(self._wait, exchange, place)
        self._begin(exchange)
        return None

    def on_finish(self, exchange: Exchange, outcome: Outcome) -> None:  # noqa: ARG002  # however it ended
        place = exchange.recall(self._place)
        if place is not None:
            self._bulkhead.leave(place)

    async def _wait(self, exchange: Exchange, place: Place) -> None:
        told = asyncio.Event()
        place.tell = told.set
        if place.state == WAITING:  # it may have been told before anybody ran this
            with suppress(TimeoutError):
                async with self._clock.timeout(self._timeout):
                    await told.wait()
        # Not what the wait ended with: both may have happened in one turn of the loop.
        if place.state == EVICTED:
            raise self._full(exchange)
        if place.state == WAITING:
            self._bulkhead.leave(place)
            facts = {**self._facts(exchange), "waited": spelled(self._timeout)}
            raise Rejection(*TOO_LONG, retry_after=_RETRY_AFTER, facts=facts, policy=self._name)
        self._begin(exchange)

    def _begin(self, exchange: Exchange) -> None:
        if self.on_response is not None:
            exchange.remember(self._admitted_at, self._clock.monotonic())

    def _learn(self, exchange: Exchange, response: Response) -> None:
        gradient, since = self._gate.gradient, exchange.recall(self._admitted_at)
        if gradient is None or since is None or exchange.attempts != 1:
            return  # of several attempts the time tells little
        too_slow = exchange.refusal is not None and exchange.refusal.reason in _TOO_SLOW
        if not response.from_upstream and not too_slow:
            return
        now = self._clock.monotonic()
        if gradient.add(now, now - since, self._bulkhead.in_flight, dropped=too_slow):
            self._gate.resize()

    def _full(self, exchange: Exchange) -> Rejection:
        # No edit is named: with a larger bound those that were refused before would be in.
        facts = self._facts(exchange)
        return Rejection(*FULL, retry_after=_RETRY_AFTER, facts=facts, policy=self._name)

    def _facts(self, exchange: Exchange) -> dict[str, object]:
        bulkhead, queue = self._bulkhead, self._config.queue
        facts: dict[str, object] = {
            "limit": bulkhead.limit,
            "in_flight": bulkhead.in_flight,
            "waiting": bulkhead.waiting,
        }
        if queue is not None and queue.priority is not None:
            facts["priority"] = queue.priority.classes[self._rank(exchange)]
        return facts


def _ranking(config: ConcurrencyConfig) -> Callable[[Exchange], int]:
    """How good the class of a request is, from 0 on."""
    if config.queue is None or config.queue.priority is None:
        return lambda _: 0
    classes, header = config.queue.priority.classes, config.queue.priority.header
    ranks = {name: rank for rank, name in enumerate(classes)}
    usual = ranks[config.priority or classes[-1]]
    if header is None:
        return lambda _: usual
    return lambda exchange: ranks.get(exchange.request.headers.get(header) or "", usual)
