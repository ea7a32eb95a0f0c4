"""Python's garbage collector and its one lock, so that no request has to wait long for either.

A full collection looks at every object while everything else stands still: with a thousand
routes, longer than a request should ever wait. What is live is therefore set aside
(`gc.freeze`), where no collection looks any more, and old revisions are freed without one: their
cycles are cut (`proxy.config.dismantle`), and counting references does the rest. What
slips through, such as a policy that refers to itself, is collected once it is as much as
all that is needed besides, and not before.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_TOLERATED = 1.0
"""Garbage, as a share of what is needed, revisions not counted."""
_TURN = 0.0005
"""Seconds after which a thread that loads lets the one that serves go on; Python's own is 5 ms."""


class Heap:
    """Of this process; there is one. Sizes are blocks of memory: to count them costs next to nothing."""

    def __init__(self) -> None:
        self._needed = 0
        """What was there after the last full collection, the revision not counted; 0 before `settle`."""
        self._loaded = 0
        """What was loaded last."""
        self._turns = Lock()

    def settle(self) -> None:
        """Once all is loaded: what is there now stays, and the rest is collected seldom.

        Exchanges leave no cycles behind.
        """
        self._collect()
        gc.set_threshold(50_000, 20, 50)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Load a revision inside the block, in a thread, while requests are served in another.

        It is set aside: what is loaded is no garbage. Where the block raises, `tidy` collects
        what it left.
        """
        with self._undisturbed():
            before = sys.getallocatedblocks()
            yield
            self._loaded = sys.getallocatedblocks() - before
            self._set_aside()

    @contextmanager
    def passing(self) -> Iterator[None]:
        """As `loading`, for work of which nothing stays: what it leaves is collected."""
        with self._undisturbed():
            yield
            self._collect_new()

    def tidy(self) -> None:
        """After a revision was replaced or refused: collect, where there is reason to."""
        self._collect_new()
        garbage = sys.getallocatedblocks() - self._needed - self._loaded
        if self._needed and garbage > self._needed * _TOLERATED:
            self._collect()

    @contextmanager
    def _undisturbed(self) -> Iterator[None]:
        with self._turns:
            enabled, turn = gc.isenabled(), sys.getswitchinterval()
            gc.disable()
            sys.setswitchinterval(_TURN)
            self._set_aside()  # so that what is new is what the block made
            try:
                yield
            finally:
                sys.setswitchinterval(turn)
                if enabled:
                    gc.enable()

    def _set_aside(self) -> None:
        if self._needed:
            gc.freeze()

    def _collect_new(self) -> None:
        if self._needed:
            gc.collect()

    def _collect(self) -> None:
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self._needed = max(1, sys.getallocatedblocks() - self._loaded)


HEAP = Heap()
