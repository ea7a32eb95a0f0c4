"""A circuit breaker: closed lets calls pass, open none, half-open a few that show how it goes.

Who wants to call asks for a permit and gives it back: with a result (`record`), or without
one (`release`). A permit is of one generation, and each transition begins the next: results
of calls that were started before it say nothing about now, and don't count. While probing,
a permit is also a lease on one of a few places. One that is lost runs out, so that no lost
probe can keep the breaker from closing.

Half-open has two parts: probes, and then, where `ramp` is above 0, a share of the calls that
grows from none to all. Times are seconds of one clock that never goes back; what is due by
time happens when the breaker is asked next, or at `tick`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Literal

from proxy.algorithms.backoff import grown
from proxy.algorithms.rolling_window import RollingWindow

State = Literal["closed", "open", "half-open"]
CLOSED: State = "closed"
OPEN: State = "open"
HALF_OPEN: State = "half-open"

Permit = tuple[int, int]
"""Generation, and the number of the probe; 0 for a call that is none. A plain tuple: every call has one."""


@dataclass(frozen=True, slots=True)
class OpenTime:
    """How long it stays open: `base`, and each time in a row `factor` times as long, up to `most`."""

    base: float
    factor: float = 1.0
    most: float = inf

    def nth(self, opening: int) -> float:
        """Of the first opening since it was closed (1), or a later one."""
        return grown(self.base, self.factor, self.most, opening)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When it opens and closes. None: not by this."""

    consecutive: int | None = None
    failure_ratio: float | None = None
    slow_ratio: float | None = None
    slow_after: float = inf
    min_calls: int = 1
    """Below so many in the window no ratio counts."""
    window: float = 10.0
    open_time: OpenTime = field(default_factory=lambda: OpenTime(30.0))
    probes: int = 1
    """At the same time."""
    successes: int = 1
    probe_time: float = 10.0
    ramp: float = 0.0

    by_ratio: bool = field(init=False, repr=False)
    """A window is needed."""

    def __post_init__(self) -> None:
        by_ratio = self.failure_ratio is not None or self.slow_ratio is not None
        object.__setattr__(self, "by_ratio", by_ratio)


@dataclass(frozen=True, slots=True)
class Transition:
    """From one state to another, or from probes to a growing share."""

    before: State
    after: State
    cause: str
    """In words."""
    numbers: Mapping[str, object]
    """What was measured, and which threshold it crossed."""
    at: float


@dataclass(slots=True)
class _Lease:
    until: float
    goes_well: Callable[[], bool]


