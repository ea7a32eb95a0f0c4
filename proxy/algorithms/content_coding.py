"""Bodies as they were before they were compressed, within bounds (RFC 9110, section 8.4.1)."""

from __future__ import annotations

import zlib

_WINDOW = 15
_GZIP = 16 + _WINDOW
_EITHER = {"gzip": (_GZIP,), "x-gzip": (_GZIP,), "deflate": (_WINDOW, -_WINDOW)}
"""zlib's window bits for each coding; some servers send deflate without the header of zlib."""


_UNDONE = frozenset(("identity", *_EITHER))


def undone_of(accepted: str) -> str:
    """Of an Accept-Encoding, what `decoded` can undo; `identity` where that is nothing."""
    elements = [element.strip(" \t") for element in accepted.split(",")]
    kept = [each for each in elements if each.partition(";")[0].strip(" \t").lower() in _UNDONE]
    return accepted if len(kept) == len(elements) else ", ".join(kept) or "identity"


def decoded(body: bytes, coding: str, limit: int) -> bytes | None:
    """`body` without its `coding` (Content-Encoding; empty for none), its first `limit` bytes.

    None for a coding that is not known here (br, zstd, several), and for what is none.
    """
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return body[:limit]
    for bits in _EITHER.get(coding, ()):
        try:
            return zlib.decompressobj(bits).decompress(body, limit)
        except zlib.error:
            continue
    return None
