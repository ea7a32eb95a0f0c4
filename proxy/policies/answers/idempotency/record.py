"""What is remembered of a request: that it is under way, that it was done, or what was answered.

One word in the store: what it is, the digest of what the request was, and for an answer its status, its
header fields and its body.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

import msgspec

from proxy.exchange import Response
from proxy.headers import Headers

_PENDING, _DONE = b"P", b"D"
_TOKEN = 16
_DIGEST = 32
_OF_ONE_ANSWER = frozenset((b"date", b"content-length"))
"""Of the first answer alone: the server that sends a repetition says its own."""

Seal = Callable[[bytes, bytes], bytes]
"""What is kept of an answer, given the place where it is kept."""
Open = Callable[[bytes, bytes], bytes | None]
"""And back; None where it was not kept there by us."""


class _Stored(msgspec.Struct, array_like=True):
    status: int
    phrase: str
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Kept(NamedTuple):
    """An answer, to be given again."""

    status: int
    phrase: str
    headers: Headers
    body: bytes

    def response(self) -> Response:
        """The same again."""
        return Response(self.status, self.headers, self.body, self.phrase)


class Record(NamedTuple):
    """One record as it was read."""

    pending: bool
    digest: bytes
    """Of what must be the same in a repetition."""
    kept: Kept | None
    """The answer; None while it is pending, and where the answer was too large to keep."""

    @classmethod
    def read(cls, data: bytes, key: str, unseal: Open) -> Self:
        """What `pending`, `done` or `answered` wrote at `key`."""
        kind, rest = data[:1], data[1:]
        if kind == _PENDING:
            return cls(True, rest[_TOKEN : _TOKEN + _DIGEST], None)
        plain = unseal(rest[_DIGEST:], _place(key, rest[:_DIGEST])) if len(rest) > _DIGEST else None
        return cls(False, rest[:_DIGEST], _kept(plain) if plain else None)


def pending(token: bytes, digest: bytes) -> bytes:
    """Under way; `token` tells one claim from another."""
    return _PENDING + token + digest


def done(digest: bytes) -> bytes:
    """Answered, and the answer is not kept."""
    return _DONE + digest


def answered(key: str, digest: bytes, response: Response, body: bytes, seal: Seal) -> bytes:
    """Answered with this, to be kept at `key`."""
    headers = response.headers.copy()
    headers.drop(_OF_ONE_ANSWER)
    stored = _Stored(response.status, response.phrase, list(headers), body)
    return done(digest) + seal(msgspec.msgpack.encode(stored), _place(key, digest))


def _place(key: str, digest: bytes) -> bytes:
    return b"idempotency " + digest + key.encode()


def _kept(plain: bytes) -> Kept | None:
    try:
        stored = msgspec.msgpack.decode(plain, type=_Stored)
    except msgspec.DecodeError:
        return None
    return Kept(stored.status, stored.phrase, Headers(stored.headers), stored.body)
