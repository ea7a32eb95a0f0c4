"""Connections in memory: what is written at one end is read at the other, and nothing is ever lost."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

_HIGH_WATER = 64 * 1024
_END: Final = b""
"""Stands behind the last byte: an end of the stream."""


class _NoSocket:
    """What is asked of a socket to tune it; there is nothing to tune."""

    family = 0

    def setsockopt(self, *_: object) -> None:
        """No option changes anything here."""

    def fileno(self) -> int:
        raise OSError("a connection in memory has no file")


class End(asyncio.Transport):
    """One end of a connection. Made in pairs, by `connected`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol, extra: Any) -> None:
        super().__init__({"socket": _NoSocket(), **extra})
        self._loop = loop
        self._protocol: Any = protocol
        self.other = self
        self._inbox: deque[bytes] = deque()
        self.unread = 0
        self._reset = False
        """The other end has broken off: behind what it had written, that is what is read."""
        self._reading = True
        self._draining = False
        self._paused = False
        self._ended = False
        self._closing = False
        self.lost = False

    # ---- writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or self._ended or not data:
            return
        if self.other.lost:
            self._lose(BrokenPipeError("the other side has closed"))
            return
        self.other.put(bytes(data))
        if not self._paused and self.other.unread > _HIGH_WATER:
            self._paused = True
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        return self.other.unread

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._ended:
            self._ended = True
            self.other.put(_END)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """The other end reads all that was written, and then the end."""
        if not self._closing:
            self.write_eof()
            self._lose(None)

    def abort(self) -> None:
        """The other end reads all that was written, and then that the connection was reset."""
        if not self.lost:
            self.other.broken_off()
            self._lose(None)

    # ---- reading

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        self._drain_soon()

    def put(self, data: bytes) -> None:
        self._inbox.append(data)
        self.unread += len(data)
        self._drain_soon()

    def broken_off(self) -> None:
        self._reset = True
        self._drain_soon()

    def _drain_soon(self) -> None:
        if not self._draining and (self._inbox or self._reset):
            self._draining = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        self._draining = False
        while self._inbox and self._reading and not self._closing:
            data = self._inbox.popleft()
            self.unread -= len(data)
            if data:
                self._protocol.data_received(data)
            elif not self._protocol.eof_received():
                self.close()
        if self._reset and not self._inbox:
            self._lose(ConnectionResetError("the other side has reset the connection"))
        self.other.taken()

    def taken(self) -> None:
        if self._paused and self.other.unread <= _HIGH_WATER // 4 and not self.lost:
            self._paused = False
            self._protocol.resume_writing()

    # ---- the end

    def _lose(self, why: Exception | None) -> None:
        if self.lost:
            return
        self._closing = self.lost = True
        self._inbox.clear()
        self.unread = 0
        self._loop.call_soon(self._protocol.connection_lost, why)
        self._loop.call_soon(self.other.taken)


def connected(
    loop: asyncio.AbstractEventLoop,
    one: asyncio.Protocol,
    other: asyncio.Protocol,
    facts: dict[str, Any],
    other_facts: dict[str, Any],
) -> tuple[End, End]:
    """Connect two protocols; `facts` are what `get_extra_info` tells each of its end."""
    first, second = End(loop, one, facts), End(loop, other, other_facts)
    first.other, second.other = second, first
    one.connection_made(first)
    other.connection_made(second)
    return first, second
