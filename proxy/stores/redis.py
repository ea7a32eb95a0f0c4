"""State in Redis or Valkey, that all replicas share. Each verb is one script, and one round trip.

**Time** is the server's. Where its clock goes forward, what is kept ends sooner by that; where it goes
back, values last longer, and of a bucket at most all is used. It needs Redis 5, or any Valkey.

**What is lost** is up to the server: by default Redis writes to the disk at times. A replica that takes
over may lack the last moments.

**What is bounded**: everything ends by itself, a bucket once it is full again, so that there are never
more than came in that time; `max_keys` is not asked for here. Let the server be bounded by
`maxmemory`, and by the policy `noeviction` (what is new meets StoreError), or `volatile-ttl`
(forgets first what ends first: buckets that are nearly full, but claims, too).

**Cluster.** A key is in the slot of what it is about, since that stands in braces. Buckets that are
taken together and lie in several slots are taken one slot after the other, and given back where a
later one refuses: for that moment somebody else may be refused, and nobody passes who should not.
What was taken stays taken if we die in between.

**Names** begin with `seawall:`, and with the namespace of the URL.

What has been sent and not answered may have been done. So `claim`, `confirm` and `take` are not
repeated where a connection drops; all others are, once. What comes from a pooled connection that was
closed before anything was sent is always tried on a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any
from urllib.parse import quote

from proxy.algorithms.gcra import MICROSECONDS, Taken
from proxy.stores import redis_scripts as lua
from proxy.stores.protocol import Buckets, Wanted
from proxy.stores.redis_client import RedisClient, Script
from proxy.stores.redis_url import RedisUrl
from proxy.stores.shelved import bounded

_TAKE = Script(lua.TAKE)
_REFUND = Script(lua.REFUND)
_CLAIM = Script(lua.CLAIM)
_CONFIRM = Script(lua.CONFIRM)
_GET = Script(lua.GET, safe=True)
_SET = Script(lua.SET, safe=True)
_LEASE = Script(lua.LEASE, safe=True)
_RELEASE = Script(lua.RELEASE, safe=True)
_SCRIPTS = (_TAKE, _CLAIM, _CONFIRM, _GET, _SET, _LEASE, _RELEASE, _REFUND)

_KEPT_FOR_TESTS = 600_000

Argument = bytes | str | int


class RedisStore:
    """Implements `proxy.stores.protocol.Store`. Made inside the running loop; raises ValueError.

    `time`: microseconds since the epoch instead of the server's, for tests.
    """

    def __init__(self, url: RedisUrl, time: Callable[[], int] | None = None) -> None:
        self._client = RedisClient(url)
        self._cluster = url.cluster
        self._prefix = f"seawall:{url.namespace}:" if url.namespace else "seawall:"
        self._time = time

    async def take(self, buckets: Buckets, key: str, cost: int = 1) -> Taken:
        return (await self._take([(buckets, key, cost)]))[0]

    async def take_all(self, wanted: Sequence[Wanted]) -> list[Taken]:
        if not wanted:
            return []
        if not self._cluster:
            return await self._take(wanted)
        return await self._take_in_slots(wanted)

    async def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        answer: bytes | None = await self._run(_CLAIM, [self._key("v", key)], value, _microseconds(ttl))
        return answer

    async def confirm(self, key: str, expected: bytes, value: bytes, ttl: float) -> bool:
        done = await self._run(_CONFIRM, [self._key("v", key)], value, _microseconds(ttl), expected)
        return bool(done)

    async def get(self, key: str) -> bytes | None:
        answer: bytes | None = await self._run(_GET, [self._key("v", key)])
        return answer

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        await self._run(_SET, [self._key("v", key)], value, _microseconds(ttl))

    async def lease(self, key: str, holder: str, limit: int, ttl: float) -> bool:
        held = await self._run(_LEASE, [self._key("l", key)], _bytes(holder), limit, _microseconds(ttl))
        return bool(held)

    async def release(self, key: str, holder: str) -> None:
        await self._run(_RELEASE, [self._key("l", key)], _bytes(holder))

    async def check(self) -> None:
        """Raises ValueError where nothing but another URL can help; StoreError where it is away."""
        await self._client.check(_SCRIPTS)

    async def close(self) -> None:
        """All connections."""
        await self._client.close()

    async def _take(self, wanted: Sequence[Wanted]) -> list[Taken]:
        arguments: list[Argument] = []
        for buckets, _, cost in wanted:
            arguments += _of(buckets, cost)
        told = await self._run(_TAKE, [self._bucket(buckets, key) for buckets, key, _ in wanted], *arguments)
        return [(told[index] == 1, told[index + 1]) for index in range(0, len(told), 2)]

    async def _take_in_slots(self, wanted: Sequence[Wanted]) -> list[Taken]:
        from redis.crc import key_slot  # noqa: PLC0415  # an extra

        taken: list[Taken] = [(True, 0)] * len(wanted)
        passed: list[int] = []
        refused = False
        slots = [key_slot(self._bucket(buckets, key)) for buckets, key, _ in wanted]
        order = sorted(range(len(wanted)), key=lambda index: slots[index])
        for _, group in groupby(order, key=lambda index: slots[index]):
            indexes = list(group)
            for index, answer in zip(indexes, await self._take([wanted[i] for i in indexes]), strict=True):
                taken[index] = answer
            if all(taken[index][0] for index in indexes):
                passed += indexes
            else:
                refused = True
        if refused:
            for index in passed:
                taken[index] = True, await self._refund(*wanted[index])
        return taken

    async def _refund(self, buckets: Buckets, key: str, cost: int) -> int:
        quota, ends = buckets.quota, _end(buckets)
        give = cost * quota.interval
        used: int = await self._run(_REFUND, [self._bucket(buckets, key)], give, quota.tolerance, ends)
        return used

    async def _run(self, script: Script, keys: Sequence[bytes], *arguments: Argument) -> Any:
        time: Argument = "" if self._time is None else self._time()
        kept = 0 if self._time is None else _KEPT_FOR_TESTS
        return await self._client.run(script, keys, (time, kept, *arguments))

    def _bucket(self, buckets: Buckets, key: str) -> bytes:
        return b"%sb:%s:{%s}" % (self._prefix.encode(), _quoted(buckets.name), _bytes(bounded(key)))

    def _key(self, kind: str, key: str) -> bytes:
        return b"%s%s:{%s}" % (self._prefix.encode(), kind.encode(), _bytes(bounded(key)))


def _of(buckets: Buckets, cost: int) -> tuple[Argument, ...]:
    quota, penalty = buckets.quota, buckets.penalty
    slower: tuple[Argument, ...] = ("", "", "")
    if penalty is not None:
        slower = (penalty.after, repr(float(penalty.factor)), penalty.most)
    return (cost, quota.interval, quota.tolerance, *slower, _end(buckets))


def _end(buckets: Buckets) -> Argument:
    return "" if buckets.ends is None else _microseconds(buckets.ends)


@lru_cache(maxsize=1024)
def _quoted(name: str) -> bytes:
    """Without braces, so that those of the key are the first."""
    return quote(name, safe="/?,.@=-_", errors="surrogatepass").encode()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _microseconds(seconds: float) -> int:
    return round(seconds * MICROSECONDS)
