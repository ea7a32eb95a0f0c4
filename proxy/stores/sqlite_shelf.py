"""Shelves in a database, for one thread: what `proxy.stores.shelf` does in memory.

How many things a shelf has, and how large they are, is known without asking the file, since
nobody else writes there.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from proxy.algorithms.gcra import MICROSECONDS, Quota
from proxy.stores.buckets import Refused
from proxy.stores.shelved import Places

_BUCKET = struct.Struct("<QdQQ")
"""Limit, period, burst, refusals."""
_LOOKED_AT = 8
"""Shelves in one sweep."""
_KEPT = 3600 * MICROSECONDS
"""A shelf whose period has ended stays for so long, should a clock be a little late."""


class SqliteShelf:
    """Implements `proxy.stores.shelf.Shelving`. The name's first word says what is kept there."""

    def __init__(self, connection: sqlite3.Connection, number: int, name: str) -> None:
        self._connection = connection
        self._number = number
        self._kind = name.partition(" ")[0]
        self._count = self._size = 0
        self.recount()

    @property
    def items(self) -> SqliteShelf:
        return self

    def recount(self) -> None:
        """What was written since is undone."""
        self._count, self._size = self._one(
            "SELECT count(*), coalesce(sum(size), 0) FROM things WHERE shelf=?"
        )

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: str) -> bool:
        return self._one("SELECT 1 FROM things WHERE shelf=? AND key=?", _bytes(key)) is not None

    def __getitem__(self, key: str) -> tuple[int, Any, int]:
        found = self._one("SELECT until, thing, size FROM things WHERE shelf=? AND key=?", _bytes(key))
        if found is None:
            raise KeyError(key)
        until, thing, size = found
        return until, _decoded(self._kind, thing), size

    def __setitem__(self, key: str, item: tuple[int, Any, int]) -> None:
        until, thing, size = item
        self.put(key, until, thing, size)

    def get(self, key: str, now: int | None = None) -> Any:
        """Of `Items` without a time, of `Shelving` with one."""
        try:
            item = self[key]
        except KeyError:
            return None
        if now is None:
            return item
        return item[1] if item[0] > now else None

    def put(self, key: str, until: int, thing: Any, size: int = 0) -> None:
        name = _bytes(key)
        old = self._one("SELECT size FROM things WHERE shelf=? AND key=?", name)
        self._connection.execute(
            "INSERT INTO things(shelf, key, until, size, thing) VALUES(?, ?, ?, ?, ?) "
            "ON CONFLICT(shelf, key) DO UPDATE SET until=excluded.until, size=excluded.size, "
            "thing=excluded.thing",
            (self._number, name, until, size, _encoded(self._kind, thing)),
        )
        self._count += old is None
        self._size += size - (0 if old is None else old[0])

    def drop(self, key: str) -> None:
        name = _bytes(key)
        old = self._one("SELECT size FROM things WHERE shelf=? AND key=?", name)
        if old is not None:
            self._connection.execute("DELETE FROM things WHERE shelf=? AND key=?", (self._number, name))
            self._count -= 1
            self._size -= old[0]

    def purge(self, now: int | None, at_most: int) -> int:
        """As in memory; everything counts as ended where `now` is None."""
        due = "" if now is None else "AND until<=?"
        ended = self._connection.execute(
            f"SELECT rowid, size FROM things WHERE shelf=? {due} ORDER BY until LIMIT ?",  # noqa: S608  # ours
            (self._number, at_most) if now is None else (self._number, now, at_most),
        ).fetchall()
        self._connection.executemany("DELETE FROM things WHERE rowid=?", [(row,) for row, _ in ended])
        self._count -= len(ended)
        self._size -= sum(size for _, size in ended)
        return len(ended)

    def has_room(self, key: str, size: int, max_keys: int, max_size: int) -> bool:
        old = self._one("SELECT size FROM things WHERE shelf=? AND key=?", _bytes(key))
        keys, held = (self._count + 1, 0) if old is None else (self._count, old[0])
        return bool(keys <= max_keys and self._size - held + size <= max_size)

    def soonest(self) -> tuple[int, str] | None:
        found = self._one("SELECT until, key FROM things WHERE shelf=? ORDER BY until LIMIT 1")
        return None if found is None else (found[0], found[1].decode("utf-8", "surrogatepass"))

    def has_ended(self, now: int) -> bool:
        return self._one("SELECT 1 FROM things WHERE shelf=? AND until>? LIMIT 1", now) is None

    def _one(self, query: str, *more: object) -> Any:
        return self._connection.execute(query, (self._number, *more)).fetchone()


