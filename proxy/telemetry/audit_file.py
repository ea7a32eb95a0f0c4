"""The file of the audit log: whole batches or nothing, on disk before they count as written.

It may be moved or removed at any time, as logrotate does: it is looked for before each
batch, and made anew. Where it would grow over its size it becomes `path.1`, that before it
`path.2`, and the oldest goes. Standard output and devices are written to, and not rotated.
"""

from __future__ import annotations

import os
import select
import stat
from contextlib import suppress
from pathlib import Path

_MODE = 0o600
"""It tells who did what, which is not everybody's business."""
_STDOUT = 1


class AuditFile:
    """For one thread. `path` is None for standard output; sizes are bytes. Raises OSError."""

    def __init__(self, path: Path | None, *, max_size: int, keep: int) -> None:
        self._path = path
        self._max_size = max_size
        self._keep = keep
        self._cut = False
        self._fd = -1
        if path is None:
            self._fd, self._rotates = _STDOUT, False
        else:
            self._open(path)

    def append(self, batch: bytes) -> None:
        """Write `batch`, whole lines, to the disk. Raises OSError, and none of it is in the file then,
        or of a device what went through."""
        if self._path is not None:
            self._look(self._path, len(batch))
        if self._cut:
            batch = b"\n" + batch
        before = os.fstat(self._fd).st_size if self._rotates else 0
        written = 0
        try:
            while written < len(batch):
                written += self._write(batch[written:])
            if self._rotates:
                os.fdatasync(self._fd)
        except OSError:
            self._take_back(before, batch[:written])
            raise
        self._cut = False

    def close(self) -> None:
        """Not standard output, which is not ours."""
        if self._path is not None and self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, rest: bytes) -> int:
        try:
            return os.write(self._fd, rest)
        except BlockingIOError:  # standard output may be shared with whom made it non-blocking
            poll = select.poll()
            poll.register(self._fd, select.POLLOUT)
            poll.poll()
            return 0

    def _take_back(self, size: int, written: bytes) -> None:
        """A line that is cut would be one that nobody can read, and a batch written twice tells lies."""
        if self._rotates:
            with suppress(OSError):
                os.ftruncate(self._fd, size)
                return
        if written:
            self._cut = not written.endswith(b"\n")

    def _look(self, path: Path, more: int) -> None:
        """Open it anew where it is not what it was, or would be too large."""
        if self._fd < 0 or (self._rotates and not self._is_there(path)):
            self._open(path)
        size = os.fstat(self._fd).st_size
        if self._rotates and size and size + more > self._max_size:
            self._rotate(path)

    def _is_there(self, path: Path) -> bool:
        try:
            found = path.stat()
        except OSError:
            return False
        mine = os.fstat(self._fd)
        return (found.st_dev, found.st_ino) == (mine.st_dev, mine.st_ino)

    def _open(self, path: Path) -> None:
        self.close()
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        self._rotates = stat.S_ISREG(os.fstat(self._fd).st_mode)
        self._cut = self._rotates and _ends_within_a_line(path)

    def _rotate(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            _numbered(path, self._keep).unlink() if self._keep else path.unlink()
        for number in range(self._keep - 1, -1, -1):
            with suppress(FileNotFoundError):
                (_numbered(path, number) if number else path).rename(_numbered(path, number + 1))
        self._open(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _ends_within_a_line(path: Path) -> bool:
    """What wrote it before was killed while writing, perhaps."""
    try:
        with path.open("rb") as file:
            if not file.seek(0, os.SEEK_END):
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:  # nothing is said of what may be written and not be read
        return False
