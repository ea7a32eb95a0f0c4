"""The audit log's thread: with `refuse` nothing is lost, with `drop` what is lost is counted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Lock

import pytest

from proxy.telemetry.audit_writer import AuditWriter


class Disk:
    """Full or not."""

    def __init__(self) -> None:
        self.full = False
        self.written = b""
        self.closed = False
        self.slow = Lock()

    def append(self, batch: bytes) -> None:
        with self.slow:
            if self.full:
                raise OSError(28, "No space left on device")
            self.written += batch

    def close(self) -> None:
        self.closed = True


def writer(disk: Disk, on_failure: str) -> AuditWriter:
    return AuditWriter(disk, "audit.log", on_failure, Lock())  # type: ignore[arg-type]


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_what_cannot_be_written_is_kept_until_it_can(caplog: pytest.LogCaptureFixture) -> None:
    disk, lines = Disk(), caplog
    lines.set_level(logging.INFO)
    disk.full = True
    writing = writer(disk, "refuse")
    for line in (b"a\n", b"b\n"):
        writing.put(bytearray(line))
    until(lambda: writing.failing)
    error = writing.error
    disk.full = False
    until(lambda: disk.written == b"a\nb\n" and not writing.failing)

    assert (True, True, 0) == (writing.close(5), disk.closed, writing.dropped)
    assert "No space left on device" == error
    assert [
        "audit log audit.log: No space left on device; requests are refused until it can be written",
        "audit log audit.log: it is written again; 0 lines were lost",
    ] == lines.messages


def test_what_is_dropped_is_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    disk = Disk()
    disk.full = True
    writing = writer(disk, "drop")
    for _ in range(5):
        writing.put(bytearray(b"a\nb\n"))
    until(lambda: writing.dropped == 10)
    failing, disk.full = writing.failing, False
    writing.put(bytearray(b"c\n"))
    until(lambda: disk.written == b"c\n")
    writing.close(5)

    assert (True, 2) == (failing, len(caplog.messages))
    assert "its lines are lost until it can be written" in caplog.messages[0]
    assert "10 lines were lost" in caplog.messages[1]


def test_the_end_does_not_wait_for_a_full_disk() -> None:
    disk = Disk()
    disk.full = True
    writing = writer(disk, "refuse")
    writing.put(bytearray(b"a\nb\n"))

    assert (True, 2) == (writing.close(5), writing.dropped)


def test_a_disk_that_hangs_counts_as_failing_before_a_line_is_lost() -> None:
    disk = Disk()
    writing = writer(disk, "refuse")
    with disk.slow:
        for _ in range(5):
            writing.put(bytearray(b"x" * 2**20 + b"\n"))
        failing = writing.failing
    until(lambda: not writing.failing)

    assert (True, 0) == (failing, writing.dropped)
    writing.close(5)
