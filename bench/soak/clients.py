"""Clients that check every answer: is it whole, is it theirs, and is there only one.

A request has an id of its own. The upstream answers with it in `X-Soak-Id`, and Seawall with it in
`X-Request-ID`; bodies of the upstream are made of it.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from bench.soak.upstream import pattern
from bench.soak.ways import WAYS, Way

LATEST = 8.0
"""Seconds for a whole exchange: twice the deadline of policies.yaml."""
_MOST_WRONG = 50
_STATUSES = frozenset((200, 409, 500, 502, 503, 504))


class Broken(Exception):
    """The answer began and broke off, and the client could tell."""


@dataclass
class Tally:
    """What became of all requests."""

    answered: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By way and status; whole ones."""
    broken: Counter[str] = field(default_factory=Counter)
    left: int = 0
    """Requests whose client went away on purpose: they may or may not have been seen."""
    ids: set[str] = field(default_factory=set)
    """Of the requests that were answered, wholly or not."""
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0

    @property
    def statuses(self) -> Counter[int]:
        counted: Counter[int] = Counter()
        for (_, status), count in self.answered.items():
            counted[status] += count
        return counted

    @property
    def whole(self) -> int:
        return sum(self.answered.values())

    def complain(self, text: str) -> None:
        if len(self.wrong) < _MOST_WRONG:
            self.wrong.append(text)


_numbers = itertools.count()


class Client:
    """Asks one thing after the other, over a connection that it keeps where it can."""

    def __init__(self, port: int, tally: Tally, stop: asyncio.Event) -> None:
        self._port = port
        self._tally = tally
        self._stop = stop
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self) -> None:
        weights = [way.weight for way in WAYS]
        while not self._stop.is_set():
            (way,) = random.choices(WAYS, weights)
            ids = [f"soak-{next(_numbers):08d}-{way.name}" for _ in range(way.pipelined)]
            began = time.monotonic()
            try:
                async with asyncio.timeout(LATEST + 20 * way.pause):
                    await self._ask(way, ids)
            except TimeoutError:
                self._tally.complain(f"{way.name}: no answer, or no end of it, after {LATEST:g} s")
                self._close(abort=True)
            except OSError as error:
                self._tally.complain(f"{way.name}: {error!r}")
                self._close(abort=True)
            self._tally.slowest = max(self._tally.slowest, time.monotonic() - began)
            await asyncio.sleep(random.expovariate(20))
        self._close()

    async def _ask(self, way: Way, ids: list[str]) -> None:
        if self._ends is not None and (way.leaves or way.pause or random.random() < 0.05):
            self._close()
        if self._ends is None:
            self._ends = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._ends
        if vars(reader)["_buffer"]:
            self._tally.complain(
                f"more than one answer before {ids[0]}: {bytes(vars(reader)['_buffer'])[:80]!r}"
            )
        sending = asyncio.create_task(_send(way, ids, writer))
        try:
            if way.leaves:
                self._tally.left += 1
                await asyncio.sleep(random.random() * 0.3)
                self._close(abort=random.random() < 0.5)
                return
            for id_ in ids:
                await self._one(way, id_, reader)
        finally:
            if not sending.done():  # answered early: what is left of the body is not sent any more
                self._close()
            sending.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await sending

    async def _one(self, way: Way, id_: str, reader: asyncio.StreamReader) -> None:
        if self._ends is None:  # what was pipelined behind an answer that closed the connection
            self._tally.left += 1
            return
        try:
            answer = await read_answer(reader, way.method, way.pause)
        except Broken:
            self._tally.ids.add(id_)
            self._tally.broken[way.name] += 1
            self._close(abort=True)
            return
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self._tally.complain(f"{way.name}: no answer to {id_}: {error!r}")
            self._close(abort=True)
            return
        self._tally.ids.add(id_)
        self._tally.answered[way.name, answer.status] += 1
        for text in wrong(way, id_, answer):
            self._tally.complain(f"{id_}: {text}")
        if answer.closes:
            if rest := await _rest(reader):
                self._tally.complain(f"{id_}: more than one answer: {rest[:80]!r}")
            self._close()

    def _close(self, *, abort: bool = False) -> None:
        if self._ends is not None:
            (self._ends[1].transport.abort if abort else self._ends[1].close)()
            self._ends = None


@dataclass
class Answer:
    """A whole one."""

    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        return self.fields.get("connection", "").lower() == "close"


def wrong(way: Way, id_: str, answer: Answer) -> list[str]:
    """What must not be of an answer that is whole."""
    found = []
    theirs = answer.fields.get("x-soak-id", answer.fields.get("x-request-id", ""))
    if theirs != id_:
        found.append(f"the answer belongs to {theirs!r}")
    if answer.status not in _STATUSES:
        found.append(f"status {answer.status}")
    if b"Traceback" in answer.body:
        found.append("a stack trace")
    if int(answer.fields.get("x-seawall-attempts", 1)) > 3:  # max_retries and one
        found.append(f"{answer.fields['x-seawall-attempts']} attempts")
    if answer.status == 200 and way.method != "HEAD" and answer.body != _expected(way, id_):
        found.append(f"another body: {answer.body[:40]!r} of {len(answer.body)} bytes")
    ours = answer.status >= 500 and "x-soak-id" not in answer.fields
    if ours and way.method != "HEAD" and b'"reason"' not in answer.body:
        found.append("a refusal without a reason")
    return found


def _expected(way: Way, id_: str) -> bytes:
    if way.name == "upload":
        return str(way.body).encode()
    last = way.path.rpartition("/")[2]
    return pattern(
        id_, 20 if way.name in ("slowly", "flaky", "secure-flaky") else int(last) if last.isdigit() else 0
    )


async def _send(way: Way, ids: list[str], writer: asyncio.StreamWriter) -> None:
    for id_ in ids:
        head = (
            f"{way.method} {way.path} HTTP/1.1\r\nHost: soak\r\nX-Soak-Id: {id_}\r\nX-Request-ID: {id_}\r\n"
        )
        if way.chunked:
            head += "Transfer-Encoding: chunked\r\n"
        elif way.body:
            head += f"Content-Length: {way.body}\r\n"
        writer.write(head.encode() + b"\r\n")
    size = 65536 if not way.pause else 1000
    for start in range(0, way.body, size):
        piece = b"x" * min(size, way.body - start)
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if way.chunked else piece)
        await writer.drain()
        if way.pause or way.leaves:
            await asyncio.sleep(way.pause or 0.05)
    if way.chunked:
        writer.write(b"0\r\n\r\n")
    await writer.drain()


async def read_answer(reader: asyncio.StreamReader, method: str, pause: float = 0.0) -> Answer:
    """Raises Broken once the head is there, and what asyncio raises before."""
    raw = await reader.readuntil(b"\r\n\r\n")
    first, *lines = raw.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    answer = Answer(int(first.split(" ")[1]), fields, b"")
    try:
        answer.body = await _body(reader, fields, pause) if method != "HEAD" else b""
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise Broken from error
    return answer


async def _body(reader: asyncio.StreamReader, fields: dict[str, str], pause: float) -> bytes:
    body = bytearray()
    if "chunked" in fields.get("transfer-encoding", ""):
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
        return bytes(body)
    left = int(fields.get("content-length", 0))
    while left:
        if pause:
            await asyncio.sleep(pause)
        piece = await reader.readexactly(min(left, 65536) if not pause or pause < 1 else left)
        body += piece
        left -= len(piece)
    return bytes(body)


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(-1)
    except ConnectionError:
        return b""
