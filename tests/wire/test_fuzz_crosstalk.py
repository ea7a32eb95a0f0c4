"""Many clients at once, over real sockets, before an upstream that lies: nobody gets what is another's.

Requests and answers carry a token that says whose they are. What clients send is broken, cut and
broken off at random; so is what the upstream answers. The seeds are fixed, the order of events is not.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.wire import strict
from tests.wire.harness import BOTH_LOOPS, PATIENCE, Peer, RawUpstream, Running, until, wire
from tests.wire.test_fuzz import PARTS, Reads, cut

pytestmark = BOTH_LOOPS

CLIENTS = 120
AT_ONCE = 8
NOBODY = b"nobody"
"""Who has no token, after an edit."""

FORGED = b"HTTP/1.1 200 OK\r\nX-Token: forged\r\nContent-Length: 6\r\n\r\nforged"
_TOKEN = re.compile(rb"t(\d+\.\d+\.(\w+))\.([0-9a-f]{8})t")
_IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"))


def token(client: int, number: int, kind: str) -> bytes:
    """With a checksum: what an edit makes of one is none."""
    text = b"%d.%d.%b" % (client, number, kind.encode())
    return b"t%b.%08xt" % (text, zlib.crc32(text))


def tokens(data: bytes) -> Iterator[re.Match[bytes]]:
    return (found for found in _TOKEN.finditer(data) if b"%08x" % zlib.crc32(found[1]) == found[3])


ANSWERS = {
    "length": b"HTTP/1.1 200 OK\r\nX-Token: %(token)b\r\nContent-Length: %(length)d\r\n\r\n%(token)b",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;forged\r\n%(start)b\r\n"
    b"%(size)x\r\n%(end)b\r\n0\r\nSet-Cookie: forged\r\nX-Token: %(token)b\r\n\r\n",
    "hints": b"HTTP/1.1 103 Hints\r\nX-Token: %(token)b\r\n\r\n" * 5
    + b"HTTP/1.1 200 OK\r\nContent-Length: %(length)d\r\n\r\n%(token)b",
    "nothing": b"HTTP/1.1 204 No Content\r\nX-Token: %(token)b\r\n\r\n",
    "close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%(token)b",
    "old": b"HTTP/1.0 200 OK\r\n\r\n%(token)b",
    "half": b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\nConnection: close\r\n\r\n%(token)b",
    "broken": b"HTTP/1.1 200 OK\r\nX: y\nSet-Cookie: forged\r\n\r\n",
    "behind": b"HTTP/1.1 200 OK\r\nContent-Length: %(length)d\r\n\r\n%(token)b" + FORGED,
    "switch": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: forged\r\n\r\nforged",
    "late": b"HTTP/1.1 204 No Content\r\nX-Token: %(token)b\r\nContent-Length: 60\r\n\r\n",
}
ENDS = ("close", "old", "half")
EARLY = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Liar:
    """An upstream that reads by the book, and answers as the token of a request says."""

    seen: Counter[tuple[bytes, bytes]] = field(default_factory=Counter)
    """Methods and tokens of requests."""
    broken: list[bytes] = field(default_factory=list)

    async def __call__(self, peer: Peer) -> None:
        data, at, answered = b"", 0, False
        while True:
            try:
                message = strict.request(data, at)
            except strict.Broken:
                self.broken.append(data[at:])
                return
            except strict.Incomplete:
                if not answered and b"early" in data[at : data.find(b"\r\n\r\n", at) + 1]:
                    peer.send(EARLY)  # and it reads the rest all the same
                    answered = True
                piece = await peer.reader.read(65536)
                if not piece:
                    return
                data += piece
                continue
            at = message.end
            if not answered and not await self._answer(peer, message):
                return
            answered = False

    async def _answer(self, peer: Peer, message: strict.Message) -> bool:
        found = next(tokens(message.line[1]), None)
        own, kind = (found[0], found[2].decode()) if found else (NOBODY, "length")
        self.seen[message.line[0], own] += 1
        values = {
            b"token": own,
            b"length": len(own),
            b"start": own[:3],
            b"end": own[3:],
            b"size": len(own) - 3,
        }
        answer = ANSWERS.get(kind, ANSWERS["length"]) % values
        if message.line[0] == b"HEAD" and kind != "hints":
            answer = answer[: answer.find(b"\r\n\r\n") + 4]
        peer.send(answer)
        await peer.drained()
        if kind == "late":
            await asyncio.sleep(0.001)
            peer.send(FORGED)
        return kind not in ENDS


class Client:
    """Sends some requests, more or less, and judges what it gets."""

    def __init__(self, number: int, seed: int) -> None:
        self._number = number
        self._dice = random.Random(f"{seed} {number}")
        self.sent = b""
        self.got = b""
        self._closed = False

    def _request(self, number: int) -> bytes:
        dice = self._dice
        own = token(self._number, number, dice.choice((*["length"] * 6, *ANSWERS, "early")))
        hidden = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % token(self._number, number + 100, "length")
        method = dice.choice((b"GET", b"GET", b"POST", b"POST", b"HEAD", b"PUT", b"OPTIONS"))
        body = dice.choice((b"", b"hello", hidden, hidden * 3, b"x" * 100_000))
        if method in (b"GET", b"HEAD", b"OPTIONS"):
            framing, body = b"", b""
        elif dice.random() < 0.5:
            framing = b"Content-Length: %d\r\n" % len(body)
        else:
            framing = b"Transfer-Encoding: chunked\r\n"
            body = (b"%x;a\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\nX-Token: x\r\n\r\n"
        if dice.random() < 0.1:
            framing += b"Expect: 100-continue\r\n"
        return b"%b /%b HTTP/1.1\r\nHost: a\r\n%b\r\n%b" % (method, own, framing, body)

    def _script(self) -> bytes:
        dice = self._dice
        data = b"".join(self._request(number) for number in range(dice.randint(1, 4)))
        for _ in range(dice.choice((0, 0, 1, 2))):
            at = dice.randint(0, min(len(data), 600))
            data = data[:at] + dice.choice((*PARTS, b"")) + data[at + dice.choice((0, 0, 1, 5)) :]
        return data

    async def run(self, running: Running) -> None:
        dice = self._dice
        peer = await running.connect()
        data = self._script()
        pieces = cut(data, [dice.randint(0, 1000) for _ in range(dice.choice((0, 2, 5)))])
        stays = dice.random() < 0.7
        for piece in pieces if stays else pieces[: dice.randint(1, len(pieces))]:
            peer.send(piece)
            self.sent += piece
            await asyncio.sleep(dice.choice((0, 0, 0.001)))
        if not stays:
            dice.choice((peer.close, peer.abort, peer.end))()
            return
        async with asyncio.timeout(PATIENCE):  # or it hangs
            while not self._closed and len(self.answers()) < len(strict.requests(self.sent)[0]):
                await self._read(peer)
        peer.close()

    async def _read(self, peer: Peer) -> None:
        try:
            piece = await peer.reader.read(65536)
        except ConnectionError:
            piece = b""
        self.got += piece
        self._closed = not piece

    def answers(self) -> list[strict.Message]:
        """Those that are whole; raises strict.Broken where something else is there."""
        answers: list[strict.Message] = []
        at = 0
        for request in strict.requests(self.sent)[0]:
            try:
                answers.append(strict.response(self.got, at, request.line[0], ended=self._closed))
            except strict.Incomplete:
                break
            at = answers[-1].end
        return answers

    def judge(self) -> None:
        """What it got is its own, in order, and no failure of ours."""
        assert b"forged" not in self.got
        assert {b"%d" % self._number} >= {found[1].partition(b".")[0] for found in tokens(self.got)}
        for request, answer in zip(strict.requests(self.sent)[0], self.answers(), strict=False):
            assert answer.line[1] != b"500"
            own = {found[0] for found in tokens(request.line[1])}
            assert set(answer.values(b"x-token")) <= own | {NOBODY}

    @property
    def asked(self) -> Counter[tuple[bytes, bytes]]:
        """Methods and tokens of the requests in what it sent, by the book."""
        messages = strict.requests(self.sent)[0]
        return Counter((each.line[0], found[0]) for each in messages for found in tokens(each.line[1]))


@pytest.mark.parametrize("policies", [(), (Reads(),)], ids=["streamed", "read by a policy"])
@pytest.mark.parametrize("seed", range(2))
async def test_nobody_gets_what_is_anothers(
    seed: int, policies: tuple[Any, ...], caplog: pytest.LogCaptureFixture
) -> None:
    liar = Liar()
    clients = [Client(number, seed) for number in range(CLIENTS)]
    places = asyncio.Semaphore(AT_ONCE)

    async def run(client: Client) -> None:
        async with places:
            await client.run(running)

    with caplog.at_level(logging.WARNING):
        async with (
            RawUpstream(liar) as upstream,
            wire(upstream.port, *policies, pool={"max_connections": 4}) as running,
        ):
            await asyncio.gather(*map(run, clients))
            await until(lambda: running.records.in_flight == 0)

    for client in clients:
        client.judge()
    asked = sum((client.asked for client in clients), Counter[tuple[bytes, bytes]]())
    for (method, own), times in liar.seen.items():
        # One that may be repeated is, where an idle connection turns out to be closed.
        assert own == NOBODY or times <= asked[method, own] * (1 + (method in _IDEMPOTENT)), own
    assert ([], 0) == (liar.broken, running.server.buffers.held)
    assert len(running.records.exchanges) == len(running.records.outcomes)
    assert [] == caplog.records
    assert 100 < sum(liar.seen.values())
