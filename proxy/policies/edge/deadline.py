"""Bound how long one exchange may take, from its first byte to its last.

The time runs from when the head of the request had arrived, and covers everything after
that: policies that wait, the body of the request, every attempt and the waits between
them, and the body of the response. `timeout` bounds one attempt; this bounds them all.

```yaml
deadline: {total: 30s, propagate: X-Request-Timeout}
```

**Telling the upstream.** With `propagate`, the upstream is told in that header how long
the client will still be waiting, in whole milliseconds, so that it can give up work that
nobody waits for. The unit is that of Envoy's `x-envoy-expected-rq-timeout-ms`; fractions
are rounded down, so that the upstream never believes in more time than there is. What a
client sends under that name is dropped. Behind a policy that waits or repeats, such as
`retry`, it is told anew with each attempt.

**Being told by a proxy before us.** With `accept_from_clients`, a shorter time in that
header holds instead of `total`, if the peer is one of `clients.trusted_proxies`. Anything
but a whole number from 1 to 99999999 counts as not sent.

**What the client sees.** `504` where no head has been sent yet; after that the connection
is aborted, so that a cut response cannot be taken for a whole one. A connection that has
switched protocols, such as a WebSocket, is a conversation and not bounded.

**State.** None, and nothing that could fail.

**Hardened against.** Slow uploads and slow readers, which hold a connection for as long as
they like; clients that claim more time than an operator grants.

**In shadow.** An exchange that took longer is reported once it is over; the upstream is
told nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from msgspec import Meta

from proxy.config.schema import PolicyConfig
from proxy.config.spelling import about, spelled
from proxy.config.units import Duration, HeaderName
from proxy.errors import Rejection
from proxy.exchange import Exchange
from proxy.policy import Services

EXCEEDED = (504, "deadline.exceeded", "The request took longer than it may.")

REASONS = (EXCEEDED,)

_MAX_DIGITS = 8  # as in gRPC's timeout; keeps the arithmetic far from any overflow


class DeadlineConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    total: Annotated[
        Duration,
        Meta(gt=0, description="Time for the whole exchange: both bodies, every attempt, all waiting."),
    ]
    propagate: Annotated[
        HeaderName | None,
        Meta(description="Header that tells the upstream how many milliseconds are left; none where absent."),
    ] = None
    accept_from_clients: Annotated[
        bool,
        Meta(description="A shorter time in that header holds, if `clients.trusted_proxies` has the peer."),
    ] = False

    def check(self) -> Iterator[tuple[str, str]]:
        """A header to read needs a name."""
        if self.accept_from_clients and self.propagate is None:
            yield "accept_from_clients", "there is no header to accept; expected `propagate` to name it"

    def in_words(self) -> Sequence[str]:
        """How long an exchange may take."""
        return (f"at most {spelled(self.total)} from a request's first byte to the last of its response",)


class Deadline:
    """See the module's docstring."""

    def __init__(self, config: DeadlineConfig, services: Services) -> None:
        self._total = float(config.total)
        self._header = config.propagate
        self._accept = config.accept_from_clients
        self._monotonic = services.clock.monotonic
        # Made once, since the wire answers with it and nobody raises it: raising would add to its
        # traceback, and keep alive what that refers to.
        self._refusal = Rejection(*EXCEEDED, facts={"total": about(self._total)}, policy=services.name)
        self._name = services.name

    def on_request(self, exchange: Exchange) -> None:
        if self._header is None:
            exchange.bound_time(exchange.started + self._total, self._refusal)
            return
        total, refusal = self._total, self._refusal
        if self._accept and exchange.peer_trusted:
            asked = _seconds(exchange.request.headers.get(self._header))
            if asked is not None and asked < total:
                total = asked
                refusal = Rejection(*EXCEEDED, facts={"total": about(asked)}, policy=self._name)
        deadline = exchange.started + total
        exchange.bound_time(deadline, refusal)
        exchange.deadline_header = self._header
        exchange.tell_time_left(self._monotonic())


def _seconds(milliseconds: str | None) -> float | None:
    if not milliseconds or len(milliseconds) > _MAX_DIGITS:
        return None
    if not (milliseconds.isascii() and milliseconds.isdigit()):
        return None
    return int(milliseconds) / 1000 or None
