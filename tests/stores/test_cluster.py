"""A real cluster of three nodes: every verb in its slot, redirects while slots move, and a node that dies."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from redis.crc import key_slot

from proxy.algorithms.gcra import Quota
from proxy.errors import StoreError
from proxy.stores.protocol import Buckets
from proxy.stores.redis import RedisStore
from proxy.stores.redis_url import RedisUrl
from tests.stores.valkey import LiveValkey

SLOTS = 16384
QUOTA = Quota(5, 86400.0, 5)
BUCKETS, OTHERS = Buckets("limit", QUOTA), Buckets("other", QUOTA)
KEYS = [f"key {n}" for n in range(30)]


class Cluster:
    """Three nodes, each with a third of the slots."""

    def __init__(self) -> None:
        # Nobody takes over for a node, and the others go on without it.
        own = ("cluster-enabled yes", "cluster-require-full-coverage no", "cluster-node-timeout 2000")
        self.nodes = [LiveValkey(*own) for _ in range(3)]

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        for number, node in enumerate(self.nodes):
            first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1
            node.say("CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
            node.say("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        for node in self.nodes[1:]:
            self.nodes[0].say("CLUSTER", "MEET", "127.0.0.1", str(node.port))
        eventually(lambda: all(self._sees_all(node) for node in self.nodes))

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    @property
    def url(self) -> RedisUrl:
        return RedisUrl.parse(f"redis+cluster://127.0.0.1:{self.nodes[0].port}")

    def of(self, slot: int) -> LiveValkey:
        """Who had the slot at the start."""
        return next(node for number, node in enumerate(self.nodes) if slot < (number + 1) * SLOTS // 3)

    def begin_to_move(self, slot: int, to: LiveValkey) -> None:
        before = self.of(slot)
        to.say("CLUSTER", "SETSLOT", str(slot), "IMPORTING", self.id_of(before))
        before.say("CLUSTER", "SETSLOT", str(slot), "MIGRATING", self.id_of(to))
        for key in self.keys(before, slot):
            before.say("MIGRATE", "127.0.0.1", str(to.port), key, "0", "5000")

    def moved(self, slot: int, to: LiveValkey) -> None:
        for node in (to, self.of(slot)):
            assert b"+OK\r\n" == node.say("CLUSTER", "SETSLOT", str(slot), "NODE", self.id_of(to))

    @staticmethod
    def id_of(node: LiveValkey) -> str:
        return node.say("CLUSTER", "MYID").split(b"\r\n")[1].decode()

    @staticmethod
    def keys(node: LiveValkey, slot: int) -> list[str]:
        found = node.say("CLUSTER", "GETKEYSINSLOT", str(slot), "100").split(b"\r\n")[2::2]
        return [key.decode() for key in found if key]

    def _sees_all(self, node: LiveValkey) -> bool:
        told = node.say("CLUSTER", "INFO")
        return (
            b"cluster_state:ok" in told
            and b"cluster_slots_ok:16384" in told
            and b"cluster_known_nodes:3" in told
        )


def eventually(true: object) -> None:
    give_up = time.monotonic() + 30
    while not true():  # type: ignore[operator]
        assert time.monotonic() < give_up
        time.sleep(0.02)


@pytest.fixture
def nodes() -> Iterator[Cluster]:
    made = Cluster()
    made.start()
    yield made
    made.stop()


def slot_of(store: RedisStore, key: str) -> int:
    return int(key_slot(store._bucket(BUCKETS, key)))


async def test_every_verb_is_answered_by_the_node_that_has_its_keys(nodes: Cluster) -> None:
    store = RedisStore(nodes.url)
    for key in KEYS:
        assert (await store.take(BUCKETS, key))[0]
        assert [True, True] == [
            passed for passed, _ in await store.take_all([(BUCKETS, key, 1), (OTHERS, key, 1)])
        ]
        assert None is await store.claim(key, b"pending", 60)
        assert b"pending" == await store.claim(key, b"mine", 60)
        assert await store.confirm(key, b"pending", b"done", 60)
        assert b"done" == await store.get(key)
        await store.set(key, b"set", 60)
        assert [True, False] == [await store.lease(key, holder, 1, 60) for holder in ("one", "two")]
        await store.release(key, "one")
        assert await store.lease(key, "two", 1, 60)
    # Of different slots, and nodes: all pass, or nothing is taken.
    assert all(passed for passed, _ in await store.take_all([(BUCKETS, key, 1) for key in KEYS]))
    spent = [(BUCKETS, key, 1) for key in KEYS] + [(OTHERS, KEYS[0], 5)]
    assert not all(passed for passed, _ in await store.take_all(spent))
    assert all(passed for passed, _ in await store.take_all([(BUCKETS, key, 2) for key in KEYS]))
    await store.close()

    sizes = [int(node.say("DBSIZE")[1:-2]) for node in nodes.nodes]
    assert all(size > 10 for size in sizes), sizes


async def test_a_slot_that_moves_is_followed_and_nothing_is_forgotten(nodes: Cluster) -> None:
    store, key = RedisStore(nodes.url), KEYS[0]
    await store.take(BUCKETS, key)
    slot = slot_of(store, key)
    to = next(node for node in nodes.nodes if node is not nodes.of(slot))

    nodes.begin_to_move(slot, to)
    passed, while_it_moves = await store.take(BUCKETS, key)  # ASK
    nodes.moved(slot, to)
    again, moved = await store.take(BUCKETS, key)  # MOVED
    refused = [(await store.take(BUCKETS, key, 2))[0], (await store.take(BUCKETS, key))[0]]
    await store.close()

    assert (True, True) == (passed, again)
    assert (2, 3) == (-(-while_it_moves // QUOTA.interval), -(-moved // QUOTA.interval))
    assert [True, False] == refused


async def test_without_a_node_the_keys_of_the_others_are_as_before(nodes: Cluster) -> None:
    store = RedisStore(nodes.url)
    for key in KEYS:
        await store.take(BUCKETS, key)
    dead = nodes.nodes[2]
    dead.kill()

    found = {}
    for key in KEYS:
        try:
            found[key] = (await store.take(BUCKETS, key))[0]
        except StoreError:
            found[key] = None
    await store.close()

    lost = {key for key in KEYS if nodes.of(slot_of(store, key)) is dead}
    assert 0 < len(lost) < len(KEYS)
    assert {key: None if key in lost else True for key in KEYS} == found
