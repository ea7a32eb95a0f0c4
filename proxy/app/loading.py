"""Load what is on disk as it was at one moment, although somebody may be writing there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
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


async def load_steadily(
    load: Callable[[], T], free: Callable[[list[T]], None], inputs: Callable[[], Inputs], clock: Clock
) -> T:
    """What `load` makes of files that stayed as they were while it read them.

    Where they never do, what came of the last reading; what came of the others goes to `free`,
    which empties the list. `inputs` gives a fresh one for each reading. Both run in a thread,
    since a thousand routes take a while, and requests must not wait for it. Raises what `load`
    raises.
    """
    loaded: list[T] = []  # no result of the thread's, which keeps one until it has its turn again
    for readings in count(1):
        noted = inputs()
        refused, written_meanwhile = await asyncio.to_thread(_load, load, loaded, noted)
        if not written_meanwhile or readings == _MOST_READINGS:
            break
        if loaded:
            await asyncio.to_thread(free, loaded)
        await _written(noted, clock)
    if refused is None:
        return loaded.pop()
    try:
        raise refused
    finally:
        del refused  # or the error and this frame would keep each other


async def _written(noted: Inputs, clock: Clock) -> None:
    """Wait a moment, and while somebody has what has changed open for writing."""
    for _ in range(_MOST_WAITS):
        await clock.sleep(_BETWEEN_READINGS)
        if not await asyncio.to_thread(lambda: being_written(noted.changed_files())):
            return


def _load(load: Callable[[], T], loaded: list[T], inputs: Inputs) -> tuple[ConfigError | None, bool]:
    """What was wrong, if anything was, and whether files changed while they were read."""
    refused = None
    try:
        with HEAP.loading(), inputs.reading():
            loaded.append(load())
    except ConfigError as error:
        refused = error.with_traceback(None)  # which would keep all that was read
    return refused, bool(inputs.changed())
