"""Grant each caller so many requests in a period, such as a day or a month.

```yaml
quota: {limit: 10000/day, key: [auth.id], reset: calendar}
```

What `rate_limit` is for floods, this is for plans: it runs once the caller is known, and what is
granted is a number in a period.

**Which period.** With `reset: calendar` the count begins anew with each minute, hour, day, week (from
Monday) or month, in UTC: the time zone of a plan is a contract, and the same for all callers. Periods
are those that divide a day evenly (`4h`), a day, a week, or a month. In one period exactly `limit`
pass; around its end twice as many may come, which a `rate_limit` beside it evens out. With `reset:
rolling` there is no such moment: tokens come back evenly, and `burst` may come at once, as with
`rate_limit`; a month is 30 days there.

**Whose quota.** One for each `key`, by default the caller that `api_key`, `basic_auth` or another
policy of the phase `identity` has proved. All keys of `rate_limit` can be asked for, and facts of the
body, which is read then. A request without what `key` asks for gets `400`, where `on_missing_key` says
nothing else.

**Several on one route.** A list of quotas, such as one for each day and one for each month: all must
let a request pass, and one that refuses costs the others nothing.

**What the client sees.** `429` with `Retry-After`, rounded up to whole seconds: with `calendar`, when
the period is over. On every response what remains, in `RateLimit-Policy` and `RateLimit` (`headers:
ietf`), in `X-RateLimit-*` (`legacy`), both or none; the upstream's own stay, and are never made to
promise more. A request that the upstream refuses or fails is counted as any other.

**Penalty.** As with `rate_limit`, where `reset` is `rolling`.

**State.** A counter for each key, by the policy's name: a named quota is one on however many routes. A
reload keeps it; where `limit` changes, each caller goes on with the same share of it used. With the
memory store a restart forgets it, which is seldom meant, and `seawall check` tells of it, but where all of
it would be back within a minute anyhow (`rolling`); with `--store sqlite:///path` it survives a
restart, and with `--store redis://host` all replicas count together. At
`max_keys` (in memory and sqlite) who has used least is forgotten, but never a caller who is being
refused: where all are, new callers share one counter. A counter takes about 280 bytes of memory, until
the period is over.

**Without the store.** `when_store_fails` says: `local`, the default, goes on with a count in memory,
where each replica counts by itself and from nothing; `allow` lets everything pass; `refuse` answers
`503` with `Retry-After`. What was counted meanwhile is not added to the store later.

**Hardened against.** Rounding, keys of any length and content, floods of made-up keys that are to push
somebody's counter out, clocks of replicas that differ (with redis, the counts of one period are in one
place, whoever thinks that it is over). Refusals consume nothing. Decisions show addresses, and of other
values the beginning of a hash.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from msgspec import Meta

from proxy.algorithms.calendar import is_calendar
from proxy.config import keys
from proxy.config.keys import Key
from proxy.config.units import Share
from proxy.exchange import Exchange, Response
from proxy.policies.limit_config import LimitConfig
from proxy.policies.limit_keys import buckets_of
from proxy.policies.limit_terms import Calendar, Rolling
from proxy.policies.limiter import Limit, Limiter, Reasons
from proxy.policy import Services

EXCEEDED = (429, "quota.exceeded", "The quota is used up. Try again later.")
KEY_MISSING = (400, "quota.key_missing", "The request does not say what its quota goes by.")
UNAVAILABLE = (503, "quota.unavailable", "It cannot be told now how much of the quota is used.")

REASONS = Reasons(EXCEEDED, KEY_MISSING, UNAVAILABLE)


class QuotaConfig(LimitConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    key: Annotated[
        tuple[Key, ...],
        Meta(min_length=1, max_length=8, description="Who shares one quota; several facts are one key."),
    ] = (Key("auth.id"),)
    reset: Annotated[
        Literal["calendar", "rolling"],
        Meta(description="Anew with each period of the `calendar`, in UTC, or evenly and always: `rolling`."),
    ] = "calendar"

    def check(self) -> Iterator[tuple[str, str]]:
        """What a calendar does not have."""
        yield from keys.problems(self.key, "checks")
        yield from super().check()
        if self.reset == "rolling":
            return
        if not is_calendar(self.limit.period, month=self.limit.is_month):
            period = self.limit.partition("/")[2]
            expected = "expected one that divides a day, a day, a week or a month, or `reset: rolling`"
            yield "limit", f"no calendar has periods of {period}; {expected}"
        if self.burst != Share(1.0):
            yield (
                "burst",
                "all of `limit` may come at once in a period; expected `reset: rolling` beside it",
            )
        if self.penalty is not None:
            yield "penalty", "nothing comes back before the reset; expected `reset: rolling` beside it"

    def in_words(self) -> Sequence[str]:
        """How much, in which period, and for whom."""
        if self.reset == "rolling":
            return super().in_words()
        number, _, period = self.limit.partition("/")
        words = [f"at most {number} in each {period} of the calendar (UTC), {keys.in_words(self.key)}"]
        return [*words, f"each request counts as {self.cost}"] if self.cost > 1 else words


class Quota:
    """See the module's docstring."""

    def __init__(self, config: QuotaConfig, services: Services) -> None:
        buckets = buckets_of(config, services)
        calendar = config.reset == "calendar"
        terms = Calendar(buckets, config.limit, services.clock) if calendar else Rolling(buckets)
        self._limiter = Limiter([Limit(config, services, terms, REASONS)])
        self.on_request = self._limiter.on_request

    def on_response(self, exchange: Exchange, response: Response) -> None:
        self._limiter.on_response(exchange, response)


def together(quotas: Sequence[Quota]) -> Limiter:
    """One policy that decides for several, so that one that refuses costs the others nothing."""
    return Limiter([limit for each in quotas for limit in each._limiter.limits])  # noqa: SLF001  # its own module's
