"""Nodes: what stands where, in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.nodes import Node, Source, described, plain, quoted, spell_step
from tests.config.kinds import parsed

TEXT = 'a: {b: [x, {"c.d": 1}]}\ne: &e {f: g}\nh: *e\n'


def at(node: Node, *steps: str | int) -> Node:
    for step in steps:
        assert isinstance(node.value, dict | list)
        node = node.value[step]
    return node


def test_a_value_knows_its_place_and_its_path() -> None:
    node = at(parsed(TEXT)[0], "a", "b", 1, "c.d")

    assert ('a.b[1]["c.d"]', "a.yaml:1", (1, 13)) == (node.path, node.place, node.key)
    assert (1, 20) == (node.line, node.column)


def test_the_document_has_no_path() -> None:
    assert "" == parsed(TEXT)[0].path


def test_an_alias_stands_under_its_own_key_with_the_content_of_the_anchor() -> None:
    node = at(parsed(TEXT)[0], "h")

    assert ("h", "a.yaml:3", "a.yaml:2") == (node.path, node.key_place, node.place)
    assert {"f": "g"} == plain(node)


def test_a_node_without_a_key_or_a_line_has_the_place_that_there_is() -> None:
    node = Node("x", Source("--upstream", ""))

    assert ("--upstream", "--upstream") == (node.place, node.key_place)


def test_the_leaves_are_every_scalar_in_it() -> None:
    assert ["x", 1, "g", "g"] == [leaf.value for leaf in parsed(TEXT)[0].leaves()]


@pytest.mark.parametrize("text", ["a\nb\nc", "a\r\nb\r\nc", "a\rb\rc"], ids=["unix", "windows", "old mac"])
def test_lines_end_as_yaml_says(text: str) -> None:
    source = Source("a", text)

    assert ["", "a", "b", "c", ""] == [source.line(number) for number in range(5)]


def test_a_source_has_a_folder_for_relative_paths() -> None:
    assert (Path(), Path("/etc")) == (Source("a", "").directory, Source("a", "", Path("/etc")).directory)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3", "the number 3"),
        ("0x1f", "the number 0x1f"),
        ("1.50", "the number 1.50"),
        ("TRUE", "TRUE"),
        ("on", 'the text "on"'),
        ("'3'", 'the text "3"'),
        ("~", "nothing"),
        ("[1]", "a list"),
        ("{a: 1}", "a mapping"),
    ],
)
def test_a_value_is_described_as_it_was_written(text: str, words: str) -> None:
    assert words == described(parsed(text)[0])


def test_a_value_that_stands_in_no_file_is_described_too() -> None:
    source = Source("default", "")

    assert ["the number 5", "true"] == [described(Node(value, source)) for value in (5, True)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", '"plain"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("line\nend", '"line\\x0aend"'),
        ("x" * 80, '"' + "x" * 57 + '..."'),
    ],
    ids=["plain", "quotes and backslashes", "line end", "long"],
)
def test_text_is_quoted_on_one_line(text: str, shown: str) -> None:
    assert shown == quoted(text)


def test_steps_that_could_be_misread_are_quoted() -> None:
    assert ["[0]", ".a_b-c", '["a.b"]', '["/x"]'] == [spell_step(s) for s in (0, "a_b-c", "a.b", "/x")]
