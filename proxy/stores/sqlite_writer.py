"""One thread that has the database, and does what the event loop asks it for, in order.

What waits is done in one transaction, and nobody gets an answer before that is committed. A
batch that asks for it is on the disk by then; any other may be lost with the machine's power,
but not with the process.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Any, TypeVar

from proxy.errors import StoreError

T = TypeVar("T")

_MOST_WAITING = 1_000
_BATCH = 200


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[], Any]
    durable: bool
    answer: asyncio.Future[Any]


_Outcome = tuple[asyncio.Future[Any], Any, BaseException | None]


class Writer:
    """`after_each` runs in every transaction, behind so many jobs; `undone` where one has failed."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        after_each: Callable[[int], object],
        undone: Callable[[], object],
    ) -> None:
        self._connection = connection
        self._after_each = after_each
        self._undone = undone
        self._jobs: Queue[_Job | None] = Queue(_MOST_WAITING)
        self._durable: bool | None = None
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="seawall-store", daemon=True)
        self._thread.start()

    def ask(self, work: Callable[[], T], *, durable: bool) -> asyncio.Future[T]:
        """What `work` returned or raised; raises StoreError where too much is waiting."""
        answer: asyncio.Future[T] = self._loop.create_future()
        if self._closed:
            raise StoreError("the store is closed")
        try:
            self._jobs.put_nowait(_Job(work, durable, answer))
        except Full:
            raise StoreError(f"{_MOST_WAITING} callers wait for the file already") from None
        return answer

    async def close(self) -> None:
        """Once all that waits is done."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._jobs.put, None)
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            batch, goes_on = self._next()
            outcomes = self._do(batch)
            with suppress(RuntimeError):  # the loop has ended, and with it all who waited
                self._loop.call_soon_threadsafe(_deliver, outcomes)
        with suppress(sqlite3.Error):
            self._connection.close()

    def _next(self) -> tuple[list[_Job], bool]:
        """What waits, and whether there may be more."""
        batch: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) >= _BATCH:
                return batch, True
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _do(self, batch: list[_Job]) -> list[_Outcome]:
        # Who has given up waiting wants nothing done any more.
        batch = [job for job in batch if not job.answer.cancelled()]
        if not batch:
            return []
        try:
            self._begin(durable=any(job.durable for job in batch))
            outcomes = [_done(job) for job in batch]
            self._after_each(len(batch))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            return [(job.answer, None, StoreError(f"the file of the store fails: {error}")) for job in batch]
        return outcomes

    def _begin(self, *, durable: bool) -> None:
        if durable is not self._durable:
            self._connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        self._connection.execute("BEGIN IMMEDIATE")

    def _undo(self) -> None:
        with suppress(sqlite3.Error):  # it fails again with the next one, which is told then
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._undone()


def _done(job: _Job) -> _Outcome:
    try:
        return job.answer, job.work(), None
    except sqlite3.Error:
        raise
    except Exception as error:  # noqa: BLE001  # it is raised again where the work was asked for
        return job.answer, None, error


def _deliver(outcomes: list[_Outcome]) -> None:
    for answer, result, error in outcomes:
        if answer.done():
            continue
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)
