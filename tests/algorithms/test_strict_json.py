"""JSON that every parser reads the same way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.algorithms.strict_json import (
    DEEPEST,
    SLICE,
    Duplicate,
    NotStrict,
    Structure,
    TooDeep,
    TooManyKeys,
    at,
    decode,
    pointer_of,
)

SOME = 100_000


def read(body: bytes, max_depth: int = DEEPEST, max_keys: int = SOME) -> Any:
    structure = Structure(max_depth, max_keys)
    for _ in structure.count(body):
        pass
    return decode(body, structure)


def documents(longest: int = 6) -> st.SearchStrategy[Any]:
    texts = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
        ['"', "\\", '\\"', "{[,:", "\\\\"]
    )
    scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | texts
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=longest) | st.dictionaries(texts, inner, max_size=longest),
        max_leaves=30,
    )


def entries(document: Any) -> int:
    if isinstance(document, dict | list):
        inner = document.values() if isinstance(document, dict) else document
        return max(1, len(document)) + sum(map(entries, inner))
    return 0


def depth(document: Any) -> int:
    if isinstance(document, dict | list):
        inner = document.values() if isinstance(document, dict) else document
        return 1 + max(map(depth, inner), default=0)
    return 0


@settings(max_examples=100, deadline=None)
@given(document=documents(), indent=st.sampled_from([None, 2]), ascii_only=st.booleans())
def test_what_a_program_writes_is_read_as_it_was_meant(
    document: Any, indent: int | None, ascii_only: bool
) -> None:
    assert document == read(json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode())


@settings(max_examples=100, deadline=None)
@given(document=documents())
def test_depth_and_entries_are_counted_without_being_built(document: Any) -> None:
    structure = Structure(DEEPEST, SOME)
    list(structure.count(json.dumps(document).encode()))

    assert (depth(document), entries(document)) == (structure.depth, structure.keys)


@settings(max_examples=20, deadline=None)
@given(lead=st.integers(-3, 3), piece=st.sampled_from(["\\\\", '\\"', "a", "{", "é"]))
@example(lead=0, piece="\\\\")
def test_strings_across_the_edge_of_a_slice_hide_what_stands_in_them(lead: int, piece: str) -> None:
    body = ('{"' + "x" * (SLICE - 40 + lead) + piece * 60 + '":["]}"]}').encode()

    assert json.loads(body) == read(body)


@settings(max_examples=300, deadline=None)
@given(st.text('{}[]",:\\ 1tfnu', max_size=12).map(str.encode) | st.binary(max_size=12))
def test_what_is_read_is_what_another_parser_reads_and_nothing_else_gets_out(body: bytes) -> None:
    try:
        found = read(body, 5, 20)
    except NotStrict:
        return

    assert json.loads(body.decode()) == found


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b" ", id="white space"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"{} {}", id="two documents"),
        pytest.param(b"{}x", id="something behind it"),
        pytest.param(b"NaN", id="not a number"),
        pytest.param(b'{"a": -Infinity}', id="infinity"),
        pytest.param(b"1e999", id="a number that is infinite once it is read"),
        pytest.param(b"1" * 5000, id="a number of thousands of digits"),
        pytest.param(b"01", id="a leading zero"),
        pytest.param(b"[1,]", id="a trailing comma"),
        pytest.param(b"{'a': 1}", id="single quotes"),
        pytest.param(b"[1] // one", id="a comment"),
        pytest.param(b'"\t"', id="a control character in a string"),
        pytest.param(b'"\\ud800"', id="a lone surrogate"),
        pytest.param(b'"\xff"', id="bytes that are no UTF-8"),
        pytest.param(b'"\xc0\xaf"', id="a slash in an overlong form"),
        pytest.param(b"\xef\xbb\xbf{}", id="a byte order mark"),
        pytest.param('{"a":1}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b"{}\x00", id="a zero byte behind it"),
    ],
)
def test_what_is_no_json_is_not_read(body: bytes) -> None:
    with pytest.raises(NotStrict):
        read(body)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        pytest.param(b'{"a":1,"a":2}', "", id="at the root"),
        pytest.param(b'{"a":1,"\\u0061":2}', "", id="spelled with an escape"),
        pytest.param(b'{"x":[{},{"a":1,"b":2,"a":1}]}', "/x/1", id="further down"),
        pytest.param(b'{"a/b":{"~":{"k":1,"k":1}}}', "/a~1b/~0", id="behind keys that need escaping"),
        pytest.param(b'{"a":{"b":1},"a":{"b":1}}', "", id="objects under it"),
    ],
)
def test_a_key_that_stands_twice_is_told_by_its_object(body: bytes, pointer: str) -> None:
    with pytest.raises(Duplicate) as raised:
        read(body)

    assert pointer == raised.value.pointer


def test_the_same_key_in_two_objects_is_no_duplicate() -> None:
    assert [{"a": 1}, {"a": ":"}] == read(b'[{"a":1},{"a":":"}]')


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_body_of_nothing_but_depth_is_given_up(opening: bytes) -> None:
    with pytest.raises(TooDeep) as raised:
        read(opening * 200_000, 20, 10_000_000)

    assert raised.value.whole is False


def test_of_a_body_a_little_above_it_is_told_by_how_much() -> None:
    with pytest.raises(TooDeep) as deep:
        read(b"[[[1]]]", 2)
    with pytest.raises(TooManyKeys) as many:
        read(b'{"a":[1,2],"b":3}', 9, 3)

    assert [(3, 2, True), (4, 3, True)] == [
        (e.value.found, e.value.allowed, e.value.whole) for e in (deep, many)
    ]


def test_a_crowded_body_is_given_up_after_a_slice_of_it() -> None:
    body = b"[" + b"0," * 1_000_000 + b"0]"
    counted = Structure(20, 1000).count(body)

    with pytest.raises(TooManyKeys) as raised:
        next(counted)

    assert raised.value.found <= SLICE


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        pytest.param("", {"a/b": [{"~": 1}], "": 2}, id="all of it"),
        pytest.param("/a~1b/0/~0", 1, id="escapes"),
        pytest.param("/", 2, id="the empty key"),
    ],
)
def test_a_pointer_leads_to_a_value(pointer: str, expected: object) -> None:
    assert expected == at({"a/b": [{"~": 1}], "": 2}, pointer)


@pytest.mark.parametrize("pointer", ["/b", "/a/1", "/a/00", "/a/-", "/a/0/x", "/a/٠"])
def test_a_pointer_to_nothing_leads_nowhere(pointer: str) -> None:
    with pytest.raises(KeyError):
        at({"a": [1]}, pointer)


def test_keys_in_a_pointer_are_cut_since_clients_choose_them() -> None:
    assert f"/{'k' * 64}/3/a~1b" == pointer_of(["k" * 1000, 3, "a/b"])
