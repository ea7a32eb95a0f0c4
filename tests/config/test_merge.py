"""JSON Merge Patch over nodes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.merge import merge, standing_for, without
from proxy.config.nodes import Node, Source, plain
from tests.config.kinds import parsed


# RFC 7386, appendix A.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_the_rfc_hold(target: Any, patch: Any, result: Any) -> None:
    assert result == plain(merge(node_of(target), node_of(patch)))


def test_without_a_target_null_is_taken_out() -> None:
    assert {"a": 1, "b": {}} == plain(merge(None, node_of({"a": 1, "b": {"c": None}, "d": None})))


def test_each_value_keeps_its_place_and_the_whole_has_that_of_the_patch() -> None:
    document = parsed("default: {a: 1, b: {c: 2, d: 3}}\npatch:\n  b: {c: 4}\n")[0]
    assert isinstance(document.value, dict)

    merged = merge(document.value["default"], document.value["patch"])

    assert [("default.a", 1), ("default.b.d", 1), ("patch.b.c", 3)] == sorted(
        (leaf.path, leaf.line) for leaf in merged.leaves()
    )
    assert ("patch", 3, (2, 1)) == (merged.path, merged.line, merged.key)


def test_neither_side_is_changed() -> None:
    target, patch = node_of({"a": {"b": 1}}), node_of({"a": {"b": None, "c": 2}})

    merge(target, patch)

    assert ({"a": {"b": 1}}, {"a": {"b": None, "c": 2}}) == (plain(target), plain(patch))


def test_keys_are_left_out() -> None:
    node = node_of({"a": 1, "b": 2})

    assert {"b": 2} == plain(without(node, frozenset("a")))
    assert node is without(node, frozenset("x"))
    assert "x" == without(node_of("x"), frozenset("a")).value


def test_a_stand_in_has_the_place_of_what_it_stands_for() -> None:
    document = parsed("a: {b: 30s}\n")[0]
    (inner,) = next(document.children()).children()

    stand_in = standing_for(inner, {"total": inner})

    assert ("a.b", 1, 8, (1, 5), {"total": "30s"}) == (
        stand_in.path,
        stand_in.line,
        stand_in.column,
        stand_in.key,
        plain(stand_in),
    )


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_merging_is_what_the_rfc_says(target: Any, patch: Any) -> None:
    def by_the_rfc(target: Any, patch: Any) -> Any:
        if not isinstance(patch, dict):
            return patch
        result = dict(target) if isinstance(target, dict) else {}
        for name, value in patch.items():
            if value is None:
                result.pop(name, None)
            else:
                result[name] = by_the_rfc(result.get(name), value)
        return result

    assert by_the_rfc(target, patch) == plain(merge(node_of(target), node_of(patch)))


def node_of(value: Any) -> Node:
    if isinstance(value, dict):
        value = {key: node_of(item) for key, item in value.items()}
    elif isinstance(value, list):
        value = [node_of(item) for item in value]
    return Node(value, Source("a", ""))
