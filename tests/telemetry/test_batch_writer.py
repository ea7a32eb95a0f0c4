from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.telemetry.batch_writer import BatchWriter

SOON = 10.0
"""How long a test that fails may take to do so; none that passes waits for it."""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue  # the test has closed it


def lines(count: int, size: int = 8) -> bytearray:
    return bytearray((b"x" * (size - 1) + b"\n") * count)


def test_batches_are_written_in_order_before_it_closes(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb", buffering=0) as file:
        writer = BatchWriter(file.fileno())
        for number in range(100):
            writer.put(bytearray(b"%d\n" % number))
        closed = writer.close(SOON)

    assert (True, "".join(f"{n}\n" for n in range(100))) == (closed, path.read_text())
    assert (0, "") == (writer.dropped, writer.error)


def test_a_pipe_that_nobody_reads_holds_nobody_up_and_what_is_too_much_is_dropped(
    pipe: tuple[int, int],
) -> None:
    batch = lines(16 * 1024)
    writer = BatchWriter(pipe[1], max_pending=8 * len(batch))
    for _ in range(20):
        writer.put(batch)
    closed_in_time = writer.close(0)

    read = 0
    while read < 8 * len(batch):
        read += len(os.read(pipe[0], 65536))

    assert (False, 8 * len(batch)) == (closed_in_time, read)
    assert (True, 12 * 16 * 1024, "") == (writer.close(SOON), writer.dropped, writer.error)


def test_a_reader_that_stands_still_is_told_once_and_so_is_its_return(
    pipe: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="seawall")
    batch = lines(16 * 1024)
    writer = BatchWriter(pipe[1], max_pending=4 * len(batch))
    for _ in range(10):
        writer.put(batch)
    meanwhile, read = writer.error, 0
    while read < 4 * len(batch):
        read += len(os.read(pipe[0], 65536))
    end = time.monotonic() + SOON
    while writer.error and time.monotonic() < end:  # the writer counts what it has written a moment later
        time.sleep(0.001)
    afterwards = writer.error
    writer.put(lines(1))

    assert (True, 6 * 16 * 1024) == (writer.close(SOON), writer.dropped)
    assert ("whoever reads them does not keep up", "") == (meanwhile, afterwards)
    assert [
        "access log: lines are being lost: whoever reads them does not keep up",
        f"access log: lines are taken again; {6 * 16 * 1024} were lost so far",
    ] == caplog.messages


def test_a_pipe_whose_reader_has_left_costs_the_lines_and_nothing_else(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    writer = BatchWriter(pipe[1])
    writer.put(lines(5))
    writer.close(SOON)

    assert (5, "Broken pipe") == (writer.dropped, writer.error)


def test_a_full_disk_costs_the_lines_and_nothing_else() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        writer = BatchWriter(full.fileno())
        writer.put(lines(3))
        writer.put(lines(4))
        writer.close(SOON)

    assert (7, "No space left on device") == (writer.dropped, writer.error)


def test_an_error_is_told_when_it_comes_and_when_it_has_gone_and_not_for_each_batch(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    outcomes = iter([OSError(28, "No space left on device")] * 3 + [None, OSError(5, "I/O error")])

    def write(_: int, rest: memoryview) -> int:
        if (error := next(outcomes)) is not None:
            raise error
        return len(rest)

    monkeypatch.setattr(os, "write", write)
    writer = BatchWriter(1)
    for _ in range(5):
        writer.put(lines(2))
    writer.close(SOON)

    assert [
        "access log: lines are being lost: No space left on device",
        "access log: lines are written again; 6 were lost so far",
        "access log: lines are being lost: I/O error",
    ] == caplog.messages


def test_lines_after_it_closed_are_counted_as_dropped(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        writer = BatchWriter(file.fileno())
        writer.close(SOON)
        writer.put(lines(2))
        closed = writer.close(SOON)

    assert (True, 2) == (closed, writer.dropped)


def test_what_a_non_blocking_pipe_does_not_take_at_once_it_takes_later(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    write, refusals = os.write, [BlockingIOError(11, "Resource temporarily unavailable")]

    def busy_at_first(fd: int, data: memoryview) -> int:
        if refusals:
            raise refusals.pop()
        return write(fd, data)

    monkeypatch.setattr("proxy.telemetry.batch_writer.os.write", busy_at_first)
    writer = BatchWriter(pipe[1])
    writer.put(lines(2))

    assert (True, 0, bytes(lines(2))) == (writer.close(SOON), writer.dropped, os.read(pipe[0], 100))


class Disk:
    """Takes `room` bytes and is full then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self.written = b""
        monkeypatch.setattr("proxy.telemetry.batch_writer.os.write", self.write)

    def write(self, _: int, data: memoryview) -> int:
        taken = bytes(data[: self.room])
        if not taken:
            raise OSError(28, "No space left on device")
        self.room -= len(taken)
        self.written += taken
        return len(taken)


def test_a_line_that_was_cut_does_not_swallow_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch, room=6)
    writer = BatchWriter(-1)
    batches = (b"one\ntwo\n", b"three\n", b"four\n")

    for batch in batches:
        writer._write(bytearray(batch))
        disk.room = 100 if batch is batches[1] else disk.room

    assert b"one\ntw\nfour\n" == disk.written
    assert (2, "") == (writer.dropped, writer.error)
    assert writer.close(SOON)


def test_an_error_without_words_goes_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(_: int, __: memoryview) -> int:
        raise ConnectionError

    monkeypatch.setattr("proxy.telemetry.batch_writer.os.write", write)
    writer = BatchWriter(-1)
    writer.put(lines(1))
    writer.close(SOON)

    assert (1, "ConnectionError") == (writer.dropped, writer.error)
