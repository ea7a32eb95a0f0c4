"""Writes the audit log from a thread of its own, and knows whether that works.

With `refuse` a batch that cannot be written is tried again until it can, and nothing is lost
while the process lives; with `drop` it is lost, and its lines are counted. The beginning and
the end of such a time are told once each.
"""

from __future__ import annotations

import logging
from threading import Event, Lock
from typing import Literal

from proxy.telemetry.audit_file import AuditFile
from proxy.telemetry.batch_writer import BatchWriter

OnFailure = Literal["refuse", "drop"]

MAX_PENDING = 8 * 1024 * 1024
_BETWEEN_TRIES = 0.25

_log = logging.getLogger("seawall")


class AuditWriter(BatchWriter):
    """`name` is what the log calls the file; `lock` keeps others from writing to it in between."""

    _too_slow = "the disk is too slow"

    def __init__(self, file: AuditFile, name: str, on_failure: OnFailure, lock: Lock) -> None:
        self._file = file
        self._name, self._what = name, f"audit log {name}"
        self._on_failure = on_failure
        self._ending = Event()
        super().__init__(-1, max_pending=MAX_PENDING, lock=lock)

    @property
    def failing(self) -> bool:
        """The last line could not be written, or so much waits that the next ones might be lost."""
        return bool(self.error) or self._accepted - self._done > self._max_pending // 2

    def close(self, wait: float) -> bool:
        """As of every writer; what cannot be written is not tried again."""
        self._ending.set()
        return super().close(wait)

    def _run(self) -> None:
        super()._run()
        self._file.close()

    def _write(self, batch: bytearray) -> None:
        while not self._written(batch):
            if self._on_failure == "drop" or self._ending.wait(_BETWEEN_TRIES):
                self._failed_lines += batch.count(b"\n")
                return

    def _written(self, batch: bytearray) -> bool:
        try:
            with self._lock:
                self._file.append(bytes(batch))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            began, self._error = not self._error, reason
            if began:
                then = "requests are refused" if self._on_failure == "refuse" else "its lines are lost"
                _log.error("audit log %s: %s; %s until it can be written", self._name, reason, then)
            return False
        ended, self._error = bool(self._error), ""
        if ended:
            _log.warning("audit log %s: it is written again; %d lines were lost", self._name, self.dropped)
        return True
