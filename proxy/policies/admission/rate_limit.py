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

Clients choose headers and query parameters freely: such a key limits who is honest. Put a
limit by `client.ip` beside it.

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
or `burst` change, each client goes on with the same share of its bucket used. It is in memory,
so that a restart forgets it, and every replica counts for itself; there is nothing that could
fail. At `max_keys` the bucket that would be full soonest is forgotten, but never that of a
client who is being refused: where all are, new clients share one bucket. Each takes about 300 bytes.

**Hardened against.** Rounding (whole microseconds, so that from any start exactly the burst
passes), clocks that jump, floods of made-up keys that are to push somebody's bucket out, IPv6
clients that change their address, keys of any length and content. Refusals consume nothing.
Decisions show addresses, and of other values the beginning of a hash.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from msgspec import Meta

from proxy.algorithms.gcra import MICROSECONDS, Penalty, Quota, Taken
from proxy.config import keys
from proxy.config.keys import Key
from proxy.config.schema import PolicyConfig, Schema
from proxy.config.spelling import about, spelled
from proxy.config.units import Duration, Rate, Share
from proxy.errors import Change, Rejection
from proxy.exchange import Exchange, ExchangeKey, Response
from proxy.policies.keys import reader, shown
from proxy.policies.limit_fields import LimitFields, Style
from proxy.policy import Services
from proxy.stores.protocol import AtHand, Buckets

EXCEEDED = (429, "rate_limit.exceeded", "Too many requests. Try again later.")
KEY_MISSING = (400, "rate_limit.key_missing", "The request does not say what its limit goes by.")

REASONS = (EXCEEDED, KEY_MISSING)

_CLIENT = Key("client.ip")
_BY_ADDRESS = "\ud801"
"""In front of an address that stands for a missing key: no client can send it."""


class PenaltyConfig(Schema, frozen=True, kw_only=True):
    """See the module's docstring."""

    after: Annotated[int, Meta(ge=0, le=1_000_000, description="Refusals that cost nothing extra.")] = 3
    factor: Annotated[
        float, Meta(gt=1, le=100, description="How much longer the wait is with each further refusal.")
    ] = 2.0
    max: Annotated[Duration, Meta(gt=0, description="The longest wait that it comes to.")] = Duration(3600)


class RateLimitConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    limit: Annotated[Rate, Meta(description="How many in a period, sustained.")]
    burst: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000_000)] | Annotated[Share, Meta(gt=0)],
        Meta(description="Size of the bucket: how many at once; a number, or a share of `limit`."),
    ] = Share(1.0)
    key: Annotated[
        tuple[Key, ...],
        Meta(min_length=1, max_length=8, description="Who shares one bucket; several facts are one key."),
    ] = (_CLIENT,)
    cost: Annotated[int, Meta(ge=1, description="How many tokens a request takes.")] = 1
    on_missing_key: Annotated[
        Literal["refuse", "allow", "ip"] | None,
        Meta(
            description="Where a part of the key is missing: `refuse` with 400, `allow` without a limit, or "
            "limit by `ip`. Must be said where clients may leave it out; else `refuse`."
        ),
    ] = None
    penalty: Annotated[
        PenaltyConfig | None, Meta(description="Longer waits for those who go on asking; none where absent.")
    ] = None
    headers: Annotated[
        Style,
        Meta(description="`RateLimit` of the IETF draft, `legacy` X-RateLimit-*, `both`, or `none`."),
    ] = "ietf"
    max_keys: Annotated[
        int, Meta(ge=1, le=10_000_000, description="Buckets that are remembered at most.")
    ] = 100_000

    def check(self) -> Iterator[tuple[str, str]]:
        """Limits that nobody can keep, and keys that nobody can know."""
        yield from keys.problems(self.key, "admission", instead="quota")
        if not self.bucket:
            yield "burst", f"{spelled(self.burst)} of {self.limit} is less than one; expected at least 1"
        elif self.cost > self.bucket:
            yield "cost", f"{self.cost} is above the burst, {self.bucket}, so that nothing could ever pass"
        missing = [key for key in self.key if key.may_be_missing]
        if missing and self.on_missing_key is None:
            expected = "expected refuse, allow or ip"
            yield "", f"`on_missing_key` is missing, and a request may lack {missing[0]}; {expected}"

    @property
    def bucket(self) -> int:
        """The burst as a number; 0 where the share comes to less than one."""
        if isinstance(self.burst, Share):
            return int(self.burst * self.limit.limit + 1e-6)  # a share is a float: 29% of 100 are 29
        return self.burst

    @property
    def quota(self) -> Quota:
        """What `limit` and `burst` come to."""
        return Quota(self.limit.limit, self.limit.period, self.bucket)

    def in_words(self) -> Sequence[str]:
        """What may come at once, how fast it comes back, and for whom."""
        one = f"one per {about(self.quota.interval / MICROSECONDS)}"
        at_once = f"at most {self.bucket} at once, then {one}" if self.bucket > 1 else one
        words = [f"{at_once}, {keys.in_words(self.key)}"]
        if self.cost > 1:
            words.append(f"each request counts as {self.cost}")
        if self.penalty is not None:
            penalty = self.penalty
            words.append(
                f"each refusal after {penalty.after} makes the wait {penalty.factor:g} times as long, "
                f"up to {spelled(penalty.max)}"
            )
        return words


