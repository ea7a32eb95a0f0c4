"""Structured fields: read strictly, and written in one spelling."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.algorithms.structured_fields import (
    Date,
    InnerList,
    Item,
    Malformed,
    Token,
    dictionary,
    item,
    list_,
    spelled,
    spelled_dictionary,
    spelled_list,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42), ("-7", -7), ("4.5", Decimal("4.5")), ("-0.125", Decimal("-0.125")), ('"a b"', "a b"),
        (r'"a\"b\\c"', 'a"b\\c'), ("tok/en:*", Token("tok/en:*")), ("*a", Token("*a")), (":aGk=:", b"hi"),
        ("::", b""), ("?1", True), ("?0", False), ("@1659578233", Date(1659578233)), (" 1 ", 1),
    ],
)  # fmt: skip
def test_an_item_is_read(text: str, value: object) -> None:
    found = item(text).value

    assert (value, type(value)) == (found, type(found))


@pytest.mark.parametrize(
    "text",
    [
        "", '"a', '"é"', '"a\nb"', r'"\a"',
        ":aGk:", ":aGl=:", ":a b=:", ":aGk=", "?2", "?", "@1.5", "@", "1.", "1.2345",
        "1234567890123456", "1234567890123.1",
        "--1", "+1", "a b", "1 2", "(1", "a;", "a;B=1", "a;b=", "a; b=1;b=2", "\t1",
        '%"x"', "é", "a,b",
    ],
)  # fmt: skip
def test_what_is_no_item_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        item(text)


@pytest.mark.parametrize(
    "text",
    [
        "a=1,",
        ",a=1",
        "a=1 b=2",
        "a=1,,b=2",
        "A=1",
        "a=1, a=2",
        "a=(1 2",
        "a=(1,2)",
        "a=(1\t2)",
        "a=(1;b=)",
        "=1",
        "a=()x",
    ],
)
def test_what_is_no_dictionary_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        dictionary(text)


@pytest.mark.parametrize("text", ["1,", "1 2", "(1)(2)", "1;;a"])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        list_(text)


def test_a_dictionary_is_read_whole() -> None:
    assert {
        "a": Item(True, {}),
        "b": Item(True, {"x": 1}),
        "c": InnerList((Item("@method", {}), Item("p", {"name": "Pet"})), {"created": 5, "t": True}),
        "d": Item(b"\0", {}),
    } == dictionary('a,b;x=1 ,\tc=( "@method"  "p";name="Pet" );created=5; t,d=:AA==:')


def test_nothing_is_an_empty_dictionary_and_an_empty_list() -> None:
    assert ({}, []) == (dictionary(""), list_("  "))


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('a=1,  b=("x"   "y");z=?1', 'a=1, b=("x" "y");z'),
        ("a=?1;b=?0", "a;b=?0"),
        ("a=1.50, b=2.0", "a=1.5, b=2.0"),
        (r'a="\"\\", b=@5, c=tok', r'a="\"\\", b=@5, c=tok'),
    ],
)
def test_there_is_one_spelling(text: str, same: str) -> None:
    assert same == spelled_dictionary(dictionary(text))


BARE = st.one_of(
    st.booleans(),
    st.integers(-(10**15) + 1, 10**15 - 1),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
    st.binary(max_size=20),
    st.from_regex(r"[A-Za-z*][A-Za-z0-9*/:._-]{0,9}", fullmatch=True).map(Token),
    st.integers(0, 10**12).map(Date),
    st.integers(-(10**14), 10**14).map(lambda n: Decimal(n) / 1000),
)
KEYS = st.from_regex(r"[a-z*][a-z0-9_.*-]{0,7}", fullmatch=True)
PARAMETERS = st.dictionaries(KEYS, BARE, max_size=3)
ITEMS = st.builds(Item, BARE, PARAMETERS)
MEMBERS = st.one_of(ITEMS, st.builds(InnerList, st.lists(ITEMS, max_size=3).map(tuple), PARAMETERS))


@given(st.lists(MEMBERS, max_size=4))
def test_what_is_written_is_read_as_it_was(members: list[Item | InnerList]) -> None:
    assert members == list_(spelled_list(members))
    assert [spelled(each) for each in members] == [spelled(each) for each in list_(spelled_list(members))]


@given(st.dictionaries(KEYS, MEMBERS, max_size=4))
def test_a_dictionary_that_is_written_is_read_as_it_was(members: dict[str, Item | InnerList]) -> None:
    assert members == dictionary(spelled_dictionary(members))


@given(st.text(max_size=60))
def test_anything_is_read_or_malformed(text: str) -> None:
    for read in (dictionary, list_, item):
        with suppress(Malformed):
            read(text)
