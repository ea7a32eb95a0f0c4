"""Where bodies end: the same however the bytes are cut up, and an error wherever there is a doubt."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.framing import (
    LAST_CHUNK,
    ChunkedDecoder,
    CloseDecoder,
    Decoder,
    FramingError,
    LengthDecoder,
    chunk,
    last_chunk,
)


def fed(decoder: Decoder, *pieces: bytes) -> tuple[bytes, bytes]:
    """All payload and what lies behind the body, once it is done."""
    payload = rest = b""
    for piece in pieces:
        if decoder.done:
            rest += piece
            continue
        part, behind = decoder.feed(piece)
        payload += part
        rest += behind
    return payload, rest


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


PLACES = st.lists(st.integers(0, 10_000), max_size=12)


@given(body=st.binary(max_size=200), behind=st.binary(max_size=50), places=PLACES)
def test_a_length_is_counted_however_the_bytes_are_cut(body: bytes, behind: bytes, places: list[int]) -> None:
    decoder = LengthDecoder(len(body))

    payload, rest = fed(decoder, *cut(body + behind, places))

    assert (body, behind, True) == (payload, rest, decoder.done)


def test_a_body_that_is_shorter_than_its_length_has_no_good_end() -> None:
    decoder = LengthDecoder(5)
    decoder.feed(b"four")

    assert (False, 1, False) == (decoder.done, decoder.left, decoder.end())


def test_a_length_that_is_reached_is_a_good_end() -> None:
    decoder = LengthDecoder(4)
    decoder.feed(b"four")

    assert decoder.end()


def test_a_body_of_no_bytes_is_complete_from_the_start() -> None:
    assert LengthDecoder(0).done


def test_until_the_connection_ends_everything_is_body() -> None:
    decoder = CloseDecoder()

    got = [decoder.feed(b"a"), decoder.feed(b"0\r\n\r\n")]

    assert [(b"a", b""), (b"0\r\n\r\n", b"")] == got
    assert (False, True, True) == (decoder.done, decoder.end(), decoder.done)


@st.composite
def chunked(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A legal chunked body, spelled in one of the many legal ways, and its payload."""
    encoded = payload = b""
    for piece in draw(st.lists(st.binary(min_size=1, max_size=40), max_size=6)):
        size = b"%x" % len(piece)
        size = b"0" * draw(st.integers(0, 3)) + draw(st.sampled_from((size, size.upper())))
        size += draw(st.sampled_from((b"", b";a", b" ; a=b", b';q="x;y"', b";\xff\xfe")))
        encoded += size + b"\r\n" + piece + b"\r\n"
        payload += piece
    return encoded + b"0" * draw(st.integers(1, 3)), payload


TRAILERS = st.lists(
    st.tuples(
        st.sampled_from((b"X-Sum", b"etag", b"A")), st.sampled_from((b"", b"1", b"a b", b"\xff\x80\t."))
    )
)


@given(body=chunked(), trailers=TRAILERS, behind=st.binary(max_size=50), places=PLACES)
def test_chunks_are_decoded_however_they_are_spelled_and_cut(
    body: tuple[bytes, bytes], trailers: list[tuple[bytes, bytes]], behind: bytes, places: list[int]
) -> None:
    encoded, expected = body
    lines = b"".join(b"%b: %b \r\n" % field for field in trailers)
    decoder = ChunkedDecoder()

    payload, rest = fed(decoder, *cut(encoded + b"\r\n" + lines + b"\r\n" + behind, places))

    assert (expected, behind) == (payload, rest)
    assert (True, tuple(trailers), True) == (decoder.done, decoder.trailers, decoder.end())


@given(body=chunked(), places=PLACES, missing=st.integers(1, 3))
def test_a_chunked_body_without_its_end_has_no_good_end(
    body: tuple[bytes, bytes], places: list[int], missing: int
) -> None:
    decoder = ChunkedDecoder()

    fed(decoder, *cut((body[0] + b"\r\n\r\n")[:-missing], places))

    assert not decoder.end()


