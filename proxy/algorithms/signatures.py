"""Keyed signatures: encodings with one spelling for each value, keys, and comparison in constant time."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

Algorithm = Literal["sha1", "sha256", "sha384", "sha512"]
Encoding = Literal["hex", "base64", "base64url"]
KeyForm = Literal["text", "hex", "base64", "whsec"]
"""How a secret holds the key: as it is, in hex, in base64, or in base64 behind `whsec_`."""

WHSEC = b"whsec_"
"""Before a key of Standard Webhooks (specification, section "Signature scheme")."""

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+={0,2}")


def decode(text: str, encoding: Encoding) -> bytes | None:
    """The bytes that `text` stands for; None where it is not how an encoder would write them.

    Hex may be in upper case, and base64url without its padding; nothing else has two spellings
    (RFC 4648, section 3.5): no white space, no missing padding, no bits beyond the last byte.
    """
    return _DECODERS[encoding](text)


def encode(value: bytes, encoding: Encoding) -> str:
    """`value` as most senders write it: hex in lower case, base64 with its padding."""
    if encoding == "hex":
        return value.hex()
    return (base64.b64encode if encoding == "base64" else base64.urlsafe_b64encode)(value).decode()


def read_key(secret: bytes, form: KeyForm) -> bytes:
    """The key in a secret. Raises ValueError, with words that hold nothing of it."""
    key: bytes | None = secret
    if form != "text":
        text = (secret.removeprefix(WHSEC) if form == "whsec" else secret).decode("latin-1")
        key = decode(text, "hex" if form == "hex" else "base64")
    if key is None:
        expected = "base64, with or without `whsec_` before it" if form == "whsec" else form
        raise ValueError(f"the secret cannot be decoded; expected {expected}")
    return key


def any_equal(expected: Iterable[bytes], given: Iterable[bytes]) -> bool:
    """One of `expected` is one of `given`; takes as long wherever they differ, and whichever match."""
    found = False
    given = tuple(given)
    for one in expected:
        for other in given:
            found |= hmac.compare_digest(one, other)
    return found


def _from_hex(text: str) -> bytes | None:
    return bytes.fromhex(text) if _HEX.fullmatch(text) else None


def _from_base64(text: str) -> bytes | None:
    if not _BASE64.fullmatch(text):
        return None
    try:
        value = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return value if base64.b64encode(value).decode() == text else None


def _from_base64url(text: str) -> bytes | None:
    if not _BASE64URL.fullmatch(text):
        return None
    bare = text.rstrip("=")
    padded = bare + "=" * (-len(bare) % 4)
    return _from_base64(padded.translate(_STANDARD)) if text in (bare, padded) else None


_STANDARD = str.maketrans("-_", "+/")

_DECODERS: Mapping[Encoding, Callable[[str], bytes | None]] = {
    "hex": _from_hex,
    "base64": _from_base64,
    "base64url": _from_base64url,
}
