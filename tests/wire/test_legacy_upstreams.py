"""Servers that legacy applications run in, unmodified, behind a real data port: what is sent arrives.

One application, written anew for each of them in `legacy/`. h11 is the judge of what the client is sent.
"""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import h11
import pytest

from tests.wire.harness import BOTH_LOOPS, PATIENCE, Peer, Running, until, wire
from tests.wire.legacy.servers import KINDS, Legacy, running

pytestmark = BOTH_LOOPS

LARGE = bytes(range(256)) * 4096
"""1 MiB in which a byte that is lost, doubled or moved shows."""


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def legacy(request: pytest.FixtureRequest) -> Iterator[Legacy]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # Apache's user looks into it
        with running(request.param, Path(folder)) as server:
            yield server


@dataclass
class Answer:
    """What a client was told."""

    status: int = 0
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key == name]


class Client:
    """A strict HTTP/1.1 client on one connection."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.http = h11.Connection(h11.CLIENT)

    def ask(self, method: str, target: str, *fields: tuple[str, str]) -> None:
        self.say(h11.Request(method=method, target=target, headers=[("Host", "legacy.test"), *fields]))

    def say(self, event: h11.Event) -> None:
        self.peer.send(self.http.send(event) or b"")

    def end(self) -> None:
        self.say(h11.EndOfMessage())

    def body(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.say(h11.Data(data=piece))
        self.end()

    async def event(self) -> h11.Event:
        async with asyncio.timeout(PATIENCE):
            while (event := self.http.next_event()) is h11.NEED_DATA:
                self.http.receive_data(await self.peer.reader.read(65536))
        assert isinstance(event, h11.Event)
        return event

    async def answer(self) -> Answer:
        """The whole answer; the connection is ready for another request, where it may have one."""
        answer = Answer()
        while not isinstance(event := await self.event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                answer.status, answer.fields = event.status_code, list(event.headers)
            elif isinstance(event, h11.Data):
                answer.body += event.data
        if self.http.our_state is h11.DONE and self.http.their_state is h11.DONE:
            self.http.start_next_cycle()
        return answer

    async def get(self, target: str, method: str = "GET") -> Answer:
        self.ask(method, target)
        self.end()
        return await self.answer()


async def client_of(running: Running) -> Client:
    return Client(await running.connect())


async def test_a_connection_carries_one_request_after_another(legacy: Legacy) -> None:
    async with wire(legacy.port) as running:
        client = await client_of(running)
        got = await client.get("/hello")
        head = await client.get("/hello", "HEAD")
        again = await client.get("/hello")
        await until(lambda: len(running.upstream_connections) == legacy.kind.keeps_connections)

    assert [(200, b"hello\n"), (200, b""), (200, b"hello\n")] == [
        (answer.status, answer.body) for answer in (got, head, again)
    ]
    assert [(200, None)] * 3 == running.records.attempts


async def test_a_connection_that_it_keeps_is_used_again(
    legacy: Legacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    async with wire(legacy.port) as running:
        new = running.pool._new
        monkeypatch.setattr(running.pool, "_new", lambda: opened.append(new()) or opened[-1])
        client = await client_of(running)
        for _ in range(5):
            await client.get("/hello")

    assert (1 if legacy.kind.keeps_connections else 5) == len(opened)


async def test_every_cookie_is_set(legacy: Legacy) -> None:
    async with wire(legacy.port) as running:
        answer = await (await client_of(running)).get("/hello")

    assert [b"a=1", b"b=2"] == answer.all(b"set-cookie")
    assert [b"text/plain"] == [value.partition(b";")[0] for value in answer.all(b"content-type")]


BODIES = {
    "of a few bytes": [b"a few ", b"bytes"],
    "of 1 MiB": [LARGE[at : at + 50_000] for at in range(0, len(LARGE), 50_000)],
}


@pytest.mark.parametrize("pieces", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_an_upload_arrives_and_comes_back(legacy: Legacy, framing: str, pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    fields = {"length": ("Content-Length", str(len(whole))), "chunks": ("Transfer-Encoding", "chunked")}
    async with wire(legacy.port) as running:
        answers = []
        client = await client_of(running)
        for _ in range(2):  # the second on whatever the first has left behind
            if client.http.our_state is h11.MUST_CLOSE:  # it was answered while it still sent
                client = await client_of(running)
            client.ask("POST", "/echo", fields[framing], ("Content-Type", "application/octet-stream"))
            client.body(*pieces)
            answers.append(await client.answer())

    assert [200, 200] == [answer.status for answer in answers]
    assert all(whole == answer.body for answer in answers)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/none", (404, b"nothing here\n")), ("/boom", (500, b"it broke\n"))],
    ids=["404", "500"],
)
async def test_its_own_errors_are_passed_on(legacy: Legacy, path: str, expected: tuple[int, bytes]) -> None:
    async with wire(legacy.port) as running:
        answer = await (await client_of(running)).get(path)

    assert expected == (answer.status, answer.body)


async def test_path_and_query_arrive_byte_for_byte(legacy: Legacy) -> None:
    target = "/target/caf%C3%A9;v=1/~a'b(c)*!$,:@/%7Ed%20e?q=%20+a%2Fb&&x==1&empty&u=%ff&/?:@"
    async with wire(legacy.port) as running:
        answer = await (await client_of(running)).get(target)

    assert (200, target) == (answer.status, answer.body.decode())


async def test_events_arrive_one_by_one(legacy: Legacy) -> None:
    gate = uuid.uuid4().hex
    async with wire(legacy.port) as running:
        client = await client_of(running)
        client.ask("GET", f"/events?{gate}")
        client.end()
        head = await client.event()
        first = await client.event()
        (legacy.gates / gate).touch()  # it lets the second one out only now
        rest = await client.answer()

    assert isinstance(head, h11.Response)
    assert isinstance(first, h11.Data)
    assert b"data: 1\n\ndata: 2\n\n" == first.data + rest.body
    assert (200, b"data: 1\n\n") == (head.status_code, bytes(first.data))


async def test_an_upload_that_it_refuses_early_gets_its_answer(legacy: Legacy) -> None:
    """It closes with most of the upload unread, and a client that sends on may be reset."""
    async with wire(legacy.port) as running:
        client = await client_of(running)
        client.ask("POST", "/refuse", ("Content-Length", str(8 * len(LARGE))))
        for _ in range(8):
            client.say(h11.Data(data=LARGE))
        client.end()
        answer = await client.answer()
        await running.settled()

    assert (413, b"too much\n") == (answer.status, answer.body)


async def test_who_expects_to_continue_is_told_so_by_the_server_where_it_does(legacy: Legacy) -> None:
    async with wire(legacy.port) as running:
        client = await client_of(running)
        client.ask("POST", "/echo", ("Content-Length", "4"), ("Expect", "100-continue"))
        told = (await client.event()) if legacy.kind.says_continue else None
        client.body(b"body")
        answer = await client.answer()

    assert legacy.kind.says_continue == (isinstance(told, h11.InformationalResponse))
    assert told is None or told.status_code == 100
    assert (200, b"body") == (answer.status, answer.body)


async def test_a_client_that_leaves_an_answer_does_not_disturb_the_next(legacy: Legacy) -> None:
    async with wire(legacy.port) as running:
        leaving = await client_of(running)
        gate = uuid.uuid4().hex
        leaving.ask("GET", f"/events?{gate}")
        leaving.end()
        await leaving.event()
        leaving.peer.abort()
        await running.settled()
        (legacy.gates / gate).touch()  # servers with one worker go on only then
        answer = await (await client_of(running)).get("/hello")

    assert (200, b"hello\n") == (answer.status, answer.body)
