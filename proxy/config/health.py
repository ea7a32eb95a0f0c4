"""Checks that Seawall makes by itself: of upstreams, and of what else it takes to be ready."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

from msgspec import Meta, field

from proxy.config.schema import Schema
from proxy.config.units import Duration, HeaderName, HeaderValue, StatusSet


class ProbePath(str):
    """A path, and a query if need be, as it is sent."""

    __slots__ = ()
    pattern: ClassVar[str] = r"^/[!\"$-~]*$"
    example: ClassVar[str] = "/health"

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(cls.pattern, value):
            raise ValueError(f"{value!r} is no path to ask; expected one such as /health or /health?full=1")
        return cls(value)


class Schedule(Schema, frozen=True, kw_only=True):
    """How often, and what it takes to believe it."""

    interval: Annotated[
        Duration, Meta(ge=0.1, description="From one check to the next, a tenth more or less.")
    ] = Duration(5)
    timeout: Annotated[Duration, Meta(gt=0, description="A check without an answer by then has failed.")] = (
        Duration(2)
    )
    unhealthy_after: Annotated[
        int, Meta(ge=1, le=1000, description="So many that fail in a row are believed.")
    ] = 3
    healthy_after: Annotated[
        int, Meta(ge=1, le=1000, description="So many that pass in a row are believed; the first of all is.")
    ] = 2


class HealthCheckConfig(Schedule, frozen=True, kw_only=True):
    """Asks an upstream by itself whether it is well."""

    path: Annotated[ProbePath, Meta(description="What is asked, by GET.")]
    status: Annotated[StatusSet, Meta(description="Answers of one that is well.")] = StatusSet(
        range(200, 300)
    )
    headers: Annotated[dict[HeaderName, HeaderValue], Meta(description="Sent along, such as `Host`.")] = (
        field(default_factory=dict)
    )
    readiness: Annotated[
        bool, Meta(description="`true`: Seawall is not ready while the upstream is not well.")
    ] = False

    def check(self) -> Iterator[tuple[str, str]]:
        """It can pass, and what it sends is a request."""
        if not self.status:
            yield "status", "no answer is a good one; expected at least one status, such as 2xx"
        for name in self.headers:
            if name.lower() in ("content-length", "transfer-encoding", "connection", "upgrade", "expect"):
                yield f"headers.{name}", f"{name} is not yours to say; expected it to be left out"
