"""Variables in values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.interpolate import interpolate
from proxy.config.nodes import Node, Source, Unresolved, plain
from tests.config.kinds import parsed

ENV = {"N": "10", "T": "true", "S": "text", "EMPTY": "", "NULL": "null", "NESTED": "${N}", "BAD": "a: [b"}


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


def test_a_value_remembers_that_a_variable_was_in_it() -> None:
    document = parsed("[a, '${N}', '$${N}', '${NO:-b}', '${NO}']", ENV)[0]

    assert [False, True, False, True, True] == [node.interpolated for node in document.children()]


def test_lists_and_mappings_are_filled_in() -> None:
    text = """a: ["${S}", {b: "${N}"}]\nc:\n  - ${N}\n"""

    assert {"a": ["text", {"b": "10"}], "c": [10]} == plain(parsed(text, ENV)[0])


def test_what_aliases_share_is_read_once() -> None:
    document = parsed("x: &x {a: '$${N}', b: '${NESTED}'}\ny: *x\nz: {<<: *x}\n", ENV)[0]

    assert [{"a": "${N}", "b": "${N}"}] * 3 == list(plain(document).values())


@given(st.text().filter(lambda text: "\x00" not in text))
def test_a_variable_never_adds_structure(text: str) -> None:
    node = Node("a ${V}", Source("a", ""))
    node.text = "a ${V}"

    interpolate(node, {"V": text})

    assert f"a {text}" == node.value


@given(st.text(alphabet="${}:-aN 1"))
def test_no_text_raises(text: str) -> None:
    node = Node(text, Source("a", ""))
    node.text, node.plain = text, True

    interpolate(node, ENV)

    assert isinstance(node.value, str | int | bool | Unresolved | None)
