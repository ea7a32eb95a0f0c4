"""Whether a call that came to nothing is repeated, and how soon."""

from __future__ import annotations

from collections.abc import Callable

from proxy.algorithms.backoff import BackOff, asked_for
from proxy.algorithms.retry_after import seconds_asked
from proxy.errors import UpstreamError
from proxy.exchange import Exchange, Response, Retry
from proxy.policies.resilience.retry.classes import Class
from proxy.policy import Services

SHORTEST = 0.01
"""Seconds that must be left for a call, or it is not worth the wait."""
_NOT_IMPLEMENTED = 501


class Past:
    """What was repeated of one exchange."""

    __slots__ = ("last", "of_class", "repeated", "wait")

    def __init__(self) -> None:
        self.repeated = 0
        self.of_class: dict[str, int] = {}
        self.wait = 0.0
        self.last: Retry | None = None

    def told(self, outcome: str) -> None:
        """What has become of the last repetition."""
        if self.last is not None:
            self.last.outcome = outcome


class Plan:
    """For one policy. `budget` takes one more repetition at a time, where there is any left."""

    def __init__(
        self,
        max_retries: int,
        waits: BackOff,
        longest_asked: float,
        budget: Callable[[float], bool],
        services: Services,
    ) -> None:
        self._max_retries = max_retries
        self._waits = waits
        self._longest_asked = longest_asked
        self._budget = budget
        self._clock = services.clock
        self._random = services.random

    def wait(
        self, exchange: Exchange, result: Response | UpstreamError, found: Class, past: Past
    ) -> float | None:
        """Seconds until the next call; None where there is to be none. Either is told on the exchange."""
        cause = str(result.status) if isinstance(result, Response) else result.reason
        took = self._clock.monotonic() - (exchange.attempt_started or exchange.started)
        past.last = retry = Retry(found.name, cause, took=took)
        if exchange.retries is None:
            exchange.retries = []
        exchange.retries.append(retry)
        wait = self._how_long(result, found, past)
        if exchange.barred_until > self._clock.monotonic() + wait:
            wait = 0.0  # it spares nobody
        exchange.barred_until = 0.0
        reason = self._reason_against(exchange, found, past, wait)
        if reason:
            retry.outcome = reason
            return None
        past.repeated += 1
        past.of_class[found.name] = past.of_class.get(found.name, 0) + 1
        past.wait = retry.wait = wait
        return wait

    def _how_long(self, result: Response | UpstreamError, found: Class, past: Past) -> float:
        wait = self._waits.wait(past.repeated + 1, found.multiplier, past.wait, self._random)
        if isinstance(result, Response) and self._longest_asked and result.status != _NOT_IMPLEMENTED:
            said = result.headers.get("Retry-After")
            asked = None if said is None else seconds_asked(said, self._clock.now())
            if asked is not None:
                wait = max(wait, asked_for(asked, self._longest_asked, self._random))
        return wait

    def _reason_against(self, exchange: Exchange, found: Class, past: Past, wait: float) -> str:
        limit, repeated = found.max_retries, exchange.attempts - 1
        if past.of_class.get(found.name, 0) >= limit or repeated >= max(limit, self._max_retries):
            return "exhausted"
        if not exchange.repeatable:
            return "no_body"
        now = self._clock.monotonic()
        if exchange.deadline is not None and now + wait + SHORTEST > exchange.deadline:
            return "no_time"
        return "" if self._budget(now) else "over_budget"
