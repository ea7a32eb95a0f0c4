"""The parts of a circuit breaker's settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from proxy.config.patterns import Name
from proxy.config.schema import Schema
from proxy.config.spelling import spelled
from proxy.config.units import Duration, HeaderName, HeaderValue, Share, StatusSet

_FIVE_HUNDREDS = StatusSet(range(500, 600))
_MAY_FAIL = _FIVE_HUNDREDS | {429}


class TripConfig(Schema, frozen=True, kw_only=True):
    """What opens it; the first of several that holds."""

    consecutive_failures: Annotated[
        int | None, Meta(ge=1, le=1_000_000, description="So many failures in a row: 5 opens on the 5th.")
    ] = None
    failure_ratio: Annotated[
        Share | None, Meta(gt=0, description="At least this share of the calls in `window` failed.")
    ] = None
    slow_ratio: Annotated[
        Share | None, Meta(gt=0, description="At least this share of the calls in `window` was slow.")
    ] = None
    slow_after: Annotated[
        Duration | None,
        Meta(gt=0, description="From when on a call is slow, to the last byte of its answer."),
    ] = None
    min_requests: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Fewer calls in `window` say nothing about ratios.")
    ] = 20
    window: Annotated[Duration, Meta(ge=0.1, description="Over which ratios are counted, to a tenth.")] = (
        Duration(10)
    )

    def check(self) -> Iterator[tuple[str, str]]:
        """It trips by something, and slow is said."""
        if (self.consecutive_failures, self.failure_ratio, self.slow_ratio) == (None,) * 3:
            ways = "consecutive_failures, failure_ratio or slow_ratio"
            yield "", f"nothing would ever open it; expected {ways}"
        if self.slow_ratio is not None and self.slow_after is None:
            yield "slow_ratio", "nothing is slow; expected `slow_after` beside it, such as 2s"
        if self.slow_after is not None and self.slow_ratio is None:
            yield "slow_after", "nothing looks at it; expected `slow_ratio` beside it, such as 80%"


class FailuresConfig(Schema, frozen=True, kw_only=True):
    """What counts as a failure of the upstream."""

    status: Annotated[StatusSet, Meta(description="Of its answers: any of 5xx, and 429.")] = _FIVE_HUNDREDS
    errors: Annotated[
        tuple[Literal["connect", "timeout", "reset"], ...],
        Meta(description="Where there is no whole answer: why not."),
    ] = ("connect", "timeout", "reset")

    def check(self) -> Iterator[tuple[str, str]]:
        """Only the upstream's faults count, and some do."""
        others = sorted(self.status - _MAY_FAIL)
        if others:
            yield "status", f"{others[0]} is no failure of the upstream; expected 5xx, or 429"
        if not self.status and not self.errors:
            yield "", "nothing is a failure; expected a status or an error"


class BackOffConfig(Schema, frozen=True, kw_only=True):
    """Longer each time it opens again without having been closed."""

    base: Annotated[Duration, Meta(gt=0, description="The first time.")]
    factor: Annotated[float, Meta(ge=1, le=100, description="How much longer each further time.")] = 2.0
    max: Annotated[Duration, Meta(gt=0, description="The longest.")] = Duration(300)

    def check(self) -> Iterator[tuple[str, str]]:
        """The first is not the longest."""
        if self.max < self.base:
            yield "max", f"{spelled(self.max)} is shorter than `base`; expected {spelled(self.base)} or more"


class HalfOpenConfig(Schema, frozen=True, kw_only=True):
    """How it finds out whether the upstream is well."""

    probes: Annotated[int, Meta(ge=1, le=10_000, description="Requests at the same time.")] = 1
    successes: Annotated[int, Meta(ge=1, le=10_000, description="Of probes, to close it.")] = 1
    probe_timeout: Annotated[
        Duration, Meta(gt=0, description="A probe without a good answer by then has failed.")
    ] = Duration(10)


class AnswerConfig(Schema, frozen=True, kw_only=True):
    """What clients get instead of the upstream's answer: another upstream's, or one of your own."""

    upstream: Annotated[
        Name | None, Meta(description="Has the request instead; another than the route's.")
    ] = None
    status: Annotated[int | None, Meta(ge=200, le=599, description="Of the answer; 503 where absent.")] = None
    headers: Annotated[dict[HeaderName, HeaderValue], Meta(description="Of the answer.")] = field(
        default_factory=dict
    )
    json: Annotated[Any, Meta(description="The body, as YAML; sent as JSON with its Content-Type.")] = None
    text: Annotated[str | None, Meta(description="The body, as text.")] = None

    def check(self) -> Iterator[tuple[str, str]]:
        """One body, of a length that goes by it; or whatever another upstream says."""
        if self.upstream is not None:
            for name in ("status", "headers", "json", "text"):
                if getattr(self, name):
                    yield name, "the answer is that of `upstream`; expected one of the two"
        if self.json is not None and self.text is not None:
            yield "text", "`json` says what the body is; expected one of the two"
        for name in self.headers:
            if name.lower() in ("content-length", "transfer-encoding"):
                yield f"headers.{name}", f"{name} goes by the body; expected it to be left out"
