"""What a token must say: for whom it is, from when until when, and what of the request it is about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

from proxy.algorithms.strict_json import at
from proxy.config.keys import Key
from proxy.exchange import Exchange
from proxy.policies.identity.jwt.token import Wrong
from proxy.policies.keys import Reader, reader

_LATEST = 2**53
"""Whole numbers above it are not the same to every parser."""
_LISTS_OF_WORDS = ("scope", "scp")
"""Texts with spaces between words (RFC 8693, section 4.2)."""
_LONGEST_ID = 256


class RequestFact(Key):
    """What a claim must be equal to: a fact about the request that its sender chooses."""

    __slots__ = ()
    pattern: ClassVar[str] = (
        r"^(path\.[A-Za-z_][A-Za-z0-9_]*|query:[^\x00-\x20]+"
        r"|header:[!#$%&'*+\-.^_`|~0-9A-Za-z]+)$"
    )
    example: ClassVar[str] = "path.org"

    @classmethod
    def parse(cls, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(cls.pattern, value, re.ASCII):
            expected = "path.NAME, header:NAME, query:NAME, or a list of values such as [admin]"
            raise ValueError(f"{value!r} is nothing that a claim can be compared with; expected {expected}")
        return cls(value)


class Times(NamedTuple):
    """What the clock has to say about it, in seconds since the epoch."""

    expires: float | None
    begins: float | None
    issued: float | None


def times_of(claims: Mapping[str, Any]) -> Times:
    """Raises Wrong where one is no time (RFC 7519, section 2, "NumericDate")."""
    return Times(*(_time(claims, name) for name in ("exp", "nbf", "iat")))


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        raise Wrong(f"`{name}` is no time")
    return float(value)


def is_for(claims: Mapping[str, Any], audiences: frozenset[str]) -> bool:
    """RFC 7519, section 4.1.3: whoever is not named refuses a token that names somebody."""
    stated = claims.get("aud", [])
    named = [stated] if isinstance(stated, str) else stated
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named):
        return False
    return not named if not audiences else not audiences.isdisjoint(named)


def id_in(claims: Mapping[str, Any], name: str) -> str:
    """Who the caller is. Raises Wrong for what can't stand in a log or a header."""
    value = claim(claims, name)
    if not isinstance(value, str) or not value or len(value) > _LONGEST_ID or not value.isprintable():
        raise Wrong(f"`{name}` is no text, empty or too long")
    return value


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """By its name, or by a JSON pointer (RFC 6901) where that begins with a slash; None where absent."""
    if not name.startswith("/"):
        return claims.get(name)
    try:
        return at(claims, name)
    except KeyError:
        return None


class Rule(NamedTuple):
    """One claim, and what it must be or have among its values."""

    name: str
    fact: RequestFact | None
    read: Reader | None
    values: Sequence[str | int | bool]

    def holds(self, claims: Mapping[str, Any], exchange: Exchange) -> bool:
        """Where the claim is a list, one of its entries is enough."""
        stated = claim(claims, self.name)
        if isinstance(stated, str) and self.name in _LISTS_OF_WORDS:
            stated = stated.split(" ")
        entries = stated if isinstance(stated, list) else [stated]
        return any(_same(entry, value) for value in self._wanted(exchange) for entry in entries)

    def _wanted(self, exchange: Exchange) -> Sequence[str | int | bool]:
        if self.fact is None or self.read is None:
            return self.values
        if self.fact.fact == "header" and len(exchange.request.headers.get_all(self.fact.name)) != 1:
            return ()  # two: nobody knows which of them the application takes
        value = self.read(exchange, b"")
        return () if value is None else (value,)


def headers_in(stated: Mapping[str, RequestFact | Sequence[str | int | bool]]) -> list[str]:
    """Those that a claim is compared with."""
    facts = [wanted for wanted in stated.values() if isinstance(wanted, RequestFact)]
    return [fact.name for fact in facts if fact.fact == "header"]


def rules(stated: Mapping[str, RequestFact | Sequence[str | int | bool]]) -> tuple[Rule, ...]:
    """As a policy file has them."""
    return tuple(
        Rule(name, wanted, reader([wanted]), ())
        if isinstance(wanted, RequestFact)
        else Rule(name, None, None, tuple(wanted))
        for name, wanted in stated.items()
    )


def _same(one: object, other: object) -> bool:
    """To Python 1 and true are the same."""
    return type(one) is type(other) and one == other
