"""Where a line, a name or a value ends is beyond doubt, or the request is refused."""

from __future__ import annotations

import pytest

from tests.wire import sloppy
from tests.wire.attacks import HIDDEN, Attack, get, hold, play, post, table
from tests.wire.sloppy import Reader

LF_HIDDEN = HIDDEN.replace(b"\r\n", b"\n")
CR_HIDDEN = HIDDEN.replace(b"\r\n", b"\r")
NUL_ENDS = Reader(length=lambda value: sloppy.decimal(value.partition(b"\0")[0]))


def hides(*lines: bytes) -> bytes:
    return get(b"Host: a", *lines)


@table(
    {
        "an empty line of LF": Attack(
            hides(b"X: x\n\n" + LF_HIDDEN), sloppy.BY_THE_BOOK, sloppy.LF_ENDS_LINES
        ),
        "an empty line of CR": Attack(
            hides(b"X: x\r\r" + CR_HIDDEN), sloppy.BY_THE_BOOK, sloppy.CR_ENDS_LINES
        ),
        "a length behind LF": Attack(
            post(b"X: x\nContent-Length: %d" % len(HIDDEN), body=HIDDEN),
            sloppy.LF_ENDS_LINES,
            sloppy.BY_THE_BOOK,
        ),
        "a length behind CR": Attack(
            post(b"X: x\rContent-Length: %d" % len(HIDDEN), body=HIDDEN),
            sloppy.CR_ENDS_LINES,
            sloppy.BY_THE_BOOK,
        ),
        "a head of nothing but LF": Attack(
            b"GET / HTTP/1.1\nHost: a\n\n" + HIDDEN, sloppy.BY_THE_BOOK, sloppy.LF_ENDS_LINES
        ),
        "LF behind the request line": Attack(
            b"GET / HTTP/1.1\nContent-Length: 99\r\nHost: a\r\n\r\n" + HIDDEN,
            sloppy.LF_ENDS_LINES,
            Reader(newline=sloppy.CRLF),
        ),
        "a folded length": Attack(
            post(b"Content-Length:\r\n %d" % len(HIDDEN), body=HIDDEN), sloppy.FOLDS, sloppy.BY_THE_BOOK
        ),
        "a length in a fold": Attack(
            post(b"X: x\r\n Content-Length: %d" % len(HIDDEN), body=HIDDEN),
            sloppy.IGNORES_FOLDS,
            sloppy.BY_THE_BOOK,
        ),
        "a length in a fold by a tab": Attack(
            post(b"X: x\r\n\tContent-Length: %d" % len(HIDDEN), body=HIDDEN),
            sloppy.IGNORES_FOLDS,
            sloppy.BY_THE_BOOK,
        ),
        "a length behind a space, first": Attack(
            b"POST / HTTP/1.1\r\n Content-Length: %d\r\nHost: a\r\n\r\n%b" % (len(HIDDEN), HIDDEN),
            sloppy.IGNORES_FOLDS,
            sloppy.BY_THE_BOOK,
        ),
        "a space before the colon of a length": Attack(
            post(b"Content-Length : %d" % len(HIDDEN), body=HIDDEN), sloppy.LENIENT_NAMES, sloppy.BY_THE_BOOK
        ),
        "a tab before the colon of a length": Attack(
            post(b"Content-Length\t: %d" % len(HIDDEN), body=HIDDEN), sloppy.LENIENT_NAMES, sloppy.BY_THE_BOOK
        ),
        "a NUL in the name of a length": Attack(
            post(b"Content-Length\0: %d" % len(HIDDEN), body=HIDDEN), sloppy.LENIENT_NAMES, sloppy.BY_THE_BOOK
        ),
        "a NUL in a length": Attack(
            post(b"Content-Length: %d\0x" % len(HIDDEN), body=HIDDEN), NUL_ENDS, sloppy.BY_THE_BOOK
        ),
    }
)
async def test_a_line_ends_in_cr_lf_or_the_request_is_refused(
    attack: Attack, caplog: pytest.LogCaptureFixture
) -> None:
    await hold(attack, caplog)


