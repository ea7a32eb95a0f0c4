"""Sealed values: secrets that may stand in a policy file, since only who has the key can read them; and
answers that may stand in a store.

A sealed value is, in a file in base64url without padding, one after the other:

    version   1 byte, always 1
    key id    8 bytes: which key opens it
    salt      16 bytes
    nonce     12 bytes
    value     encrypted with AES-256-GCM, 16 bytes longer than the secret

Salt and nonce are random for each value. What encrypts is made from key and salt by
HKDF-SHA256 (RFC 5869), so that no two values share it, and what stands before the encrypted
value is authenticated with it; so is the place in a store, where it has one. The key id is
made from the key by HKDF too, and tells nothing of it. Only the length of the secret can be
seen.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable
from typing import NamedTuple

KEY_BYTES = 32
RANDOM_BYTES = 16 + 12
"""What `seal` takes for salt and nonce."""

_VERSION = b"\x01"
_ID_BYTES, _SALT_BYTES, _NONCE_BYTES, _TAG_BYTES = 8, 16, 12, 16
_ID_ENDS = len(_VERSION) + _ID_BYTES
_SALT_ENDS = _ID_ENDS + _SALT_BYTES
_HEAD_ENDS = _SALT_ENDS + _NONCE_BYTES
_ENCRYPTS, _NAMES = b"seawall sealed value", b"seawall seal key id"


class NotOpened(Exception):
    """Why a value stays sealed, and what is expected; nothing of a key or a secret."""


class SealKey(NamedTuple):
    """A key, and the id by which sealed values name it."""

    key: bytes
    id: bytes

    @classmethod
    def parse(cls, text: str) -> SealKey:
        """A key of 32 bytes, as hex digits or in base64. Raises ValueError, without the text."""
        try:
            key = bytes.fromhex(text) if re.fullmatch(r"[0-9A-Fa-f]{64}", text) else _unpadded(text)
        except NotBase64:
            key = b""
        if len(key) != KEY_BYTES:
            raise ValueError("it is no key; expected 32 random bytes as 64 hex digits or in base64")
        return cls(key, _derived(key, b"", _NAMES, _ID_BYTES))


def seal(key: SealKey, secret: bytes, random: bytes) -> str:
    """`secret`, readable to who has `key`. `random` has `RANDOM_BYTES` that were never used before."""
    return urlsafe_b64encode(sealed(key, secret, random)).decode().rstrip("=")


def opened(text: str, keys: Iterable[SealKey]) -> bytes:
    """The secret in a sealed value; raises NotOpened."""
    return unsealed(_read(text), keys)


def sealed(key: SealKey, secret: bytes, random: bytes, place: bytes = b"") -> bytes:
    """The same in bytes. It only opens at `place`: nobody can move it to another."""
    # Only here, since a start without sealed values need not wait for it.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    salt, nonce = random[:_SALT_BYTES], random[_SALT_BYTES:RANDOM_BYTES]
    head = _VERSION + key.id + salt + nonce
    cipher = AESGCM(_derived(key.key, salt, _ENCRYPTS, KEY_BYTES))
    return head + cipher.encrypt(nonce, secret, head + place)


def unsealed(value: bytes, keys: Iterable[SealKey], place: bytes = b"") -> bytes:
    """What `sealed` has sealed for `place`; raises NotOpened."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    _check(value)
    head, named = value[:_HEAD_ENDS], value[len(_VERSION) : _ID_ENDS]
    keys = tuple(keys)
    key = next((each for each in keys if each.id == named), None)
    if key is None:
        known = ", ".join(each.id.hex() for each in keys)
        raise NotOpened(f"the key {named.hex()} sealed it, which is not given; those that are: {known}")
    cipher = AESGCM(_derived(key.key, head[_ID_ENDS:_SALT_ENDS], _ENCRYPTS, KEY_BYTES))
    try:
        return cipher.decrypt(head[_SALT_ENDS:], value[_HEAD_ENDS:], head + place)
    except InvalidTag:
        raise NotOpened(_DAMAGED) from None


def bare(text: str) -> str:
    """A sealed value without the white space that folding long lines puts into it."""
    return "".join(text.split())


def sealed_with(text: str) -> bytes:
    """The id of the key that sealed a value; raises NotOpened where `text` is none."""
    return _read(text)[len(_VERSION) : _ID_ENDS]


_DAMAGED = "the sealed value is damaged; expected it as `seawall seal` printed it"


def _read(text: str) -> bytes:
    try:
        value = _unpadded(bare(text))
    except NotBase64:
        raise NotOpened(_DAMAGED) from None
    _check(value)
    return value


def _check(value: bytes) -> None:
    if len(value) < _HEAD_ENDS + _TAG_BYTES:
        raise NotOpened(_DAMAGED)
    if not value.startswith(_VERSION):
        raise NotOpened(f"the sealed value is of version {value[0]}; expected version {_VERSION[0]}")


def _unpadded(text: str) -> bytes:
    """Base64 in either alphabet, with padding or without, and nothing else in it."""
    bare = text.rstrip("=").replace("+", "-").replace("/", "_")
    if not re.fullmatch(r"[A-Za-z0-9_-]*", bare, re.ASCII):
        raise NotBase64
    return urlsafe_b64decode(bare + "=" * (-len(bare) % 4))


def _derived(key: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    return HKDF(SHA256(), length, salt, info).derive(key)
