"""The audit log's file: whole batches or nothing, bounded, and found again where it was moved."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from proxy.telemetry.audit_file import AuditFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit" / "audit.log"


def opened(path: Path, max_size: int = 1000, keep: int = 2) -> AuditFile:
    path.parent.mkdir(exist_ok=True)
    return AuditFile(path, max_size=max_size, keep=keep)


def test_batches_stand_in_the_file_one_after_the_other_and_nobody_else_may_read_it(path: Path) -> None:
    file = opened(path)
    file.append(b"a\n")
    file.append(b"b\n")

    assert (b"a\nb\n", 0o600) == (path.read_bytes(), path.stat().st_mode & 0o777)


def test_what_stood_there_before_stays(path: Path) -> None:
    opened(path).append(b"a\n")
    opened(path).append(b"b\n")

    assert b"a\nb\n" == path.read_bytes()


def test_a_line_that_a_killed_process_has_cut_does_not_spoil_the_next(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b'{"a":')
    opened(path).append(b"b\n")

    assert b'{"a":\nb\n' == path.read_bytes()


def test_a_file_that_would_be_too_large_is_put_aside_and_the_oldest_goes(path: Path) -> None:
    file = opened(path, max_size=10, keep=2)
    for number in range(5):
        file.append(f"line {number}\n".encode())

    assert ["line 4\n", "line 3\n", "line 2\n"] == [
        path.with_name(f"audit.log{end}").read_text() for end in ("", ".1", ".2")
    ]
    assert 3 == len(list(path.parent.iterdir()))


def test_where_none_is_kept_the_file_begins_anew(path: Path) -> None:
    file = opened(path, max_size=10, keep=0)
    file.append(b"line 1\n")
    file.append(b"line 2\n")

    assert [b"line 2\n"] == [each.read_bytes() for each in path.parent.iterdir()]


def test_a_batch_larger_than_the_file_may_be_is_written_all_the_same(path: Path) -> None:
    file = opened(path, max_size=10)
    file.append(b"x" * 50 + b"\n")

    assert 51 == path.stat().st_size


def test_a_file_that_was_moved_is_made_anew(path: Path) -> None:
    file = opened(path)
    file.append(b"a\n")
    path.rename(path.with_name("moved"))
    file.append(b"b\n")

    assert (b"a\n", b"b\n") == (path.with_name("moved").read_bytes(), path.read_bytes())


def test_a_folder_that_vanished_is_an_error_until_it_is_back(path: Path) -> None:
    file = opened(path)
    path.unlink()
    path.parent.rmdir()
    with pytest.raises(FileNotFoundError):
        file.append(b"a\n")
    path.parent.mkdir()
    file.append(b"b\n")

    assert b"b\n" == path.read_bytes()


def test_a_batch_that_does_not_fit_leaves_nothing_behind(path: Path) -> None:
    file = opened(path, max_size=10**6)
    file.append(b"a\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            file.append(b"x" * 200 + b"\n")
        during = path.read_bytes()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    file.append(b"b\n")

    assert (b"a\n", b"a\nb\n") == (during, path.read_bytes())


def test_a_full_device_is_an_error() -> None:
    file = AuditFile(Path("/dev/full"), max_size=10, keep=1)

    with pytest.raises(OSError, match="No space left"):
        file.append(b"a\n")


def test_a_file_that_may_not_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        AuditFile(tmp_path, max_size=10, keep=1)


def test_standard_output_is_written_to_and_not_closed(capfd: pytest.CaptureFixture[str]) -> None:
    file = AuditFile(None, max_size=1, keep=1)
    file.append(b"a\n")
    file.close()
    file.append(b"b\n")

    assert "a\nb\n" == capfd.readouterr().out
    os.fstat(1)
