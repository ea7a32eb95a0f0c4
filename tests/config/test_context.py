"""Words for a value that does not fit, and what of it may be shown."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.config.context import INVALID, hide, unknown_key, unresolved, wrong
from proxy.config.secrets import Secret
from proxy.config.shapes import shape_of
from proxy.config.units import HeaderValue
from tests.config.kinds import in_context, messages


@pytest.mark.parametrize(
    ("annotation", "text", "message"),
    [
        (int, "many", 'got the text "many"; expected a whole number'),
        (list[Secret], "hunter2", "got a value; expected a list"),
        (list[Secret], "{a: hunter2}", "got a mapping; expected a list"),
        (HeaderValue, '"${SECRET}"', "got a value; expected a value such as no-referrer"),
        (HeaderValue, "plain", 'got the text "plain"; expected a value such as no-referrer'),
    ],
    ids=["a number", "a secret", "a mapping of secrets", "from the environment", "a header"],
)
def test_what_stands_there_is_said_where_it_is_no_secret(annotation: Any, text: str, message: str) -> None:
    node, context = in_context(text)

    assert INVALID is wrong(shape_of(annotation), node, context)
    assert [f"1:1: : {message}"] == messages(context.report)


def test_what_is_expected_can_be_said_otherwise() -> None:
    node, context = in_context("5")
    wrong(shape_of(str), node, context, "text in quotes")

    assert ["1:1: : got the number 5; expected text in quotes"] == messages(context.report)


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [(dict[str, Secret], "***"), (int, "{burst: 5, token: ***}")],
    ids=["where secrets are expected all of it", "elsewhere what reads like one"],
)
def test_what_could_not_be_typed_is_hidden(annotation: Any, shown: str) -> None:
    node, context = in_context("{burst: 5, token: x}")
    hide(shape_of(annotation), node, context)
    context.report.add(node, "wrong")

    assert shown == context.report.problems()[0].excerpt.partition("\n")[0]


@pytest.mark.parametrize(
    ("text", "lenient", "problems"),
    [
        ("${NO}", False, 1),
        ("${NO}", True, 0),
        ("${", False, 1),
        ("${", True, 1),
    ],
    ids=["missing", "missing where that does not matter", "malformed", "malformed where nothing matters"],
)
def test_a_variable_that_stands_for_nothing_is_a_problem_where_it_is_needed(
    text: str, lenient: bool, problems: int
) -> None:
    node, context = in_context(text, lenient=lenient)

    assert (True, problems) == (unresolved(node, context), len(context.report.problems()))


def test_other_values_are_resolved() -> None:
    assert not unresolved(*in_context("[1]"))


@pytest.mark.parametrize(
    ("annotation", "text", "message"),
    [
        (int, "{brust: 1}", '1:2: brust: unknown key "brust"; did you mean `burst`?'),
        (int, "{brust}", '1:2: brust: unknown key "brust"; did you mean `burst`?'),
        (int, '{url "http://hunter2"}', "1:2: [***]: this is not a key; expected burst"),
        (list[Secret], "{hunter2}", "1:2: [***]: this is not a key; expected burst"),
        (list[Secret], "{brust: 1}", '1:2: brust: unknown key "brust"; did you mean `burst`?'),
    ],
    ids=["a key", "a key alone", "no key", "a key alone among secrets", "a key among secrets"],
)
def test_an_unknown_key_is_shown_unless_it_was_meant_for_a_value(
    annotation: Any, text: str, message: str
) -> None:
    node, context = in_context(text)
    (child,) = node.children()

    assert not unknown_key(shape_of(annotation), ["burst"], child, context)
    assert [message] == messages(context.report)
    assert "hunter2" not in context.report.problems()[0].excerpt
