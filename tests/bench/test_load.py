"""The load generator for where there is no wrk."""

from __future__ import annotations

import asyncio

import pytest

from bench.load import Connection, Load, content_length, result

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Wire(asyncio.Transport):
    """Remembers what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))


def connected(load: Load) -> tuple[Connection, Wire]:
    connection, wire = Connection(load), Wire()
    connection.connection_made(wire)
    return connection, wire


@pytest.mark.parametrize("cut", range(1, len(ANSWER)))
def test_the_next_request_goes_out_when_the_answer_is_whole(cut: int) -> None:
    load = Load([b"one", b"two"])
    connection, wire = connected(load)

    connection.data_received(ANSWER[:cut])
    before = list(wire.written)
    connection.data_received(ANSWER[cut:])

    assert ([b"one"], [b"one", b"two"]) == (before, wire.written)
    assert (1, 0) == (len(load.times), load.errors)


def test_an_answer_that_is_no_success_and_a_lost_connection_are_errors() -> None:
    load = Load([b"one"])
    connection, _ = connected(load)

    connection.data_received(ANSWER.replace(b"200", b"502"))
    connection.connection_lost(None)

    assert 2 == load.errors


def test_at_the_end_nothing_is_sent_or_counted() -> None:
    load = Load([b"one"])
    connection, wire = connected(load)

    load.done = True
    connection.data_received(ANSWER)
    connection.connection_lost(None)

    assert ([b"one"], [], 0) == (wire.written, load.times, load.errors)


def test_a_length_is_found_in_any_case_and_at_the_end() -> None:
    heads = [b"HTTP/1.1 200 OK\r\ncontent-length:12", b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nA: b"]

    assert [12, 12] == [content_length(head) for head in heads]


def test_a_head_without_a_length_is_refused() -> None:
    with pytest.raises(ValueError, match="subsection not found"):
        content_length(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked")


def test_percentiles_are_of_all_answers() -> None:
    load = Load([b"one"])
    load.times = [number / 1000 for number in range(100, 0, -1)]

    assert {"requests": 100, "errors": 0, "seconds": 2.0, "p50_ms": 51.0, "p99_ms": 100.0} == result(
        load, 2.0
    )


def test_no_answer_at_all_is_a_result_too() -> None:
    assert {"requests": 0, "errors": 0, "seconds": 2.0, "p50_ms": 0.0, "p99_ms": 0.0} == result(
        Load([b""]), 2.0
    )
