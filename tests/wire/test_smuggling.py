"""One request stays one: attacks on the framing of requests, each shown to work without Seawall first."""

from __future__ import annotations

import pytest

from tests.wire import sloppy
from tests.wire.attacks import HIDDEN, Attack, hold, length, post, table
from tests.wire.sloppy import Reader

IN_CHUNK = b"%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)
BEHIND_CHUNKS = b"0\r\n\r\n" + HIDDEN


def coded(line: bytes, *statuses: int, sees: Reader = sloppy.LENIENT_NAMES) -> dict[str, Attack]:
    """A spelling of Transfer-Encoding that one of two servers does not recognise: alone, and with a length.

    `statuses`: of these two, where both are not 400.
    """
    name = line.decode("latin-1").encode("unicode_escape").decode()
    alone, beside = (*statuses, 400, 400)[:2]
    first = IN_CHUNK.partition(b"\r\n")[0] + b"\r\n"
    rows = {
        "alone": (alone, post(line, body=IN_CHUNK), sees, sloppy.LENGTH_ONLY),
        "read by the front": (beside, post(line, length(first), body=IN_CHUNK), sees, sloppy.LENGTH_ONLY),
        "read by the back": (
            beside,
            post(line, length(BEHIND_CHUNKS), body=BEHIND_CHUNKS),
            sloppy.LENGTH_ONLY,
            sees,
        ),
    }
    return {
        f"{name}, {what}": Attack(
            raw,
            front,
            back,
            (status,),
            reason="request.malformed or request.framing" if status == 400 else "request.transfer_coding",
        )
        for what, (status, raw, front, back) in rows.items()
    }


ANY_CODING = sloppy.Reader(chunked=bool)


@table(
    {
        "CL.TE": Attack(
            post(length(BEHIND_CHUNKS), b"Transfer-Encoding: chunked", body=BEHIND_CHUNKS),
            sloppy.LENGTH_FIRST,
            sloppy.BY_THE_BOOK,
        ),
        "TE.CL": Attack(
            post(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=IN_CHUNK),
            sloppy.BY_THE_BOOK,
            sloppy.LENGTH_FIRST,
        ),
        "TE.TE, the second is nonsense": Attack(
            post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: cow", body=IN_CHUNK),
            sloppy.LENIENT_CODINGS,
            sloppy.BY_THE_BOOK,
        ),
        "TE.TE, the first is nonsense": Attack(
            post(b"Transfer-Encoding: cow", b"Transfer-Encoding: chunked", body=IN_CHUNK),
            sloppy.LENIENT_CODINGS,
            sloppy.BY_THE_BOOK,
        ),
        "TE.TE, twice the same": Attack(
            post(b"Transfer-Encoding: chunked", b"transfer-encoding: chunked", body=IN_CHUNK),
            sloppy.LENIENT_CODINGS,
            sloppy.BY_THE_BOOK,
        ),
        "Transfer-Encoding in HTTP/1.0": Attack(
            post(b"Transfer-Encoding: chunked", body=IN_CHUNK, version=b"1.0"),
            sloppy.BY_THE_BOOK,
            sloppy.LENGTH_ONLY,
            reason="request.framing",
        ),
    }
)
async def test_length_and_coding_are_never_both_believed(
    attack: Attack, caplog: pytest.LogCaptureFixture
) -> None:
    await hold(attack, caplog)


