"""Seawall's own log, on standard error: whoever reads it slowly, or not at all, holds nobody up.

It is told by the loop, too, and often just when a reader stands still: standard output and standard
error mostly have the same.
"""

from __future__ import annotations

import logging
import time

from proxy.telemetry.batch_writer import BatchWriter

_STDERR = 2
_MAX_PENDING = 1024 * 1024


class OwnLog(logging.Handler):
    """Hands lines to a thread that writes them; what waits is bounded, and lost beyond that."""

    def __init__(self, fd: int = _STDERR, *, max_pending: int = _MAX_PENDING) -> None:
        super().__init__()
        formatter = logging.Formatter("%(asctime)sZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        self.setFormatter(formatter)
        self._writer = _Silent(fd, max_pending=max_pending)

    def emit(self, record: logging.LogRecord) -> None:
        """Called with the handler's lock, so that it is for one thread at a time."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001  # as every handler does: a log fails nobody
            self.handleError(record)
            return
        self._writer.put(bytearray(f"{line}\n".encode("utf-8", "backslashreplace")))

    def close(self) -> None:
        """Write what is left, for two seconds at most."""
        self._writer.close(2.0)
        super().close()


class _Silent(BatchWriter):
    """Has nowhere to tell what goes wrong: it writes the log."""

    def _tell(self, level: int, message: str, *arguments: object) -> None:
        pass
