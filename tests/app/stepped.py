"""`seawall run` whose time a test moves: each SIGUSR1 lets eleven seconds pass at once."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from proxy.app import process
from proxy.app.proxy import Proxy
from proxy.cli import main
from tests.wire.harness import SteppedClock

STEP = 11.0
"""Seconds; more than a client has for a head."""


class SteppedProxy(Proxy):
    """Production's own, but for its clock."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.stepped = SteppedClock()
        super().__init__(*arguments, self.stepped, **named)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._step)

    def _step(self) -> None:
        self.stepped.stepped += STEP
        self._wheel._wake()


if __name__ == "__main__":
    process.Proxy = SteppedProxy  # type: ignore[misc]
    main()