BROKEN = {
    "a size that is no number": b"xyz\r\n",
    "a size with a sign": b"+5\r\nhello\r\n",
    "a negative size": b"-1\r\n",
    "a size with a prefix": b"0x5\r\nhello\r\n",
    "a size with an underscore": b"1_0\r\n",
    "a size of sixteen digits": b"1000000000000000\r\n",
    "no size": b"\r\n",
    "a space before the size": b" 5\r\nhello\r\n",
    "a size that ends in LF": b"5\nhello\r\n0\r\n\r\n",
    "a size that ends in CR": b"5\rhello\r\n0\r\n\r\n",
    "a bare LF in an extension": b"5;a\nb\r\nhello\r\n",
    "a bare CR in an extension": b"5;a\rb\r\nhello\r\n",
    "a NUL in an extension": b"5;\0\r\nhello\r\n",
    "a size and garbage": b"5 a\r\nhello\r\n",
    "a chunk that is too long": b"5\r\nhello!\r\n",
    "a chunk that ends in LF": b"5\r\nhello\n0\r\n\r\n",
    "a chunk without an end": b"5\r\nhello0\r\n\r\n",
    "a trailer without a colon": b"0\r\nabc\r\n\r\n",
    "a trailer without a name": b"0\r\n: x\r\n\r\n",
    "a trailer with a space before the colon": b"0\r\na : x\r\n\r\n",
    "a trailer that is folded": b"0\r\na: x\r\n b\r\n\r\n",
    "a trailer with a NUL": b"0\r\na: \0\r\n\r\n",
    "a trailer with a bare CR": b"0\r\na: x\ry\r\n\r\n",
    "a trailer with a bare LF": b"0\r\na: x\ny\r\n\r\n",
    "an extension over 4 KiB": b"5;" + b"a" * 5000 + b"\r\n",
    "trailers over 16 KiB": b"0\r\n" + b"a: %b\r\n" % (b"x" * 4000) * 5 + b"\r\n",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("bytewise", [False, True], ids=["in one piece", "byte by byte"])
def test_what_can_be_read_in_two_ways_is_an_error(data: bytes, bytewise: bool) -> None:
    pieces = [data[at : at + 1] for at in range(len(data))] if bytewise else [data]

    with pytest.raises(FramingError):
        fed(ChunkedDecoder(), *pieces)


@pytest.mark.parametrize("end", [b"x", b"\x01"], ids=["good", "bad"])
def test_a_trailer_of_nothing_but_spaces_costs_no_more_than_another(end: bytes) -> None:
    with pytest.raises(FramingError):
        ChunkedDecoder().feed(
            b"0\r\na:" + b" " * 100_000 + end + b"\r\n\r\n"
        )  # where a regular expression goes back and forth, this takes hours


def test_extensions_and_leading_zeros_do_not_reach_the_other_side() -> None:
    payload, _ = fed(ChunkedDecoder(), b"0005;a=b\r\nhello\r\n0\r\n\r\n")

    assert b"5\r\nhello\r\n" == chunk(payload)


def test_an_empty_piece_is_no_chunk_since_that_would_end_the_body() -> None:
    assert b"" == chunk(b"")


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_what_is_framed_is_decoded_to_the_same(pieces: list[bytes]) -> None:
    decoder = ChunkedDecoder()

    payload, rest = fed(decoder, b"".join(map(chunk, pieces)) + LAST_CHUNK)

    assert (b"".join(pieces), b"", True) == (payload, rest, decoder.done)


def test_trailers_stand_behind_the_last_chunk() -> None:
    assert b"0\r\nX-Sum: 1\r\nEtag: a\r\n\r\n" == last_chunk(((b"X-Sum", b"1"), (b"Etag", b"a")))


@pytest.mark.parametrize(
    "name",
    [
        b"Content-Length",
        b"transfer-encoding",
        b"Host",
        b"X-Forwarded-For",
        b"Authorization",
        b"TE",
        b"X.Forwarded_For",
    ],
)
def test_what_decides_framing_routing_or_identity_is_no_trailer(name: bytes) -> None:
    assert b"0\r\nok: 1\r\n\r\n" == last_chunk(((name, b"1"), (b"ok", b"1")))
