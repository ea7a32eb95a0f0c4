"""Whether a body is what `Content-Digest` says (RFC 9530)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from hashlib import new, sha256, sha512

from proxy.algorithms.structured_fields import Item, Malformed, dictionary, spelled_dictionary
from proxy.clock import Clock
from proxy.policies.hashing import feed
from proxy.policies.identity.message_signature.components import NotAsAgreed

_ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}
"""Those that RFC 9530 calls active."""


def stated(values: Sequence[str]) -> Mapping[str, bytes]:
    """Algorithm -> digest, of those that are known here. Raises NotAsAgreed where there is none."""
    try:
        members = dictionary(", ".join(values))
    except Malformed as error:
        raise NotAsAgreed(f"Content-Digest: {error}") from None
    found = {
        name: member.value
        for name, member in members.items()
        if name in _ALGORITHMS and isinstance(member, Item) and isinstance(member.value, bytes)
    }
    if not found or len(found) < sum(name in _ALGORITHMS for name in members):
        raise NotAsAgreed("Content-Digest has no digest by sha-256 or sha-512")
    return found


async def agrees(body: bytes, digests: Mapping[str, bytes], clock: Clock) -> bool:
    """Every one of `digests` is the body's."""
    right = True
    for name, digest in digests.items():
        state = new(_ALGORITHMS[name])
        await feed(state, [body], clock)
        right &= hmac.compare_digest(state.digest(), digest)
    return right


def of(body: bytes, algorithm: str = "sha-256") -> str:
    """The value of the field for `body`."""
    digest = sha256(body).digest() if algorithm == "sha-256" else sha512(body).digest()
    return spelled_dictionary({algorithm: Item(digest, {})})
