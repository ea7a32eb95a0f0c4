"""What is to come of a request in the `tests` of policy files: for the client, and at the upstream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from proxy.config.patterns import JsonPointer, Method, Name, ReasonCode
from proxy.config.schema import Schema
from proxy.config.simulated import RequestTarget
from proxy.config.units import Duration, HeaderName, HeaderValue, StatusSet

Problems = Iterator[tuple[str, str]]


class ElapsedBounds(Schema, frozen=True, kw_only=True):
    """How long it may take."""

    min: Annotated[Duration, Meta(description="At least.")] = Duration(0)
    max: Annotated[Duration | None, Meta(description="At most.")] = None


class UpstreamRequest(Schema, frozen=True, kw_only=True):
    """What an upstream is to receive."""

    upstream: Annotated[Name | None, Meta(description="Which upstream receives it.")] = None
    method: Annotated[Method | None, Meta(description="Its method.")] = None
    path: Annotated[
        RequestTarget | None, Meta(description="With the query, byte for byte as it arrives.")
    ] = None
    headers: Annotated[
        dict[HeaderName, HeaderValue | None],
        Meta(description="Header of the request -> its exact value; null where it must be absent."),
    ] = field(default_factory=dict)
    body: Annotated[str | None, Meta(description="The exact body.")] = None
    json: Annotated[
        dict[JsonPointer, Any],
        Meta(description="JSON pointer into the body -> what stands there; the rest is not looked at."),
    ] = field(default_factory=dict)

    def check(self) -> Problems:
        """It says something."""
        if self == UpstreamRequest():
            yield "", "nothing is expected here; expected at least a path or a header"


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
    upstream_request: Annotated[
        UpstreamRequest | tuple[UpstreamRequest, ...] | None,
        Meta(
            description="What upstreams receive for the request: the last one of it; or a list of all, in "
            "order, repetitions included."
        ),
    ] = None
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
        if self.upstream_request == ():
            message = "the list is empty; expected at least one request, or `upstream_calls: 0` instead"
            yield "upstream_request", message
        elif self.upstream_request is not None and self.upstream_calls == 0:
            yield "upstream_request", "none arrives, says `upstream_calls: 0`; expected one of the two"

    @property
    def of_a_step(self) -> tuple[str, ...]:
        """Those of its keys that are about all requests of a step together."""
        keys = ("count", "upstream_calls", "upstream", "breaker")
        return tuple(key for key in keys if getattr(self, key) not in (None, {}))
