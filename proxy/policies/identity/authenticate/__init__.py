"""Admit callers that prove who they are in one of several ways, and tell the application who they are.

```yaml
authenticate:
  methods: [POST, PUT, PATCH, DELETE]
  any_of:
    - api_key:
        format: "^[0-9a-f]{64}$"
        keys:
          - id: acme
            sha256: f3d3dafe1fe28f0f2c3e40a2b4c1f1b9e6c37ef8b9c8a1b1d3d0e6f6f5c2a7d4
            attributes: {plan: gold}
    - basic_auth: {credentials: [{env: OPERATOR}]}
  forward: {X-Auth-Id: auth.id, X-Plan: auth.claims.plan}
```

Each entry of `any_of` is a policy of this phase with its own keys, which its own page explains. It
stands there in full: no `use`, no name, and no `mode`, since that is the mode of `authenticate`.
Policies that stand on the route beside `authenticate` must pass as well.

**Not mine, and wrong.** A way that sees no credential of its kind has nothing to say, and the next is
asked. One that sees a wrong credential refuses, and the others of its kind are still asked, so that
two files of keys, or two senders with one header, can stand beside each other. Whoever shows
credentials of several kinds must be right with each: what the application sees of them has been
verified. So a wrong password is refused, also beside a good key. The first way that accepts, in the
order of `any_of`, says who the caller is.

**Methods.** Without `methods`, every request needs a credential. With it, these methods do, and
others may do without; HEAD counts as GET. Who shows a credential with those is known by it, and
a wrong one is refused there, too. Methods that HTTP does not have are never among those that
do without, and a request that asks for another method by a header (`X-HTTP-Method-Override` and its
kin) counts as that one. The request that opens a WebSocket is a GET. Browsers send no
credentials with a CORS preflight: `cors` answers those before this policy is asked.

**Telling the application.** `forward` names headers and what they say: `auth.id`; `auth.method`, the
name of the way; `auth.claims.NAME`, which is an attribute of a key or a claim of a token. What has no
such name as a whole is looked for within others, by the names between the dots. Text is itself, all
else is JSON, and what the caller does not have is left out. Clients can't send these headers: on no
route of the configuration, whether or not they are authenticated, in no spelling with underscores,
and in no trailer. What can't stand in a header, such as a line break in a claim, refuses the request.

**What the client sees.** `401` with one `WWW-Authenticate` for each way, whatever was wrong with
which; the log and the decision tell. `403` where all that was shown is right, but a token of it does not
allow the request. `503` where what was shown can't be judged now, such as when a token's issuer is out
of reach.

**In shadow.** Nothing changes: nobody is known by it, and headers of clients stay what they are
unless another route enforces a policy that forwards them. Let no application trust these before.

**State.** That of its ways.

**Hardened against.** Claims of an identity by the client; a good credential that covers for a bad
one; methods in other spellings; ways whose refusal would tell which of them knows a caller.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from inspect import iscoroutinefunction
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, field

from proxy.config.documents import PlaceInFile
from proxy.config.keys import Key, asked_by
from proxy.config.patterns import METHODS, Method
from proxy.config.schema import PolicyConfig
from proxy.config.units import HeaderName
from proxy.errors import Rejection
from proxy.exchange import Exchange, Identity
from proxy.policies.authenticator import Authenticator
from proxy.policies.identity.authenticate.forwarding import (
    MOST_SPELLINGS,
    Fact,
    count_of_spellings,
    dropped_names,
)
from proxy.policies.identity.authenticate.verdict import Verdict
from proxy.policies.identity.authenticate.ways import KINDS, Way, callers_of
from proxy.policies.lookalikes import lookalikes
from proxy.policy import Services

MISSING = (401, "authenticate.missing", "This service wants to know who you are.")
INVALID = (401, "authenticate.invalid", "What was shown to prove who you are is not accepted.")
FORBIDDEN = (403, "authenticate.forbidden", "Who you are does not allow this request.")
UNAVAILABLE = (503, "authenticate.unavailable", "It can't be told now who you are.")

REASONS = (MISSING, INVALID, FORBIDDEN, UNAVAILABLE)

_TAKEN = frozenset(
    """
    accept accept-encoding authorization connection content-digest content-encoding content-length
    content-type cookie date expect host keep-alive max-forwards origin proxy proxy-authorization proxy-
    connection range signature signature-input te trailer transfer-encoding upgrade via
    """.split()  # noqa: SIM905  # as a list it would be as long as the page
)
"""Names that `forward` can't have: they frame the message, or mean something to everybody."""
_OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
_LIKE_OVERRIDES = frozenset[bytes]().union(*map(lookalikes, _OVERRIDES))
"""CGI and WSGI take these for those."""


class AuthenticateConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    any_of: Annotated[
        tuple[Way, ...],
        Meta(min_length=1, max_length=16, description="Ways to prove who one is, of which one is enough."),
    ]
    methods: Annotated[
        tuple[Method, ...] | None,
        Meta(min_length=1, description="Those that need a credential; all of them where absent."),
    ] = None
    forward: Annotated[
        dict[HeaderName, Fact],
        Meta(description="Headers to the application, and what they say of the caller."),
    ] = field(default_factory=dict)

    def asked(self) -> Iterator[tuple[str, Key]]:
        """What its ways ask of the request."""
        for index, way in enumerate(self.any_of):
            kind, config = way.chosen
            for place, key in asked_by(config):
                yield f"any_of[{index}].{kind}.{place}", key

    def check(self) -> Iterator[tuple[str, str]]:
        """Ways that verify something; headers that can be kept from clients, each once."""
        for index, way in enumerate(self.any_of):
            if getattr(way.chosen[1], "on_missing_secret", "reject") == "allow":
                where = f"any_of[{index}].{way.chosen[0]}.on_missing_secret"
                yield where, "one way would let everybody in; expected reject, or a policy of its own"
        if count_of_spellings(self.forward) > MOST_SPELLINGS:
            yield "forward", "the names have too many dashes; expected fewer, or fewer names"
        for name in self.forward:
            if _as_cgi(name) in _TAKEN:
                yield f"forward.{name}", "this header says something else; expected one of your own"
        seen: dict[str, str] = {}
        for name in self.forward:
            first = seen.setdefault(_as_cgi(name), name)
            if first is not name:
                yield f"forward.{name}", f"an application may take it for {first}; expected one of them"
        yield from _unspeakable(self)

    def in_words(self) -> Sequence[str]:
        """For which methods, and what its ways say of themselves."""
        needed = (
            () if self.methods is None else (f"{', '.join(self.methods)} need a credential, others do not",)
        )
        ways = (way.chosen for way in self.any_of)
        return (*needed, *(f"by {kind}: {said}" for kind, config in ways for said in config.in_words()))


def _unspeakable(config: AuthenticateConfig) -> Iterator[tuple[str, str]]:
    """What `forward` would say of a caller, and can't stand in a header."""
    for index, way in enumerate(config.any_of):
        for field_, inside, identity in callers_of(way):
            for name, fact in config.forward.items():
                try:
                    fact.of(identity)
                except ValueError as error:
                    message = f"{error}, and `forward` has it in {name}; expected a line of text"
                    at = fact.replace("auth.claims", "attributes").removeprefix("auth.")
                    place = f"any_of[{index}].{field_}"
                    yield PlaceInFile(place, f"{inside}.{at}") if inside else f"{place}.{at}", message


class _Asked(NamedTuple):
    kind: str
    place: str
    """In the policy."""
    identify: Callable[[Exchange], Any]
    waits: bool


