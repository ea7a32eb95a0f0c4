"""Messages of a rehearsal, as bytes."""

from __future__ import annotations

import pytest

from proxy.rehearsal.messages import Answer, Head, Request, answer_bytes, request_bytes, take_head
from proxy.wire.framing import ChunkedDecoder, CloseDecoder, LengthDecoder


@pytest.mark.parametrize(
    ("request_", "sent"),
    [
        (Request(target="/a?b"), b"GET /a?b HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (
            Request("POST", headers=[("host", "a")], body=b"xy"),
            b"POST / HTTP/1.1\r\nhost: a\r\nContent-Length: 2\r\n\r\nxy",
        ),
        (
            Request("POST", headers=[("Transfer-Encoding", "chunked")], body=b"0\r\n\r\n"),
            b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
    ],
    ids=["no body", "a length is added", "framed already"],
)
def test_a_request_is_sent_as_a_client_would(request_: Request, sent: bytes) -> None:
    assert sent == request_bytes(request_)


@pytest.mark.parametrize(
    ("answer", "method", "sent"),
    [
        (Answer(body=b"ab"), "GET", (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"ab")),
        (Answer(body=b"ab"), "HEAD", (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"")),
        (Answer(204, body=b"ab"), "GET", (b"HTTP/1.1 204 No Content\r\n\r\n", b"")),
        (Answer(599, [("A", "b")]), "GET", (b"HTTP/1.1 599 \r\nA: b\r\nContent-Length: 0\r\n\r\n", b"")),
    ],
    ids=["a body", "HEAD", "204", "a status without a name"],
)
def test_an_answer_is_framed_as_its_method_and_status_ask(
    answer: Answer, method: str, sent: tuple[bytes, bytes]
) -> None:
    assert sent == answer_bytes(answer, method)


def test_a_head_is_taken_off_once_it_is_whole() -> None:
    buffer = bytearray(b"GET /a HTTP/1.1\r\nA: b \r\nC:d\r\n\r")
    before = take_head(buffer)
    buffer += b"\nrest"
    head = take_head(buffer)

    assert (None, Head(["GET", "/a", "HTTP/1.1"], [("A", "b"), ("C", "d")])) == (before, head)
    assert b"rest" == buffer


def test_a_status_line_without_a_phrase_has_three_parts() -> None:
    head = take_head(bytearray(b"HTTP/1.1 200\r\nA: b\r\n\r\n"))

    assert head is not None
    assert (["HTTP/1.1", "200", ""], "b", None) == (head.first, head.get("a"), head.get("b"))


@pytest.mark.parametrize(
    ("fields", "until_close", "decoder"),
    [
        ([("Transfer-Encoding", "chunked")], False, ChunkedDecoder),
        ([("content-length", "3")], False, LengthDecoder),
        ([("content-length", "0")], True, type(None)),
        ([], True, CloseDecoder),
        ([], False, type(None)),
    ],
    ids=["chunked", "a length", "nothing", "until the end", "none"],
)
def test_the_head_says_how_the_body_is_framed(
    fields: list[tuple[str, str]], until_close: bool, decoder: type
) -> None:
    assert decoder is type(Head(["a", "b", "c"], fields).body_decoder(until_close=until_close))
