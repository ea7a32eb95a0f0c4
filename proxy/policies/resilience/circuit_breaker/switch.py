"""The state of one circuit breaker: kept over reloads, seen and forced by operators."""

from __future__ import annotations

from typing import Literal

from proxy.algorithms.breaker import OPEN, Breaker, Thresholds, Transition
from proxy.config.spelling import about, spelled
from proxy.config.units import Share
from proxy.policy import Services, UpstreamHealth
from proxy.state import Switched


class CircuitSwitch:
    """What all routes with one breaker share."""

    def __init__(self, thresholds: Thresholds, services: Services) -> None:
        self._clock = services.clock
        self._report = services.report
        self._name = services.name
        self._issued = 0
        self.adopted = 0
        """The edition by whose thresholds it goes."""
        self.health: UpstreamHealth | None = services.health
        """What holds it open while it fails; None where that is left out."""
        self.breaker = Breaker(thresholds, services.clock.monotonic(), self._tell)

    def edition(self) -> int:
        """A number for a policy that is being built, higher than those before."""
        self._issued += 1
        return self._issued

    def adopt(self, edition: int, thresholds: Thresholds, health: UpstreamHealth | None = None) -> None:
        """Go by the thresholds of the newest policy that was ever asked.

        Not by those that are built, since a revision may be refused; nor by those of an older
        revision, whose last requests are still on their way.
        """
        if edition > self.adopted:
            self.adopted = edition
            self.health = health
            self.heed()
            self.breaker.adopt(thresholds, self._clock.monotonic())

    def heed(self) -> None:
        """Hold it open while the health check fails, and no longer."""
        breaker, health = self.breaker, self.health
        if health is not None and health.fails:
            if not breaker.held:
                breaker.hold(self._clock.monotonic(), self._fails(health), health.numbers)
        elif breaker.held:
            cause = "no health check is made" if health is None else "the health check fails no more"
            breaker.let_go(self._clock.monotonic(), cause)

    def wait(self, now: float) -> float | None:
        """Seconds until it may let a call pass; None where nobody knows."""
        health = self.health
        return health.seconds_left if self.breaker.held and health else self.breaker.wait(now)

    @property
    def cause(self) -> str:
        """Why it is held open; empty where it is not."""
        health = self.health
        return self._fails(health) if self.breaker.held and health else ""

    def seen(self) -> Switched:
        """As it is now."""
        self.heed()
        breaker, now = self.breaker, self._clock.monotonic()
        breaker.tick(now)
        breaker.window.pass_to(now)
        numbers: dict[str, object] = {"failures_in_row": breaker.failures}
        if breaker.thresholds.by_ratio:
            window = breaker.window
            numbers |= {"calls": window.calls, "failures": window.failures, "slow": window.slow}
        if breaker.state == OPEN:
            numbers |= {"opened_by": dict(breaker.opened_by), "seconds_left": self.wait(now)}
        if self.cause:
            numbers["cause"] = self.cause
        numbers |= {"probes": breaker.probing, "successes": breaker.successes}
        return Switched(breaker.state, self._clock.now() - (now - breaker.since), breaker.forced, numbers)

    def force(self, state: Literal["open", "closed"] | None) -> None:
        """Hold it open or closed; None lets it decide again."""
        self.breaker.force(state, self._clock.monotonic())

    def _fails(self, health: UpstreamHealth) -> str:
        return f"the health check of the upstream fails: {health.cause}"

    def _tell(self, transition: Transition) -> None:
        numbers = {
            name: spelled(Share(value)) if name == "threshold" and isinstance(value, float)
            else about(value) if isinstance(value, float)
            else value
            for name, value in transition.numbers.items()
        }  # fmt: skip
        self._report(
            f"{self._name}: {transition.before} -> {transition.after}, {transition.cause}",
            {"from": transition.before, "to": transition.after, **numbers},
        )
