"""Hashing that lets other requests have their turn."""

from __future__ import annotations

import hmac
import zlib
from collections.abc import Sequence
from hashlib import sha256

from proxy.algorithms.signatures import Algorithm
from proxy.clock import Clock
from proxy.policies.hashing import AT_ONCE, feed


async def keyed_digest(key: bytes, algorithm: Algorithm, pieces: Sequence[bytes], clock: Clock) -> bytes:
    """HMAC of the pieces, one after the other."""
    if sum(map(len, pieces)) <= AT_ONCE:
        return hmac.digest(key, b"".join(pieces), algorithm)
    mac = hmac.new(key, digestmod=algorithm)
    await feed(mac, pieces, clock)
    return mac.digest()


async def sha256_of(body: bytes, clock: Clock) -> bytes:
    """The digest itself."""
    digest = sha256()
    await feed(digest, [body], clock)
    return digest.digest()


async def crc32_of(body: bytes, clock: Clock) -> int:
    """CRC-32 as zlib has it."""
    checksum = _Checksum()
    await feed(checksum, [body], clock)
    return checksum.value


class _Checksum:
    value = 0

    def update(self, piece: memoryview) -> None:
        self.value = zlib.crc32(piece, self.value)
