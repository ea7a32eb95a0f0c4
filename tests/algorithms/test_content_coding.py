"""Bodies as they were before they were compressed."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.algorithms.content_coding import decoded, undone_of

TEXT = b"Traceback " * 50


def raw(data: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-15)
    return squeeze.compress(data) + squeeze.flush()


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (TEXT, ""),
        (TEXT, "identity"),
        (gzip.compress(TEXT, mtime=0), "gzip"),
        (gzip.compress(TEXT, mtime=0), " GZip "),
        (gzip.compress(TEXT, mtime=0), "x-gzip"),
        (zlib.compress(TEXT), "deflate"),
        (raw(TEXT), "deflate"),
    ],
)
def test_it_is_undone(body: bytes, coding: str) -> None:
    assert TEXT == decoded(body, coding, 1000)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "nonsense", "gzip"])
def test_what_is_not_known_or_not_right_is_nothing(coding: str) -> None:
    assert None is decoded(b"not compressed", coding, 1000)


def test_of_a_bomb_no_more_than_the_limit_comes_out() -> None:
    assert b"\0" * 1000 == decoded(gzip.compress(b"\0" * 10**7), "gzip", 1000)


@given(st.binary(), st.sampled_from(["gzip", "deflate", ""]))
def test_nothing_breaks_it(body: bytes, coding: str) -> None:
    assert len(decoded(body, coding, 100) or b"") <= 100


@pytest.mark.parametrize(
    ("accepted", "undone"),
    [
        ("gzip, deflate", "gzip, deflate"),
        ("gzip,deflate;q=0.5", "gzip,deflate;q=0.5"),
        ("gzip, deflate, br, zstd", "gzip, deflate"),
        ("br;q=1.0, GZIP;q=0.8, *;q=0.1", "GZIP;q=0.8"),
        ("br", "identity"),
        ("*", "identity"),
        ("", "identity"),
        ("identity;q=0, br", "identity;q=0"),
    ],
)
def test_what_is_asked_for_is_what_can_be_undone(accepted: str, undone: str) -> None:
    assert undone == undone_of(accepted)
