"""Which files a configuration was read from, and whether they are still as they were.

Whatever is read while a configuration is loaded is noted: policy files, files of secrets,
certificates, lists. A file that could not be read is noted too, since its coming changes
what the configuration is.
"""

from __future__ import annotations

import stat
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

Stamp = tuple[Hashable, ...]

_reading: ContextVar[Inputs | None] = ContextVar("reading", default=None)


class Inputs:
    """Paths, and what stood there when they were first looked at; `paths` are looked at now."""

    def __init__(self, *paths: Path) -> None:
        self._stamps: dict[Path, Stamp] = {}
        for path in paths:
            self.note(path)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Files and folders, as they are named in the configuration; no pipes and no devices."""
        return tuple(path for path, seen in self._stamps.items() if seen[0] != "other")

    def note(self, path: Path) -> None:
        """`path` is about to be read: what is written to it from now on is a change."""
        if path not in self._stamps:
            self._stamps[path] = _stamp(path)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Note what is read inside the block, on this thread or in this task."""
        token = _reading.set(self)
        try:
            yield
        finally:
            _reading.reset(token)

    def changed(self) -> tuple[Path, ...]:
        """Those that are not what they were when they were noted."""
        return tuple(path for path, seen in self._stamps.items() if _stamp(path) != seen)

    def changed_files(self) -> tuple[Path, ...]:
        """The files among those that are not what they were; of a folder, its policy files."""
        return tuple(file for path in self.changed() for file in _files(path))

    def now(self) -> tuple[Stamp, ...]:
        """What stands there now: two of these are equal where nothing happened in between."""
        return tuple(map(_stamp, self._stamps))


def about_to_read(path: Path) -> None:
    """Note `path`, where a configuration is being loaded for somebody who wants to know."""
    inputs = _reading.get()
    if inputs is not None:
        inputs.note(path)


def _stamp(path: Path) -> Stamp:
    """Two that differ tell of another file, other content, another owner or other permissions."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            return "folder", *_listing(path)
    except OSError as error:
        return "error", error.errno
    if stat.S_ISREG(found.st_mode):
        return "file", found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    return "other", found.st_rdev


def _listing(folder: Path) -> Iterator[Hashable]:
    for path in _policy_files(folder):
        yield path.name, ("folder",) if path.is_dir() else _stamp(path)


def _files(path: Path) -> list[Path]:
    try:
        return [file for file in (_policy_files(path) if path.is_dir() else [path]) if file.is_file()]
    except OSError:  # gone in between, or not for us
        return []


def _policy_files(folder: Path) -> Iterator[Path]:
    """Whatever else is in a folder, such as an editor's backups, is nobody's business."""
    for path in sorted(folder.iterdir()):
        if path.suffix == ".yaml" and not path.name.startswith("."):
            yield path
