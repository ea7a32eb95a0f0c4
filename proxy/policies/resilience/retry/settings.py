"""The parts of what `retry` is told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Self

from msgspec import Meta

from proxy.algorithms.backoff import BackOff, Jitter
from proxy.algorithms.xml_path import XmlPath
from proxy.config.patterns import JsonPointer
from proxy.config.schema import Schema
from proxy.config.spelling import spelled
from proxy.config.units import Duration, HeaderName, HeaderValue, Share, StatusSet

OF_FAILURES: Mapping[str, tuple[str, ...]] = {
    "connect_error": ("upstream.unreachable", "timeout.connect"),
    "timeout": ("timeout.connect", "timeout.response", "timeout.idle", "timeout.attempt"),
    "network_error": ("upstream.unreachable", "timeout.connect", "upstream.reset", "upstream.bad_response"),
}
"""Classes of what has no answer, by the reasons of the wire; the first that a route has is taken."""

OF_ANSWERS: Mapping[str, StatusSet] = {
    "rate_limited": StatusSet({429}),
    "gateway_error": StatusSet({502, 503, 504}),
    "server_error": StatusSet(set(range(500, 600)) - {501, 505}),
}
"""Classes of answers; the narrower first. What an upstream can't do it will not do the next time, either."""


class XPath(str):
    """Where in an XML document; `proxy.algorithms.xml_path` says what of XPath there is."""

    __slots__ = ()
    pattern: ClassVar[str] = r"^(//?([A-Za-z_][\w.-]*|\*))+(//?(@[A-Za-z_][\w.-]*|text\(\)))?$"
    example: ClassVar[str] = "//Error/@Number"

    @classmethod
    def parse(cls, value: object) -> Self:
        XmlPath(str(value))
        return cls(value)


class Pattern(str):
    """A regular expression, as Python has them."""

    __slots__ = ()
    pattern: ClassVar[str] = r"^[^\ud800-\udfff]+$"
    example: ClassVar[str] = "temporarily unavailable"

    @classmethod
    def parse(cls, value: object) -> Self:
        try:
            re.compile(str(value).encode())
        except (re.error, UnicodeEncodeError) as error:
            raise ValueError(f"{value!r} is no regular expression: {error}") from None
        if not isinstance(value, str) or not value:
            raise ValueError(f"{value!r} is no regular expression; expected one such as {cls.example}")
        return cls(value)


class HeaderCondition(Schema, frozen=True, kw_only=True):
    """A header of the answer."""

    name: Annotated[HeaderName, Meta(description="Of the header.")]
    values: Annotated[
        tuple[HeaderValue, ...],
        Meta(description="One of these; where absent, it is enough that it is there."),
    ] = ()


class BodyCondition(Schema, frozen=True, kw_only=True):
    """Something in the body of the answer, which is read for it, up to `body_limit`."""

    pointer: Annotated[JsonPointer | None, Meta(description="JSON pointer, such as `/status`.")] = None
    xpath: Annotated[
        XPath | None,
        Meta(description="Path in XML: names, `*`, `/`, `//`, and at the end `@name` or `text()`."),
    ] = None
    regex: Annotated[
        Pattern | None, Meta(description="Regular expression that is found somewhere in the body.")
    ] = None
    values: Annotated[
        tuple[HeaderValue, ...],
        Meta(description="One of these stands there; where absent, it is enough that anything does."),
    ] = ()

    def check(self) -> Iterator[tuple[str, str]]:
        """One place."""
        places = [name for name in ("pointer", "xpath", "regex") if getattr(self, name) is not None]
        if len(places) != 1:
            yield "", f"{' and '.join(places) or 'nothing'} says what to look for; expected one of the three"
        if self.regex is not None and self.values:
            yield "values", "a regular expression is found or not; expected the values in `regex`"


class ClassConfig(Schema, frozen=True, kw_only=True):
    """Which failures belong to it, and how often and how soon a call that failed so is repeated."""

    status: Annotated[
        StatusSet | None,
        Meta(description="Of the answer. rate_limited: 429; gateway_error: 502-504; server_error: 5xx."),
    ] = None
    header: Annotated[HeaderCondition | None, Meta(description="Of the answer, as well.")] = None
    body: Annotated[BodyCondition | None, Meta(description="Of the answer, as well.")] = None
    max_retries: Annotated[
        int | None, Meta(ge=0, le=20, description="After failures of this class; `max_retries` where absent.")
    ] = None
    multiplier: Annotated[
        float, Meta(ge=0.1, le=100, description="How much longer than others one waits after such a failure.")
    ] = 1.0
    nothing_done: Annotated[
        bool,
        Meta(description="An upstream that answers so has done nothing: repeated whatever the method."),
    ] = False

    @property
    def of_answer(self) -> bool:
        """It says what an answer is like."""
        return any(each is not None for each in (self.status, self.header, self.body))


def faults_of(classes: Mapping[str, ClassConfig]) -> Iterator[tuple[str, str]]:
    """Where nothing belongs to a class, or what can't."""
    if not classes:
        yield "classes", "nothing is ever repeated; expected a class, or `classes` left out"
    known = ", ".join((*OF_FAILURES, *OF_ANSWERS))
    for name, each in classes.items():
        place = f"classes.{name}"
        if name in OF_FAILURES and each.of_answer:
            yield place, "it is of calls without an answer; expected no status, header or body"
        elif name in OF_FAILURES and each.nothing_done:
            yield f"{place}.nothing_done", "nobody has said so; expected it beside answers only"
        elif name not in OF_FAILURES and name not in OF_ANSWERS and not each.of_answer:
            yield place, f"nothing belongs to it; expected status, header or body, or one of {known}"


class BackOffConfig(Schema, frozen=True, kw_only=True):
    """How long to wait before a call is repeated."""

    base: Annotated[Duration, Meta(gt=0, description="Before the first repetition, at most.")] = Duration(0.1)
    factor: Annotated[float, Meta(ge=1, le=100, description="How much longer each further time.")] = 2.0
    max: Annotated[Duration, Meta(gt=0, description="The longest.")] = Duration(10)
    jitter: Annotated[
        Jitter,
        Meta(
            description="`full`: from nothing to that long; `equal`: from half of it; `decorrelated`: from "
            "`base` to three times the last wait; `none`: exactly that long."
        ),
    ] = "full"

    def check(self) -> Iterator[tuple[str, str]]:
        """The first is not the longest."""
        if self.max < self.base:
            yield "max", f"{spelled(self.max)} is shorter than `base`; expected {spelled(self.base)} or more"

    @property
    def waits(self) -> BackOff:
        """What it comes to."""
        return BackOff(float(self.base), self.factor, float(self.max), self.jitter)


class RetryAfterConfig(Schema, frozen=True, kw_only=True):
    """Whether an upstream that says when to come back is heard."""

    max: Annotated[
        Duration,
        Meta(description="It is not waited for longer than that, and half as long again; 0s: not at all."),
    ] = Duration(60)


class BudgetConfig(Schema, frozen=True, kw_only=True):
    """How many repetitions there may be of all, so that they don't bring a weak upstream down."""

    ratio: Annotated[Share, Meta(description="Of the first calls in `window`, and...")] = Share(0.2)
    min_per_second: Annotated[
        float,
        Meta(
            ge=0,
            le=10_000,
            description="...as many a second on top, for where there is little traffic; 10000: no limit.",
        ),
    ] = 3.0
    window: Annotated[Duration, Meta(ge=1, description="Over which both are counted, to a tenth.")] = (
        Duration(10)
    )
