"""A bulkhead: so many at once, and a queue of those who wait for a place.

Who comes is admitted, waits, or is turned away. Those who wait stand in ranks: the lowest rank
goes first, and within a rank who came first. Where the queue is full, somebody of a better rank
takes the place of whoever came last of the worst. Nobody is admitted past somebody who waits in
the same rank or a better one.

For one thread, and without a clock: how long somebody waits is the caller's business.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

State = Literal["waiting", "admitted", "evicted", "gone"]
WAITING: State = "waiting"
ADMITTED: State = "admitted"
EVICTED: State = "evicted"
GONE: State = "gone"


class Place:
    """Somebody's standing: a permit, or a place in the queue. Whoever has one gives it back with `leave`."""

    __slots__ = ("rank", "state", "tell")

    def __init__(self, rank: int, state: State) -> None:
        self.rank = rank
        self.state = state
        self.tell: Callable[[], object] = _nobody
        """Called once, when one who waits is admitted or evicted."""


def _nobody() -> None:
    return None


class Bulkhead:
    """`limit` at once, `room` in the queue, in `ranks` from 0, the best, on."""

    def __init__(self, limit: int, room: int = 0, ranks: int = 1) -> None:
        self.limit = limit
        self.room = room
        self.in_flight = 0
        self.waiting = 0
        self._queues: list[OrderedDict[Place, None]] = []
        self._grow(ranks)

    def enter(self, rank: int = 0) -> Place | None:
        """A place, admitted or waiting; None for somebody who is turned away."""
        if self.in_flight < self.limit and not self._waits(rank):
            self.in_flight += 1
            return Place(rank, ADMITTED)
        if rank >= len(self._queues):
            self._grow(rank + 1)
        if self.waiting >= self.room and not self._evict(rank):
            return None
        place = Place(rank, WAITING)
        self._queues[rank][place] = None
        self.waiting += 1
        return place

    def leave(self, place: Place) -> None:
        """Give it back, permit or place in the queue; a second time is nothing."""
        if place.state == ADMITTED:
            self.in_flight -= 1
            place.state = GONE
            self._admit()
        elif place.state == WAITING:
            self._drop(place, GONE)

    def resize(self, limit: int, room: int) -> None:
        """From now on. Nobody loses a permit or a place: what is too much runs out."""
        self.limit, self.room = limit, room
        self._admit()

    def ahead(self, rank: int) -> int:
        """How many wait whose turn is before that of somebody who comes now."""
        return sum(len(queue) for queue in self._queues[: rank + 1])

    def _waits(self, rank: int) -> bool:
        return self.waiting > 0 and self.ahead(rank) > 0

    def _admit(self) -> None:
        while self.waiting and self.in_flight < self.limit:
            place = next(next(iter(queue)) for queue in self._queues if queue)
            self._drop(place, ADMITTED)
            self.in_flight += 1
            place.tell()

    def _evict(self, rank: int) -> bool:
        """Whether somebody of a worse rank had to go for one of `rank`."""
        for worse in range(len(self._queues) - 1, rank, -1):
            if self._queues[worse]:
                place = next(reversed(self._queues[worse]))
                self._drop(place, EVICTED)
                place.tell()
                return True
        return False

    def _drop(self, place: Place, state: State) -> None:
        del self._queues[place.rank][place]
        self.waiting -= 1
        place.state = state

    def _grow(self, ranks: int) -> None:
        self._queues += [OrderedDict() for _ in range(ranks - len(self._queues))]
