"""Lines of fields: what is found in them, what is taken out, and what becomes of the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.header_lines import (
    ANY_FORWARDED,
    NO_LINES,
    fields_in,
    lines_of,
    spellings,
    values_in,
    without,
    without_these,
)


def lines(*fields):
    return NO_LINES + lines_of(fields)


def test_each_field_is_a_line_that_ends_as_the_first_begins():
    assert b"\r\nHost: a\r\nx-ODD: \r\n" == lines((b"Host", b"a"), (b"x-ODD", b""))


def test_values_are_found_by_name_in_their_order_and_as_they_were_written():
    written = lines((b"Accept", b"A"), (b"X-Accept", b"x"), (b"ACCEPT", b"accept: B"))

    assert ["A", "accept: B"] == values_in(written, written.lower(), b"\r\naccept: ")


tokens = st.text("abx-_.!", min_size=1, max_size=12).map(str.encode) | st.sampled_from(
    [b"X-Forwarded-For", b"x-forwarded-", b"X-Forwarded", b"Not-X-Forwarded-For", b"A.B", b"aXb"]
)


@given(
    st.lists(st.tuples(tokens, st.text("ab: -").map(str.encode)), max_size=6),
    st.frozensets(tokens.map(bytes.lower), max_size=4),
    st.booleans(),
)
def test_lines_are_taken_out_by_their_whole_name_and_nothing_else_is(fields, names, forwarded):
    whole = lines(*fields)
    rest = [
        (name, value)
        for name, value in fields
        if name.lower() not in names and not (forwarded and name.lower().startswith(b"x-forwarded-"))
    ]

    chosen = names | {ANY_FORWARDED} if forwarded else names
    assert lines(*rest) == (without(whole, whole.lower(), chosen) if chosen else whole)
    if not forwarded:
        assert lines(*rest) == without_these(whole, names)


@given(st.lists(st.tuples(tokens, st.text("ab: -").map(str.encode)), max_size=6))
def test_the_fields_in_lines_are_those_that_they_were_made_of(fields):
    assert fields == list(fields_in(lines(*fields)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Id", {b"id"}),
        ("X-Id", {b"x-id", b"x_id"}),
        ("X_Id", {b"x-id", b"x_id"}),
        ("a-b-c", {b"a-b-c", b"a_b-c", b"a-b_c", b"a_b_c"}),
    ],
)
def test_spellings_that_are_one_name_to_cgi(name, expected):
    assert expected == spellings(name)
