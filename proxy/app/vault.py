"""What policies leave in a store is sealed, where a key is given: by the keys of sealed values.

The first key seals, all of them open; the place where something is kept is sealed with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from proxy.algorithms.sealed import RANDOM_BYTES, NotOpened, SealKey, sealed, unsealed
from proxy.config.sealing import seal_keys


class SealingVault:
    """Implements `proxy.policy.Vault`."""

    def __init__(self, keys: Sequence[SealKey], random: Random) -> None:
        self._keys = tuple(keys)
        self._random = random

    def put(self, plain: bytes, place: bytes) -> bytes:
        return sealed(self._keys[0], plain, self._random.randbytes(RANDOM_BYTES), place)

    def get(self, kept: bytes, place: bytes) -> bytes | None:
        try:
            return unsealed(kept, self._keys, place)
        except NotOpened:
            return None


def vault(env: Mapping[str, str], random: Random) -> SealingVault | None:
    """None where no key is given. Raises ValueError, in words for operators."""
    keys = seal_keys(env)
    return SealingVault(keys, random) if keys else None