class SqliteShelves:
    """All of one file, those of names that nobody uses any more too."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._shelves: dict[str, SqliteShelf] = {}
        self._ends: dict[str, int] = {}
        self._next: Iterator[str] = iter(())
        for number, name, ends in connection.execute("SELECT id, name, ends FROM shelves").fetchall():
            self._know(number, name.decode("utf-8", "surrogatepass"), ends)

    def shelf(self, name: str, ends: int | None) -> SqliteShelf:
        """The one with this name, made where there is none."""
        found = self._shelves.get(name)
        if found is not None:
            return found
        cursor = self._connection.execute(
            "INSERT INTO shelves(name, ends) VALUES(?, ?)", (_bytes(name), ends)
        )
        number = cursor.lastrowid
        return self._know(number if number is not None else 0, name, ends)

    def sweep(self, now: int, at_most: int) -> None:
        """Let go of up to `at_most` things that have ended, of the next few shelves."""
        for _ in range(_LOOKED_AT):
            name = next(self._next, None)
            if name is None:
                self._next = iter(list(self._shelves))
                return
            ends = self._ends.get(name)
            if name in self._shelves and (ends is None or ends <= now):
                at_most -= self._shelves[name].purge(now if ends is None else None, at_most)
                if ends is not None and ends + _KEPT < now:
                    self._remove(name)
            if at_most <= 0:
                return

    def rolled_back(self) -> None:
        """What was written since the last commit is undone, new shelves too."""
        stands = {name for (name,) in self._connection.execute("SELECT name FROM shelves")}
        for name, shelf in list(self._shelves.items()):
            if _bytes(name) in stands:
                shelf.recount()
            else:
                del self._shelves[name]
                self._ends.pop(name, None)
        self._next = iter(())

    def _remove(self, name: str) -> None:
        if not len(self._shelves[name]):
            self._connection.execute("DELETE FROM shelves WHERE name=?", (_bytes(name),))
            del self._shelves[name], self._ends[name]

    def _know(self, number: int, name: str, ends: int | None) -> SqliteShelf:
        shelf = self._shelves[name] = SqliteShelf(self._connection, number, name)
        if ends is not None:
            self._ends[name] = ends
        return shelf


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _encoded(kind: str, thing: Any) -> bytes:
    if isinstance(thing, bytes):
        return thing
    if kind == "leases":
        return msgspec.msgpack.encode([(_bytes(holder), until) for holder, until in thing.holders.items()])
    quota, refusals = (thing.quota, thing.refusals) if isinstance(thing, Refused) else (thing, 0)
    return _BUCKET.pack(quota.limit, quota.period, quota.burst, refusals)


def _decoded(kind: str, thing: bytes) -> Any:
    if kind == "values":
        return thing
    if kind == "leases":
        held = msgspec.msgpack.decode(thing, type=list[tuple[bytes, int]])
        return Places({holder.decode("utf-8", "surrogatepass"): until for holder, until in held})
    return _bucket(thing)


@lru_cache(maxsize=256)
def _bucket(thing: bytes) -> Quota | Refused:
    limit, period, burst, refusals = _BUCKET.unpack(thing)
    quota = Quota(limit, period, burst)
    return Refused(quota, refusals) if refusals else quota
