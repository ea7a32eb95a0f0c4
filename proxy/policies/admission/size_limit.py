"""Refuse requests that are larger than they need to be, or of a kind that nobody asked for.

```yaml
size_limit: {body: 5MiB, headers: 32KiB, header_count: 100, url: 8KiB, content_types: [application/json]}
```

What is not given is not checked here; the process has bounds of its own for what it parses
and for what it holds in memory (`--max-body`).

**What the client sees.** `413`, `431`, `414` or `415`. A body whose length is declared is
refused before a byte of it is read. A chunked one is counted as it passes, and the exchange
ends where it goes over: with the refusal, or where the upstream's answer is already under way,
with an aborted connection. The upstream sees the request break off, and never a cut body that
looks whole.

**How it counts.** `headers` is the sum of all names and values as they arrived, without the
`: ` and line ends between them; `url` is the request target, path and query, before decoding;
a body is counted as it is sent, compressed or not.

**Content types.** Compared without parameters (`; charset=utf-8`) and without regard to case;
`application/*` stands for all subtypes. A request with a body and without `Content-Type` is
refused, since an upstream would guess; one without a body passes. The refusal lists what is
accepted in `Accept` (RFC 9110, section 12.5.1).

**State.** None, and nothing that could fail.

**Hardened against.** Lengths that lie (counted, not believed), header floods, two
`Content-Type` headers of which the upstream might take the other.

**In shadow.** Declared lengths are reported at once, a chunked body once it is over.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Self

from msgspec import Meta

from proxy.config.schema import PolicyConfig
from proxy.config.spelling import spelled
from proxy.config.units import Size, Text
from proxy.errors import Change, Rejection
from proxy.exchange import Exchange, Request
from proxy.headers import Headers
from proxy.policy import Services

BODY = (413, "size_limit.body", "The body is larger than this service accepts.")
HEADERS = (431, "size_limit.headers", "The headers are larger than this service accepts.")
HEADER_COUNT = (431, "size_limit.header_count", "There are more headers than this service accepts.")
URL = (414, "size_limit.url", "The URL is longer than this service accepts.")
CONTENT_TYPE = (415, "size_limit.content_type", "This service does not accept bodies of this type.")

REASONS = (BODY, HEADERS, HEADER_COUNT, URL, CONTENT_TYPE)

_EVERYTHING = sys.maxsize
_UNITS = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


class MediaType(Text):
    """A media type without parameters, or all subtypes of one: `application/*`."""

    __slots__ = ()

    pattern = r"^[!#$%&'+\-.^_`|~0-9A-Za-z]+/(\*|[!#$%&'+\-.^_`|~0-9A-Za-z]+)$"
    example = "application/json"
    otherwise = "no media type; expected one such as application/json or image/*, without parameters"

    @classmethod
    def parse(cls, value: object) -> Self:
        return cls(super().parse(value).lower())


class SizeLimitConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    body: Annotated[Size | None, Meta(description="Largest body; not checked where absent.")] = None
    headers: Annotated[
        Size | None, Meta(description="Largest sum of all header names and values; not checked where absent.")
    ] = None
    header_count: Annotated[
        int | None, Meta(ge=1, description="Most header lines; not checked where absent.")
    ] = None
    url: Annotated[
        Size | None, Meta(description="Longest request target, path and query; not checked where absent.")
    ] = None
    content_types: Annotated[
        tuple[MediaType, ...],
        Meta(min_length=1, description="Types of bodies that are accepted; all where absent."),
    ] = ()

    def check(self) -> Iterator[tuple[str, str]]:
        """A limit without a number is a mistake."""
        limits = (self.body, self.headers, self.header_count, self.url)
        if not self.content_types and all(limit is None for limit in limits):
            yield "", "nothing is limited; expected body, headers, header_count, url or content_types"

    def in_words(self) -> Sequence[str]:
        """What is admitted at most."""
        limits = (
            ("bodies up to", self.body),
            ("headers up to", self.headers),
            ("header lines up to", self.header_count),
            ("urls up to", self.url),
        )
        return tuple(f"{what} {spelled(limit)}" for what, limit in limits if limit is not None)


class SizeLimit:
    """See the module's docstring."""

    def __init__(self, config: SizeLimitConfig, services: Services) -> None:
        self._url = _EVERYTHING if config.url is None else config.url
        self._header_count = _EVERYTHING if config.header_count is None else config.header_count
        self._headers = _EVERYTHING if config.headers is None else config.headers
        self._types = frozenset(config.content_types)
        self._accepted = [("Accept", ", ".join(config.content_types))]
        self._body = config.body
        self._name = services.name
        # For bodies of a declared length, which cannot go over it once they are admitted.
        self._unused = Rejection(*BODY)

    def on_request(self, exchange: Exchange) -> None:
        request = exchange.request
        target = request.target
        if len(target) > self._url or not target.isascii():
            self._check_url(target)
        request.headers.once(self._check_fields)
        declared = request.content_length
        if self._types and declared != 0:
            self._check_content_type(request)
        if self._body is None or declared == 0:
            return
        if declared is None:
            # Without a `change`: how long it would have become is never known.
            exchange.bound_body(self._body, Rejection(*BODY, facts={"limit": self._body}, policy=self._name))
        elif declared > self._body:
            facts = {"declared": declared, "limit": self._body}
            raise Rejection(*BODY, facts=facts, change=_at_least("body", declared), policy=self._name)
        else:
            exchange.bound_body(self._body, self._unused)

    def _check_url(self, target: str) -> None:
        size = len(target.encode("utf-8", "surrogateescape"))
        if size > self._url:
            facts = {"size": size, "limit": self._url}
            raise Rejection(*URL, facts=facts, change=_at_least("url", size), policy=self._name)

    def _check_fields(self, headers: Headers) -> None:
        count = headers.received_count
        if count > self._header_count:
            facts = {"count": count, "limit": self._header_count}
            change = Change("header_count", count)
            raise Rejection(*HEADER_COUNT, facts=facts, change=change, policy=self._name)
        size = headers.received_size
        if size > self._headers:
            facts = {"size": size, "limit": self._headers}
            raise Rejection(*HEADERS, facts=facts, change=_at_least("headers", size), policy=self._name)

    def _check_content_type(self, request: Request) -> None:
        sent = request.headers.get_all("Content-Type")
        media_type = sent[0].partition(";")[0].strip().lower() if len(sent) == 1 else ""
        if not self._accepts(media_type):
            # Of two fields, or of none, no list makes one.
            known = re.fullmatch(MediaType.pattern, media_type) and not media_type.endswith("/*")
            raise Rejection(
                *CONTENT_TYPE,
                headers=self._accepted,
                facts={"content_type": ", ".join(sent)},
                change=Change("content_types", media_type, "add") if known else None,
                policy=self._name,
            )

    def _accepts(self, media_type: str) -> bool:
        if media_type in self._types:
            return True
        subtypes = f"{media_type.partition('/')[0]}/*"
        return subtypes in self._types and re.fullmatch(MediaType.pattern, media_type) is not None


def _at_least(field: str, size: int) -> Change:
    """`field` raised to `size`, rounded up as far as an operator would write it: `5.001MiB`."""
    for unit, number in _UNITS:
        if size >= number:
            thousandths = -(-size * 1000 // number)
            return Change(field, f"{thousandths / 1000:.3f}".rstrip("0").rstrip(".") + unit)
    return Change(field, f"{size}B")
