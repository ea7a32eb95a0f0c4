"""Bound how long one attempt to call the upstream may take.

`connect` covers the name look-up, the connection and its TLS handshake; `response` the time
from the last byte of the request until the head of the response; `idle` each pause within a
body, in either direction. A long download that keeps flowing is fine: what bounds the whole
is `deadline`.

```yaml
timeout: {connect: 2s, response: 10s, idle: 30s}
```

**What the client sees.** `504` where no head has been sent yet; after that the connection
is aborted, so that a cut response cannot be taken for a whole one.

**State.** None, and nothing that could fail. Routes without this policy have the same
limits, with the defaults below.

**Hardened against.** An upstream that accepts connections and never answers, or stops in
the middle of a body.
"""

from __future__ import annotations

from collections.abc import Sequence
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

REASONS = (CONNECT, RESPONSE, IDLE_READING, IDLE_SENDING)


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

    def in_words(self) -> Sequence[str]:
        """What each attempt may take."""
        return (
            f"{spelled(self.connect)} to connect",
            f"{spelled(self.response)} for the head of the response",
            f"{spelled(self.idle)} without a byte of a body",
        )


class Timeout:
    """See the module's docstring."""

    def __init__(self, config: TimeoutConfig, services: Services) -> None:  # noqa: ARG002  # same for all
        self._limits = AttemptLimits(
            connect=float(config.connect), response=float(config.response), idle=float(config.idle)
        )

    def on_request(self, exchange: Exchange) -> None:
        exchange.limits = self._limits
