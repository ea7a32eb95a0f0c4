"""The `tests` of policy files: requests, what the upstream answers to them, and what is to come of it.

They are typed with everything else, so that a test with a typing error is a problem like
any other; `proxy.rehearsal` plays them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, ClassVar, Self

from msgspec import Meta, field

from proxy.config.expectations import Expectation
from proxy.config.schema import Schema
from proxy.config.simulated import SimulatedAnswer, SimulatedRequest
from proxy.config.units import Duration

Problems = Iterator[tuple[str, str]]


class Instant(float):
    """A moment, in seconds since the epoch, written as in RFC 3339 (section 5.6)."""

    pattern: ClassVar[str] = (
        r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)$"  # an offset is required
    )
    example: ClassVar[str] = "2026-01-05T09:00:00Z"

    @classmethod
    def parse(cls, value: object) -> Self:
        try:
            if isinstance(value, str) and re.fullmatch(cls.pattern, value, re.ASCII):
                return cls(datetime.fromisoformat(value.upper()).timestamp())
        except (ValueError, OverflowError, OSError):
            pass  # the 31st of February, and the year 0
        raise ValueError(f"{value!r} is no time; expected one with its offset, such as {cls.example}")


class ParallelRequest(Schema, frozen=True, kw_only=True):
    """One of several different requests at the same moment."""

    request: Annotated[SimulatedRequest, Meta(description="What is sent.")]
    expect: Annotated[
        Expectation | None,
        Meta(description="What comes of this one; may be left out where `expect` of the step says it."),
    ] = None

    def check(self) -> Problems:
        """What is about all of them stands beside them."""
        for key in () if self.expect is None else self.expect.of_a_step:
            message = f"`{key}` is about all requests of the step; expected it under `expect` of the step"
            yield f"expect.{key}", message


class Step(Schema, frozen=True, kw_only=True):
    """One request, or several, or a wait."""

    wait: Annotated[Duration | None, Meta(description="Let time pass; nothing stands beside it.")] = None
    request: Annotated[SimulatedRequest | None, Meta(description="What is sent.")] = None
    repeat: Annotated[int, Meta(ge=1, le=100_000, description="Send it so often, one after the other.")] = 1
    parallel: Annotated[
        Annotated[int, Meta(ge=1, le=10_000)] | tuple[ParallelRequest, ...],
        Meta(
            description="Send so many at the same moment; or a list of different requests, each with its "
            "`expect`, that leave in this order."
        ),
    ] = 1
    upstream: Annotated[
        SimulatedAnswer | tuple[SimulatedAnswer, ...] | None,
        Meta(description="What upstreams do; in a list, one entry for each call, the last for all others."),
    ] = None
    expect: Annotated[
        Expectation | tuple[Expectation, ...] | None,
        Meta(description="What comes of the requests; a list, with `count`, where not the same of each."),
    ] = None

    @property
    def requests(self) -> int:
        """How many it sends, if it sends any."""
        return self.repeat * (self.parallel if isinstance(self.parallel, int) else len(self.parallel))

    @property
    def at_once(self) -> tuple[ParallelRequest, ...]:
        """What is sent at one moment."""
        if not isinstance(self.parallel, int):
            return self.parallel
        return () if self.request is None else (ParallelRequest(request=self.request),) * self.parallel

    def check(self) -> Problems:
        """It waits, or it sends something and looks at what comes of it."""
        if self.wait is not None:
            if self != Step(wait=self.wait):
                yield (
                    "",
                    "a step waits or sends; expected nothing beside `wait`, and another step for the rest",
                )
        elif isinstance(self.parallel, tuple):
            yield from self._different(self.parallel)
        elif self.request is None:
            yield "", "there is nothing to do; expected `request` with `expect`, or `wait`"
        elif self.expect in (None, ()):
            yield "", "`expect` is missing; expected what is to come of the request, such as {status: 200}"
        if self.repeat > 1 and self.parallel != 1:
            yield "parallel", "`repeat` stands beside it; expected one of the two"
        if self.upstream == ():
            yield "upstream", "the list is empty; expected at least one answer"

    def _different(self, requests: tuple[ParallelRequest, ...]) -> Problems:
        """Each has an expectation of its own, or all have one."""
        if not requests:
            yield "parallel", "the list is empty; expected requests, such as {request: ..., expect: ...}"
        if self.request is not None:
            yield "request", "`parallel` lists what is sent; expected the request to be one of that list"
        for index, each in enumerate(requests):
            if each.expect is None and self.expect in (None, ()):
                message = "`expect` is missing; expected it here, or under the step for all of them"
                yield f"parallel[{index}]", message


class PolicyTest(Schema, frozen=True, kw_only=True):
    """Requests to a proxy that has seen none before, one step after the other."""

    name: Annotated[str, Meta(min_length=1, max_length=200, description="What it shows, as a sentence.")]
    at: Annotated[
        Instant | None,
        Meta(description="What the clock shows at the start; 2026-01-05T09:00:00Z, a Monday, where absent."),
    ] = None
    upstream: Annotated[
        SimulatedAnswer | tuple[SimulatedAnswer, ...] | None,
        Meta(
            description="What upstreams do in steps that say nothing of it; 200 without a body where absent."
        ),
    ] = None
    steps: Annotated[tuple[Step, ...], Meta(min_length=1, description="In order.")]

    def check(self) -> Problems:
        """A script has answers."""
        if self.upstream == ():
            yield "upstream", "the list is empty; expected at least one answer"


class RehearsalSecrets(Schema, frozen=True, kw_only=True):
    """What stands for secrets in tests. `run` and `check` take no notice of it."""

    env: Annotated[
        dict[str, str], Meta(description="Variable -> its value, instead of the environment's.")
    ] = field(default_factory=dict)
    files: Annotated[
        dict[str, str], Meta(description="Path, as a policy spells it -> what the file holds.")
    ] = field(default_factory=dict)
    sealed: Annotated[
        dict[str, str], Meta(description="Sealed value, as a policy has it -> what stands for it.")
    ] = field(default_factory=dict)
    credentials: Annotated[
        dict[str, str],
        Meta(description="Who, by the id that a policy knows -> what they show: a key, a password."),
    ] = field(default_factory=dict)
