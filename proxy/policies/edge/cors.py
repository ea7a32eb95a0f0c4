"""Let pages of chosen origins call this API from a browser, whatever the upstream knows of CORS.

```yaml
cors:
  origins: ["https://app.example", "http://localhost:3000"]
  methods: [GET, POST]
  headers: [Content-Type, Authorization]
  expose: [X-Request-ID]
  credentials: true
  max_age: 10m
```

**What the client sees.** A preflight (`OPTIONS` with `Origin` and
`Access-Control-Request-Method`) is answered here with `204` and never reaches the upstream,
or refused with `403` where the origin, the method or a header is not on the list. Any other
request passes, whoever made it: CORS decides which pages may *read* an answer, not who may
ask. To refuse requests of other origins, use `csrf`.

All responses of the route carry the CORS headers, refusals and failures too, so that a page
can tell a `429` from a network error. What the upstream sent of `Access-Control-*` is
replaced, since two values make browsers refuse the answer; a page whose origin is not on the
list gets none. Where `origins` is not `*`, every response says `Vary: Origin`, so that no
cache hands one origin's answer to another (WHATWG Fetch, "CORS protocol and HTTP caches").

**Origins.** Exact, as browsers write them: scheme, host, and port where it is not the
scheme's own. There are no patterns: a regular expression that forgets a dot lets
`https://app.example.attacker.test` in. `null`, which every sandboxed frame and every local
file calls itself, is an origin only where it is listed. `*` is all of them, and cannot go
together with `credentials` (Fetch, "CORS protocol and credentials").

**Methods and headers** are compared as browsers send them (Fetch, "CORS-preflight fetch"):
methods with regard to case, headers without. A page may send `GET`, `HEAD` and `POST` with
ordinary headers without asking, whatever `methods` says.

**State.** None, and nothing that could fail.

**In shadow.** A preflight goes to the upstream; what would have been answered or refused is
reported.

**Hardened against.** Reflected origins, two `Access-Control-Allow-Origin` headers, poisoned
caches, and preflights that reach an application which answers `OPTIONS` with anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

from msgspec import Meta

from proxy.config.patterns import Method
from proxy.config.schema import PolicyConfig
from proxy.config.spelling import spelled
from proxy.config.units import Duration, HeaderName, Unit
from proxy.errors import Change, Rejection
from proxy.exchange import Exchange, ExchangeKey, Response
from proxy.header_lines import Line
from proxy.headers import HeaderBlock, header_line
from proxy.policies.origins import PageOrigin
from proxy.policy import Services

ORIGIN = (403, "cors.origin", "Pages of this origin may not call this service.")
METHOD = (403, "cors.method", "Pages of other origins may not use this method here.")
HEADERS = (403, "cors.headers", "Pages of other origins may not send this header here.")

REASONS = (ORIGIN, METHOD, HEADERS)

_CORS_FIELDS = frozenset(
    b"access-control-allow-origin access-control-allow-credentials access-control-allow-headers"
    b" access-control-allow-methods access-control-allow-private-network access-control-expose-headers"
    b" access-control-max-age".split()
)
_MOST_NAMES = 16
"""Of headers that a decision says to add; who asks for more wants something else."""


class Origin(PageOrigin):
    """An origin as browsers serialise it, `null`, or `*`."""

    __slots__ = ()
    pattern = PageOrigin.pattern.replace("null", r"\*|null", 1)


class CorsConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    origins: Annotated[
        tuple[Origin, ...],
        Meta(min_length=1, description="Whose pages may read the answers; `*` for everybody's."),
    ]
    methods: Annotated[
        tuple[Method, ...], Meta(min_length=1, description="Methods that a preflight may ask for.")
    ] = (Method("GET"), Method("HEAD"), Method("POST"))
    headers: Annotated[
        tuple[HeaderName, ...],
        Meta(
            description="Request headers that a preflight may ask for; `Content-Type: application/json` asks."
        ),
    ] = ()
    expose: Annotated[
        tuple[HeaderName, ...],
        Meta(description="Response headers that pages may read, besides the few that they always may."),
    ] = ()
    credentials: Annotated[
        bool, Meta(description="Pages may send cookies, client certificates and HTTP authentication.")
    ] = False
    max_age: Annotated[
        Duration, Meta(description="How long a browser may keep the answer to a preflight; browsers cap it.")
    ] = Duration(600)

    def check(self) -> Iterator[tuple[str, str]]:
        """What Fetch rules out, and what would look like a wildcard and be none."""
        if "*" in self.origins and self.credentials:
            yield "credentials", "browsers refuse `*` together with credentials; expected `origins` by name"
        if "*" in self.origins and len(self.origins) > 1:
            yield "origins", "`*` is all origins; expected it alone, or origins by name"
        for field, names in (("headers", self.headers), ("expose", self.expose)):
            if "*" in names:
                yield (
                    f"{field}[{names.index(HeaderName('*'))}]",
                    "there is no wildcard; expected names of headers",
                )

    def in_words(self) -> Sequence[str]:
        """For how long a change of this policy may go unnoticed."""
        if self.max_age < 1:
            return ("a browser asks again before each request",)
        return (f"a browser asks again after {spelled(self.max_age)} at the latest",)


_VARY = header_line("Vary", "Origin")


class _Fields(NamedTuple):
    """The CORS headers for one origin, serialised at load."""

    actual: tuple[Line, ...]
    preflight: tuple[Line, ...]


_NONE = _Fields((), ())


class Cors:
    """See the module's docstring."""

    def __init__(self, config: CorsConfig, services: Services) -> None:
        self._name = services.name
        self._any = "*" in config.origins
        # Without Origin it is `*`, too: a public resource says so to everybody, and caches well.
        self._fields = {str(origin): _fields(config, origin) for origin in config.origins}
        self._methods = frozenset(config.methods)
        self._headers = frozenset(name.lower() for name in config.headers)
        self._preflight = ExchangeKey[_Fields]("cors")

    def on_request(self, exchange: Exchange) -> Response | None:
        request = exchange.request
        if request.method != "OPTIONS":
            return None
        headers = request.headers
        origin = headers.get("Origin")
        method = headers.get("Access-Control-Request-Method")
        if origin is None or method is None:
            return None
        fields = self._fields.get("*" if self._any else origin)
        unlisted = self._unlisted(headers.get("Access-Control-Request-Headers") or "")
        if fields is None or method not in self._methods or unlisted:
            raise self._refusal(origin, method, unlisted, listed=fields is not None)
        exchange.remember(self._preflight, fields)
        return Response(204)

    def on_response(self, exchange: Exchange, response: Response) -> None:
        headers = response.headers
        preflight = exchange.recall(self._preflight)
        if preflight is not None:
            fields = preflight.preflight
        else:
            origin = "*" if self._any else exchange.request.headers.get("Origin")
            fields = self._fields.get(origin or "", _NONE).actual
        if not self._any:
            vary = headers.get("Vary")
            if vary is None or not _lists_origin(vary):
                fields = (_VARY, *fields)
        headers.drop(_CORS_FIELDS, fields)

    def _unlisted(self, asked: str) -> tuple[str, ...]:
        names = [name.strip() for name in asked.lower().split(",")]
        return tuple(name for name in names if name and name not in self._headers)

    def _refusal(self, origin: str, method: str, unlisted: tuple[str, ...], *, listed: bool) -> Rejection:
        """The first thing that is wrong, with the edit that allows it where nothing else is wrong."""
        alone = listed + (method in self._methods) + (not unlisted) == 2
        if not listed:
            change = Change("origins", origin, "add") if alone and _can_be_listed(Origin, origin) else None
            return Rejection(*ORIGIN, facts={"origin": origin}, change=change, policy=self._name)
        if method not in self._methods:
            change = Change("methods", method, "add") if alone and _can_be_listed(Method, method) else None
            return Rejection(*METHOD, facts={"method": method}, change=change, policy=self._name)
        few = len(unlisted) <= _MOST_NAMES and all(_can_be_listed(HeaderName, name) for name in unlisted)
        change = Change("headers", unlisted, "add") if few else None
        return Rejection(*HEADERS, facts={"header": unlisted[0]}, change=change, policy=self._name)


def _fields(config: CorsConfig, origin: str) -> _Fields:
    shared = {"Access-Control-Allow-Origin": str(origin)}
    if config.credentials:
        shared["Access-Control-Allow-Credentials"] = "true"
    actual = {**shared, "Access-Control-Expose-Headers": ", ".join(config.expose)}
    preflight = {
        **shared,
        "Access-Control-Allow-Methods": ", ".join(config.methods),
        "Access-Control-Allow-Headers": ", ".join(config.headers),
        "Access-Control-Max-Age": str(int(config.max_age)),
    }
    return _Fields(_spelled(actual), _spelled(preflight))


def _spelled(fields: dict[str, str]) -> tuple[Line, ...]:
    return HeaderBlock({name: value for name, value in fields.items() if value}).added


def _can_be_listed(unit: type[Unit], text: str) -> bool:
    """A policy file may have `text`, and compares it as it came."""
    try:
        return text != "*" and str(unit.parse(text)) == text
    except ValueError:
        return False


def _lists_origin(vary: str) -> bool:
    listed = [name.strip() for name in vary.lower().split(",")]
    return "origin" in listed or "*" in listed
