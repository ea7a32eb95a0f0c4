"""The keys that every limit has: `rate_limit` before anybody is known, `quota` after, `pace` of calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from msgspec import Meta

from proxy.algorithms.gcra import MICROSECONDS, Penalty, Quota
from proxy.config import keys
from proxy.config.keys import Key
from proxy.config.schema import PolicyConfig, Schema
from proxy.config.spelling import about, spelled
from proxy.config.units import Duration, Rate, Share
from proxy.policies.limit_fields import Style

WhenStoreFails = Literal["local", "allow", "refuse"]

_LONGEST = 100 * 366 * 86400 * MICROSECONDS
"""Until a bucket is full: a store's numbers are exact up to there."""


class PenaltyConfig(Schema, frozen=True, kw_only=True):
    """Longer waits for those who go on asking."""

    after: Annotated[int, Meta(ge=0, le=1_000_000, description="Refusals that cost nothing extra.")] = 3
    factor: Annotated[
        float, Meta(gt=1, le=100, description="How much longer the wait is with each further refusal.")
    ] = 2.0
    max: Annotated[Duration, Meta(gt=0, description="The longest wait that it comes to.")] = Duration(3600)

    @property
    def penalty(self) -> Penalty:
        """For the arithmetic."""
        return Penalty(self.after, self.factor, round(self.max * MICROSECONDS))


class BucketConfig(PolicyConfig, frozen=True, kw_only=True):
    """So many in a period, for each key."""

    limit: Annotated[Rate, Meta(description="How many in a period, sustained.")]
    burst: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000_000)] | Annotated[Share, Meta(gt=0)],
        Meta(description="Size of the bucket: how many at once; a number, or a share of `limit`."),
    ] = Share(1.0)
    key: Annotated[
        tuple[Key, ...],
        Meta(min_length=1, max_length=8, description="Who shares one bucket; several facts are one key."),
    ]
    on_missing_key: Annotated[
        Literal["refuse", "allow", "ip"] | None,
        Meta(
            description="Where a part of the key is missing: `refuse` with 400, `allow` without a limit, or "
            "limit by `ip`. Must be said where clients may leave it out; else `refuse`."
        ),
    ] = None
    max_keys: Annotated[
        int,
        Meta(ge=1, le=10_000_000, description="Buckets that are remembered at most, in memory and sqlite."),
    ] = 100_000
    when_store_fails: Annotated[
        WhenStoreFails,
        Meta(
            description="Without the store: go on in memory, each replica by itself (`local`), `allow` "
            "without a limit, or `refuse` with 503."
        ),
    ] = "local"

    def check(self) -> Iterator[tuple[str, str]]:
        """Limits that nobody can keep."""
        if not self.bucket:
            yield "burst", f"{spelled(self.burst)} of {self.limit} is less than one; expected at least 1"
        elif self.quota.tolerance > _LONGEST:
            yield "burst", f"a bucket of {self.bucket} would not be full again in a hundred years"
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
        return [f"{at_once}, {keys.in_words(self.key)}"]


class LimitConfig(BucketConfig, frozen=True, kw_only=True):
    """Who comes too often is refused, and told."""

    cost: Annotated[int, Meta(ge=1, description="How many tokens a request takes.")] = 1
    penalty: Annotated[
        PenaltyConfig | None, Meta(description="Longer waits for those who go on asking; none where absent.")
    ] = None
    headers: Annotated[
        Style,
        Meta(description="`RateLimit` of the IETF draft, `legacy` X-RateLimit-*, `both`, or `none`."),
    ] = "ietf"

    def check(self) -> Iterator[tuple[str, str]]:
        """What is never in the bucket."""
        yield from super().check()
        if 0 < self.bucket < self.cost:
            yield "cost", f"{self.cost} is above the burst, {self.bucket}, so that nothing could ever pass"

    def in_words(self) -> Sequence[str]:
        """What a request costs, and what it costs to insist."""
        words = [*super().in_words()]
        if self.cost > 1:
            words.append(f"each request counts as {self.cost}")
        if self.penalty is not None:
            penalty = self.penalty
            words.append(
                f"each refusal after {penalty.after} makes the wait {penalty.factor:g} times as long, "
                f"up to {spelled(penalty.max)}"
            )
        return words
