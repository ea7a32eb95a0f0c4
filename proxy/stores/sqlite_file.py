"""The file of the sqlite store: found or made, checked, and locked for this process.

Only the user of the process may read it (mode 0600): it has keys made of what clients send, and
answers of the upstream where a policy keeps some.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

_VERSION = 1
_APPLICATION = 0x5EA3A11
_LARGEST_CHECKED = 64 * 2**20
"""Above, reading all of it would keep a start waiting."""
_PAGE = 4096

_TABLES = """
CREATE TABLE IF NOT EXISTS shelves(
  id INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL UNIQUE, ends INTEGER
);
CREATE TABLE IF NOT EXISTS things(
  shelf INTEGER NOT NULL, key BLOB NOT NULL, until INTEGER NOT NULL, size INTEGER NOT NULL,
  thing BLOB NOT NULL,
  UNIQUE(shelf, key)
);
CREATE INDEX IF NOT EXISTS things_until ON things(shelf, until);
DELETE FROM things WHERE shelf NOT IN (SELECT id FROM shelves);
"""


def open_file(path: Path, most_bytes: int) -> sqlite3.Connection:
    """A connection that any one thread may use. Raises ValueError, in words for the operator."""
    try:
        return _open(path, most_bytes)
    except OSError as error:
        raise ValueError(f"the store {path} cannot be opened: {error.strerror or error}") from None
    except sqlite3.Error as error:
        raise ValueError(f"the store {path} cannot be opened: {_why(error)}") from None


def _open(path: Path, most_bytes: int) -> sqlite3.Connection:
    _make(path)
    # No waiting for a lock: nobody else is to use the file, and a start is not to hang.
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        _check_owner(connection)
        connection.execute("PRAGMA journal_mode=WAL")
        _set_up(connection, path)
        connection.execute(f"PRAGMA max_page_count={most_bytes // _PAGE}")
    except BaseException:
        connection.close()
        raise
    return connection


def _make(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is no file")
    finally:
        os.close(descriptor)


def _check_owner(connection: sqlite3.Connection) -> None:
    """Before anything is changed: a path that is mistyped may be somebody else's file."""
    application, version = (
        connection.execute(f"PRAGMA {what}").fetchone()[0] for what in ("application_id", "user_version")
    )
    if application == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise sqlite3.DatabaseError("it is a database of another program")
    if application not in (0, _APPLICATION) or version > _VERSION:
        raise sqlite3.DatabaseError("it is a database of another program, or of a later Seawall")


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    """A write, too: whoever may not write learns it now."""
    for each in (path, path.with_name(f"{path.name}-wal")):
        if each.exists() and stat.S_IMODE(each.stat().st_mode) & 0o077:
            each.chmod(0o600)
    connection.execute("BEGIN IMMEDIATE")
    for statement in _TABLES.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id={_APPLICATION}")
    connection.execute(f"PRAGMA user_version={_VERSION}")
    connection.execute("COMMIT")
    if path.stat().st_size <= _LARGEST_CHECKED:
        answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if answer != "ok":
            raise sqlite3.DatabaseError(f"it is damaged ({answer}); move it away to begin anew")


def _why(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    known = {
        sqlite3.SQLITE_BUSY: "another process uses it; expected a file of this Seawall alone",
        sqlite3.SQLITE_NOTADB: "it is no SQLite database, or damaged; move it away to begin anew",
        sqlite3.SQLITE_CORRUPT: "it is damaged; move it away to begin anew",
        sqlite3.SQLITE_FULL: "the disk is full",
        sqlite3.SQLITE_READONLY: "it may not be written",
        sqlite3.SQLITE_CANTOPEN: "its folder may not be written, which the log beside it needs",
    }
    return known.get(code & 0xFF, str(error)) if code is not None else str(error)
