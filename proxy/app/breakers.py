"""The circuit breakers of the revision that is live, for metrics, log, admin API and rehearsals."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Literal

from proxy.app.compile import SHADOW
from proxy.policy import Shared, Switchable, Switched

_log = logging.getLogger(__name__)


class Breakers:
    """Found by what policies share; those in shadow are nobody's business but the decisions'.

    A named one is called as it is, one of a route as the route.
    """

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
        live = self._state.live(Switchable)  # type: ignore[type-abstract]  # it is only asked for
        for key, switch in sorted(live.items()):
            name = key.partition("#")[0].partition("/")[2]
            if not name.endswith(SHADOW):
                yield name, switch


def log_store(text: str, numbers: Mapping[str, object]) -> None:
    """The store has gone, is tried again, or is back."""
    _log.warning("%s %s", text, json.dumps(numbers, default=str))


def log_change(text: str, numbers: Mapping[str, object]) -> None:
    """A policy's state has changed. Names and numbers are those of policy files, nothing is a client's."""
    _log.info("%s %s", text, json.dumps(numbers, default=str))
