"""Tell the upstream who the client is, and which host and scheme it asked for.

```yaml
forwarded: {emit: [x-forwarded, forwarded], host: preserve}
```

With `x-forwarded` in `emit`, the upstream gets

- `X-Forwarded-For`: the addresses on the way, the client's first, our peer's last;
- `X-Forwarded-Host` and `X-Forwarded-Proto`: what the client asked for;
- `X-Real-IP`: the client's address alone, as every policy and log of ours has it.

With `forwarded` it gets the standard's `Forwarded` field (RFC 7239) with `for`, `host` and
`proto`. Where a trusted proxy sent only `X-Forwarded-For`, its addresses are taken over into
`Forwarded` as section 7.4 of the RFC says. What is not in `emit` is removed, so that the
upstream never hears two stories. `emit: []` tells it nothing: right for calls to somebody
else's API, which has no business knowing addresses inside.

**Whom to believe.** What the peer sent in these fields is kept and added to only if
`clients.trusted_proxies` has the peer. From anybody else it is dropped before any policy
runs, on routes without this policy too.

**Host.** `preserve` passes the client's `Host` on; `upstream` sends the authority of the
upstream's URL, which virtual hosting and API gateways need: for calls to somebody else's API
it is `{emit: [], host: upstream}`. `seawall check` warns of an https upstream elsewhere that
would get the client's, or addresses inside, where the file does not say that this is meant.

**What the client sees.** Nothing.

**State.** At most 1024 addresses in the form that RFC 7239 wants, and the fields of 1024
callers; nothing that could fail.

**Hardened against.** Spoofed addresses; values that break out of their quotes; addresses
that are none, which become `unknown` (RFC 7239, section 6.2). An address is never made up:
on a unix socket, where the peer has none, `Forwarded` says `unknown` and `X-Forwarded-For`
says what the peer said, or nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Literal

from msgspec import Meta

from proxy.config.schema import PolicyConfig
from proxy.exchange import Exchange
from proxy.header_lines import Line
from proxy.headers import HeaderBlock
from proxy.policy import Services

REASONS = ()

_OURS = frozenset((b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"forwarded"))
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, section 5.6.2
_NODES_MAX = 1024


class ForwardedConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    emit: Annotated[
        tuple[Literal["x-forwarded", "forwarded"], ...],
        Meta(description="Which fields the upstream gets; the others are removed."),
    ] = ("x-forwarded",)
    host: Annotated[
        Literal["preserve", "upstream"],
        Meta(description="Whose name goes into Host: the one that the client sent, or the upstream's."),
    ] = "preserve"


class Forwarded:
    """See the module's docstring."""

    def __init__(self, config: ForwardedConfig, services: Services) -> None:  # noqa: ARG002  # same for all
        self._x_forwarded = "x-forwarded" in config.emit
        self._standard = "forwarded" in config.emit
        self._upstream_host = config.host == "upstream"

    def on_request(self, exchange: Exchange) -> None:
        exchange.send_upstream_host = self._upstream_host
        request = exchange.request
        headers, trusted = request.headers, exchange.peer_trusted
        # Without a trusted proxy in between, the client is the peer.
        peer = exchange.peer_ip or ("" if trusted else exchange.client_ip)
        chain = host = elements = None
        if trusted:  # of others the wire drops them
            chain, host = headers.get("X-Forwarded-For"), headers.get("X-Forwarded-Host")
            elements = headers.get("Forwarded") if self._standard else None
        host = host or headers.get("Host") or request.host
        proto = "https" if request.secure else "http"

        if self._x_forwarded:
            addresses = f"{chain}, {peer}" if chain and peer else chain or peer
            usual = len(addresses) + len(host) <= _REMEMBERED_LENGTH
            fields = (_remembered if usual else _x_forwarded)(addresses, host, proto, exchange.client_ip)
            headers.drop(_OURS, fields)
        else:
            headers.drop(_OURS)
        if self._standard:
            before = elements or (chain and _converted(chain))
            ours = _element(peer, host, proto)
            headers.add("Forwarded", f"{before}, {ours}" if before else ours)


def _x_forwarded(addresses: str, host: str, proto: str, client_ip: str) -> tuple[Line, ...]:
    fields = {
        "X-Forwarded-For": addresses,
        "X-Forwarded-Host": host,
        "X-Forwarded-Proto": proto,
        "X-Real-IP": client_ip,
    }
    return HeaderBlock({name: value for name, value in fields.items() if value}).added


# The same caller comes again; what is longer than usual is not remembered.
_REMEMBERED_LENGTH = 256
_remembered = lru_cache(maxsize=1024)(_x_forwarded)


def _element(peer: str, host: str, proto: str) -> str:
    return (
        f"for={_node(peer)};host={_quoted(host)};proto={proto}"
        if host
        else f"for={_node(peer)};proto={proto}"
    )


def _converted(chain: str) -> str:
    """`X-Forwarded-For` as elements of `Forwarded` (RFC 7239, section 7.4)."""
    return ", ".join([f"for={_node(address.strip())}" for address in chain.split(",")])


@lru_cache(maxsize=_NODES_MAX)
def _node(address: str) -> str:
    """As RFC 7239, section 6 wants it: IPv6 in brackets and quotes; a port is left out."""
    bare = address[1:].partition("]")[0] if address.startswith("[") else address
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        ip = ip_address(bare.partition("%")[0])
    except ValueError:
        return "unknown"
    return f'"[{ip}]"' if isinstance(ip, IPv6Address) else str(ip)


def _quoted(value: str) -> str:
    if _TOKEN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
