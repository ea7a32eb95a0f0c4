"""Hashing that lets other requests have their turn."""

from __future__ import annotations

import hmac
import zlib
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from proxy.algorithms.signatures import Algorithm
from proxy.clock import Clock

_AT_ONCE = 256 * 1024
"""Bytes before others have a turn: less than a millisecond."""


async def keyed_digest(key: bytes, algorithm: Algorithm, pieces: Sequence[bytes], clock: Clock) -> bytes:
    """HMAC of the pieces, one after the other."""
    if sum(map(len, pieces)) <= _AT_ONCE:
        return hmac.digest(key, b"".join(pieces), algorithm)
    mac = hmac.new(key, digestmod=algorithm)
    await _feed(mac, pieces, clock)
    return mac.digest()


async def sha256_of(body: bytes, clock: Clock) -> bytes:
    """The digest itself."""
    digest = sha256()
    await _feed(digest, [body], clock)
    return digest.digest()


async def crc32_of(body: bytes, clock: Clock) -> int:
    """CRC-32 as zlib has it."""
    checksum = _Checksum()
    await _feed(checksum, [body], clock)
    return checksum.value


class _Checksum:
    value = 0

    def update(self, piece: memoryview) -> None:
        self.value = zlib.crc32(piece, self.value)


async def _feed(state: Any, pieces: Sequence[bytes], clock: Clock) -> None:
    for piece in pieces:
        view = memoryview(piece)
        for at in range(0, len(view), _AT_ONCE):
            state.update(view[at : at + _AT_ONCE])
            await clock.sleep(0)
