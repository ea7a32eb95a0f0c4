"""Large bodies are hashed in pieces."""

from __future__ import annotations

from hashlib import sha256

import pytest

from proxy.policies.hashing import AT_ONCE, feed
from proxy.testing import FakeClock


class Counting(FakeClock):
    """How often others had a turn."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0

    async def sleep(self, seconds: float) -> None:
        assert seconds == 0
        self.turns += 1


@pytest.mark.parametrize(
    ("pieces", "turns"),
    [([], 0), ([b""], 0), ([b"a", b"b"], 0), ([b"a" * AT_ONCE], 0), ([b"a" * (AT_ONCE + 1), b"b"], 2)],
    ids=["nothing", "an empty one", "small ones", "as much as goes at once", "a large one"],
)
async def test_the_digest_is_the_same_and_others_get_their_turn(pieces: list[bytes], turns: int) -> None:
    clock, state = Counting(), sha256()
    await feed(state, pieces, clock)

    assert (sha256(b"".join(pieces)).digest(), turns) == (state.digest(), clock.turns)