class Authenticate:
    """See the module's docstring."""

    def __init__(self, config: AuthenticateConfig, services: Services) -> None:
        authenticators = [
            (kind, KINDS[kind].build(inner, replace(services, name=f"{services.name}/{name}")))
            for name, (kind, inner) in _named(config.any_of)
        ]
        self._ways = tuple(
            _Asked(kind, f"any_of[{at}].{kind}", each.identify, iscoroutinefunction(each.identify))
            for at, (kind, each) in enumerate(authenticators)
        )
        _check_apart(config, authenticators)
        self._challenge = tuple(dict.fromkeys(line for _, each in authenticators for line in each.challenge))
        self._optional = _optional(config.methods)
        self._forward = tuple(config.forward.items())
        self._dropped = dropped_names(config.forward)
        waits = any(way.waits for way in self._ways)
        if waits:
            self.on_request = self._ask_and_wait  # type: ignore[method-assign, assignment]  # a coroutine then

    def on_request(self, exchange: Exchange) -> None:
        verdict = Verdict()
        for way in self._ways:
            try:
                verdict.heard(way.kind, way.identify(exchange))
            except Rejection as rejection:
                verdict.refused(way.kind, rejection, way.place)
        self._settle(exchange, verdict)

    async def _ask_and_wait(self, exchange: Exchange) -> None:
        verdict = Verdict()
        for way in self._ways:
            try:
                answer = way.identify(exchange)
                verdict.heard(way.kind, await answer if way.waits else answer)
            except Rejection as rejection:
                verdict.refused(way.kind, rejection, way.place)
        self._settle(exchange, verdict)

    def _settle(self, exchange: Exchange, verdict: Verdict) -> None:
        if self._dropped:
            exchange.request.headers.drop(self._dropped)
        if verdict.wrong:
            raise self._refusal(verdict)
        identity = verdict.identity
        if identity is not None:
            self._tell(exchange, identity)
            if exchange.identity is None:
                exchange.identity = identity
        elif self._is_required(exchange):
            raise Rejection(*MISSING, headers=self._challenge)

    def _refusal(self, verdict: Verdict) -> Rejection:
        cause, facts, forbidden = verdict.cause, verdict.facts, verdict.forbidden
        if verdict.unjudged:
            return Rejection(*UNAVAILABLE, cause=cause, facts=facts, retry_after=verdict.retry_after)
        if forbidden is not None:
            return Rejection(*FORBIDDEN, headers=forbidden.headers, cause=cause, facts=facts)
        return Rejection(*INVALID, headers=self._challenge, cause=cause, facts=facts, change=verdict.change)

    def _is_required(self, exchange: Exchange) -> bool:
        request = exchange.request
        if request.method not in self._optional:
            return True
        request.headers.drop(_LIKE_OVERRIDES)
        return any(
            value.strip().upper() not in self._optional
            for name in _OVERRIDES
            for value in request.headers.get_all(name)
        )

    def _tell(self, exchange: Exchange, identity: Identity) -> None:
        try:
            told = [(name, fact.of(identity)) for name, fact in self._forward]
        except ValueError as error:
            raise Rejection(*INVALID, headers=self._challenge, cause=str(error)) from None
        for name, value in told:
            if value is not None:
                exchange.request.headers.add(name, value)


def _check_apart(config: AuthenticateConfig, authenticators: Sequence[tuple[str, Authenticator]]) -> None:
    """Raises ValueError where a header would be taken from clients in which they show a credential."""
    forwarded = {_as_cgi(name): name for name in config.forward}
    for way, (kind, authenticator) in zip(config.any_of, authenticators, strict=True):
        told = (re.search(r'header="(.+?)"', value) for _, value in authenticator.challenge)
        stated = getattr(way.chosen[1], "header", None)
        for header in [*(found[1] for found in told if found), *([stated] if stated else [])]:
            if name := forwarded.get(_as_cgi(header)):
                raise ValueError(
                    f"`forward` has {name}, where {kind} looks for a credential; expected another"
                )


def _as_cgi(name: str) -> str:
    return name.lower().replace("_", "-")


def _named(ways: tuple[Way, ...]) -> Iterator[tuple[str, tuple[str, Any]]]:
    """Each with the last part of its state's name: `api_key`, and of a second one `api_key2`."""
    seen: dict[str, int] = {}
    for way in ways:
        kind, config = way.chosen
        seen[kind] = seen.get(kind, 0) + 1
        yield kind if seen[kind] == 1 else f"{kind}{seen[kind]}", (kind, config)


def _optional(required: tuple[Method, ...] | None) -> frozenset[str]:
    """Methods that may do without a credential."""
    if required is None:
        return frozenset()
    optional = frozenset(METHODS) - frozenset(required)
    return optional - {"HEAD"} if "GET" in required else optional