REFUSED_LINES = {
    "a NUL in a value": b"X: a\0b",
    "a control character in a value": b"X: a\x01b",
    "an escape in a value": b"X: a\x1b[2J",
    "a DEL in a value": b"X: a\x7fb",
    "a backspace in a value": b"X: a\x08b",
    "a CR at the end of a value": b"X: a\r",
    "a NUL in a name": b"X\0: a",
    "a control character in a name": b"X\x01: a",
    "a byte over 127 in a name": b"X\xe9: a",
    "a space in a name": b"X Y: a",
    "a parenthesis in a name": b"X(Y): a",
    "a bracket in a name": b"X[Y]: a",
    "a quote in a name": b'"X": a',
    "a slash in a name": b"X/Y: a",
    "an at sign in a name": b"X@Y: a",
    "no name": b": a",
    "no colon": b"X",
}


@pytest.mark.parametrize("line", REFUSED_LINES.values(), ids=REFUSED_LINES)
async def test_what_no_field_may_hold_is_refused(line: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert line in sloppy.BY_THE_BOOK.messages(get(b"Host: a", line))[0]  # a naive forwarder passes it on

    played = await play(get(b"Host: a", line))

    assert ((400,), b"", ["request.malformed"]) == (played.statuses, played.seen, played.reasons)
    assert [] == caplog.records


REFUSED_TARGETS = {
    "a tab": b"/a\tb",
    "a form feed": b"/a\x0cb",
    "a NUL": b"/a\0b",
    "a control character": b"/a\x01b",
    "a DEL": b"/a\x7fb",
    "a byte over 127": b"/a\xffb",
    "UTF-8": "/\u00e9".encode(),
    "a space": b"/a b",
    "a CR": b"/a\rb",
    "a tab in the query": b"/a?b\tc",
    "a byte over 127 in the query": b"/a?\xff",
    "a bare name": b"hidden",
    "a query alone": b"?a",
    "nothing": b"",
    "a star": b"*",
    "another scheme": b"ftp://a/",
    "a scheme with one slash": b"http:/a/",
    "no host": b"http:///hidden",
    "a user": b"http://b@a/",
    "a user and a password": b"http://b:c@a/",
    "a bracket that does not close": b"http://[::1/",
    "a port that is none": b"http://a:b/",
    "a port that is too large": b"http://a:99999/",
    "a backslash in the host": b"http://a\\b/",
    "a fragment in the host": b"http://a#b/",
}


@pytest.mark.parametrize("target", REFUSED_TARGETS.values(), ids=REFUSED_TARGETS)
async def test_a_target_that_can_be_read_in_two_ways_is_refused(
    target: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    played = await play(get(b"Host: a", target=target))

    assert ((400,), b"") == (played.statuses, played.seen)
    assert [True] == [reason.startswith("request.") for reason in played.reasons]
    assert [] == caplog.records


async def test_values_keep_every_byte_that_is_legal() -> None:
    legal = bytes(byte for byte in (0x09, *range(0x20, 0x7F), *range(0x80, 0x100)))

    played = await play(get(b"Host: a", b"X: a%ba" % legal))

    assert b"GET / HTTP/1.1\r\nHost: a\r\nX: a%ba\r\n\r\n" % legal == played.seen


async def test_white_space_around_a_value_is_not_passed_on() -> None:
    played = await play(get(b"Host: a", b"X: \t a b \t "))

    assert b"GET / HTTP/1.1\r\nHost: a\r\nX: a b\r\n\r\n" == played.seen


@pytest.mark.parametrize(
    "line", [b"GET  /a HTTP/1.1", b"GET /a  HTTP/1.1", b"GET /a HTTP/1.1 ", b"GET\t/a HTTP/1.1"]
)
async def test_a_request_line_has_two_spaces(line: bytes) -> None:
    played = await play(line + b"\r\nHost: a\r\n\r\n")

    assert ((400,), b"") == (played.statuses, played.seen)


async def test_empty_lines_before_a_request_are_skipped() -> None:
    played = await play(b"\r\n\r\n\n" + HIDDEN + b"\r\n" + HIDDEN, 2)

    assert (HIDDEN * 2, (200, 200)) == (played.seen, played.statuses)
