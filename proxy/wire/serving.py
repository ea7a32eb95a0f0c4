"""What the wire serves right now: one immutable object, swapped whole by a reload.

An exchange keeps the one that it started with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from proxy.exchange import Exchange, Outcome, Response, RouteFacts
from proxy.header_lines import ANY_FORWARDED
from proxy.pipeline import Pipeline
from proxy.router import RoutingTable
from proxy.wire.head import HOP_BY_HOP, SPOOFABLE, UNDERSTOOD
from proxy.wire.parser import AS_CGI, Specials
from proxy.wire.peers import TrustedPeers
from proxy.wire.pool import Pool


class Recorder(Protocol):
    """Who is told of every exchange: metrics, access log, decisions."""

    def started(self, exchange: Exchange) -> None:
        """Its head has arrived."""
        ...

    def attempted(self, upstream: str, status: int | None, error: Exception | None) -> None:
        """One call of an upstream has ended; neither status nor error: we gave it up."""
        ...

    def finished(self, exchange: Exchange, outcome: Outcome) -> None:
        """Its last byte is out, or never will be."""
        ...


@dataclass(frozen=True, slots=True)
class CompiledRoute:
    """A route, ready to carry exchanges."""

    facts: RouteFacts
    pipeline: Pipeline
    upstream: Pool
    elsewhere: str | None = None
    """The name of the upstream, where it is not the route's own."""
    others: Mapping[str | None, Pool] = field(default_factory=dict)
    """Upstreams that policies may have called instead, by name; where there are any, under None its own."""

    def calling(self, name: str | None) -> CompiledRoute:
        """The same, for attempts at another upstream; with None at its own."""
        return replace(self, upstream=self.others[name], elsewhere=name)


@dataclass(frozen=True, slots=True)
class WireSettings:
    """Limits of the process, in seconds and bytes; what protects it before any policy is asked."""

    head_timeout: float = 10.0
    """From the first byte of a request until its head is complete."""
    body_idle: float = 30.0
    """Between two pieces of a request's body."""
    keep_alive: float = 75.0
    """An idle connection; longer than the upstream keeps its own would be no use."""
    tunnel_idle: float = 600.0
    """A switched connection on which nothing moves."""
    linger: float = 2.0
    """How long what a refused client still sends is read and thrown away, so that it sees the answer."""
    max_connections: int = 10_000
    max_body: int = 10 * 2**20
    """What a policy may read of a body where no `size_limit` says less (`--max-body`)."""
    max_buffered: int = 256 * 2**20
    """All bodies that policies hold at one time (`--max-buffered`)."""


@dataclass(frozen=True, slots=True)
class HeadCaps:
    """What is read of a head before any route is known; a `size_limit` that allows more raises them."""

    target: int = 16 * 1024
    head: int = 64 * 1024
    fields: int = 200


_SPECIALS = Specials(HOP_BY_HOP)


@dataclass(frozen=True, slots=True)
class Serving:
    """One revision of the policy files, compiled."""

    table: RoutingTable[CompiledRoute]
    no_route: CompiledRoute
    recorder: Recorder
    peers: TrustedPeers = field(default_factory=TrustedPeers)
    caps: HeadCaps = HeadCaps()
    request_id_header: str = "X-Request-ID"
    accept_request_id: bool = True
    """From trusted peers."""
    identity_headers: frozenset[bytes] = frozenset()
    """Lower-case names of what only we say of a caller; nobody else does, be they trusted or not."""
    local: Mapping[str, Callable[[], Response]] = field(default_factory=dict)
    """Paths that are answered here, before routing: health and metrics."""
    request_id_field: bytes = b""
    response_dropped: frozenset[bytes] = HOP_BY_HOP
    dropped_trusted: frozenset[bytes] = HOP_BY_HOP
    dropped_untrusted: frozenset[bytes] = HOP_BY_HOP
    request_specials: Specials = _SPECIALS
    response_specials: Specials = _SPECIALS

    def __post_init__(self) -> None:
        header = self.request_id_header.lower().encode("latin-1")
        own = frozenset((header, header.translate(AS_CGI)))  # CGI and WSGI can't tell them apart
        names = [name for named in self.identity_headers for name in (named, named.translate(AS_CGI))]
        ours = own.union(names)
        for name, value in (
            ("request_id_field", self.request_id_header.replace("%", "%%").encode("latin-1") + b": %b\r\n"),
            ("response_dropped", HOP_BY_HOP | own),
            ("dropped_trusted", HOP_BY_HOP | ours),
            ("dropped_untrusted", HOP_BY_HOP | ours | SPOOFABLE),
            ("request_specials", Specials((HOP_BY_HOP | ours | SPOOFABLE | UNDERSTOOD) - {ANY_FORWARDED})),
            ("response_specials", Specials(HOP_BY_HOP | own | UNDERSTOOD)),
        ):
            object.__setattr__(self, name, value)
