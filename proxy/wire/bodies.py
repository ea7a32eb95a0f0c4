"""Bodies on their way: held while nobody can take them, collected where a policy asks.

Both directions work alike. What arrives is kept in pieces until it can be passed on; the
reader is paused while more than `HIGH_WATER` waits. `collect` gathers all of it, within
the caller's limit and the bound on all buffered bodies together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from proxy.errors import Rejection
from proxy.wire.buffers import Buffers
from proxy.wire.framing import ChunkedDecoder, Decoder, LengthDecoder, chunk, last_chunk

HIGH_WATER = 64 * 1024
"""Bytes that may wait for the other side before reading is paused."""

_PIECE = 4096  # what comes in smaller pieces is joined: bytes objects of two bytes cost twenty times that


class Body:
    """A body that is arriving; a `proxy.exchange.Stream`."""

    __slots__ = (
        "_buffers",
        "_collecting",
        "_keep",
        "_kept",
        "_kept_size",
        "_limit",
        "_parts",
        "accounted",
        "decoder",
        "done",
        "error",
        "size",
        "total",
        "wanted",
    )

    def __init__(self, decoder: Decoder, buffers: Buffers, wanted: Callable[[], None] | None = None) -> None:
        self.decoder = decoder
        self.done = False
        """All of it has arrived."""
        self.size = 0
        """Bytes that wait here."""
        self.total = 0
        """Bytes that have arrived."""
        self.accounted = 0
        self._buffers = buffers
        self.wanted = wanted
        """Called when somebody asks for all of it, so that it is let in."""
        self._parts: list[bytes] = []
        self._collecting: asyncio.Future[bool] | None = None
        self.error: Exception | None = None
        """Why it broke off."""
        self._limit = 0
        self._keep = 0
        """Bytes of what was taken that are kept at most; 0 for none."""
        self._kept: list[bytes] = []
        self._kept_size = 0

    def feed(self, data: bytes) -> bytes:
        """Take what belongs to the body and return what lies behind it; raises FramingError."""
        payload, rest = self.decoder.feed(data)
        self.put(payload)
        if self.decoder.done:
            self.finish()
        return rest

    def put(self, payload: bytes) -> None:
        """Keep `payload`, which the decoder gave."""
        if not payload:
            return
        parts = self._parts
        if parts and len(parts[-1]) + len(payload) <= _PIECE:
            parts[-1] += payload
        else:
            parts.append(payload)
        self.size += len(payload)
        self.total += len(payload)
        waiting = self._collecting
        if waiting is None or waiting.done():
            return
        if self.total > self._limit:
            waiting.set_result(False)
            return
        try:
            self._account(len(payload))
        except Rejection as rejection:
            waiting.set_exception(rejection)

    def finish(self) -> None:
        """The last byte has arrived."""
        self.done = True
        if self._collecting is not None and not self._collecting.done():
            self._collecting.set_result(True)

    def fail(self, error: Exception) -> None:
        """It broke off; whoever collects it, now or later, learns so."""
        self.error = error
        if self._collecting is not None and not self._collecting.done():
            self._collecting.set_exception(error)

    def take(self) -> bytes:
        """Everything that waits, to be passed on."""
        parts, self._parts, self.size = self._parts, [], 0
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        if self._keep and data:
            self._retain(data)
        return data

    def keep(self, limit: int) -> None:
        """Keep what is taken from now on, as long as all of it is at most `limit` bytes."""
        to_come = self.decoder.left if isinstance(self.decoder, LengthDecoder) else 0
        self._keep = limit if self.total + to_come <= limit else 0

    @property
    def whole(self) -> bool:
        """Nothing of it is gone: what was taken has been kept."""
        return self.size + self._kept_size == self.total

    def rewind(self) -> None:
        """What was taken, and is kept, waits to be taken again."""
        if self._kept_size:
            self._parts[:0] = self._kept
            self.size += self._kept_size
            self._forget_kept()

    def _retain(self, data: bytes) -> None:
        try:
            if self._kept_size + len(data) <= self._keep:
                self._account(len(data))
                self._kept.append(data)
                self._kept_size += len(data)
                return
        except Rejection:
            pass  # there is no room for what may never be needed
        self._keep = 0
        self._forget_kept()

    def _forget_kept(self) -> None:
        held = min(self._kept_size, self.accounted)
        self._buffers.release(held)
        self.accounted -= held
        self._kept, self._kept_size = [], 0

    def take_framed(self, dropped: frozenset[bytes]) -> bytes:
        """The same, framed as it came; `dropped` are names that no trailer may have."""
        data = self.take()
        if isinstance(self.decoder, ChunkedDecoder):
            data = chunk(data)
            if self.done:
                data += last_chunk(self.decoder.trailers, dropped)
        return data

    async def collect(self, limit: int) -> bytes | None:
        """See `proxy.exchange.Stream`."""
        to_come = self.decoder.left if isinstance(self.decoder, LengthDecoder) else 0
        if self.total + to_come > limit:
            return None
        if self.error is not None:
            raise self.error
        self._keep = 0  # who has all of it can send all of it again
        self._account(self.size)
        if not self.done:
            self._limit = limit
            self._collecting = asyncio.get_running_loop().create_future()
            if self.wanted is not None:
                self.wanted()
            if not await self._collecting:
                self.release()  # it is passed on as it comes
                return None
        return self.take()

    @property
    def collecting(self) -> bool:
        """A policy is waiting for all of it, so that it must go on arriving."""
        return self._collecting is not None and not self._collecting.done()

    def release(self) -> None:
        """The exchange is over: give back what was accounted for."""
        if self.accounted:
            self._buffers.release(self.accounted)
            self.accounted = 0

    def _account(self, size: int) -> None:
        self._buffers.hold(size)
        self.accounted += size
