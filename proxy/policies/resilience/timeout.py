"""Bound how long one attempt to call the upstream may take.

`connect` covers the name look-up, the connection and its TLS handshake; `response` the time
from the last byte of the request until the head of the response; `idle` each pause within a
body, in either direction. A long download that keeps flowing is fine; `attempt` is for calls
for which it is not, and bounds all of one, from its connection to the last byte of its answer.
What bounds all attempts and the waits between them is `deadline`.

```yaml
timeout: {connect: 2s, response: 10s, idle: 30s}
```

With `timeout: {attempt: 10s}` each call has ten seconds, as the time limit of most HTTP clients
has it: an answer that trickles is given up, too. What the client takes to send a body, or to read
the answer, is part of that, and so is the wait for a place in the upstream's pool. A connection that
has switched protocols is not bounded.

**What the client sees.** `504` where no head has been sent yet; after that the connection
is aborted, so that a cut response cannot be taken for a whole one. Where it was the client's body that
came too slowly for `attempt`, `408`; where there was only a wait for a place in the pool, `503`.

**State.** None, and nothing that could fail. Routes without this policy have the same
limits, with the defaults below.

**Hardened against.** An upstream that accepts connections and never answers, or stops in
the middle of a body, or sends it a byte at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Annotated

from msgspec import Meta

from proxy.config.schema import PolicyConfig
from proxy.config.spelling import spelled
from proxy.config.units import Duration
from proxy.exchange import DEFAULT_LIMITS, AttemptLimits, Exchange
from proxy.policy import Services

CONNECT = (504, "timeout.connect", "The upstream could not be reached in time.")
RESPONSE = (504, "timeout.response", "The upstream did not answer in time.")
IDLE_READING = (504, "timeout.idle", "The upstream stopped reading the request.")
IDLE_SENDING = (504, "timeout.idle", "The upstream stopped sending its answer.")

ATTEMPT = (504, "timeout.attempt", "The upstream took longer than a call may.")

REASONS = (CONNECT, RESPONSE, IDLE_READING, IDLE_SENDING, ATTEMPT)


class TimeoutConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    connect: Annotated[
        Duration, Meta(gt=0, description="From the first packet until a connection can be written to.")
    ] = Duration(DEFAULT_LIMITS.connect)
    response: Annotated[
        Duration, Meta(gt=0, description="From the last byte of the request until the head of the response.")
    ] = Duration(DEFAULT_LIMITS.response)
    idle: Annotated[Duration, Meta(gt=0, description="Without a byte of a body, in either direction.")] = (
        Duration(DEFAULT_LIMITS.idle)
    )
    attempt: Annotated[
        Duration | None,
        Meta(
            gt=0,
            description="All of a call, to the last byte of its answer; as long as it takes where absent.",
        ),
    ] = None

    @property
    def longest_silence(self) -> float:
        """Seconds that an upstream that does not answer is waited for."""
        return self.response if self.attempt is None else min(self.response, self.attempt)

    def in_words(self) -> Sequence[str]:
        """What each attempt may take."""
        words = [
            f"{spelled(self.connect)} to connect",
            f"{spelled(self.response)} for the head of the response",
            f"{spelled(self.idle)} without a byte of a body",
        ]
        if self.attempt is not None:
            words.append(f"{spelled(self.attempt)} for all of a call")
        return words


class Timeout:
    """See the module's docstring."""

    def __init__(self, config: TimeoutConfig, services: Services) -> None:  # noqa: ARG002  # same for all
        self._limits = AttemptLimits(
            connect=float(config.connect),
            response=float(config.response),
            idle=float(config.idle),
            attempt=inf if config.attempt is None else float(config.attempt),
        )

    def on_request(self, exchange: Exchange) -> None:
        exchange.limits = self._limits
