"""Things by key, each until its time; what ends next is known without looking at the rest."""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")


class Items(Protocol):
    """What is kept, by key: until when, what, and its size."""

    def get(self, key: str, /) -> tuple[int, Any, int] | None: ...

    def __setitem__(self, key: str, item: tuple[int, Any, int], /) -> None: ...


class Shelving(Protocol):
    """What a shelf offers, in memory or in a file. Its methods are those of `Shelf`."""

    @property
    def items(self) -> Items: ...

    def __len__(self) -> int: ...

    def __contains__(self, key: str) -> bool: ...

    def get(self, key: str, now: int) -> Any: ...

    def put(self, key: str, until: int, thing: Any, size: int = 0) -> None: ...

    def drop(self, key: str) -> None: ...

    def purge(self, now: int, at_most: int) -> int: ...

    def has_room(self, key: str, size: int, max_keys: int, max_size: int) -> bool: ...

    def soonest(self) -> tuple[int, str] | None: ...

    def has_ended(self, now: int) -> bool: ...


class Shelf(Generic[T]):
    """The heap has an entry for every key that is no later than the truth. A time that moves on
    is put right when its entry comes up; one that moves back gets another entry.
    """

    __slots__ = ("_heap", "_size", "items")

    def __init__(self) -> None:
        self.items: dict[str, tuple[int, T, int]] = {}
        """Until when, what, and its size. Who looks here may move a time on, but not back."""
        self._heap: list[tuple[int, str]] = []
        self._size = 0

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, key: str) -> bool:
        return key in self.items

    def get(self, key: str, now: int) -> T | None:
        """What is kept at `key` and has not ended."""
        item = self.items.get(key)
        return None if item is None or item[0] <= now else item[1]

    def put(self, key: str, until: int, thing: T, size: int = 0) -> None:
        """Keep `thing` at `key`, instead of what was there."""
        old = self.items.get(key)
        self.items[key] = (until, thing, size)
        self._size += size - (0 if old is None else old[2])
        if old is None or until < old[0]:
            heappush(self._heap, (until, key))
            if len(self._heap) > 2 * len(self.items) + 64:
                self._heap = [(item[0], key) for key, item in self.items.items()]
                heapify(self._heap)

    def drop(self, key: str) -> None:
        """Forget `key`. Its heap entry goes when it comes up."""
        item = self.items.pop(key, None)
        if item is not None:
            self._size -= item[2]

    def purge(self, now: int, at_most: int) -> int:
        """Forget up to `at_most` keys that have ended; how many it were."""
        for done in range(at_most):
            soonest = self.soonest()
            if soonest is None or soonest[0] > now:
                return done
            self.drop(soonest[1])
        return at_most

    def has_room(self, key: str, size: int, max_keys: int, max_size: int) -> bool:
        """Both bounds hold with `size` at `key`."""
        old = self.items.get(key)
        keys, held = (len(self.items) + 1, 0) if old is None else (len(self.items), old[2])
        return keys <= max_keys and self._size - held + size <= max_size

    def has_ended(self, now: int) -> bool:
        """Nothing that is kept here has not ended. Looks at all of it."""
        return all(item[0] <= now for item in self.items.values())

    def soonest(self) -> tuple[int, str] | None:
        """Until when, and the key of what ends first."""
        heap = self._heap
        while heap:
            at, key = heap[0]
            item = self.items.get(key)
            if item is None:
                heappop(heap)
            elif item[0] > at:
                heapreplace(heap, (item[0], key))
            else:
                return heap[0]
        return None
