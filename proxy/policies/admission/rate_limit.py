"""Limit how often one client, or everybody together, may ask in a period.

```yaml
rate_limit: {limit: 100/min, burst: 10%, key: [client.ip], penalty: {after: 3, max: 10m}}
```

A token bucket: `burst` requests may come at once, and tokens come back at the rate of `limit`,
evenly. At `100/min` with a burst of 10 the eleventh request is refused, and 600 ms later one
passes again. Without `burst` all of the limit may come at once. So in any time no more pass
than the burst and what the rate gives in that time.

This policy runs before anybody knows who the caller is, so that a flood costs next to nothing.

**Whose limit.** One for each `key`: an address, a value of the request's head, or several of
them together. An IPv6 client is its network (`clients.ipv6_prefix`, 64 bits where nothing
else is said), since one subscriber has more addresses than anybody could count; `client.net` is
the /64, or the /24 of an IPv4 address. A value that clients may leave out needs
`on_missing_key`: refuse them, let them pass without a limit, or limit them by their address.
A client without an address (on a unix socket) has no `client.ip`.

Clients choose headers, cookies and query parameters freely: such a key limits who is honest, as
`cookie:NAME` does the users of a web application by their sessions, whoever they are. Put a limit by
`client.ip` beside it.

**Several on one route.** A list of limits: all must let a request pass, and one that refuses
costs the others nothing. In shadow each decides by itself, on what the enforced ones let pass.

**What the client sees.** `429` with `Retry-After`, rounded up to whole seconds, from the limit
that makes it wait longest. On every response `RateLimit-Policy` and `RateLimit` (`headers:
ietf`, by the draft draft-ietf-httpapi-ratelimit-headers), `X-RateLimit-Limit`, `-Remaining`
and `-Reset` (`legacy`; the tightest limit, in seconds), both or none. `q` and `w` are those of
`limit`; `r` is what would pass at once now, `t` the seconds until the bucket is full, and in a
refusal those of `Retry-After`. The upstream's own stay, and are never made to promise more.

**Penalty.** With `penalty`, who goes on asking while being refused waits longer: each refusal
past `after` multiplies the wait by `factor`, up to `max`, and it is kept. It is forgotten
once the bucket is full again.

**State.** A bucket for each key, by the policy's name: on a hundred routes a named policy is one
limit, which must have the same `limit` and `burst` on each. A reload keeps it; where `limit`
or `burst` change, each client goes on with the same share of its bucket used. With the memory store a
restart forgets it, and every replica counts for itself; with `--store sqlite:///path` it survives
a restart, and with `--store redis://host` all replicas count together, penalties included. At
`max_keys` (in memory and sqlite) the bucket that would be full soonest is forgotten, but never that of
a client who is being refused: where all are, new clients share one bucket. In redis a bucket goes
once it is full again. A bucket takes about 280 bytes of memory (266 MiB for a million).

**Without the store.** `when_store_fails` says: `local`, the default, goes on with a limit in
memory, where each replica counts by itself and from a full bucket, so that a client may get its
burst once more, and as many times the limit as there are replicas; `allow` lets everything pass, as
Envoy and Kong do; `refuse` answers `503` with `Retry-After`. No request waits for a store for
longer than `--store-timeout`. A refusal by a local limit says so in its decision. Of several limits
on a route each does its own, and one that refuses refuses for all.

**Hardened against.** Rounding (whole microseconds, so that from any start exactly the burst
passes), clocks that jump, floods of made-up keys that are to push somebody's bucket out, IPv6
clients that change their address, keys of any length and content. Refusals consume nothing.
Decisions show addresses, and of other values the beginning of a hash.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from msgspec import Meta

from proxy.config import keys
from proxy.config.keys import Key
from proxy.exchange import Exchange, Response
from proxy.policies.limit_config import LimitConfig
from proxy.policies.limit_keys import buckets_of
from proxy.policies.limit_terms import Rolling
from proxy.policies.limiter import Limit, Limiter, Reasons
from proxy.policy import Services

EXCEEDED = (429, "rate_limit.exceeded", "Too many requests. Try again later.")
KEY_MISSING = (400, "rate_limit.key_missing", "The request does not say what its limit goes by.")
UNAVAILABLE = (503, "rate_limit.unavailable", "It cannot be told now how many requests there were.")

REASONS = Reasons(EXCEEDED, KEY_MISSING, UNAVAILABLE)


class RateLimitConfig(LimitConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    key: Annotated[
        tuple[Key, ...],
        Meta(min_length=1, max_length=8, description="Who shares one bucket; several facts are one key."),
    ] = (Key("client.ip"),)

    def check(self) -> Iterator[tuple[str, str]]:
        """Limits that nobody can keep, and keys that nobody can know yet."""
        yield from keys.problems(self.key, "admission", instead="quota")
        yield from super().check()


class RateLimit:
    """See the module's docstring."""

    def __init__(self, config: RateLimitConfig, services: Services) -> None:
        terms = Rolling(buckets_of(config, services))
        self._limiter = Limiter([Limit(config, services, terms, REASONS)])
        self.on_request = self._limiter.on_request
        self._tell = self._limiter.on_response

    def on_response(self, exchange: Exchange, response: Response) -> None:
        self._tell(exchange, response)


def together(limits: Sequence[RateLimit]) -> Limiter:
    """One policy that decides for several, so that one that refuses costs the others nothing."""
    return Limiter([limit for each in limits for limit in each._limiter.limits])  # noqa: SLF001  # its own module's
