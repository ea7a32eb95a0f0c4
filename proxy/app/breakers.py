"""What operators see of policies' shared state: circuit breakers, and numbers for metrics.

Of the revision that is live. What is in shadow is nobody's business but the decisions'. State
of a named policy is called as it is, that of a route's own as the route.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Literal, TypeVar

from proxy.app.compile import SHADOW
from proxy.state import Gauged, Shared, Switchable, Switched

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Breakers:
    """Found by what policies share."""

    def __init__(self, state: Shared) -> None:
        self._state = state

    def states(self) -> dict[str, str]:
        """Name -> `closed`, `open` or `half-open`."""
        return {name: switch.seen().state for name, switch in self._switches()}

    def seen(self) -> dict[str, Switched]:
        """Name -> all there is to see of it."""
        return {name: switch.seen() for name, switch in self._switches()}

    def force(self, name: str, state: Literal["open", "closed"] | None) -> Switched | None:
        """Hold one open or closed; with None it decides again. None where there is no such breaker."""
        switch = dict(self._switches()).get(name)
        if switch is None:
            return None
        switch.force(state)
        return switch.seen()

    def _switches(self) -> Iterator[tuple[str, Switchable]]:
        return _named(self._state.live(Switchable))  # type: ignore[type-abstract]  # it is only asked for


def gauges(state: Shared) -> Iterator[tuple[str, str, float]]:
    """Metric, name of the state, and value."""
    for name, gauged in _named(state.live(Gauged)):  # type: ignore[type-abstract]  # the same
        for metric, value in gauged.gauges().items():
            yield metric, name, value


def _named(live: Mapping[str, T]) -> Iterator[tuple[str, T]]:
    for key, state in sorted(live.items()):
        name = key.partition("#")[0].partition("/")[2]
        if not name.endswith(SHADOW):
            yield name, state


def log_store(text: str, numbers: Mapping[str, object]) -> None:
    """The store has gone, is tried again, or is back."""
    _log.warning("%s %s", text, json.dumps(numbers, default=str))


def log_change(text: str, numbers: Mapping[str, object]) -> None:
    """A policy's state has changed. Names and numbers are those of policy files, nothing is a client's."""
    _log.info("%s %s", text, json.dumps(numbers, default=str))
