"""Replace error pages that show the insides of the application.

```yaml
mask_errors: {status: [5xx], when: stack_trace, keep: [503]}
```

An application that fails may answer with a stack trace, a page of its debugger, or what the
database said to it. With `stack_trace`, an answer with one of `status` is looked at, and what looks
like that of Python, Java, .NET, Node, PHP, Ruby, Go or Rust, or an error of a database, is
replaced. With `always`, every one is. Those in `keep` never are, such as a page for maintenance.

**What the client sees.** The status that the application answered, with a problem+json like
that of every refusal, with the request's id; `errors.templates` has the last word on it, as
`mask_errors.masked`. Headers that tell of the old body (`Content-*`, `ETag`, `Last-Modified` and the
like) and `X-Debug-*` are left out; others stay, such as `Retry-After` and `Set-Cookie`.

**What operators see.** The log has what was there: its first 4 KiB, on one line, with the ids of
request and decision; values that look like secrets by their names are `***`, and control characters
are escaped. In ten seconds it has 20 of these at most, and says how many it left out. No client
gets any of it, not even with `errors.expose_detail`.

**What can't be looked at** is replaced too: more than 256 KiB, compressed in another way than gzip
or deflate, or when `--max-buffered` bytes of bodies are held already. What of a compressed body comes
after its first 256 KiB is not looked at.

**Order.** It stands outside of `retry` and `circuit_breaker`: they see what the application answered.
It costs nothing as long as no answer has one of `status`.

**State.** None but the count of what was logged, and nothing that could fail.

**In shadow.** It holds no body, and so can't look into one: it reports `mask_errors.skipped` for each
answer that it would have looked at.

**Hardened against.** Compressed bombs; texts on which a search would take long; forged lines in
the log.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from proxy.algorithms.content_coding import decoded
from proxy.algorithms.leaks import leak_in
from proxy.config.schema import PolicyConfig
from proxy.config.units import StatusSet
from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Exchange, Forward, Response
from proxy.policy import Services
from proxy.telemetry.redaction import masked_text

MASKED = (
    500,
    "mask_errors.masked",
    "The service failed. Its operators can find out why by the request's id.",
)

REASONS = (MASKED,)

_LOOKED_AT = 256 * 1024
_LOGGED = 4096
_MOST_LINES = 20
_SECONDS = 10.0
_OF_THE_BODY = frozenset(
    (
        "accept-ranges",
        "age",
        "cache-control",
        "digest",
        "etag",
        "expires",
        "last-modified",
        "repr-digest",
        "trailer",
    )
)
_OF_DEBUGGERS = ("content-", "x-debug-")

_log = logging.getLogger(__name__)


class MaskErrorsConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    status: Annotated[StatusSet, Meta(description="Of answers that are looked at: any of 4xx and 5xx.")] = (
        StatusSet(range(500, 600))
    )
    when: Annotated[
        Literal["stack_trace", "always"],
        Meta(description="`stack_trace`: where the body shows the application's insides; or `always`."),
    ] = "stack_trace"
    keep: Annotated[StatusSet, Meta(description="Out of these, those that are never touched.")] = StatusSet()

    def check(self) -> Iterator[tuple[str, str]]:
        """Errors alone, and some of them."""
        others = sorted(code for code in self.status if code < 400)
        if others:
            yield "status", f"{others[0]} is no error; expected 4xx or 5xx"
        elif self.status <= self.keep:
            yield "keep", "nothing is left of `status`; expected some of it"


class MaskErrors:
    """See the module's docstring."""

    def __init__(self, config: MaskErrorsConfig, services: Services) -> None:
        self.late = frozenset(config.status - config.keep)
        self._always = config.when == "always"
        self._name = services.name
        self._monotonic = services.clock.monotonic
        self._until = float("-inf")
        self._logged = 0

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        response = await forward(exchange)
        if not response.from_upstream or response.status not in self.late:
            return response
        body, unread = await _body_of(response)
        found = unread or leak_in(body)
        if not found and not self._always:
            return response
        self._write_down(exchange, response.status, found or "always", body)
        refusal = Rejection(
            *MASKED,
            cause=f"the upstream's answer shows insides: {found}" if found else "",
            headers=tuple(_kept(response)),
            facts={"upstream_status": response.status, "found": found or "nothing"},
            policy=self._name,
        )
        refusal.status = response.status
        raise refusal

    def _write_down(self, exchange: Exchange, status: int, found: str, body: bytes) -> None:
        """For operators, and not more than they can read."""
        now = self._monotonic()
        if now >= self._until:
            if self._logged > _MOST_LINES:
                _log.warning("%s: %d more were not logged", self._name, self._logged - _MOST_LINES)
            self._until, self._logged = now + _SECONDS, 0
        self._logged += 1
        if self._logged > _MOST_LINES:
            return
        text = masked_text(body[:_LOGGED].decode("utf-8", "backslashreplace"))
        _log.warning(
            "%s on route %s masked a %d (%s), request %s, decision %s: %s%s",
            self._name,
            exchange.route.name,
            status,
            found,
            json.dumps(exchange.request_id),
            exchange.decision_id,
            json.dumps(text),
            "..." if len(body) > _LOGGED else "",
        )


async def _body_of(response: Response) -> tuple[bytes, str]:
    """What there is to look at, and why that is not all."""
    try:
        body = await response.body(_LOOKED_AT)
    except UpstreamError:
        raise
    except Rejection as refusal:
        return b"", refusal.reason
    if body is None:
        return b"", f"more than {_LOOKED_AT // 1024} KiB"
    coding = response.headers.get("Content-Encoding") or ""
    text = decoded(body, coding, _LOOKED_AT)
    return (b"", f"compressed by {coding[:40]!r}") if text is None and body else (text or b"", "")


def _kept(response: Response) -> Iterator[tuple[str, str]]:
    for raw, value in response.headers:
        name = raw.decode("latin-1")
        if name.lower() not in _OF_THE_BODY and not name.lower().startswith(_OF_DEBUGGERS):
            yield name, value.decode("utf-8", "surrogateescape")
