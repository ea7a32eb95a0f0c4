"""What is special about state in a server."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
import trustme

from proxy.algorithms.gcra import MICROSECONDS, Quota
from proxy.clock import SystemClock
from proxy.errors import StoreError
from proxy.stores.protocol import Buckets
from proxy.stores.redis import RedisStore
from proxy.stores.redis_url import RedisUrl
from proxy.testing import FakeClock
from tests.stores.valkey import LiveValkey

SLOW = Buckets("slow", Quota(10, 36000.0, 10))

_namespaces = count()


@asynccontextmanager
async def opened(url: str, clock: FakeClock | None = None) -> AsyncIterator[RedisStore]:
    time = None if clock is None else lambda: round(clock.now() * MICROSECONDS)
    store = RedisStore(RedisUrl.parse(url), time)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
def url(valkey: LiveValkey) -> str:
    return f"{valkey.url}?namespace=redis{next(_namespaces)}"


def calls(server: LiveValkey) -> int:
    stats = server.say("INFO", "stats").decode()
    return int(stats.partition("total_commands_processed:")[2].split("\r\n")[0])


async def test_the_time_is_the_servers(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        for store in (one, other) * 4:
            await store.take(SLOW, "k")
        _, used = await one.take(SLOW, "k", 11)

    assert 8 == -(-used // SLOW.quota.interval)


async def test_where_the_servers_clock_goes_back_at_most_all_is_used(url: str) -> None:
    async with opened(url, FakeClock(1_700_000_000)) as before:
        await before.take(SLOW, "k", 3)
    async with opened(url, FakeClock(1_700_000_000 - 10 * 86400)) as after:
        assert (False, SLOW.quota.tolerance) == await after.take(SLOW, "k")


async def test_what_has_ended_by_the_servers_clock_is_gone(url: str) -> None:
    clock = SystemClock()
    async with opened(url) as store:
        started = clock.monotonic()  # before, since the next look may come late
        await store.set("k", b"v", 0.02)
        while await store.get("k") is not None:
            assert clock.monotonic() < started + 30
        assert clock.monotonic() - started > 0.01


@pytest.mark.parametrize("kind", ["redis", "redis+cluster"])
async def test_each_verb_is_one_round_trip(
    valkey: LiveValkey, cluster: LiveValkey, kind: str, clock: FakeClock
) -> None:
    server = valkey if kind == "redis" else cluster
    async with opened(f"{kind}://127.0.0.1:{server.port}?namespace=trips", clock) as store:
        verbs = [
            lambda: store.take(SLOW, "k"),
            lambda: store.take_all([(SLOW, "k", 1), (SLOW, "k", 2)]),
            lambda: store.claim("c", b"1", 60),
            lambda: store.confirm("c", b"1", b"2", 60),
            lambda: store.get("c"),
            lambda: store.set("c", b"1", 60),
            lambda: store.lease("l", "me", 1, 60),
            lambda: store.release("l", "me"),
        ]
        for verb in verbs:
            await verb()
        server.say("CONFIG", "RESETSTAT")
        for verb in verbs:
            await verb()
        stats = server.say("INFO", "commandstats").decode()

    assert f"cmdstat_evalsha:calls={len(verbs)}," in stats
    assert "cmdstat_eval:" not in stats


async def test_a_server_that_has_forgotten_the_scripts_learns_them_again(
    valkey: LiveValkey, url: str
) -> None:
    async with opened(url) as store:
        await store.take(SLOW, "k")
        valkey.say("SCRIPT", "FLUSH")

        assert (True, 2) == await _passed_and_used(store)


async def _passed_and_used(store: RedisStore) -> tuple[bool, int]:
    passed, used = await store.take(SLOW, "k")
    return passed, -(-used // SLOW.quota.interval)


async def test_everything_ends_by_itself(valkey: LiveValkey, url: str) -> None:
    async with opened(url) as store:
        await store.take(SLOW, "k")
        await store.claim("c", b"1", 60)
        await store.lease("l", "me", 1, 30)
    space = url.partition("=")[2]
    lives = [
        int(valkey.say("PTTL", f"seawall:{space}:{key}").strip(b":\r\n"))
        for key in ("b:slow:{k}", "v:{c}", "l:{l}")
    ]

    assert [3_600_000, 60_000, 30_000] == [-(-life // 10_000) * 10_000 for life in lives]


async def test_who_gives_up_waiting_gets_nobody_elses_answer(url: str) -> None:
    async with opened(f"{url}&connections=2") as store:
        await store.set("k", b"mine", 60)
        for _ in range(200):
            hasty = asyncio.ensure_future(store.take(SLOW, "k"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            hasty.cancel()
            assert b"mine" == await store.get("k")


async def test_more_callers_than_connections_wait_for_each_other(valkey: LiveValkey, url: str) -> None:
    async with opened(f"{url}&connections=3") as store:
        await asyncio.gather(*(store.take(SLOW, f"{n}") for n in range(200)))
        clients = valkey.say("INFO", "clients").decode()

    assert int(clients.partition("connected_clients:")[2].split("\r\n")[0]) <= 3 + 20  # others' that close


async def test_a_connection_that_was_closed_while_it_idled_is_not_noticed(
    valkey: LiveValkey, url: str
) -> None:
    async with opened(url) as store:
        for _ in range(3):
            await store.take(SLOW, "k")
            valkey.say("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            for _ in range(10):  # turns of the loop, that hears of it
                await asyncio.sleep(0)
        assert (True, 4) == await _passed_and_used(store)


async def test_a_server_that_is_gone_is_a_store_error_and_its_return_needs_no_restart() -> None:
    server = LiveValkey()
    server.start()
    try:
        async with opened(server.url) as store:
            await store.take(SLOW, "k")
            server.kill()
            for _ in range(3):
                with pytest.raises(StoreError, match="ConnectionError"):
                    await store.take(SLOW, "k")
            server.start()

            assert (True, 1) == await _passed_and_used(store)
    finally:
        server.stop()


async def test_one_that_is_full_says_so() -> None:
    server = LiveValkey("maxmemory 3mb", "maxmemory-policy noeviction")
    server.start()
    try:
        async with opened(server.url) as store:
            with pytest.raises(StoreError) as failed:
                await asyncio.gather(*(store.set(f"{number}", bytes(100_000), 60) for number in range(100)))
    finally:
        server.stop()

    assert failed.value.full


@pytest.fixture(scope="module")
def guarded_server() -> Iterator[LiveValkey]:
    server = LiveValkey("user default off", 'user seawall on ">p@ss/word:#" ~seawall:* +@all')
    server.start()
    yield server
    server.stop()


async def test_a_user_and_a_password_come_with_the_url(guarded_server: LiveValkey) -> None:
    url = f"redis://seawall:p%40ss%2Fword%3A%23@127.0.0.1:{guarded_server.port}"
    async with opened(url) as store:
        await store.check()

        assert (True, 1) == await _passed_and_used(store)


@pytest.mark.parametrize("who", ["seawall:wrong-one@", "", ":wrong-one@"])
async def test_who_is_not_let_in_learns_it_at_start(guarded_server: LiveValkey, who: str) -> None:
    async with opened(f"redis://{who}127.0.0.1:{guarded_server.port}") as store:
        with pytest.raises(ValueError) as refused:
            await store.check()

    assert "wrong-one" not in str(refused.value)


async def test_a_server_that_is_away_at_start_may_come_back(valkey: LiveValkey) -> None:
    del valkey
    gone = LiveValkey()
    async with opened(gone.url) as store:
        with pytest.raises(StoreError):
            await store.check()


@pytest.fixture
async def tls(valkey: LiveValkey, tmp_path: Path) -> AsyncIterator[tuple[int, Path]]:
    """The port of a door with TLS in front of it, and the authority that vouches for it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = await asyncio.open_connection("127.0.0.1", valkey.port)
        await asyncio.gather(pump(reader, behind[1]), pump(behind[0], writer))

    server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1], tmp_path / "ca.pem"
    server.close()


