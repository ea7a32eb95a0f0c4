"""What is made of a head that comes again is remembered; of another head, route or revision it is not."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from weakref import ref

import pytest

from proxy.policies.identity.api_key import ApiKey
from tests.app.served import Served, served
from tests.app.trial import Files
from tests.wire.harness import Peer, RawUpstream, until

KEYS = {name: sha256(name.encode()).hexdigest() for name in ("one", "two")}
POLICIES = f"""\
version: 1
clients: {{trusted_proxies: [127.0.0.0/8]}}
upstreams: {{app: {{url: "http://127.0.0.1:PORT"}}}}
defaults:
  forwarded: {{emit: [x-forwarded, forwarded]}}
  security_headers: {{preset: none, set: {{X-Frame-Options: DENY}}, remove: [Server]}}
  cors: {{origins: ["https://a.example", "https://b.example"]}}
  rate_limit: {{limit: 1000/s, key: [client.ip]}}
  api_key: {{keys: [{{id: one, sha256: {KEYS["one"]}}}]}}
routes:
  - {{name: one, match: {{path: /one}}}}
  - name: two
    match: {{path: /two}}
    policies: {{api_key: {{keys: [{{id: two, sha256: {KEYS["two"]}}}]}}}}
  - {{name: few, match: {{path: /few}}, policies: {{size_limit: {{header_count: 3}}}}}}
  - {{name: small, match: {{path: /small}}, policies: {{size_limit: {{headers: 30B}}}}}}
"""

Fields = dict[str, str]
KEYED: Fields = {"Host": "a", "X-API-Key": "one"}


class Upstream:
    """Tells what it got, and answers with `fields`."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.fields: Fields = {}
        self.answers = asyncio.Event()
        self.answers.set()

    async def __call__(self, peer: Peer) -> None:
        while True:
            self.heads.append((await peer.head()).decode())
            await self.answers.wait()
            lines = "".join(f"{name}: {value}\r\n" for name, value in self.fields.items())
            peer.send(f"HTTP/1.1 200 OK\r\n{lines}Content-Length: 0\r\n\r\n".encode())


class Client:
    """One connection, which is kept."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def ask(self, fields: Fields, path: str = "/one") -> str:
        """The head of the response."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._peer.send(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        return (await self._peer.message())[0].decode()

    async def status(self, fields: Fields, path: str = "/one") -> int:
        return int((await self.ask(fields, path)).split()[1])


@asynccontextmanager
async def two_clients(files: Files, upstream: Upstream) -> AsyncIterator[tuple[Served, Client, Client]]:
    async with RawUpstream(upstream) as raw:
        files.write(POLICIES.replace("PORT", str(raw.port)))
        async with served(files) as running:
            peers = [Peer(*await asyncio.open_connection("127.0.0.1", running.port)) for _ in range(2)]
            try:
                yield running, Client(peers[0]), Client(peers[1])
            finally:
                for peer in peers:
                    peer.close()


def values(head: str, name: str) -> list[str]:
    fields = (line.partition(": ") for line in head.split("\r\n")[1:])
    return [value for field, _, value in fields if field.lower() == name.lower()]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({**KEYED, "X-API-Key": "onf"}, id="another key"),
        pytest.param({**KEYED, "X-API-Key": "onee"}, id="a longer key"),
        pytest.param({"Host": "a"}, id="no key"),
        pytest.param({**KEYED, "x-api-key": "one"}, id="two keys"),
    ],
)
async def test_a_caller_who_was_let_in_is_not_let_in_by_another_head(files: Files, fields: Fields) -> None:
    async with two_clients(files, Upstream()) as (_, client, other):
        asked = [KEYED, KEYED, fields, fields, KEYED]

        assert [200, 200, 401, 401, 200] == [await client.status(each) for each in asked]
        assert 401 == await other.status(fields)


async def test_a_head_counts_for_each_route_by_that_routes_policies(files: Files) -> None:
    paths = ["/one", "/two", "/few", "/small"]
    async with two_clients(files, Upstream()) as (_, client, _):
        both = {"Host": "a", "X-API-Key": "two"}
        more = {**KEYED, "X-More": "1", "X-Yet-More": "1"}
        large = {**KEYED, "X-More": "1" * 40}

        for _ in range(2):
            assert [200, 401, 200, 200] == [await client.status(KEYED, path) for path in paths]
            assert [401, 200, 401, 401] == [await client.status(both, path) for path in paths]
            assert [200, 401, 431, 431] == [await client.status(more, path) for path in paths]
            assert [200, 401, 200, 431] == [await client.status(large, path) for path in paths]


