"""Whether a token is one of the issuer's, and good now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from math import ceil
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from proxy.algorithms.timestamps import write_timestamp
from proxy.config.units import Duration
from proxy.errors import Change
from proxy.exchange import Identity
from proxy.policies.identity.jwt.claims import Times, claim, id_in, is_for, times_of
from proxy.policies.identity.jwt.keys import Ring, algorithm_named
from proxy.policies.identity.jwt.token import Token, Wrong, json_object, read_token

if TYPE_CHECKING:
    from proxy.policies.identity.jwt import JwtConfig

_MOST_REMEMBERED = 1024


class UnknownKey(Wrong):
    """It may have been signed by a key that is not in the ring."""


class Expired(Exception):
    """It was good, and is no more."""

    def __init__(self, facts: Mapping[str, object], change: Change | None = None) -> None:
        super().__init__("expired")
        self.facts = facts
        self.change = change


class Accepted(NamedTuple):
    """A token whose signature was right, and that is for us."""

    claims: Mapping[str, Any]
    times: Times
    identity: Identity


class Verifier:
    """Judges tokens, and remembers those that were right for as long as the keys are the same.

    To verify costs 70 to 200 µs, to remember 5. Only a token whose signature is right is
    remembered, so that nobody fills it with others.
    """

    def __init__(self, config: JwtConfig, now: Callable[[], float]) -> None:
        self._now = now
        self._names = frozenset[str](config.algorithms)
        self._algorithms = {name: algorithm_named(name) for name in self._names}
        self._issuers, self._audiences = _texts(config.issuer), _texts(config.audience)
        needed = ("exp",) * (config.expiry == "required") + ("iat",) * (config.max_age is not None)
        self._required = (*needed, *config.required)
        self._max_size, self._typ, self._id_claim = config.max_size, config.typ, config.id_claim
        self._leeway, self._max_age = config.leeway, config.max_age
        self._remembered: dict[bytes, Accepted] = {}
        self._remembered_for: Ring | None = None

    def accepted(self, text: str, ring: Ring) -> Accepted:
        """Raises Wrong, UnknownKey, or Expired."""
        if len(text) > self._max_size:
            raise Wrong("it is too long")
        if ring is not self._remembered_for:
            self._remembered, self._remembered_for = {}, ring
        digest = sha256(text.encode("utf-8", "surrogateescape")).digest()
        accepted = self._remembered.get(digest)
        if accepted is None:
            token = read_token(text, self._names, self._typ)
            self._check_signature(token, ring)
            accepted = self._read(token)
            if len(self._remembered) >= _MOST_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[digest] = accepted
        self._check_times(accepted.times)
        return accepted

    def _check_signature(self, token: Token, ring: Ring) -> None:
        algorithm, fitting = self._algorithms[token.algorithm], ring.fitting(token.algorithm, token.key_id)
        if any(algorithm.verify(token.signed, each.key, token.signature) for each in fitting):
            return
        if token.key_id is not None and any(each.id == token.key_id for each in fitting):
            raise Wrong("its signature is wrong")
        raise UnknownKey("no key that is known has signed it")

    def _read(self, token: Token) -> Accepted:
        claims = json_object(token.payload, "body")
        issuer = claims.get("iss")
        if self._issuers and not (isinstance(issuer, str) and issuer in self._issuers):
            raise Wrong("`iss` is another")
        if not is_for(claims, self._audiences):
            raise Wrong("`aud` is another")
        for name in self._required:
            if claim(claims, name) is None:
                raise Wrong(f"`{name}` is missing")
        identity = Identity(id_in(claims, self._id_claim), "jwt", MappingProxyType(claims))
        return Accepted(claims, times_of(claims), identity)

    def _check_times(self, times: Times) -> None:
        now, leeway = self._now(), self._leeway
        if times.expires is not None and now >= times.expires + leeway:
            expired = write_timestamp(times.expires, "iso8601")
            raise Expired({"expired": expired, "now": write_timestamp(now, "iso8601")})
        for name, at in (("nbf", times.begins), ("iat", times.issued)):
            if at is not None and at > now + leeway:
                raise Wrong(f"`{name}` is ahead of the time")
        if self._max_age is not None and times.issued is not None:
            age = now - times.issued
            if age > self._max_age + leeway:
                facts = {"age": round(age, 3), "max_age": self._max_age}
                raise Expired(facts, Change("max_age", Duration(ceil(age - leeway))))


def _texts(stated: str | tuple[str, ...] | None) -> frozenset[str]:
    return frozenset((stated,) if isinstance(stated, str) else stated or ())