async def test_tls_by_an_authority_of_ones_own(tls: tuple[int, Path]) -> None:
    port, authority = tls
    url = f"rediss://127.0.0.1:{port}?ca_file={authority}&connections=2&namespace=tls{next(_namespaces)}"
    async with opened(url) as store:
        await store.check()

        assert (True, 1) == await _passed_and_used(store)


async def test_a_certificate_that_nobody_vouches_for_is_refused_at_start(tls: tuple[int, Path]) -> None:
    async with opened(f"rediss://127.0.0.1:{tls[0]}") as store:
        with pytest.raises(ValueError, match="not trusted"):
            await store.check()


async def test_an_authority_that_cannot_be_read_is_refused_at_start(tls: tuple[int, Path]) -> None:
    with pytest.raises(ValueError, match="`ca_file` cannot be read: No such file"):
        RedisStore(RedisUrl.parse(f"rediss://127.0.0.1:{tls[0]}?ca_file=/nowhere/ca.pem"))


async def test_across_slots_one_that_refuses_costs_the_others_nothing(
    cluster: LiveValkey, clock: FakeClock
) -> None:
    url = f"redis+cluster://127.0.0.1:{cluster.port}?namespace=slots{next(_namespaces)}"
    async with opened(url, clock) as store:
        keys = [f"key {number}" for number in range(8)]
        await store.take(SLOW, keys[3], 10)
        refused = await store.take_all([(SLOW, key, 1) for key in keys])
        after = [await store.take(SLOW, key) for key in keys]

    assert [key != keys[3] for key in keys] == [passed for passed, _ in refused]
    assert [(key != keys[3], 10 if key == keys[3] else 1) for key in keys] == [
        (passed, used // SLOW.quota.interval) for passed, used in after
    ]


async def test_without_the_package_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['redis'] = None\n"
        "from proxy.stores.redis import RedisStore; from proxy.stores.redis_url import RedisUrl\n"
        "RedisStore(RedisUrl.parse('redis://127.0.0.1'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    told = "ValueError: redis:// needs the package redis; expected an installation as seawall[redis]"
    assert told in done.stderr
