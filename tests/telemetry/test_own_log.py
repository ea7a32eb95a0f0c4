from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from proxy.telemetry.own_log import OwnLog


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("seawall", logging.WARNING, __file__, 1, message, arguments, None)


def test_lines_are_written_in_order_and_the_last_of_them_before_it_closes(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb", buffering=0) as file:
        log = OwnLog(file.fileno())
        for number in range(100):
            log.handle(record("number %d of %s", number, "\udc80"))
        log.close()

    written = path.read_text().splitlines()
    assert [f"number {number} of \\udc80" for number in range(100)] == [
        re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ WARNING ", "", line) for line in written
    ]


def test_whoever_does_not_read_it_holds_nobody_up_and_loses_what_is_too_much(pipe: tuple[int, int]) -> None:
    log = OwnLog(pipe[1], max_pending=256 * 1024)
    for _ in range(10_000):
        log.handle(record("x" * 1000))
    log.handle(record("lost" * 250))
    os.set_blocking(pipe[0], False)
    read = b""
    while not log._writer.close(0.001):
        with suppress(BlockingIOError):
            read += os.read(pipe[0], 1024 * 1024)
    with suppress(BlockingIOError):
        read += os.read(pipe[0], 1024 * 1024)

    assert 200 <= read.count(b"\n") <= 256 + 64  # which the pipe holds
    assert b"lost" not in read


def test_a_line_that_cannot_be_told_fails_nobody(
    pipe: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    log = OwnLog(pipe[1])
    log.handle(record("%d", "no number"))
    log.handle(record("the next"))
    log.close()

    assert os.read(pipe[0], 1024).endswith(b" WARNING the next\n")
    assert "Logging error" in capsys.readouterr().err
