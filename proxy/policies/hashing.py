"""Digests of large bodies, without keeping other requests waiting."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from proxy.clock import Clock

AT_ONCE = 256 * 1024
"""Bytes to hash before others have a turn: less than a millisecond."""


class Digesting(Protocol):
    """A hash, or a keyed one."""

    def update(self, data: memoryview, /) -> object: ...


async def feed(state: Digesting, pieces: Iterable[bytes], clock: Clock) -> None:
    """Hash `pieces`, giving way to other requests now and then."""
    for piece in pieces:
        view = memoryview(piece)
        for at in range(0, len(view), AT_ONCE):
            state.update(view[at : at + AT_ONCE])
            if len(view) > AT_ONCE:
                await clock.sleep(0)
