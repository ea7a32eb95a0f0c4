"""The `tests` of policy files: requests, what the upstream answers to them, and what is to come of it.

They are typed with everything else, so that a test with a typing error is a problem like
any other; `proxy.rehearsal` plays them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Any, ClassVar, Literal, Self

from msgspec import Meta, field

from proxy.config.patterns import Method, Name, ReasonCode
from proxy.config.schema import Schema
from proxy.config.units import Duration, HeaderName, HeaderValue, Size, StatusSet

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


class JsonPointer(str):
    """Where in a JSON document (RFC 6901); empty for all of it."""

    __slots__ = ()
    pattern: ClassVar[str] = r"^(/([^~/]|~[01])*)*$"
    example: ClassVar[str] = "/error/code"

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(cls.pattern, value):
            raise ValueError(f"{value!r} is no JSON pointer; expected one such as {cls.example}")
        return cls(value)


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


class ElapsedBounds(Schema, frozen=True, kw_only=True):
    """How long it may take."""

    min: Annotated[Duration, Meta(description="At least.")] = Duration(0)
    max: Annotated[Duration | None, Meta(description="At most.")] = None


class Expectation(Schema, frozen=True, kw_only=True):
    """What is to come of each request of a step, or of `count` of them."""

    count: Annotated[
        int | None,
        Meta(
            ge=0, description="Of how many of the step's requests all the rest holds; of each where absent."
        ),
    ] = None
    status: Annotated[StatusSet | None, Meta(description="Of the answer: `429`, `5xx`, or a list.")] = None
    reason: Annotated[
        ReasonCode | None, Meta(description="Why it was refused or failed, as in the decision.")
    ] = None
    shadow: Annotated[
        ReasonCode | None, Meta(description="What a policy in shadow would have refused it for.")
    ] = None
    headers: Annotated[
        dict[HeaderName, HeaderValue | None],
        Meta(description="Header of the answer -> its exact value; null where it must be absent."),
    ] = field(default_factory=dict)
    body: Annotated[str | None, Meta(description="The exact body.")] = None
    json: Annotated[
        dict[JsonPointer, Any],
        Meta(description="JSON pointer into the body -> what stands there; the rest is not looked at."),
    ] = field(default_factory=dict)
    upstream_calls: Annotated[
        int | None,
        Meta(ge=0, description="Calls of upstreams during the step, refused connections included."),
    ] = None
    upstream: Annotated[Name | None, Meta(description="The upstream that all calls of the step went to.")] = (
        None
    )
    elapsed: Annotated[
        Duration | ElapsedBounds | None,
        Meta(description="From the first byte of the request to the last of the answer, to 10ms; or bounds."),
    ] = None
    complete: Annotated[bool | None, Meta(description="Whether the client gets the whole answer.")] = None
    breaker: Annotated[
        dict[Name, Literal["closed", "open", "half-open"]],
        Meta(description="Circuit breaker -> its state after the step."),
    ] = field(default_factory=dict)

    def check(self) -> Problems:
        """It says something."""
        if self == Expectation(count=self.count):
            yield "", "nothing is expected here; expected at least a status, such as {status: 200}"


class Step(Schema, frozen=True, kw_only=True):
    """One request, or several, or a wait."""

    wait: Annotated[Duration | None, Meta(description="Let time pass; nothing stands beside it.")] = None
    request: Annotated[SimulatedRequest | None, Meta(description="What is sent.")] = None
    repeat: Annotated[int, Meta(ge=1, le=100_000, description="Send it so often, one after the other.")] = 1
    parallel: Annotated[int, Meta(ge=1, le=10_000, description="Send so many at the same moment.")] = 1
    upstream: Annotated[
        SimulatedAnswer | tuple[SimulatedAnswer, ...] | None,
        Meta(description="What upstreams do; in a list, one entry for each call, the last for all others."),
    ] = None
    expect: Annotated[
        Expectation | tuple[Expectation, ...] | None,
        Meta(description="What comes of the requests; a list, with `count`, where not the same of each."),
    ] = None

    def check(self) -> Problems:
        """It waits, or it sends something and looks at what comes of it."""
        if self.wait is not None:
            if self != Step(wait=self.wait):
                yield (
                    "",
                    "a step waits or sends; expected nothing beside `wait`, and another step for the rest",
                )
        elif self.request is None:
            yield "", "there is nothing to do; expected `request` with `expect`, or `wait`"
        elif self.expect in (None, ()):
            yield "", "`expect` is missing; expected what is to come of the request, such as {status: 200}"
        if self.repeat > 1 and self.parallel > 1:
            yield "parallel", "`repeat` stands beside it; expected one of the two"
        if self.upstream == ():
            yield "upstream", "the list is empty; expected at least one answer"


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
