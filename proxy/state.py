"""State of policies that outlives a reload, and what operators see of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


@runtime_checkable
class Active(Protocol):
    """Shared state that does something by itself, such as fetching keys, while a live revision uses it."""

    def start(self) -> None:
        """Called on the loop, once, when the first revision that uses it is live."""
        ...

    def stop(self) -> None:
        """Called on the loop, once, when no live revision uses it any more."""
        ...


class Shared:
    """State that outlives a reload: made once for each key, kept while any revision uses it."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}
        self._used: set[str] = set()
        self._live: set[str] = set()

    def get(self, key: str, make: Callable[[], T]) -> T:
        """What is kept under `key`; made now where nothing is."""
        self._used.add(key)
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]  # type: ignore[no-any-return]

    def live(self, kind: type[T]) -> dict[str, T]:
        """Key -> state of this kind, of what the revision that is live uses."""
        kept = list(self._kept.items())  # a revision may be built in another thread
        return {key: state for key, state in kept if key in self._live and isinstance(state, kind)}

    def begin(self) -> None:
        """A new revision is about to be built."""
        self._used = set()

    def commit(self) -> None:
        """It is live: forget what it did not ask for. What is active starts, or stops."""
        before, self._live = self._live, self._used
        started, stopped = self._active(self._live - before), self._active(before - self._live)
        self._prune()
        for state in started:
            state.start()
        for state in stopped:
            state.stop()

    def close(self) -> None:
        """Nothing is live any more."""
        for state in self._active(self._live):
            state.stop()

    def rollback(self) -> None:
        """It was refused: forget what only it asked for."""
        self._used = self._live
        self._prune()

    def _active(self, keys: Iterable[str]) -> list[Active]:
        found = [self._kept.get(key) for key in sorted(keys)]
        return [state for state in found if isinstance(state, Active)]

    def _prune(self) -> None:
        self._kept = {key: state for key, state in self._kept.items() if key in self._live}


@dataclass(frozen=True, slots=True)
class Switched:
    """What operators see of a breaker."""

    state: Literal["closed", "open", "half-open"]
    since: float
    """Seconds since the epoch."""
    forced: bool
    """An operator holds it in this state."""
    numbers: Mapping[str, object]
    """What is counted, and what opened it."""


@runtime_checkable
class Switchable(Protocol):
    """Shared state that lets traffic flow or not: operators see it, and can hold it."""

    def seen(self) -> Switched:
        """As it is now."""
        ...

    def force(self, state: Literal["open", "closed"] | None) -> None:
        """Hold it open or closed; None lets it decide again."""
        ...


@runtime_checkable
class Gauged(Protocol):
    """Shared state with numbers that operators watch."""

    def gauges(self) -> Mapping[str, float]:
        """Name of a metric, such as `concurrency_in_flight`, and its value now."""
        ...
