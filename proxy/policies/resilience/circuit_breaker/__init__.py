"""Stop calling an upstream that fails, and try again a little later.

```yaml
circuit_breaker:
  trip: {consecutive_failures: 5, failure_ratio: 50%, min_requests: 20, window: 10s}
  open_for: {base: 5s, factor: 2.0, max: 5m}
  half_open: {probes: 3, successes: 2, probe_timeout: 10s}
```

*Closed*, all calls pass. It opens on the 5th failure in a row with `consecutive_failures: 5`, or
where in the last `window` at least `failure_ratio` of the calls failed, or `slow_ratio` took longer
than `slow_after`, out of at least `min_requests`. *Open*, nothing reaches the upstream. After
`open_for` it is *half-open*: at most `probes` requests at a time are let through to find out. It
closes when `successes` of them went well, and opens again when one fails: with `factor`, for longer each
time, until it has been closed. With `recovery`, the calls that may pass then grow from none to
all in that time, so that an upstream that has just come back is not run over.

**What is a failure.** An answer with one of the statuses in `failures` (any 5xx), a connection that
can't be made (`connect`), no answer in time (`timeout`; a `deadline` that ends while the upstream
works, too), a connection or an answer that breaks off or is no HTTP (`reset`), also in the middle of a
body. What clients do wrong never counts: no 4xx but `429`, and that only where it is asked for, no
client that leaves, no body that is too large. A call lasts until the last byte of its answer; with
`slow_ratio`, a client that reads a large answer slowly makes a slow call.

A connection that turns out to have been closed while it was idle is no failure where the request may be sent
again over another: how that goes is what counts.

**The health check of the upstream.** With `health_check: true`, what the upstream's own `health_check`
says counts, too: while it fails nothing is called, whatever `trip` and `open_for` say, and once it passes
again the breaker is half-open at once. That takes a `health_check` in the upstream
([health checks](../health-checks.md)), and a breaker of its own for each upstream. In rehearsals no check is
made, so that none fails.

**Each attempt counts.** Behind a policy that waits or repeats, such as `retry`, the breaker is asked
before each call and told how each went, so that repetitions stop when it opens, and nobody waits for one
that it would not let pass.

**What the client sees.** `503` with `Retry-After`: the rest of `open_for`. With `on_open`, an answer
of your own instead, or what another upstream says: with `on_open: {upstream: backup}`, requests that
it does not let pass go there, those that find no place for a probe too. That upstream has a pool,
TLS and a `Host` of its own, and what it does is not counted here; access log, decisions and metrics
say that it was called. With `retry`, each attempt is asked about anew.

**State.** In memory, by the policy's name: on several routes a named breaker is one, which must have
the same settings on each but for `on_open`. A reload keeps it, and goes on by the new settings; a restart
begins closed, and every replica judges for itself. There is nothing that could fail. Metrics show
the state, the log each change with its cause and numbers; the admin API shows both, and can hold
it open or closed. In shadow it has a state of its own, judges by what all requests come to, and
reports which ones it would have refused, or sent elsewhere; neither metrics nor the admin API show
that state.

**Hardened against.** Probes that get lost: each has its place for `probe_timeout` at most, and one
that has had no good answer by then has failed. Late news: results of calls that were started before the state
changed don't count. Floods while half-open: places are given out one by one, and given back whatever
way a request ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from math import inf
from typing import Annotated

import msgspec
from msgspec import Meta

from proxy.algorithms.breaker import OPEN as STATE_OPEN
from proxy.algorithms.breaker import OpenTime, Permit, Thresholds
from proxy.config.schema import PolicyConfig
from proxy.config.spelling import about, spelled
from proxy.config.units import Duration
from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Attempt, Exchange, ExchangeKey, Outcome, Response
from proxy.headers import Headers
from proxy.policies.resilience.circuit_breaker.settings import (
    AnswerConfig,
    BackOffConfig,
    FailuresConfig,
    HalfOpenConfig,
    TripConfig,
)
from proxy.policies.resilience.circuit_breaker.switch import CircuitSwitch
from proxy.policy import Services

OPEN = (503, "circuit_breaker.open", "The service is not available at the moment. Try again later.")

REASONS = (OPEN,)

_DEADLINE = "deadline.exceeded"
_NO_PLACE = "upstream.busy"
"""Too many calls at once for the pool: nobody has asked the upstream."""
_KINDS = {"upstream.unreachable": "connect", "timeout.connect": "connect", _DEADLINE: "timeout"}


_ELSEWHERE: tuple[Permit, int] = ((-1, 0), 2**63)
"""Stands for the permit of a call that goes to another upstream: of no generation, for no attempt."""


class CircuitBreakerConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    trip: Annotated[TripConfig, Meta(description="What opens it.")] = TripConfig(consecutive_failures=5)
    failures: Annotated[FailuresConfig, Meta(description="What is a failure.")] = FailuresConfig()
    open_for: Annotated[
        Annotated[Duration, Meta(gt=0)] | BackOffConfig,
        Meta(description="How long nothing is called: a time, or one that grows."),
    ] = Duration(30)
    half_open: Annotated[HalfOpenConfig, Meta(description="How it tries again.")] = HalfOpenConfig()
    recovery: Annotated[
        Duration, Meta(description="Time in which the calls that pass then grow to all; at once where 0s.")
    ] = Duration(0)
    health_check: Annotated[
        bool,
        Meta(description="`true`: open while the upstream's `health_check` fails, half-open at once then."),
    ] = False
    on_open: Annotated[
        AnswerConfig | None,
        Meta(description="What clients get while it is open; 503 with Retry-After where absent."),
    ] = None

    @property
    def thresholds(self) -> Thresholds:
        """What all of it comes to."""
        trip, half_open, open_for = self.trip, self.half_open, self.open_for
        return Thresholds(
            consecutive=trip.consecutive_failures,
            failure_ratio=trip.failure_ratio,
            slow_ratio=trip.slow_ratio,
            slow_after=inf if trip.slow_after is None else float(trip.slow_after),
            min_calls=trip.min_requests,
            window=float(trip.window),
            open_time=OpenTime(open_for.base, open_for.factor, open_for.max)
            if isinstance(open_for, BackOffConfig)
            else OpenTime(open_for),
            probes=half_open.probes,
            successes=half_open.successes,
            probe_time=float(half_open.probe_timeout),
            ramp=float(self.recovery),
        )

    def other_upstreams(self) -> Iterator[tuple[str, str]]:
        """The one that is called instead."""
        if self.on_open is not None and self.on_open.upstream is not None:
            yield "on_open.upstream", self.on_open.upstream

    def in_words(self) -> Sequence[str]:
        """When it opens, for how long, and how it closes."""
        trip, half_open, open_for = self.trip, self.half_open, self.open_for
        ways = []
        if trip.consecutive_failures is not None:
            ways.append(f"on the {_ordinal(trip.consecutive_failures)} failure in a row")
        among = f"of at least {trip.min_requests} calls in {spelled(trip.window)}"
        if trip.failure_ratio is not None:
            ways.append(f"when {spelled(trip.failure_ratio)} {among} failed")
        if trip.slow_ratio is not None and trip.slow_after is not None:
            ways.append(f"when {spelled(trip.slow_ratio)} {among} took over {spelled(trip.slow_after)}")
        time = spelled(open_for)
        if isinstance(open_for, BackOffConfig):
            growing = f"{open_for.factor:g} times as long each time in a row"
            time = f"{spelled(open_for.base)}, {growing}, up to {spelled(open_for.max)}"
        probes = f"{half_open.probes} probe{'s' if half_open.probes > 1 else ''} at a time"
        closed = f"closed after {half_open.successes} success{'es' if half_open.successes > 1 else ''}"
        words = [f"opens {' or '.join(ways)}, for {time}; then {probes}, {closed}"]
        if self.recovery:
            words.append(f"and then calls pass in a share that grows for {spelled(self.recovery)}")
        if self.health_check:
            words.append("and open while the health check of the upstream fails")
        if self.on_open is not None and self.on_open.upstream is not None:
            words.append(f"what it does not let pass goes to the upstream {self.on_open.upstream}")
        return words


def _ordinal(number: int) -> str:
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


class CircuitBreaker:
    """See the module's docstring."""

    def __init__(self, config: CircuitBreakerConfig, services: Services) -> None:
        self._thresholds = config.thresholds
        self._switch = services.shared("switch", lambda: CircuitSwitch(self._thresholds, services))
        self._edition = self._switch.edition()
        self._breaker = self._switch.breaker
        self._health = services.health
        self._name = services.name
        self._monotonic = services.clock.monotonic
        self._statuses = frozenset(config.failures.status)
        self._errors = frozenset(config.failures.errors)
        self._instead = None if config.on_open is None else config.on_open.upstream
        self._answer = None if config.on_open is None or self._instead else _response(config.on_open)
        # A permit, and how many attempts there were before the one that it is for.
        self._key = ExchangeKey[tuple[Permit, int] | None](services.name)

    def on_request(self, exchange: Exchange) -> Response | None:
        switch, breaker = self._switch, self._breaker
        if switch.adopted < self._edition:
            switch.adopt(self._edition, self._thresholds, self._health)
        if self._health is not None:
            switch.heed()
        noted = exchange.recall(self._key)
        if noted is not None:
            self._give_back(exchange, noted)
        if exchange.upstream is not None:
            return None  # a breaker before this one has it called elsewhere
        permit = breaker.passing or breaker.ask(self._monotonic())
        if permit is None:
            return self._refused(exchange)
        if permit[1]:
            breaker.attend(permit, partial(self._goes_well, exchange))
        exchange.remember(self._key, (permit, exchange.attempts))
        return None

    def on_attempt(self, exchange: Exchange, attempt: Attempt) -> None:
        noted = exchange.recall(self._key)
        if noted is None or attempt.number <= noted[1]:
            return  # in shadow, of a call that would not have been made; or it was given back
        exchange.remember(self._key, None)
        failed = self._failed(attempt.status, attempt.error) if exchange.upstream is None else None
        if failed is None:
            self._breaker.release(noted[0])
        else:
            ended = attempt.ended
            self._breaker.record(noted[0], ended, failed=failed, seconds=ended - attempt.started)
        if self._breaker.state == STATE_OPEN:
            now = self._monotonic()
            wait = self._switch.wait(now)
            exchange.barred_until = max(exchange.barred_until, inf if wait is None else now + wait)

    def on_finish(self, exchange: Exchange, outcome: Outcome) -> None:  # noqa: ARG002  # however it ended
        noted = exchange.recall(self._key)
        if noted is not None:
            self._breaker.release(noted[0])

    def _failed(self, status: int | None, error: Exception | None) -> bool | None:
        """Whether it was the upstream's fault; None where the call says nothing about the upstream."""
        if status in self._statuses:
            return True
        if error is None:
            return None if status is None else False
        reason = error.reason if isinstance(error, Rejection) else ""
        if reason == _NO_PLACE or not (isinstance(error, UpstreamError) or reason == _DEADLINE):
            return None
        kind = _KINDS.get(reason, "timeout" if reason.startswith("timeout.") else "reset")
        return True if kind in self._errors else None

    def _goes_well(self, exchange: Exchange) -> bool:
        """Of a probe that is still running: it has brought a good head."""
        status = exchange.upstream_status
        return status is not None and status not in self._statuses

    def _give_back(self, exchange: Exchange, noted: tuple[Permit, int]) -> None:
        """The call that is repeated now is over, though its last byte has not been seen."""
        status = exchange.upstream_status
        if noted is _ELSEWHERE:
            exchange.upstream = None
        elif exchange.attempts > noted[1] and status in self._statuses:
            self._breaker.record(noted[0], self._monotonic(), failed=True, seconds=0.0)
        else:
            self._breaker.release(noted[0])
        exchange.remember(self._key, None)

    def _refused(self, exchange: Exchange) -> Response | None:
        """What is answered, or None where another upstream does; raises Rejection where it is a refusal."""
        if self._instead is not None and not exchange.in_shadow:
            exchange.upstream = self._instead
            exchange.remember(self._key, _ELSEWHERE)
            return None
        if self._answer is not None:
            answer = self._answer
            return Response(answer.status, answer.headers.copy(), answer.content)
        breaker = self._breaker
        facts = {"state": breaker.state, **breaker.opened_by, "open_for": about(breaker.open_time)}
        if self._instead is not None:
            facts["upstream"] = self._instead
        wait = self._switch.wait(self._monotonic())
        raise Rejection(*OPEN, retry_after=wait, cause=self._switch.cause, facts=facts, policy=self._name)


def _response(answer: AnswerConfig) -> Response:
    headers = Headers()
    content, content_type = b"", ""
    if answer.json is not None:
        content, content_type = msgspec.json.encode(answer.json), "application/json"
    elif answer.text is not None:
        content, content_type = answer.text.encode(), "text/plain; charset=utf-8"
    if content_type and not any(name.lower() == "content-type" for name in answer.headers):
        headers.add("Content-Type", content_type)
    for name, value in answer.headers.items():
        headers.add(name, value)
    return Response(answer.status or OPEN[0], headers, content)
