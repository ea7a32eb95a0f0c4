"""Which requests are the same: their key, whose key it is, and what must not differ beside it."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Literal

import msgspec

from proxy.config.keys import Key
from proxy.exchange import Exchange
from proxy.policies.keys import needs_body, reader
from proxy.policy import Services

Part = Literal["method", "path", "body"]

_PROVED = (Key("auth.id"),)
_CLAIMED = (Key("header:Authorization"), Key("header:Cookie"))


class Sameness:
    """Bound once, at load."""

    def __init__(
        self,
        key: Sequence[Key],
        scope: Sequence[Key] | None,
        compared: Sequence[Part],
        services: Services,
    ) -> None:
        self.needs_body = "body" in compared or needs_body((*key, *(scope or ())))
        self._name = services.name
        self._key = [(each.fact == "header", reader((each,), services.ipv6_prefix)) for each in key]
        proved, claimed = (_PROVED, _CLAIMED) if scope is None else (scope, scope)
        self._proved = [reader((each,), services.ipv6_prefix) for each in proved]
        self._claimed = [reader((each,), services.ipv6_prefix) for each in claimed]
        self._compared = tuple(compared)

    def key(self, exchange: Exchange, body: bytes) -> str | None:
        """Where in the store; None where a part of the key is missing."""
        said: list[bytes | None] = []
        for in_header, read in self._key:
            value = read(exchange, body)
            if value is None:
                return None
            said.append(_bytes(_unquoted(value) if in_header else value))
        for read in self._claimed if exchange.identity is None else self._proved:
            value = read(exchange, body)
            said.append(None if value is None else _bytes(value))
        # Who has proved something is nobody who claims it: their keys are told apart by this.
        said.append(None if exchange.identity is None else b"")
        return f"{self._name}:{sha256(msgspec.msgpack.encode(said)).hexdigest()}"

    def fingerprint(self, exchange: Exchange, body: bytes) -> bytes:
        """A digest of what must be the same in a repetition."""
        request, digest = exchange.request, sha256()
        said = {"method": request.method.encode(), "path": _bytes(request.target), "body": body}
        for part in self._compared:
            digest.update(b"%d:" % len(said[part]))
            digest.update(said[part])
        return digest.digest()


def _unquoted(value: str) -> str:
    """A key as a string of structured fields (RFC 9651, section 3.3.3), or as it is."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return value


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
