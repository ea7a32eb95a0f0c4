"""A client of a rehearsal: sends one request over a connection of its own, and reads the answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus

from proxy.rehearsal.messages import Fields, Head, Request, request_bytes, take_head
from proxy.rehearsal.transport import connected
from proxy.rehearsal.virtual_loop import VirtualLoop
from proxy.wire.framing import Decoder

PATIENCE = 3600.0
"""Seconds, of the rehearsal, that a client waits for the whole answer."""


@dataclass(slots=True)
class Received:
    """What came back; status 0 where that was no head."""

    status: int = 0
    headers: Fields = ()
    body: bytes = b""
    complete: bool = False
    """All of it came, as its framing says."""
    interim: list[int] = field(default_factory=list)
    """Statuses of interim responses before it."""

    def header(self, name: str) -> str | None:
        """The values of all fields called `name`, whatever its case, with commas between them; or None."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None


class Client(asyncio.Protocol):
    """Reads one answer; `answered` is done with its end, or that of the connection."""

    def __init__(self, loop: VirtualLoop, request: Request) -> None:
        self.received = Received()
        self.answered: asyncio.Future[None] = loop.create_future()
        self._request = request
        self._pending = bytearray()
        self._head: Head | None = None
        self._decoder: Decoder | None = None

    async def talk(self, loop: VirtualLoop, server: asyncio.Protocol) -> Received:
        """Send the request to `server` and return what it answered, at the moment that this ended."""
        request = self._request
        facts = {"peername": (request.client_ip, 50000), "sslcontext": True if request.https else None}
        mine, _ = connected(loop, self, server, {}, facts)
        mine.write(request_bytes(request))
        giving_up = loop.call_later(PATIENCE, mine.abort)
        await self.answered
        giving_up.cancel()
        mine.close()
        return self.received

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while self._head is None:
            head = take_head(self._pending)
            if head is None:
                return
            self._read_head(head)
        if self._decoder is not None and self._pending:
            payload, _ = self._decoder.feed(bytes(self._pending))
            self._pending.clear()
            self.received.body += payload
        if self._decoder is None or self._decoder.done:
            self._over(complete=True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._over(complete=exc is None and self._decoder is not None and self._decoder.end())

    def _read_head(self, head: Head) -> None:
        status = int(head.first[1])
        if status < HTTPStatus.OK:
            self.received.interim.append(status)
            return
        self._head = head
        self.received.status = status
        self.received.headers = head.fields
        if self._request.method != "HEAD" and status not in (204, 304):
            self._decoder = head.body_decoder(until_close=True)

    def _over(self, *, complete: bool) -> None:
        if not self.answered.done():
            self.received.complete = complete
            self.answered.set_result(None)
