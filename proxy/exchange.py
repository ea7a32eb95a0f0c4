"""The words that every part shares: request, response, exchange, attempt, outcome."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec

from proxy.errors import Rejection
from proxy.headers import Headers

T = TypeVar("T")


class Stream(Protocol):
    """A body that is still arriving, or has not been asked for."""

    async def collect(self, limit: int) -> bytes | None:
        """All of it, kept so that it can be passed on; None once it is over `limit` bytes.

        After None the bytes read so far and those to come can still be passed on.
        Raises Rejection (503, `buffers.full`) where all buffered bodies together would
        go over `--max-buffered`.
        """
        ...


class Request(msgspec.Struct):
    """What the client sent. Policies may change `headers`, and drop parameters of `target` and `query`."""

    method: str
    target: str
    """The request target byte for byte, undecodable bytes as surrogates."""
    path: str
    """Decoded and normalised, for matching; never sent anywhere."""
    query: str = ""
    """As it came, without the question mark."""
    headers: Headers = msgspec.field(default_factory=Headers)
    content: bytes | Stream = b""
    content_length: int | None = 0
    """As declared; None for a chunked body, whose length nobody knows yet."""
    host: str = ""
    """From Host, or from an absolute target: lower case, without the port."""
    secure: bool = False
    """The client came by https: to us, or to the trusted proxy that says so."""


class Response(msgspec.Struct):
    """What the client will get; once it is under way only the head can change."""

    status: int
    headers: Headers = msgspec.field(default_factory=Headers)
    content: bytes | Stream = b""
    phrase: str = ""
    """Reason phrase of the status line; the usual one where empty."""
    from_upstream: bool = False

    async def body(self, limit: int) -> bytes | None:
        """The body, buffered and still passed on; None, and it streams on, past `limit` bytes."""
        if isinstance(self.content, bytes):
            return self.content if len(self.content) <= limit else None
        body = await self.content.collect(limit)
        if body is not None:
            self.content = body
        return body


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the caller was proved to be."""

    id: str
    method: str
    """Which policy proved it, such as `api_key`."""
    claims: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """How long one attempt may take, in seconds; the timer wheel of the wire enforces them."""

    connect: float = 5.0
    response: float = 60.0
    """From the last byte of the request that could be sent until the response's head."""
    idle: float = 60.0
    """Between two reads, or two writes, of a body."""
    attempt: float = math.inf
    """All of it, to the last byte of the answer."""


class Attempt(msgspec.Struct):
    """One call of the upstream, after its last byte or its failure."""

    number: int
    upstream: str
    started: float
    ended: float
    status: int | None = None
    """None where no head arrived."""
    error: Exception | None = None
    """Also set where the body broke off after a good head."""


class Retry(msgspec.Struct):
    """A call that came to nothing, and what was done about it."""

    error_class: str
    """Of the failure, by the policy's words: `timeout`, `gateway_error`, or an operator's own."""
    cause: str
    """The status, or the reason of the failure."""
    wait: float | None = None
    """Seconds until the next call; None where there was none."""
    outcome: str = "abandoned"
    """Of the next call, or why there was none; `abandoned` where the exchange ended before either."""
    took: float = 0.0
    """Seconds that the call took that came to nothing."""


class Outcome(msgspec.Struct):
    """How an exchange ended. Times are of the monotonic clock."""

    status: int
    """As sent; 499 where the client left before anything could be sent."""
    ended: float
    reason: str = ""
    """Of a refusal or a failure; empty where the upstream's answer went out whole."""
    bytes_received: int = 0
    bytes_sent: int = 0
    complete: bool = True
    """The client got the whole response."""


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """What a decision tells of one policy of the route."""

    kind: str
    name: str
    """Of its state: `rate_limit/per_client`."""
    mode: str
    """As written: `enforce`, `shadow`, `disabled`, or a share such as `10%`."""
    place: str
    """`file:line` of what is in force."""


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """What an exchange, its logs and its metrics need to know of the route."""

    name: str
    template: str
    """The path as the match spells it; the `endpoint` of metrics."""
    chain: tuple[PolicyFacts, ...] = ()
    """Its policies in the order in which a request meets them, disabled ones too."""
    revision: str = ""
    """Of the policy files that it comes from."""


NO_ROUTE = RouteFacts("", "")
NO_PARAMS: Mapping[str, str] = MappingProxyType({})
DEFAULT_LIMITS = AttemptLimits()


