"""What is special about state in a file."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.algorithms.gcra import Quota
from proxy.clock import SystemClock
from proxy.errors import StoreError
from proxy.stores.protocol import Buckets
from proxy.stores.sqlite import SqliteStore
from proxy.testing import FakeClock
from tests.app.seawall import ROOT, ask_for_permission

TEN = Buckets("ten", Quota(10, 3600.0, 10))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


async def used(store: SqliteStore, key: str = "k") -> int:
    return (await store.take(TEN, key, 11))[1] // TEN.quota.interval


async def test_a_restart_forgets_nothing(path: Path, clock: FakeClock) -> None:
    store = SqliteStore(path, clock)
    await store.take(TEN, "k", 4)
    await store.set("v", b"value", 60)
    await store.lease("l", "me", 1, 60)
    await store.close()

    again = SqliteStore(path, FakeClock(clock.now()))
    seen = (await used(again), await again.get("v"), await again.lease("l", "you", 1, 60))
    await again.close()

    assert (4, b"value", False) == seen


@pytest.mark.parametrize(
    ("jump", "expected"),
    [
        pytest.param(-86400.0, (10, b"v"), id="back: values stay, and of a bucket at most all is used"),
        pytest.param(86400.0, (0, None), id="forward: all has ended"),
    ],
)
async def test_a_clock_that_jumped_between_two_starts(
    path: Path, clock: FakeClock, jump: float, expected: tuple[int, bytes | None]
) -> None:
    store = SqliteStore(path, clock)
    await store.take(TEN, "k", 10)
    await store.set("v", b"v", 60)
    await store.close()

    again = SqliteStore(path, FakeClock(clock.now() + jump))
    seen = (await used(again), await again.get("v"))
    await again.close()

    assert expected == seen


async def test_kill_9_loses_nothing_that_was_answered(path: Path) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from proxy.clock import SystemClock; from proxy.stores.sqlite import SqliteStore\n"
        "async def main():\n"
        "    store = SqliteStore(Path(sys.argv[1]), SystemClock())\n"
        "    for n in range(10**9):\n"
        "        await store.set(str(n), b'x', 3600)\n"
        "        print(n, flush=True)\n"
        "asyncio.run(main())"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    answered = [process.stdout.readline() for _ in range(50)]
    os.kill(process.pid, signal.SIGKILL)
    answered += process.stdout.read().splitlines(keepends=True)
    process.wait()
    process.stdout.close()
    last = int([line for line in answered if line.endswith(b"\n")][-1])

    store = SqliteStore(path, SystemClock())
    kept = [await store.get(str(number)) for number in range(last + 1)]
    await store.close()

    assert [b"x"] * (last + 1) == kept


async def test_only_the_user_may_read_it(path: Path, clock: FakeClock) -> None:
    path.touch(0o644)
    store = SqliteStore(path, clock)
    await store.set("k", b"v", 60)
    modes = {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    await store.close()

    assert {0o600} == modes


def _broken(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)


def _text(path: Path) -> None:
    path.write_text("not a database, and long enough to be taken for one" * 100)


def _foreign(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE orders(id)")
    other.close()


def _later(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version=99")
    other.close()


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(_broken, "damaged; move it away to begin anew", id="damaged"),
        pytest.param(_text, "it is no SQLite database, or damaged; move it away", id="no database"),
        pytest.param(_foreign, "a database of another program", id="of another program"),
        pytest.param(_later, "or of a later Seawall", id="of a later version"),
        pytest.param(_folder, "Is a directory", id="a folder"),
    ],
)
async def test_a_file_that_is_no_store_is_refused_at_start(
    path: Path, clock: FakeClock, spoil: object, message: str
) -> None:
    spoil(path)  # type: ignore[operator]
    path.chmod(0o644)
    before = _all_of(path)

    with pytest.raises(ValueError, match=message) as refused:
        SqliteStore(path, clock)
    assert str(path) in str(refused.value)
    assert before == _all_of(path), "it may be somebody else's"


def _all_of(path: Path) -> tuple[int, bytes]:
    return path.stat().st_mode, b"" if path.is_dir() else path.read_bytes()


async def test_a_file_with_damaged_pages_is_refused_at_start(path: Path, clock: FakeClock) -> None:
    store = SqliteStore(path, clock)
    for number in range(200):
        await store.set(f"key {number}", bytes(200), 3600)
    await store.close()
    content = bytearray(path.read_bytes())
    content[3 * 4096 : 8 * 4096] = b"\x55" * (5 * 4096)
    path.write_bytes(content)

    with pytest.raises(ValueError, match="it is damaged"):
        SqliteStore(path, clock)


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path, clock: FakeClock) -> None:
    with pytest.raises(ValueError, match=r"missing/store\.db cannot be opened: No such file or directory"):
        SqliteStore(tmp_path / "missing" / "store.db", clock)


def test_a_folder_that_may_not_be_written_is_refused_at_start(tmp_path: Path) -> None:
    opening = "SqliteStore(Path(sys.argv[1]), SystemClock())"
    script = (
        "import sys; from pathlib import Path; from proxy.clock import SystemClock; "
        f"from proxy.stores.sqlite import SqliteStore; {opening}"
    )
    tmp_path.chmod(0o500)
    try:
        ran = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "store.db")],
            stderr=subprocess.PIPE, cwd=ROOT, preexec_fn=ask_for_permission, check=False, text=True,
        )  # fmt: skip
    finally:
        tmp_path.chmod(0o700)

    assert re.search(r"ValueError: .*Permission denied", ran.stderr), ran.stderr


async def test_a_second_process_is_refused_at_start(path: Path, clock: FakeClock) -> None:
    store = SqliteStore(path, clock)
    try:
        with pytest.raises(ValueError, match="another process uses it"):
            SqliteStore(path, clock)
    finally:
        await store.close()


async def _written_until_it_fails(store: SqliteStore) -> int:
    for written in range(100):
        try:
            await store.set(f"k{written}", bytes(10_000), 60)
        except StoreError as error:
            return written if "the file of the store fails" in str(error) else -1
    raise AssertionError("there was room for all of it")


async def test_a_file_that_is_full_fails_what_needs_room_and_goes_on(path: Path, clock: FakeClock) -> None:
    store = SqliteStore(path, clock, max_file=64 * 4096)
    written = await _written_until_it_fails(store)
    seen = await store.get("k0")
    await clock.advance(60)
    for _ in range(10):  # what has ended makes room
        await store.get("k0")
    await store.set("new", bytes(10_000), 60)
    await store.close()

    assert (True, bytes(10_000)) == (5 < written < 64, seen)


async def test_what_a_failed_transaction_wrote_is_not_counted(path: Path, clock: FakeClock) -> None:
    store = SqliteStore(path, clock, max_file=64 * 4096, max_keys=40)
    for _ in range(5):
        with pytest.raises(StoreError, match="the file of the store fails"):
            await asyncio.gather(*(store.set(f"k{n}", bytes(20_000), 60) for n in range(35)))
    await asyncio.gather(*(store.set(f"s{number}", b"1", 60) for number in range(40)))
    with pytest.raises(StoreError, match="40 keys") as full:
        await store.set("one more", b"1", 60)
    await store.close()

    assert full.value.full


async def test_what_has_ended_leaves_the_file(path: Path, clock: FakeClock) -> None:
    store = SqliteStore(path, clock)
    await asyncio.gather(*(store.set(f"k{number}", b"v", 10) for number in range(500)))
    hour = Buckets("hour@1", Quota(5, 3600.0, 5), ends=clock.now() + 3600)
    await asyncio.gather(*(store.take(hour, f"k{number}") for number in range(500)))
    await clock.advance(3 * 3600)
    for _ in range(100):
        await store.get("k")
    await store.close()

    with sqlite3.connect(path) as file:
        left = [
            file.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("things", "shelves")
        ]
    file.close()
    assert [0, 2] == left


async def test_a_flood_of_keys_does_not_reset_who_is_refused(path: Path, clock: FakeClock) -> None:
    store = SqliteStore(path, clock)
    small = Buckets("small", Quota(3, 3600.0, 3), max_keys=20)
    for _ in range(4):
        await store.take(small, "greedy")
    for start in range(0, 200, 50):
        await asyncio.gather(*(store.take(small, f"made up {start + n}") for n in range(50)))
    again = await store.take(small, "greedy")
    await store.close()

    with sqlite3.connect(path) as file:
        rows = file.execute("SELECT count(*) FROM things").fetchone()[0]
    file.close()
    assert (False, True) == (again[0], rows <= 21)


async def test_a_store_that_is_closed_says_so(path: Path, clock: FakeClock) -> None:
    store = SqliteStore(path, clock)
    await store.close()
    await store.close()

    with pytest.raises(StoreError, match="closed"):
        await store.get("k")


async def test_who_gave_up_waiting_wants_nothing_done(path: Path, clock: FakeClock) -> None:
    store = SqliteStore(path, clock)
    tasks = [asyncio.ensure_future(store.take(TEN, "k")) for _ in range(5)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await store.get("k")
    taken = await used(store)
    await store.close()

    assert taken <= 1  # the first may have been under way
