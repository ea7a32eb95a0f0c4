"""What is played in the `tests` of policy files: requests of clients, and what upstreams answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Annotated, Any, ClassVar, Literal, Self

from msgspec import Meta, field

from proxy.config.patterns import Method, Name
from proxy.config.schema import Schema
from proxy.config.units import Duration, HeaderName, HeaderValue, Size

Problems = Iterator[tuple[str, str]]

_LARGEST_BODY = 100 * 10**6


class RequestTarget(str):
    """Path and query of a request, byte for byte as it is sent."""

    __slots__ = ()
    pattern: ClassVar[str] = r"^/[!-~]*$"
    example: ClassVar[str] = "/api/v1/tickets?page=2"

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(cls.pattern, value) or "#" in value:
            raise ValueError(
                f"{value!r} is no path of a request; expected one such as {cls.example}, percent-encoded"
            )
        return cls(value)


class IpAddress(str):
    """One address, IPv4 or IPv6."""

    __slots__ = ()
    pattern: ClassVar[str] = r"^[0-9a-fA-F:.]+$"
    example: ClassVar[str] = "192.0.2.7"

    @classmethod
    def parse(cls, value: object) -> Self:
        try:
            return cls(ip_address(value) if isinstance(value, str) else ip_address(""))
        except ValueError:
            message = f"{value!r} is no address; expected one such as 192.0.2.7 or 2001:db8::7"
            raise ValueError(message) from None


class SimulatedRequest(Schema, frozen=True, kw_only=True):
    """What a client sends, over a connection of its own."""

    method: Annotated[Method, Meta(description="Its method.")] = Method("GET")
    path: Annotated[RequestTarget, Meta(description="With the query, percent-encoded as it is sent.")]
    headers: Annotated[
        dict[HeaderName, HeaderValue],
        Meta(description="Host is `localhost` where it is absent; Content-Length goes by the body."),
    ] = field(default_factory=dict)
    body: Annotated[str | None, Meta(description="The body, as text.")] = None
    json: Annotated[Any, Meta(description="The body, as YAML; sent as JSON with its Content-Type.")] = None
    body_size: Annotated[Size | None, Meta(description="A body of this many bytes, all `x`.")] = None
    client_ip: Annotated[IpAddress, Meta(description="Where the connection comes from.")] = IpAddress(
        "192.0.2.1"
    )
    https: Annotated[bool, Meta(description="The connection is https.")] = False
    sign: Annotated[
        Name | None,
        Meta(
            description="A route: add the signatures and credentials that its policies want, "
            "with the secrets in `test_secrets`."
        ),
    ] = None

    def check(self) -> Problems:
        """It has one body."""
        yield from _message(self)


class SimulatedAnswer(Schema, frozen=True, kw_only=True):
    """What the upstream does with one call."""

    status: Annotated[int, Meta(ge=200, le=599, description="Of its answer.")] = 200
    headers: Annotated[
        dict[HeaderName, HeaderValue], Meta(description="Of its answer; Content-Length goes by the body.")
    ] = field(default_factory=dict)
    body: Annotated[str | None, Meta(description="The body, as text.")] = None
    json: Annotated[Any, Meta(description="The body, as YAML; sent as JSON with its Content-Type.")] = None
    body_size: Annotated[Size | None, Meta(description="A body of this many bytes, all `x`.")] = None
    latency: Annotated[
        Duration,
        Meta(description="From the last byte of the request to the answer, or to what comes instead."),
    ] = Duration(0)
    hang: Annotated[
        Literal[True, False, "connect", "body"],
        Meta(
            description="`true`: no answer, ever; `connect`: not even the connection opens; "
            "`body`: half of the body comes, and nothing more."
        ),
    ] = False
    reset: Annotated[
        Literal[True, False, "body"],
        Meta(description="`true`: a reset instead of an answer; `body`: after half of the body."),
    ] = False
    refuse: Annotated[
        bool,
        Meta(description="The connection is refused; those that are open and idle close, as when it stops."),
    ] = False

    def check(self) -> Problems:
        """It goes wrong in one way at most, and what it then can't do is not said."""
        yield from _message(self)
        faults = [key for key in ("hang", "reset", "refuse") if getattr(self, key)]
        for key in faults[1:]:
            yield key, f"`{faults[0]}` says what goes wrong; expected one of hang, reset, refuse"
        bodies = (self.body, self.json, self.body_size)
        if "body" in (self.hang, self.reset) and (bodies == (None,) * 3 or self.status in (204, 304)):
            yield faults[0], "there is no body to break off; expected body, json or body_size beside it"


def _message(stated: SimulatedRequest | SimulatedAnswer) -> Problems:
    """What is wrong with body and headers, whoever sends them."""
    given = [key for key in ("body", "json", "body_size") if getattr(stated, key) is not None]
    for key in given[1:]:
        yield key, f"`{given[0]}` says what the body is; expected one of body, json, body_size"
    if stated.body_size is not None and stated.body_size > _LARGEST_BODY:
        yield "body_size", "so large a body is not played; expected at most 100MB"
    for name in stated.headers:
        if name.lower() in ("content-length", "transfer-encoding"):
            yield f"headers.{name}", f"{name} goes by the body; expected it to be left out"