class ExchangeKey(Generic[T]):
    """A private, typed slot that one policy keeps on an exchange."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Exchange(msgspec.Struct, eq=False):  # a Struct, since one is made for each request, in C
    """One request on its way, and what was learned and decided about it."""

    in_shadow: ClassVar[bool] = False
    """It is a view for a policy in shadow, which reads no body and gives nobody an answer."""

    request: Request
    client_ip: str
    request_id: str = ""
    decision_id: str = ""
    started: float = 0.0
    """Monotonic, when the head had arrived."""
    peer_ip: str = ""
    """Who the connection is with: the client, or the proxy before us; empty on a unix socket."""
    peer_trusted: bool = False
    """The peer is one of `clients.trusted_proxies`."""
    max_body: int = 10 * 1024 * 1024
    """`--max-body`: what `body()` reads where no `size_limit` says less."""
    route: RouteFacts = NO_ROUTE
    params: Mapping[str, str] = NO_PARAMS
    identity: Identity | None = None
    limits: AttemptLimits = DEFAULT_LIMITS
    send_upstream_host: bool = False
    """Host names the upstream, as its URL does; else it is what the client sent."""
    deadline: float | None = None
    deadline_refusal: Rejection | None = None
    deadline_header: str | None = None
    """Tells the upstream at each attempt how much time is left."""
    body_limit: int | None = None
    body_refusal: Rejection | None = None
    refusal: Rejection | None = None
    """Why the response is not the upstream's, where it is not."""
    shadowed: list[Rejection] | None = None
    """What policies in shadow would have refused."""
    carrier: Any = None
    """The wire's side of this exchange; nobody else's business."""
    attempts: int = 0
    attempt_started: float = 0.0
    """Monotonic, when the last of them began; 0.0 where it began with the exchange."""
    once: bool = False
    """What was sent is never sent again for no reason but that its connection had been idle before."""
    barred_until: float = 0.0
    """Monotonic: so long, as the last attempt left it, a policy behind `retry` lets no call reach the
    upstream that was called; `math.inf` where nobody knows how long."""
    retries: list[Retry] | None = None
    """Calls that came to nothing, and what was done about each; None where there was none."""
    upstream: str | None = None
    """Another than the route's, which attempts call from now on; a name of `upstreams`."""
    upstream_status: int | None = None
    _notes: dict[ExchangeKey[Any], Any] | None = None

    async def body(self) -> bytes:
        """The request's body, read once and kept, so that it can be sent (again).

        Raises Rejection: 413 over `size_limit` or `--max-body`, 503 over `--max-buffered`.
        """
        content = self.request.content
        if isinstance(content, bytes):
            return content
        limit = self.max_body if self.body_limit is None else self.body_limit
        body = await content.collect(limit)
        if body is None:
            raise self.body_refusal or Rejection(
                413,
                "request.body_too_large",
                "The body is larger than this service reads.",
                facts={"limit": limit},
            )
        self.request.content = body
        return body

    def bound_time(self, deadline: float, refusal: Rejection) -> None:
        """End the exchange at `deadline` (monotonic) with `refusal`; the earliest bound counts."""
        if self.deadline is None or deadline < self.deadline:
            self.deadline = deadline
            self.deadline_refusal = refusal
            if self.carrier is not None:
                self.carrier.bounded()

    def tell_time_left(self, now: float) -> None:
        """Write into the request how many milliseconds are left at `now`, where the upstream is to know."""
        if self.deadline_header is not None and self.deadline is not None:
            # Rounded down, and never 0, which some take for no limit at all.
            left = max(1, int((self.deadline - now) * 1000))
            self.request.headers.set(self.deadline_header, str(left))

    def keep_body(self, limit: int) -> None:
        """Keep what is sent of the request's body, if all of it has at most `limit` bytes, to send it again.

        It streams all the same. Beyond `limit`, or `--max-buffered`, nothing is kept.
        """
        if self.carrier is not None and not isinstance(self.request.content, bytes):
            self.carrier.keep_body(limit)

    @property
    def repeatable(self) -> bool:
        """All of the request is still here, so that it can be sent once more."""
        if isinstance(self.request.content, bytes):
            return True
        return self.carrier is not None and bool(self.carrier.has_all_of_body)

    def bound_body(self, limit: int, refusal: Rejection) -> None:
        """End the exchange with `refusal` once the request's body is over `limit` bytes.

        Raises `refusal` at once where the declared length already is.
        """
        declared = self.request.content_length
        if declared is not None and declared > limit:
            raise refusal
        if self.body_limit is None or limit < self.body_limit:
            self.body_limit = limit
            self.body_refusal = refusal

    def shadow(self, rejection: Rejection) -> None:
        """Report what a policy in shadow would have refused."""
        if self.shadowed is None:
            self.shadowed = []
        self.shadowed.append(rejection.with_traceback(None))  # it would lead back here

    def remember(self, key: ExchangeKey[T], value: T) -> None:
        """Keep `value` for the policy that owns `key`."""
        if self._notes is None:
            self._notes = {}
        self._notes[key] = value

    def forget(self, key: ExchangeKey[T]) -> None:
        """Keep nothing under `key` any more."""
        if self._notes is not None:
            self._notes.pop(key, None)

    def recall(self, key: ExchangeKey[T]) -> T | None:
        """What was remembered under `key`, or None."""
        return None if self._notes is None else self._notes.get(key)


Forward = Callable[[Exchange], Awaitable[Response]]
"""Call what comes next, in the end the upstream; returns at the response's head."""
