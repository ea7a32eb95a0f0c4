"""Hashing in pieces comes to the same as hashing at once."""

from __future__ import annotations

import hmac
import zlib
from hashlib import sha256

import pytest

from proxy.policies.identity.webhook_signature.hashing import crc32_of, keyed_digest, sha256_of
from proxy.testing import FakeClock

CLOCK = FakeClock()


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 256 * 1024 + 1, 1_000_000])
async def test_digests(size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]

    assert hmac.digest(b"k", b"a" + body, "sha256") == await keyed_digest(b"k", "sha256", [b"a", body], CLOCK)
    assert sha256(body).digest() == await sha256_of(body, CLOCK)
    assert zlib.crc32(body) == await crc32_of(body, CLOCK)
