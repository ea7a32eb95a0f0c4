"""Requests that come when they are due, whether or not those before are answered."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

GAVE_UP, BROKEN = 0, -1
"""Instead of a status: no answer within the client's patience, or none at all."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Asked(NamedTuple):
    """One request. Times are seconds of the clock that all processes share."""

    due: float
    seconds: float
    """From when it was due to the last byte of its answer."""
    status: int


@dataclass
class Load:
    """Many clients, each of whom waits for `patience` seconds at most."""

    port: int
    patience: float
    path: str = "/json"
    asked: list[Asked] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    """How much later than due each was sent."""
    _idle: list[Ends] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, rate: float, begin: float, seconds: float) -> None:
        """`rate` a second from `begin` on; returns when the last one is answered or given up."""
        for number in range(round(rate * seconds)):
            due = begin + number / rate
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            self.lags.append(time.monotonic() - due)
            task = asyncio.create_task(self._one(due))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await asyncio.gather(*self._tasks)

    async def most(self, seconds: float, at_once: int = 32) -> float:
        """Requests a second when each of so many asks again as soon as it has its answer."""
        before, begin = len(self.asked), time.monotonic()

        async def again() -> None:
            while time.monotonic() < begin + seconds:
                await self._one(time.monotonic())

        await asyncio.gather(*(again() for _ in range(at_once)))
        answered = sum(one.status == 200 for one in self.asked[before:])
        return answered / (time.monotonic() - begin)

    async def _one(self, due: float) -> None:
        status = BROKEN
        try:
            async with asyncio.timeout(self.patience):
                with self._connection() as connected:
                    ends = connected or await asyncio.open_connection("127.0.0.1", self.port)
                    try:
                        status = await self._exchange(ends)
                    except BaseException:
                        ends[1].transport.abort()
                        raise
                    self._idle.append(ends)
        except TimeoutError:
            status = GAVE_UP
        except (OSError, asyncio.IncompleteReadError):
            status = BROKEN
        self.asked.append(Asked(due, time.monotonic() - due, status))

    @contextmanager
    def _connection(self) -> Iterator[Ends | None]:
        """One that is idle and open, if there is any."""
        found = None
        while self._idle and found is None:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                found = reader, writer
        yield found

    async def _exchange(self, ends: Ends) -> int:
        reader, writer = ends
        writer.write(f"GET {self.path} HTTP/1.1\r\nHost: outage\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None and b"chunked" in head.lower():
            await reader.readuntil(b"0\r\n\r\n")
        await reader.readexactly(int(length[1]) if length else 0)
        if b"\r\nconnection: close" in head.lower():
            writer.close()
        return int(head.split(b" ", 2)[1])

    def close(self) -> None:
        """Close what is idle."""
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()