@table(
    {
        **coded(b"Transfer-Encoding : chunked"),
        **coded(b"Transfer-Encoding\t: chunked"),
        **coded(b"Transfer-Encoding;: chunked"),
        **coded(b"Transfer-Encoding\0: chunked"),
        **coded(
            b"Transfer-\xadEncoding\xad: chunked", sees=sloppy.Reader(name=lambda n: n.replace(b"\xad", b""))
        ),
        **coded(b"Transfer-Encoding: chunked\t", 501),
        **coded(b"Transfer-Encoding: \x0bchunked"),
        **coded(b"Transfer-Encoding: chunked\x0b"),
        **coded(b"Transfer-Encoding: chunked\0"),
        **coded(b"Transfer-Encoding: xchunked", 501),
        **coded(b"Transfer-Encoding: x chunked", 501),
        **coded(b"Transfer-Encoding: chunked, chunked"),
        **coded(b"Transfer-Encoding: chunked , chunked"),
        **coded(b"Transfer-Encoding: chunked, identity"),
        **coded(b"Transfer-Encoding: identity, chunked", 501),
        **coded(b"Transfer-Encoding: gzip, chunked", 501),
        **coded(b"Transfer-Encoding: ,chunked", 501),
        **coded(b"Transfer-Encoding: chunked,"),
        **coded(b"Transfer-Encoding: chunked;q=1", 501),
        **coded(b'Transfer-Encoding: "chunked"', 501),
        **coded(b"Transfer-Encoding: 'chunked'", 501),
        **coded(b"Transfer-Encoding: chunked\xff", 501),
        **coded("Transfer-Encoding: chun\u212aed".encode(), 501, sees=ANY_CODING),
        **coded(b"Transfer-Encoding: identity", 501, sees=ANY_CODING),
        **coded(b"Transfer-Encoding:", 501, sees=ANY_CODING),
        **coded(b"Transfer-Encoding:\r\n chunked", sees=sloppy.FOLDS),
        **coded(b"X: x\r\n Transfer-Encoding: chunked", sees=sloppy.IGNORES_FOLDS),
        **coded(b"X: x\nTransfer-Encoding: chunked", sees=sloppy.LF_ENDS_LINES),
        **coded(b"X: x\rTransfer-Encoding: chunked", sees=sloppy.CR_ENDS_LINES),
    }
)
async def test_a_transfer_coding_is_chunked_or_refused(
    attack: Attack, caplog: pytest.LogCaptureFixture
) -> None:
    await hold(attack, caplog)


def measured(*lines: bytes) -> Attack:
    """The front reads the length as that of all, the back as nothing; of two, each reads another."""
    return Attack(post(*lines, body=HIDDEN), sloppy.LENIENT_NUMBERS, sloppy.LAST_LENGTH)


N = len(HIDDEN)


@table(
    {
        "two that differ": measured(b"Content-Length: %d" % N, b"Content-Length: 0"),
        "two that differ, in another case": measured(b"Content-Length: %d" % N, b"CONTENT-LENGTH: 0"),
        "a list that differs": measured(b"Content-Length: %d, 0" % N),
        "a list of the same": measured(b"Content-Length: %d, %d" % (N, N)),
        "plus": measured(b"Content-Length: +%d" % N),
        "minus": measured(b"Content-Length: -%d" % N),
        "hexadecimal": measured(b"Content-Length: 0x%x" % N),
        "a fraction": measured(b"Content-Length: %d.0" % N),
        "an exponent": measured(b"Content-Length: %de0" % N),
        "an underscore": measured(b"Content-Length: %d_" % N),
        "a space inside": measured(b"Content-Length: %d 0" % N),
        "a vertical tab": measured(b"Content-Length: \x0b%d" % N),
        "a NUL": measured(b"Content-Length: %d\0" % N),
        "a semicolon": measured(b"Content-Length: %d;" % N),
        "quoted": measured(b'Content-Length: "%d"' % N),
        "digits of another script": Attack(
            post("Content-Length: \u0663\u0663".encode(), body=HIDDEN),
            sloppy.Reader(length=lambda value: int(value.decode())),
            sloppy.BY_THE_BOOK,
        ),
        "more digits than 64 bits hold": Attack(
            post(b"Content-Length: 1%030d" % N, body=HIDDEN),
            sloppy.LENIENT_NUMBERS,
            sloppy.Reader(length=lambda value: 0 if len(value) > 18 else int(value)),
        ),
        "more digits than int() takes": Attack(
            post(b"Content-Length: %05000d" % N, body=HIDDEN),
            sloppy.LENIENT_NUMBERS,
            sloppy.Reader(length=lambda value: 0 if len(value) > 4300 else int(value)),
            reason="request.framing",
        ),
    }
)
async def test_a_length_is_one_number_or_refused(attack: Attack, caplog: pytest.LogCaptureFixture) -> None:
    await hold(attack, caplog)
