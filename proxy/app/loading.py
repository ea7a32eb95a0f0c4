"""Load what is on disk as it was at one moment, although somebody may be writing there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from proxy.app.heap import HEAP
from proxy.app.writing import being_written
from proxy.clock import Clock
from proxy.config.inputs import Inputs
from proxy.errors import ConfigError

T = TypeVar("T")

_MOST_READINGS = 4
_BETWEEN_READINGS = 0.05
_MOST_WAITS = 200
"""For who is writing, which makes ten seconds between two readings."""


async def load_steadily(load: Callable[[], T], inputs: Callable[[], Inputs], clock: Clock) -> T:
    """What `load` makes of files that stayed as they were while it read them.

    Where they never do, what came of the last reading. `inputs` gives a fresh one for each
    reading. `load` runs in a thread, since a thousand routes take a while, and requests must
    not wait for it. Raises what `load` raises.
    """
    for _ in range(_MOST_READINGS):
        noted = inputs()
        loaded, written_meanwhile = await asyncio.to_thread(_load, load, noted)
        if not written_meanwhile:
            break
        await _written(noted, clock)
    if not isinstance(loaded, ConfigError):
        return loaded
    try:
        raise loaded
    finally:
        del loaded  # or the error and this frame would keep each other


async def _written(noted: Inputs, clock: Clock) -> None:
    """Wait a moment, and while somebody has what has changed open for writing."""
    for _ in range(_MOST_WAITS):
        await clock.sleep(_BETWEEN_READINGS)
        if not await asyncio.to_thread(lambda: being_written(noted.changed_files())):
            return


def _load(load: Callable[[], T], inputs: Inputs) -> tuple[T | ConfigError, bool]:
    """What came of it, and whether files changed while they were read."""
    loaded: T | ConfigError
    try:
        with HEAP.loading(), inputs.reading():
            loaded = load()
    except ConfigError as error:
        loaded = error.with_traceback(None)  # which would keep all that was read
    return loaded, bool(inputs.changed())
