"""Accept nothing that came over plain http.

```yaml
require_https: redirect
```

`redirect` sends browsers on to the same URL with https. That is done for GET and HEAD alone:
whoever sent a body or a command in the clear is to learn of it, and not to do so with every request.

`refuse` refuses all of them, and is right for APIs: a client with `http://` in its settings would
follow each redirect without a word, and show its key in the clear each time before it does.

**What https is.** A connection that came to us with TLS; or the trusted proxy in front of us
says `X-Forwarded-Proto: https`. Where TLS ends in front of us, `clients.trusted_proxies` must
have that proxy: else every request looks like http, and is redirected in a circle.

**What the client sees.** `308` with `Location`, which no cache may keep; or `403`. The URL is that
of the request, byte for byte, with its own Host: without a Host that is a name
or an address, and where the target is not a path, there is nothing to redirect to, and it is `403`.
Browsers that shall not even try http are told so by `Strict-Transport-Security`, which
`security_headers` sets.

**State.** None, and nothing that could fail.

**Hardened against.** Redirects to other hosts (`//evil.example` as a path, user names and ports
in Host); bytes that don't belong into a header; clients that claim to have come by https.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal
from urllib.parse import quote

from msgspec import Meta

from proxy.config.schema import PolicyConfig
from proxy.errors import Rejection
from proxy.exchange import Exchange, Request
from proxy.policy import Services

_ONLY = "This service is reached by https only."
REDIRECTED = (308, "require_https.redirected", _ONLY)
REFUSED = (403, "require_https.refused", _ONLY)

REASONS = (REDIRECTED, REFUSED)

_HTTPS = 443
_REDIRECTED_METHODS = ("GET", "HEAD")
_HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")
"""Of what RFC 3986 allows in a host, that which real names and addresses are made of."""
_AS_IT_IS = "".join(map(chr, range(0x21, 0x7F)))


class RequireHttpsConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    action: Annotated[
        Literal["redirect", "refuse"],
        Meta(description="`redirect` GET and HEAD and refuse the others, or `refuse` all."),
    ] = "redirect"
    port: Annotated[
        int, Meta(ge=1, le=65535, description="Where clients reach us by https; for `redirect`.")
    ] = _HTTPS

    def check(self) -> Iterator[tuple[str, str]]:
        """A port is for those who are sent there."""
        if self.action == "refuse" and self.port != _HTTPS:
            yield "port", "nobody is sent there; expected it with `action: redirect` only"

    def in_words(self) -> Sequence[str]:
        """What becomes of plain http."""
        if self.action == "refuse":
            return ("http is refused",)
        return ("GET and HEAD by http are sent to https", "all else by http is refused")


class RequireHttps:
    """See the module's docstring."""

    def __init__(self, config: RequireHttpsConfig, services: Services) -> None:
        self._name = services.name
        self._redirects = config.action == "redirect"
        self._port = "" if config.port == _HTTPS else f":{config.port}"

    def on_request(self, exchange: Exchange) -> None:
        request = exchange.request
        if request.secure:
            return
        facts = {"peer_ip": exchange.peer_ip, "peer_trusted": exchange.peer_trusted}
        if self._redirects and _can_be_redirected(request):
            location = f"https://{request.host}{self._port}{_ascii(request.target)}"
            raise Rejection(*REDIRECTED, headers=[("Location", location)], facts=facts, policy=self._name)
        raise Rejection(*REFUSED, facts=facts, policy=self._name)


def _can_be_redirected(request: Request) -> bool:
    return (
        request.method in _REDIRECTED_METHODS
        and request.target.startswith("/")
        and _HOST.fullmatch(request.host) is not None
    )


def _ascii(target: str) -> str:
    """As a URL may be written (RFC 3986); what is not ASCII in percent-encoding."""
    return quote(target.encode("utf-8", "surrogateescape"), safe=_AS_IT_IS)
