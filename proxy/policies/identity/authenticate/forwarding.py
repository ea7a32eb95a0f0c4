"""What the application is told of a caller, in headers that no client can send."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from proxy.config.units import HeaderName, Text
from proxy.exchange import Identity
from proxy.header_lines import spellings

MOST_SPELLINGS = 256
_LONGEST = 4096
_NOT_IN_HEADERS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_CLAIM = "auth.claims."


class Fact(Text):
    """What is known of a caller: `auth.id`, `auth.method`, or a claim, at any depth."""

    __slots__ = ()
    pattern = r"^auth\.(id|method|claims(\.[A-Za-z0-9_:/-]{1,100}){1,8})$"
    example = "auth.id"
    otherwise = "nothing that is known of a caller; expected auth.id, auth.method or auth.claims.NAME"

    def of(self, identity: Identity) -> str | None:
        """As a header has it; None where the caller has no such claim.

        Text is itself, all else JSON. Raises ValueError where it can't stand in a header.
        """
        if self == "auth.id":
            return _spelled(self, identity.id)
        if self == "auth.method":
            return identity.method
        name = self.removeprefix(_CLAIM)
        found: Any = identity.claims.get(name)  # the names of some are URLs
        if found is None:
            found = identity.claims
            for step in name.split("."):
                found = found.get(step) if isinstance(found, Mapping) else None
        return None if found is None else _spelled(self, found)


def dropped_names(forward: Mapping[HeaderName, Fact]) -> frozenset[bytes]:
    """What is taken out of every request: the names, and all that CGI and WSGI make of them."""
    return frozenset[bytes]().union(*map(spellings, forward))


def count_of_spellings(forward: Mapping[HeaderName, Fact]) -> int:
    """How many names `dropped_names` has, without making them: there may be a great many."""
    return sum(2 ** (name.count("-") + name.count("_")) for name in forward)


def _spelled(fact: Fact, value: object) -> str:
    try:
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    except (TypeError, ValueError):
        raise ValueError(f"{fact} can't be written as JSON") from None
    if _NOT_IN_HEADERS.search(text) or text != text.strip() or not text:
        raise ValueError(f"{fact} is no text that can stand in a header")
    if len(text) > _LONGEST:
        raise ValueError(f"{fact} is longer than {_LONGEST} characters")
    return text
