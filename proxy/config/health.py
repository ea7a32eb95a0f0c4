"""Checks that Seawall makes by itself: of upstreams, and of what else it takes to be ready."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from msgspec import Meta, field

from proxy.config.schema import Schema
from proxy.config.units import Duration, FilePath, HeaderName, HeaderValue, Share, Size, StatusSet, Text


class ProbePath(Text):
    """A path, and a query if need be, as it is sent."""

    __slots__ = ()
    pattern = r"^/[!\"$-~]*$"
    example = "/health"
    otherwise = "no path to ask; expected one such as /health or /health?full=1"


class CheckedUrl(str):
    """What a check asks; no credentials, which every log would show."""

    __slots__ = ()
    pattern: ClassVar[str] = r"^https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]{1,5})?(/[!\"$-~]*)?$"
    example: ClassVar[str] = "https://api.example.com/health"

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(cls.pattern, value):
            raise ValueError(
                "this is no url to ask; expected one such as https://api.example.com/health, no credentials"
            )
        return cls(value)


class HostPort(str):
    """Where something listens."""

    __slots__ = ()
    pattern: ClassVar[str] = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):[0-9]{1,5}$"
    example: ClassVar[str] = "db:5432"

    @property
    def host(self) -> str:
        """An IPv6 address without brackets."""
        return self.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """Behind the last colon."""
        return int(self.rpartition(":")[2])

    @classmethod
    def parse(cls, value: object) -> Self:
        if (
            not isinstance(value, str)
            or not re.fullmatch(cls.pattern, value)
            or not 0 < cls(value).port < 65536
        ):
            raise ValueError(f"{value!r} is no host and port; expected them such as db:5432")
        return cls(value)


class DiskPath(Text):
    """Where something is kept; it may come and go."""

    __slots__ = ()
    pattern = r"^/[^\x00]*$"
    example = "/data"
    otherwise = "no absolute path; expected one such as /data"


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
        yield from _unsendable(self.headers)


class HttpCheckConfig(Schema, frozen=True, kw_only=True):
    """Another service, or somebody's API."""

    url: Annotated[CheckedUrl, Meta(description="What is asked.")]
    method: Annotated[Literal["GET", "HEAD"], Meta(description="How.")] = "GET"
    status: Annotated[StatusSet, Meta(description="Answers of one that is well.")] = StatusSet(
        range(200, 300)
    )
    headers: Annotated[dict[HeaderName, HeaderValue], Meta(description="Sent along.")] = field(
        default_factory=dict
    )
    ca_file: Annotated[
        FilePath | None, Meta(description="Authorities to trust, PEM; the system's where absent.")
    ] = None

    def check(self) -> Iterator[tuple[str, str]]:
        """It can pass, and what it sends is a request."""
        if not self.status:
            yield "status", "no answer is a good one; expected at least one status, such as 2xx"
        if self.ca_file is not None and not self.url.startswith("https:"):
            yield "ca_file", f"it says nothing about {self.url}; expected an https url beside it"
        yield from _unsendable(self.headers)


class DiskCheckConfig(Schema, frozen=True, kw_only=True):
    """Room on a disk."""

    path: Annotated[DiskPath, Meta(description="Somewhere on it.")]
    min_free: Annotated[
        Share | Size, Meta(description="A share of it, or so many bytes, that this user could still write.")
    ]


class MemoryCheckConfig(Schema, frozen=True, kw_only=True):
    """Memory of the container, or of the machine where that has no limit."""

    max: Annotated[
        Share,
        Meta(gt=0, description="Of the limit, by all of the container's processes; caches are not counted."),
    ]


class CheckConfig(Schedule, frozen=True, kw_only=True):
    """One thing that Seawall looks at by itself: http, tcp, redis, disk or memory."""

    http: Annotated[HttpCheckConfig | None, Meta(description="It answers to HTTP.")] = None
    tcp: Annotated[HostPort | None, Meta(description="It takes connections; no more is known by that.")] = (
        None
    )
    redis: Annotated[HostPort | None, Meta(description="It answers to PING, or asks for a password.")] = None
    disk: Annotated[DiskCheckConfig | None, Meta(description="There is room on it.")] = None
    memory: Annotated[MemoryCheckConfig | None, Meta(description="There is some left.")] = None
    readiness: Annotated[bool, Meta(description="`true`: Seawall is not ready while this is not well.")] = (
        False
    )

    @property
    def chosen(self) -> HttpCheckConfig | HostPort | DiskCheckConfig | MemoryCheckConfig:
        """What is looked at; of a valid one."""
        what: HttpCheckConfig | HostPort | DiskCheckConfig | MemoryCheckConfig
        ((_, what),) = self._given()
        return what

    def check(self) -> Iterator[tuple[str, str]]:
        """One thing."""
        given = [name for name, _ in self._given()]
        if not given:
            yield "", f"nothing is looked at; expected one of {', '.join(_KINDS)}"
        for name in given[1:]:
            yield name, f"`{given[0]}` stands beside it; expected one of the two, and another check"

    def _given(self) -> Iterator[tuple[str, Any]]:
        return ((name, value) for name in _KINDS if (value := getattr(self, name)) is not None)


_KINDS = ("http", "tcp", "redis", "disk", "memory")


def _unsendable(headers: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in headers:
        if name.lower() in ("content-length", "transfer-encoding", "connection", "upgrade", "expect"):
            yield f"headers.{name}", f"{name} is not yours to say; expected it to be left out"
