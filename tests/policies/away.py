"""A store that is somewhere else: it can be out of reach, and answers after a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.errors import StoreError
from proxy.stores.memory import MemoryStore
from proxy.testing import FakeClock


class Remote:
    """Implements `proxy.stores.protocol.Remote`. Out of reach are the verbs in `away`, or all of them."""

    def __init__(self, clock: FakeClock, *, away: bool = False, takes: float = 0.0) -> None:
        self.away: bool | set[str] = away
        self.takes = takes
        self.local = MemoryStore(clock)
        self.behind = MemoryStore(clock)
        self._clock = clock

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        if verb.endswith("_now"):
            raise AttributeError(verb)  # it is not at hand
        asked = getattr(self.behind, verb)

        async def ask(*arguments: Any) -> Any:
            if self.away is True or (self.away and verb in self.away):
                raise StoreError("gone")
            if self.takes:
                await self._clock.sleep(self.takes)
            return await asked(*arguments)

        return ask
