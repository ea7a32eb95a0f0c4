"""Refuse what pages of other sites make a browser do in its user's name.

```yaml
csrf: {origins: ["https://app.example"]}
```

A browser sends cookies and passwords along with whatever a page asks of us, also if the page is
an attacker's. What it says about that page can't be forged by the page:

1. `GET`, `HEAD` and `OPTIONS` pass: they must not change anything (RFC 9110, section 9.2.1). The
   handshake of a WebSocket doesn't, since a conversation may change anything.
2. An `Origin` that is in `origins` passes.
3. Where there is `Sec-Fetch-Site`, `same-origin` passes, and `none`, which is what the user did
   without any page. `same-site` doesn't: other hosts of one domain are often other people's.
4. Else `Origin` must be this service itself, by the request's `Host`. Over https a page of http is
   another origin.
5. A request with neither header passes, unless `on_missing: refuse` is said. Browsers have sent one of
   them for years, so that it comes from a program, which nobody makes do anything; `refuse` is for
   services that only browsers call.

These are the rules of Fetch Metadata (W3C) with the fall-back that OWASP's cheat sheet on
cross-site request forgery gives. No token, cookie or form is needed, and so none can leak.

An application that changes something on `GET` isn't protected by this.

**Host.** Rule 4 is for the few browsers that know no `Sec-Fetch-Site`, and for plain http. It needs
the `Host` that the browser sees: where a proxy in front of us replaces it, list the origin.

**What the client sees.** `403`. What a page may read is the business of `cors`: list the same
origins there.

**State.** None, and nothing that could fail.

**Hardened against.** Forged forms, cross-site WebSockets, `Origin: null` (sandboxed frames), two
origins in one request, origins that only begin or end like one on the list, other spellings of a port.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta

from proxy.config.schema import PolicyConfig
from proxy.config.spelling import listed
from proxy.errors import Change, Rejection
from proxy.exchange import Exchange, Request
from proxy.policies.origins import PageOrigin, without_default_port
from proxy.policy import Services

CROSS_ORIGIN = (403, "csrf.cross_origin", "Pages of other origins may not do this here.")
MISSING = (403, "csrf.missing", "The request does not say which page it comes from.")

REASONS = (CROSS_ORIGIN, MISSING)

_SAFE = ("GET", "HEAD", "OPTIONS")
_WEBSOCKET = "Sec-WebSocket-Key"
"""Browsers always send it in a handshake, and pages can't (RFC 6455, section 11.3.1)."""
_OWN_SITES = ("same-origin", "none")


class CsrfConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    origins: Annotated[
        tuple[PageOrigin, ...],
        Meta(description="Whose pages may do what this service's own may, such as `https://app.example`."),
    ] = ()
    on_missing: Annotated[
        Literal["allow", "refuse"],
        Meta(description="Requests with neither `Origin` nor `Sec-Fetch-Site`: no browser's of today."),
    ] = "allow"

    def in_words(self) -> Sequence[str]:
        """Whose pages may change something."""
        pages = f"pages of this service{f' and of {listed(self.origins)}' if self.origins else ''}"
        missing = "are refused" if self.on_missing == "refuse" else "pass"
        return (f"only {pages} may change something", f"requests that name no page {missing}")


class Csrf:
    """See the module's docstring."""

    def __init__(self, config: CsrfConfig, services: Services) -> None:
        self._name = services.name
        self._origins = frozenset(map(str, config.origins))
        self._refuses_missing = config.on_missing == "refuse"

    def on_request(self, exchange: Exchange) -> None:
        request = exchange.request
        headers = request.headers
        if request.method in _SAFE and _WEBSOCKET not in headers:
            return
        origins, sites = headers.get_all("Origin"), headers.get_all("Sec-Fetch-Site")
        if not origins and not sites:
            if self._refuses_missing:
                raise Rejection(*MISSING, change=Change("on_missing", "allow", "set"), policy=self._name)
            return
        if len(origins) == 1 and origins[0] in self._origins and len(sites) < 2:
            return
        if sites:
            passes = len(sites) == 1 and sites[0] in _OWN_SITES and len(origins) < 2
        else:
            passes = len(origins) == 1 and _is_own(origins[0], request)
        if not passes:
            raise self._refusal(origins, sites)

    def _refusal(self, origins: list[str], sites: list[str]) -> Rejection:
        facts = {"origin": ", ".join(origins), "sec_fetch_site": ", ".join(sites)}
        # Any sandboxed page is `null`: to list it is nobody's smallest edit.
        listable = (
            len(origins) == 1 and len(sites) < 2 and origins[0] != "null" and _can_be_listed(origins[0])
        )
        change = Change("origins", origins[0], "add") if listable else None
        return Rejection(*CROSS_ORIGIN, facts=facts, change=change, policy=self._name)


def _is_own(origin: str, request: Request) -> bool:
    """The origin of this service, as far as the request tells what that is."""
    scheme, _, _ = origin.partition("://")
    if scheme not in (("https",) if request.secure else ("http", "https")):
        return False
    host = (request.headers.get("Host") or request.host).lower()
    return host != "" and origin == without_default_port(f"{scheme}://{host}")


def _can_be_listed(origin: str) -> bool:
    try:
        return PageOrigin.parse(origin) == origin
    except ValueError:
        return False