class Breaker:
    """For one thread. `tell` learns of each transition."""

    def __init__(
        self,
        thresholds: Thresholds,
        now: float,
        tell: Callable[[Transition], object] = lambda _: None,
    ) -> None:
        self.state: State = CLOSED
        self.since = now
        """When this state began."""
        self.until = inf
        """When time alone ends this state."""
        self.forced = False
        """An operator holds it as it is."""
        self.held = False
        """It is open as long as something else says so."""
        self.opened_by: Mapping[str, object] = {}
        """What was measured when it opened last, and which threshold that crossed."""
        self.passing: Permit | None = (0, 0)
        """The permit of every call while it is closed; None while it must be asked."""
        self.failures = 0
        """In a row."""
        self.successes = 0
        """Of probes."""
        self.thresholds = thresholds
        self.window = RollingWindow(thresholds.window)
        self._tell = tell
        self._generation = 0
        self._openings = 0
        self._ramping = False
        self._credit = 0.0
        self._probe = 0
        self._leases: dict[int, _Lease] = {}

    @property
    def probing(self) -> int:
        """How many probes are under way."""
        return len(self._leases)

    @property
    def open_time(self) -> float:
        """Seconds that it stays open, this time or the next."""
        return self.thresholds.open_time.nth(max(self._openings, 1))

    def adopt(self, thresholds: Thresholds, now: float) -> None:
        """From now on by these. The state stays, and what is counted."""
        if thresholds.window != self.window.span:
            self.window = self.window.respanned(thresholds.window, now)
        self.thresholds = thresholds
        if self.state == OPEN and not (self.forced or self.held):
            self.until = self.since + self.open_time

    def ask(self, now: float) -> Permit | None:
        """May a call be made? None where not: `wait` tells how long not."""
        self.tick(now)
        if self.state == CLOSED:
            return self.passing
        if self.state == OPEN:
            return None
        if self._ramping:
            self._credit += (now - self.since) / (self.until - self.since)
            if self._credit < 1.0:
                return None
            self._credit -= 1.0
            return self._generation, 0
        if len(self._leases) >= self.thresholds.probes:
            return None
        self._probe += 1
        self._leases[self._probe] = _Lease(now + self.thresholds.probe_time, lambda: False)
        return self._generation, self._probe

    def attend(self, permit: Permit, goes_well: Callable[[], bool]) -> None:
        """Ask `goes_well` when the lease of this probe runs out: if not, the probe has failed."""
        lease = self._leases.get(permit[1])
        if lease is not None:
            lease.goes_well = goes_well

    def wait(self, now: float) -> float | None:
        """Seconds until it may let a call pass that it refuses now; None where nobody knows."""
        until = min((lease.until for lease in self._leases.values()), default=self.until)
        return None if until == inf else max(until - now, 0.0)

    def record(self, permit: Permit, now: float, *, failed: bool, seconds: float) -> None:
        """The call that this permit is for has ended, after so many `seconds`."""
        generation, probe = permit
        if generation != self._generation or self.forced:
            return
        thresholds = self.thresholds
        if probe:
            if self._leases.pop(probe, None) is not None:
                slow = thresholds.slow_ratio is not None and seconds > thresholds.slow_after
                self._probed(now, "a probe failed" if failed else "a probe was slow" if slow else "")
            return
        self.failures = self.failures + 1 if failed else 0
        if thresholds.by_ratio:
            self.window.add(now, failed=failed, slow=seconds > thresholds.slow_after)
            self._judge(now)
        if self.state != OPEN and thresholds.consecutive is not None:
            limit = thresholds.consecutive
            if self.failures >= limit:
                count = self.failures
                cause = f"{count} failure{'s' if count > 1 else ''} in a row"
                self._open(now, cause, {"failures": count, "threshold": limit})

    def release(self, permit: Permit) -> None:
        """The call was not made, or came to no result."""
        if permit[0] == self._generation:
            self._leases.pop(permit[1], None)

    def tick(self, now: float) -> None:
        """Do what is due by time."""
        if self.state == OPEN and now >= self.until:
            waited = self.until - self.since
            self._half_open(self.until, "its time is over", {"open_for": waited})
        for probe, lease in list(self._leases.items()) if self._leases else ():
            if now >= lease.until and probe in self._leases:
                del self._leases[probe]
                self._probed(lease.until, "" if lease.goes_well() else "a probe took too long")
        if self._ramping and now >= self.until:
            self._close(self.until, "all calls pass again", {"recovery": self.until - self.since})

    def force(self, state: Literal["open", "closed"] | None, now: float) -> None:
        """Hold it open or closed; with None, let it decide again: from open by probes, as ever."""
        if state is None and not self.forced:
            return
        cause = "an operator forced it" if state else "an operator left it to itself"
        if state == OPEN:
            self._become(OPEN, now, cause, {})
            self.opened_by = {"forced": True}
        elif CLOSED in (state, self.state):
            self._close(now, cause, {})
        else:
            self._half_open(now, cause, {})
        self.forced = state is not None

    def hold(self, now: float, cause: str, numbers: Mapping[str, object]) -> None:
        """Open until somebody lets go: it is known that calls would fail. Operators come first."""
        self.tick(now)
        if self.held or self.forced:
            return
        if self.state != OPEN:
            self._become(OPEN, now, cause, numbers)
            self.opened_by = numbers
        self.held, self.until = True, inf

    def let_go(self, now: float, cause: str) -> None:
        """Where it is held: probe at once."""
        if self.held:
            self._half_open(now, cause, {})

    # ---- transitions

    def _judge(self, now: float) -> None:
        """Open where a ratio in the window is over its threshold."""
        thresholds, window = self.thresholds, self.window
        if window.calls < thresholds.min_calls:
            return
        for what, count, most in (
            ("failed", window.failures, thresholds.failure_ratio),
            ("were slow", window.slow, thresholds.slow_ratio),
        ):
            if most is not None and count >= most * window.calls:
                cause = f"{count} of {window.calls} calls {what}"
                key = "failures" if what == "failed" else "slow"
                self._open(now, cause, {key: count, "calls": window.calls, "threshold": most})
                return

    def _probed(self, now: float, failure: str) -> None:
        """A probe has ended, well where `failure` is empty."""
        if failure:
            self._open(now, failure, {"failures": 1, "threshold": 1, "successes": self.successes})
            return
        self.successes += 1
        if self.successes < self.thresholds.successes:
            return
        numbers = {"successes": self.successes, "threshold": self.thresholds.successes}
        cause = f"{self.successes} probe{'s' if self.successes > 1 else ''} succeeded"
        if self.thresholds.ramp > 0:
            self._become(HALF_OPEN, now, f"{cause}, calls pass in a growing share", numbers)
            self._ramping, self._credit, self.until = True, 0.0, now + self.thresholds.ramp
        else:
            self._close(now, cause, numbers)

    def _open(self, now: float, cause: str, numbers: Mapping[str, object]) -> None:
        self._openings += 1
        self.opened_by = numbers
        self._become(OPEN, now, cause, {**numbers, "open_for": self.open_time})
        self.until = now + self.open_time

    def _half_open(self, now: float, cause: str, numbers: Mapping[str, object]) -> None:
        self._become(HALF_OPEN, now, cause, numbers)

    def _close(self, now: float, cause: str, numbers: Mapping[str, object]) -> None:
        self._become(CLOSED, now, cause, numbers)
        self._openings = 0
        self.passing = (self._generation, 0)

    def _become(self, state: State, now: float, cause: str, numbers: Mapping[str, object]) -> None:
        before, self.state, self.since, self.until = self.state, state, now, inf
        self._generation += 1
        self.passing = None
        self.failures = self.successes = 0
        self.window.clear()
        self._leases.clear()
        self._ramping = False
        self.forced = self.held = False
        self._tell(Transition(before, state, cause, numbers, now))
