"""Who waits for a token, and what is known of the bucket that it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from proxy.algorithms.lines import Lines, Turn
from proxy.config.schema import Schema
from proxy.stores.protocol import Buckets


class QueueConfig(Schema, frozen=True, kw_only=True):
    """Who may wait."""

    size: Annotated[
        int, Meta(ge=1, le=100_000, description="How many wait at most, all keys together, in each process.")
    ] = 1000
    per_key: Annotated[
        int | None, Meta(ge=1, le=100_000, description="How many with the same key; `size` where absent.")
    ] = None

    def check(self) -> Iterator[tuple[str, str]]:
        """A part of all."""
        if self.per_key is not None and self.per_key > self.size:
            yield "per_key", f"{self.per_key} is more than all that may wait, {self.size}"

    @property
    def per_line(self) -> int:
        """With the same key."""
        return self.size if self.per_key is None else self.per_key


class Crossing:
    """What all routes with one pace share: who waits, and for what."""

    def __init__(self) -> None:
        self.lines = Lines()
        self.full_at: dict[str, float] = {}
        """Of each key that somebody waits with: when its bucket will be full, as the store last had it."""
        self.adopted = 0
        self.buckets: Buckets | None = None
        self._issued = 0

    def edition(self) -> int:
        """A number for a policy that is being built, higher than those before."""
        self._issued += 1
        return self._issued

    def adopt(self, edition: int, buckets: Buckets, queue: QueueConfig) -> None:
        """Go by the settings of the newest policy that was ever asked; who waits goes on waiting."""
        self.adopted = edition
        self.lines.resize(queue.size, queue.per_line)
        if buckets != self.buckets:
            self.buckets = buckets
            self.full_at.clear()
            self.lines.look_again()

    def leave(self, turn: Turn) -> None:
        """Give it back; a second time is nothing."""
        self.lines.leave(turn)
        if not self.lines.ahead(turn.key):
            self.full_at.pop(turn.key, None)

    def gauges(self) -> dict[str, float]:
        """What operators see of it."""
        return {"pace_waiting": self.lines.waiting}