class RateLimit:
    """See the module's docstring."""

    def __init__(self, config: RateLimitConfig, services: Services) -> None:
        store = services.store
        if not isinstance(store, AtHand):
            raise ValueError("needs a store in this process, which cannot fail")  # noqa: TRY004  # for operators
        self._limit = limit = _Limit(config, services, store)
        self._read = limit.read
        self._take = store.take_now
        self._buckets = limit.buckets
        self._cost = config.cost
        self._taken = limit.taken
        self.on_response = limit.tell

    def on_request(self, exchange: Exchange) -> None:
        key = self._read(exchange, b"") or self._limit.without(exchange)
        if key is None:
            return
        taken = self._take(self._buckets, key, self._cost)
        exchange.remember(self._taken, taken)
        if not taken[0]:
            raise self._limit.refusal(exchange, taken[1], only=True)


class _Limit:
    """One of the limits of a route."""

    def __init__(self, config: RateLimitConfig, services: Services, store: AtHand) -> None:
        self.store = store
        penalty = config.penalty
        self.buckets = Buckets(
            f"{services.name}?{','.join(config.key)}",  # by another key it is another limit
            config.quota,
            config.max_keys,
            Penalty(penalty.after, penalty.factor, round(penalty.max * MICROSECONDS)) if penalty else None,
        )
        self.cost = config.cost
        self.taken = ExchangeKey[Taken](services.name)
        self._name = services.name
        self._limit = config.limit
        self._facts = config.key
        self._prefix = services.ipv6_prefix
        self.read = reader(config.key, services.ipv6_prefix)
        self._address = reader((_CLIENT,), services.ipv6_prefix)
        self._on_missing = config.on_missing_key or "refuse"
        self._tells = config.headers != "none"
        self._fields = LimitFields(config.headers, services.name.rpartition("/")[2], config.quota)

    def key(self, exchange: Exchange) -> str | None:
        """Whose bucket it is; None for a request that passes without one."""
        return self.read(exchange, b"") or self.without(exchange)

    def refusal(self, exchange: Exchange, used: int, *, only: bool) -> Rejection:
        """What is raised where so much is used; `only`: no other limit refuses as well."""
        quota = self.buckets.quota
        wait = quota.wait(used, self.cost)
        facts = {
            "limit": str(self._limit),
            "burst": quota.burst,
            "remaining": quota.remaining(used),
            "cost": self.cost,
            "key": shown(self._facts, exchange, ipv6_prefix=self._prefix),
        }
        # A wait beyond an empty bucket's is a penalty, which a larger burst would not have forgiven.
        change = (
            Change("burst", quota.burst_for(used, self.cost)) if only and used <= quota.tolerance else None
        )
        return Rejection(
            *EXCEEDED, retry_after=wait / MICROSECONDS, facts=facts, change=change, policy=self._name
        )

    def tell(self, exchange: Exchange, response: Response) -> None:
        """Put on the response what the client should know."""
        if not self._tells:
            return
        taken = exchange.recall(self.taken)
        if taken is None:
            self._fields.write(response, None)
            return
        passed, used = taken
        quota = self.buckets.quota
        self._fields.write(response, (quota.remaining(used), used if passed else quota.wait(used, self.cost)))

    def without(self, exchange: Exchange) -> str | None:
        """The key of a request that lacks a part of it."""
        if self._on_missing == "allow":
            return None
        if self._on_missing == "ip":
            address = self._address(exchange, b"")
            if address is not None:
                return _BY_ADDRESS + address
        facts = {"key": shown(self._facts, exchange, ipv6_prefix=self._prefix)}
        raise Rejection(*KEY_MISSING, facts=facts, policy=self._name)


class _Together:
    """Several limits: all let a request pass, or none takes anything."""

    def __init__(self, limits: Sequence[_Limit]) -> None:
        self._limits = tuple(limits)

    def on_request(self, exchange: Exchange) -> None:
        asked = [(limit, key) for limit in self._limits if (key := limit.key(exchange)) is not None]
        if not asked:
            return
        all_taken = asked[0][0].store.take_all_now([(limit.buckets, key, limit.cost) for limit, key in asked])
        refusals = []
        for (limit, _), taken in zip(asked, all_taken, strict=True):
            exchange.remember(limit.taken, taken)
            if not taken[0]:
                refusals.append((limit, taken[1]))
        if refusals:
            only = len(refusals) == 1
            raise max(
                (limit.refusal(exchange, used, only=only) for limit, used in refusals),
                key=lambda refusal: refusal.retry_after or 0.0,
            )

    def on_response(self, exchange: Exchange, response: Response) -> None:
        for limit in self._limits:
            limit.tell(exchange, response)


def together(limits: Sequence[RateLimit]) -> _Together:
    """One policy that decides for several, so that one that refuses costs the others nothing."""
    return _Together([limit._limit for limit in limits])  # noqa: SLF001  # its own module's
