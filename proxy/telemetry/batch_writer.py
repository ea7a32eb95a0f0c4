"""Write batches of lines from one thread, so that a slow pipe or a full disk stalls nobody.

What waits is bounded: past `max_pending` bytes a batch is dropped and its lines are
counted. So are lines that could not be written; an error ends neither thread nor proxy. Either is
told in Seawall's log when it comes and when it has gone.
"""

from __future__ import annotations

import logging
import os
import select
from queue import SimpleQueue
from threading import Lock, Thread

_log = logging.getLogger("seawall")


class BatchWriter:
    """Owns the writing to `fd`, not `fd` itself. `put` and `close` are for one thread.

    Who else writes to `fd` shares `lock`, so that their lines do not mix.
    """

    _what = "access log"
    _too_slow = "whoever reads them does not keep up"

    def __init__(self, fd: int, *, max_pending: int = 8 * 1024 * 1024, lock: Lock | None = None) -> None:
        self._fd = fd
        self._lock = lock or Lock()
        self._max_pending = max_pending
        self._batches: SimpleQueue[bytearray | None] = SimpleQueue()
        # Two counters with one writer each need no lock.
        self._accepted = 0
        self._done = 0
        self._refused_lines = 0
        self._failed_lines = 0
        self._line_is_cut = False
        self._closed = False
        self._stalled = False
        """Batches are dropped, until half of what may wait has been written."""
        self._error = ""
        """What went wrong with the last batch; empty where it was written."""
        self._thread = Thread(target=self._run, name="batch-writer", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines that were not, or not wholly, written."""
        return self._refused_lines + self._failed_lines

    @property
    def error(self) -> str:
        """Why lines are being lost; empty where they are not."""
        return self._error or (self._too_slow if self._stalled and not self._has_room else "")

    @property
    def _has_room(self) -> bool:
        return self._accepted - self._done <= self._max_pending // 2

    def put(self, batch: bytearray) -> None:
        """Have `batch`, whole lines, written after those before it. It must not change any more."""
        if self._closed or self._accepted - self._done + len(batch) > self._max_pending:
            self._refused_lines += batch.count(b"\n")
            if not (self._stalled or self._closed):
                self._stalled = True
                self._tell(logging.ERROR, "lines are being lost: %s", self._error or self._too_slow)
            return
        if self._stalled and self._has_room:
            self._stalled = False
            self._tell(logging.INFO, "lines are taken again; %d were lost so far", self.dropped)
        self._accepted += len(batch)
        self._batches.put(batch)

    def close(self, wait: float) -> bool:
        """Write what is left, for `wait` seconds at most; whether all of it was handed over."""
        if not self._closed:
            self._closed = True
            self._batches.put(None)
        self._thread.join(wait)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            self._write(batch)
            self._done += len(batch)

    def _write(self, batch: bytearray) -> None:
        if self._line_is_cut:
            batch = bytearray(b"\n") + batch
        written = 0
        try:
            with self._lock:
                while written < len(batch):
                    written += self._write_some(batch, written)
        except OSError as error:
            self._failed_lines += batch.count(b"\n", max(written, int(self._line_is_cut)))
            self._ended(error.strerror or type(error).__name__)
        else:
            self._ended("")
        if written:
            self._line_is_cut = batch[written - 1] != ord("\n")

    def _ended(self, error: str) -> None:
        before, self._error = self._error, error
        if error and error != before:
            self._tell(logging.ERROR, "lines are being lost: %s", error)
        elif before and not error:
            self._tell(logging.INFO, "lines are written again; %d were lost so far", self.dropped)

    def _tell(self, level: int, message: str, *arguments: object) -> None:
        _log.log(level, f"%s: {message}", self._what, *arguments)  # a text of ours, above

    def _write_some(self, batch: bytearray, start: int) -> int:
        try:
            with memoryview(batch) as view, view[start:] as rest:
                return os.write(self._fd, rest)
        except BlockingIOError:
            # Standard output may be shared with a process that made it non-blocking.
            poll = select.poll()
            poll.register(self._fd, select.POLLOUT)
            poll.poll()
            return 0
