"""Variables in values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.interpolate import interpolate
from proxy.config.nodes import Node, Source, Unresolved, plain
from tests.config.kinds import parsed

ENV = {
    "N": "10",
    "T": "true",
    "S": "text",
    "EMPTY": "",
    "NULL": "null",
    "NESTED": "${N}",
    "BAD": "a: [b",
    "NETS": "10.0.0.0/8, 192.168.0.0/16",
    "ONE": "a",
    "GAP": "a,,b",
    "BLANK": " ",
    "CODES": "429,503",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${N}", 10),
        ('"${N}"', "10"),
        ("${T}", True),
        ("a-${S}-${N}", "a-text-10"),
        ("${NO:-5}", 5),
        ("${NO:-}", ""),
        ("${EMPTY}", ""),
        ("${EMPTY:-5}", 5),
        ("${NO:-null}", None),
        ("${NULL}", None),
        ("${NO:-http://a:80/$x}", "http://a:80/$x"),
        ("$${N}", "${N}"),
        ("$${N} ${N}", "${N} 10"),
        ("$$${N}", "$${N}"),
        ("$N costs 5$", "$N costs 5$"),
        ("^a$", "^a$"),
        ("${NESTED}", "${N}"),
        ("${BAD}", "a: [b"),
        ("|\n  ${N}\n", "10\n"),
    ],
)
def test_variables_are_put_in_and_the_result_is_typed(text: str, value: object) -> None:
    actual = parsed(text, ENV)[0].value

    assert (type(value), value) == (type(actual), actual)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${NO}", "the variable NO is not set; expected it in the environment, or ${NO:-default}"),
        ("${NO} ${ALSO_NO}", "the variable NO is not set; expected it in the environment, or ${NO:-default}"),
        ("${", "`${` does not name a variable; expected ${NAME} or ${NAME:-default}, or $${ for the text ${"),
        (
            "${NO} ${1}",
            "`${` does not name a variable; expected ${NAME} or ${NAME:-default}, or $${ for the text ${",
        ),
        (
            "${A:-${N}}",
            "`${` does not name a variable; expected ${NAME} or ${NAME:-default}, or $${ for the text ${",
        ),
        (
            "${A-b}",
            "`${` does not name a variable; expected ${NAME} or ${NAME:-default}, or $${ for the text ${",
        ),
    ],
)
def test_what_stands_for_nothing_is_left_for_whoever_needs_it(text: str, message: str) -> None:
    value = parsed(text, ENV)[0].value

    assert isinstance(value, Unresolved)
    assert (message, "does not name" in message) == (value.message, value.malformed)


@pytest.mark.parametrize(
    ("text", "variable", "unit"),
    [
        ("${T:-30}s", "1m", "s"),
        ("${T}s", "1m", "s"),
        ("${T:-30}s", "30s", "s"),
        ("${T:-30}s", "1h30m", "s"),
        ("${T:-30}s", "1.5 m", "s"),
        ("${T:-250}ms", "1s", "ms"),
        ("${T:-10}MiB", "1k", "MiB"),
        ("${T}B", "1M", "B"),
    ],
)
def test_a_unit_in_the_variable_and_one_behind_it_are_a_mistake(text: str, variable: str, unit: str) -> None:
    value = parsed(f'"{text}"', {"T": variable})[0].value

    message = f"the variable T has a unit of its own; expected a number, since `{unit}` stands behind it"
    assert isinstance(value, Unresolved)
    assert message == value.message


@pytest.mark.parametrize(
    ("text", "variable", "value"),
    [
        ("${T:-30}s", "", "30s"),
        ("${T:-30}s", "2.5", "2.5s"),
        ("${T:-30s}", "1m", "1m"),
        ("${T}s", "ab", "abs"),
        ("${T}-s", "1m", "1m-s"),
        ("a${T}s", "1m", "a1ms"),
        ("$${T}s", "1m", "${T}s"),
    ],
)
def test_other_text_behind_a_variable_is_its_own(text: str, variable: str, value: str) -> None:
    assert value == parsed(f'"{text}"', {"T": variable})[0].value


def test_a_value_remembers_that_a_variable_was_in_it() -> None:
    document = parsed("[a, '${N}', '$${N}', '${NO:-b}', '${NO}']", ENV)[0]

    assert [False, True, False, True, True] == [node.interpolated for node in document.children()]


def test_lists_and_mappings_are_filled_in() -> None:
    text = """a: ["${S}", {b: "${N}"}]\nc:\n  - ${N}\n"""

    assert {"a": ["text", {"b": "10"}], "c": [10]} == plain(parsed(text, ENV)[0])


def test_what_aliases_share_is_read_once() -> None:
    document = parsed("x: &x {a: '$${N}', b: '${NESTED}'}\ny: *x\nz: {<<: *x}\n", ENV)[0]

    assert [{"a": "${N}", "b": "${N}"}] * 3 == list(plain(document).values())


NOT_SET = "the variable NO is not set; expected it in the environment, or ${NO...:-default}"
EMPTY = "expected entries with commas between them, or ${%s...:-default}"
ALONE = '`${NAME...}` stands for entries of a list; expected it alone as one of them, such as ["${NAME...}"]'


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ('["${NETS...}"]', ["10.0.0.0/8", "192.168.0.0/16"]),
        ('[x, "${NETS...}", y]', ["x", "10.0.0.0/8", "192.168.0.0/16", "y"]),
        ('["${ONE...}"]', ["a"]),
        ('["${NO...:-a, b}"]', ["a", "b"]),
        ('["${BLANK...:-a}"]', ["a"]),
        ('[x, "${NO...:-}"]', ["x"]),
        ("- ${CODES...}\n- 5xx\n", [429, 503, "5xx"]),
        ('["${CODES...}"]', ["429", "503"]),
        ('["$${NETS...}"]', ["${NETS...}"]),
        ('["${NESTED...}"]', ["${N}"]),
        ('["${NETS}"]', ["10.0.0.0/8, 192.168.0.0/16"]),
    ],
)
def test_a_variable_can_be_several_entries_of_a_list(text: str, entries: list[object]) -> None:
    document = parsed(text, ENV)[0]

    assert entries == plain(document)
    assert [f"[{index}]" for index in range(len(entries))] == [node.path for node in document.children()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('["${NO...}"]', NOT_SET),
        ('["${EMPTY...}"]', f"the variable EMPTY is empty; {EMPTY % 'EMPTY'}"),
        ('[x, "${BLANK...}"]', f"the variable BLANK is empty; {EMPTY % 'BLANK'}"),
        (
            '["${GAP...}"]',
            "entry 2 of 3 in the variable GAP is empty; expected something on both sides of each comma",
        ),
        (
            '["${NO...:-a,}"]',
            "entry 2 of 2 in the default of NO is empty; expected something on both sides of each comma",
        ),
        ('["${NO...:-}"]', "no entry is left in the list, with nothing in NO; expected at least one"),
        (
            '["${NO...:-}", "${EMPTY...:-}"]',
            "no entry is left in the list, with nothing in NO and EMPTY; expected at least one",
        ),
        ('["a ${NETS...}"]', ALONE),
        ('["${NETS...}${NETS...}"]', ALONE),
        ('{a: "${NETS...}"}', ALONE),
    ],
)
def test_entries_that_are_not_there_are_a_mistake_and_never_an_empty_list(text: str, message: str) -> None:
    wrong = [leaf.value for leaf in parsed(text, ENV)[0].leaves() if isinstance(leaf.value, Unresolved)]

    assert [Unresolved(message, malformed=message == ALONE)] == wrong


def test_aliases_of_a_list_have_the_same_entries() -> None:
    text = 'a: &a ["${NETS...}", "${NESTED...}"]\nb: *a\nc: [&c "${ONE...}", "${NETS...}"]\nd: [*c]\n'
    nets = ["10.0.0.0/8", "192.168.0.0/16"]

    document = parsed(text, ENV)[0]

    assert {"a": [*nets, "${N}"], "b": [*nets, "${N}"], "c": ["a", *nets], "d": ["a"]} == plain(document)


def test_an_entry_tells_which_piece_of_which_variable_it_is() -> None:
    document = parsed('["${NETS...}", "${NO...:-x}", "${NETS}", "${ONE}", "$${NETS:-a,b}"]', ENV)[0]

    assert [
        "entry 1 of 2 in the variable NETS",
        "entry 2 of 2 in the variable NETS",
        "entry 1 of 1 in the default of NO",
        "${NETS...} makes several entries of a variable with commas",
        "",
        "",
    ] == [node.origin for node in document.children()]


@given(st.text().filter(lambda text: "\x00" not in text))
def test_entries_are_text_and_as_many_as_there_are_commas(text: str) -> None:
    document = parsed('["${V...:-default}", z]', {"V": text})[0]
    entries = plain(document)

    if text.strip() and all(part.strip() for part in text.split(",")):
        assert [*(part.strip() for part in text.split(",")), "z"] == entries
    elif not text.strip():
        assert ["default", "z"] == entries
    else:
        assert isinstance(entries[0], Unresolved)


@given(st.text().filter(lambda text: "\x00" not in text))
def test_a_variable_never_adds_structure(text: str) -> None:
    node = Node("a ${V}", Source("a", ""))
    node.text = "a ${V}"

    interpolate(node, {"V": text})

    assert f"a {text}" == node.value


@given(st.text(alphabet="${}:-aN 1.,"))
def test_no_text_raises(text: str) -> None:
    node = Node(text, Source("a", ""))
    node.text, node.plain = text, True

    interpolate(node, ENV)

    assert isinstance(node.value, str | int | bool | Unresolved | None)