async def test_a_key_that_an_edit_takes_away_is_refused_on_a_connection_that_has_shown_it(
    files: Files,
) -> None:
    async with two_clients(files, Upstream()) as (running, client, other):
        before = await client.status(KEYED), await client.status(KEYED)
        running.edit(KEYS["one"], KEYS["two"][::-1])
        await running.proxy.reload()

        assert ((200, 200), 401, 401) == (before, await client.status(KEYED), await other.status(KEYED))


async def test_a_key_that_is_taken_away_during_an_exchange_is_refused_in_the_next(files: Files) -> None:
    upstream = Upstream()
    async with two_clients(files, upstream) as (running, client, _):
        upstream.answers.clear()
        asking = asyncio.create_task(client.status(KEYED))
        await until(lambda: len(upstream.heads) == 1)
        running.edit(KEYS["one"], KEYS["two"][::-1])
        await running.proxy.reload()
        upstream.answers.set()

        assert (200, 401) == (await asking, await client.status(KEYED))


async def test_what_an_idle_connection_remembers_keeps_no_policy_of_a_replaced_revision(files: Files) -> None:
    async with two_clients(files, Upstream()) as (running, client, _):
        await client.status(KEYED)
        replaced = [ref(each) for each in gc.get_objects() if type(each) is ApiKey]
        running.edit(KEYS["one"], KEYS["two"][::-1])
        await running.proxy.reload()
        gc.collect()

        assert replaced
        assert not [each for each in replaced if each() is not None]


async def test_a_limit_that_an_edit_lowers_counts_for_a_head_that_was_let_pass(files: Files) -> None:
    async with two_clients(files, Upstream()) as (running, client, _):
        before = await client.status(KEYED, "/few"), await client.status(KEYED, "/few")
        running.edit("header_count: 3", "header_count: 1")
        await running.proxy.reload()

        assert ((200, 200), 431) == (before, await client.status(KEYED, "/few"))


async def test_the_upstream_is_told_of_each_caller_and_of_nobody_else(files: Files) -> None:
    upstream = Upstream()
    callers = ["10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.1"]
    async with two_clients(files, upstream) as (_, client, other):
        for caller in callers:
            for each in (client, other):
                await each.ask({**KEYED, "Host": f"h{caller}", "X-Forwarded-For": caller})
        await client.ask(KEYED)

    expected = [caller for caller in callers for _ in range(2)]
    told = upstream.heads
    assert [[caller] for caller in (*expected, "127.0.0.1")] == [values(head, "X-Real-IP") for head in told]
    chains = [*(f"{caller}, 127.0.0.1" for caller in expected), "127.0.0.1"]
    assert [[chain] for chain in chains] == [values(head, "X-Forwarded-For") for head in told]
    hosts = [*(f"h{caller}" for caller in expected), "a"]
    assert [[host] for host in hosts] == [values(head, "X-Forwarded-Host") for head in told]
    assert [1] * len(told) == [len(values(head, "Forwarded")) for head in told]


async def test_each_response_has_what_its_own_head_calls_for(files: Files) -> None:
    upstream = Upstream()
    heads: list[Fields] = [
        {},
        {"Server": "old", "X-Frame-Options": "ALLOW"},
        {"Vary": "Origin"},
        {"Vary": "Accept"},
        {"Access-Control-Allow-Origin": "*", "Vary": "*"},
    ]
    varies = [["Origin"], ["Origin"], ["Origin"], ["Accept", "Origin"], ["*"]]
    async with two_clients(files, upstream) as (_, client, other):
        for number in (0, 1, 1, 0, 2, 3, 2, 4, 4, 3, 0):
            upstream.fields = heads[number]
            for each, origin in ((client, "https://a.example"), (other, "https://b.example"), (client, "")):
                asked = {**KEYED, "Origin": origin} if origin else KEYED
                head = await each.ask(asked)

                assert varies[number] == values(head, "Vary")
                assert ([origin] if origin else []) == values(head, "Access-Control-Allow-Origin")
                assert (["DENY"], []) == (values(head, "X-Frame-Options"), values(head, "Server"))
                assert 1 == len(values(head, "RateLimit"))


async def test_what_remains_of_a_limit_is_told_anew_each_time(files: Files) -> None:
    async with two_clients(files, Upstream()) as (running, client, _):
        running.edit("1000/s", "10/h")
        await running.proxy.reload()

        told = [values(await client.ask(KEYED), "RateLimit") for _ in range(3)]

        assert [[f'"one";r={left};t={time}'] for left, time in ((9, 360), (8, 720), (7, 1080))] == told
