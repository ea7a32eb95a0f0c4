"""Who has a file open for writing is known, and nobody is disturbed by the question."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from proxy.app import writing
from proxy.app.mounts import Mount
from proxy.app.writing import being_written


def leases_work() -> bool:
    """Where temporary files are; they don't on overlays and on what is mounted from elsewhere."""
    with tempfile.NamedTemporaryFile() as file:
        return being_written([Path(file.name)])


needs_leases = pytest.mark.skipif(not leases_work(), reason="this file system does not tell who writes")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.yaml"
    path.write_text("one")
    return path


def test_a_file_that_nobody_has_open_is_not_being_written(file: Path) -> None:
    assert not being_written([file])


def test_nor_is_one_that_is_being_read(file: Path) -> None:
    with file.open():
        assert not being_written([file])


@needs_leases
def test_a_file_that_is_open_for_writing_is_until_it_is_closed(file: Path) -> None:
    with file.open("a"):
        meanwhile = being_written([file.with_name("other"), file])

    assert (True, False) == (meanwhile, being_written([file]))


@needs_leases
def test_where_leases_are_refused_for_other_reasons_nobody_is_said_to_write(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "mounts", lambda: [Mount(Path("/"), "/", "nfs4")])

    with file.open("a"):
        assert not being_written([file])


def gone(path: Path) -> None:
    path.unlink()


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


@pytest.mark.parametrize("become", [gone, a_folder, a_pipe, a_loop])
def test_what_is_no_file_any_more_is_not_being_written(file: Path, become: Callable[[Path], None]) -> None:
    become(file)

    assert not being_written([file])


def test_writers_that_come_meanwhile_are_not_disturbed(file: Path) -> None:
    """The kernel asks for a lease back by a signal, whose usual one would end this process."""
    done: list[int] = []

    def write() -> None:
        for number in range(2000):
            file.write_text(f"{number}")
        done.append(1)

    writer = Thread(target=write)
    writer.start()
    while writer.is_alive():
        being_written([file])
    writer.join()

    assert ([1], "1999") == (done, file.read_text())
