"""What is meant by a name, a value, a mapping, a list."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest

from proxy.config.merge import merge
from proxy.config.nodes import Node, plain
from proxy.config.uses import Use, UseReader, kinds_in, layers, policy_of
from tests.config.kinds import KINDS, in_context, messages, parsed

KIND = {kind.name: kind for kind in KINDS}


def reader(definitions: str) -> tuple[UseReader, dict[str, Node]]:
    document = parsed(definitions)[0]
    known = document.value if isinstance(document.value, dict) else {}
    return UseReader({"rate_limit": known, "deadline": known}), known


def merged(
    text: str, default: str = "", definitions: str = "{}", kind: str = "rate_limit"
) -> tuple[Any, Any]:
    """What is in force, and whose the state is."""
    node, context = in_context(text)
    uses, known = reader(definitions)
    use = uses.read(KIND[kind], node, context)
    base = uses.read(KIND[kind], in_context(default)[0], context) if default else None
    assert isinstance(use, Use), messages(context.report)
    assert base is None or isinstance(base, Use)
    parts = list(layers(use, base, known))
    return plain(reduce(merge, parts[1:], merge(None, parts[0]))), policy_of(use, base)


@pytest.mark.parametrize(
    ("text", "default", "expected"),
    [
        ("{limit: 1}", "", ({"limit": 1}, None)),
        ("{}", "", ({}, None)),
        ("a", "", ({"limit": 10, "burst": 1}, "a")),
        ("{use: a, limit: 5}", "", ({"limit": 5, "burst": 1}, "a")),
        ("{use: a, burst: ~}", "", ({"limit": 10}, "a")),
        ("{limit: 1}", "{limit: 2, burst: 3}", ({"limit": 1, "burst": 3}, None)),
        ("{burst: ~}", "{limit: 2, burst: 3}", ({"limit": 2}, None)),
        ("{}", "{limit: 2}", ({"limit": 2}, None)),
        ("a", "{limit: 2, key: [x]}", ({"limit": 10, "burst": 1, "key": ["x"]}, "a")),
        ("{use: a, key: [y]}", "{limit: 2, key: [x]}", ({"limit": 10, "burst": 1, "key": ["y"]}, "a")),
        ("{mode: shadow}", "a", ({"limit": 10, "burst": 1, "mode": "shadow"}, "a")),
        ("{mode: shadow}", "{use: a, limit: 3}", ({"limit": 3, "burst": 1, "mode": "shadow"}, "a")),
        ("b", "{use: a, key: [x]}", ({"limit": 20, "key": ["x"]}, "b")),
        ("a", "{use: a, limit: 3}", ({"limit": 3, "burst": 1}, "a")),
        ("{use: ~, limit: 1}", "{use: a, key: [x]}", ({"limit": 1, "key": ["x"]}, None)),
    ],
    ids=[
        "inline",
        "inline and empty",
        "a name",
        "a name and more",
        "a name and less",
        "inline over inline",
        "null removes what the default says",
        "nothing over a default",
        "a name over an inline default keeps what the name says",
        "a name and more over an inline default",
        "more over a default name",
        "more over a default name and more",
        "another name leaves nothing of the default's",
        "the same name as the default's",
        "without the default's name",
    ],
)
def test_what_is_in_force(text: str, default: str, expected: tuple[Any, Any]) -> None:
    assert expected == merged(text, default, "{a: {limit: 10, burst: 1}, b: {limit: 20}}")


def test_lists_replace_and_mappings_merge() -> None:
    assert ({"key": ["b"], "n": {"x": 1, "y": 2}}, None) == merged(
        "{key: [b], n: {y: 2}}", "{key: [a], n: {x: 1}}"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", ({"total": "30s"}, None)),
        ("5", ({"total": 5}, None)),
        ("slow", ({"total": "60s"}, "slow")),
        ("{total: 1s}", ({"total": "1s"}, None)),
        ("wrong", ({"total": "wrong"}, None)),
    ],
    ids=["a value", "a wrong value", "a name", "a mapping", "neither a value nor close to a name"],
)
def test_a_bare_value_stands_for_a_field(text: str, expected: tuple[Any, Any]) -> None:
    assert expected == merged(text, "", "{slow: {total: 60s}}", "deadline")


def test_what_is_nearly_a_name_is_no_value() -> None:
    node, context = in_context("slwo")
    uses, _ = reader("{slow: {total: 60s}}")

    assert uses.read(KIND["deadline"], node, context) is None
    assert ['1:1: : "slwo" is not the name of a deadline policy; did you mean `slow`?'] == messages(
        context.report
    )


NOT_A_NAME = "expected a mapping, or a name under policies"
NOT_SET = "the variable NO is not set; expected it in the environment, or ${NO:-default}"
NO_NAME = "expected one in each inline entry, to tell their states apart"


@pytest.mark.parametrize(
    ("kind", "text", "problem"),
    [
        ("rate_limit", "c", '1:1: : "c" is not the name of a rate_limit policy; expected one of a, b'),
        ("retry", "c", f'1:1: : "c" is not the name of a retry policy; {NOT_A_NAME}.retry'),
        (
            "rate_limit",
            "{use: 5}",
            "1:7: use: this is not the name of a rate_limit policy; expected one of a, b",
        ),
        ("rate_limit", "5", "1:1: : got the number 5; expected a name, a mapping or a list of them"),
        ("rate_limit", "true", "1:1: : got true; expected a name, a mapping or a list of them"),
        ("rate_limit", "'${NO}'", f"1:1: : {NOT_SET}"),
        ("rate_limit", "{use: '${NO}'}", f"1:7: use: {NOT_SET}"),
        ("rate_limit", "[a, ~]", "1:5: [1]: got nothing; expected a name, a mapping or a list of them"),
        ("rate_limit", "[a, a]", '1:5: [1]: "a" stands twice; expected once'),
        ("rate_limit", "[{}, {}]", f"1:2: [0]: `name` is missing; {NO_NAME}"),
        ("rate_limit", "[{name: x}, {name: x}]", '1:13: [1]: "x" stands twice; expected once'),
        ("rate_limit", "[{name: 5}]", "1:9: [0].name: 5 is no name; expected up to 63 letters"),
        ("rate_limit", "[{name: x, use: a}]", "1:3: [0].name: `name` is for entries without `use`"),
        (
            "webhook_signature",
            "hunter2",
            f"1:1: : this is not the name of a webhook_signature policy; {NOT_A_NAME}",
        ),
        ("deadline", "[[]]", "1:2: [0]: got a list; expected a value for `total`, a name, a mapping"),
    ],
)
def test_what_means_nothing_is_reported(kind: str, text: str, problem: str) -> None:
    node, context = in_context(text)
    uses, _ = reader("{a: {}, b: {}}")

    assert uses.read(KIND[kind], node, context) is None
    assert [True] == [message.startswith(problem) for message in messages(context.report)]


def test_no_literal_secret_is_shown_where_a_name_is_expected() -> None:
    for text in ("hunter2", "[hunter2]", "{use: hunter2}"):
        node, context = in_context(text)
        reader("{}")[0].read(KIND["webhook_signature"], node, context)
        assert context.report
        assert "hunter2" not in "".join(map(str, context.report.problems()))


def test_the_entries_of_a_list_are_told_apart_by_their_names() -> None:
    node, context = in_context("[a, {use: b, limit: 1}, {limit: 2}]")
    uses = reader("{a: {}, b: {}}")[0].read(KIND["rate_limit"], node, context)
    named, _ = in_context("[{name: x, limit: 1}, {name: y}]")
    labelled = reader("{}")[0].read(KIND["rate_limit"], named, context)

    assert isinstance(uses, tuple)
    assert isinstance(labelled, tuple)
    assert [("a", {}), ("b", {"limit": 1}), (None, {"limit": 2})] == [
        (u.policy, plain(u.fields)) for u in uses
    ]
    assert [("x", {"limit": 1}), ("y", {})] == [(use.label, plain(use.fields)) for use in labelled]


def test_an_empty_list_is_no_policy() -> None:
    node, context = in_context("[]")

    assert () == reader("{}")[0].read(KIND["rate_limit"], node, context)


def test_names_that_were_used_are_remembered() -> None:
    node, context = in_context("[a]")
    uses, _ = reader("{a: {}, b: {}}")
    uses.read(KIND["rate_limit"], node, context)

    assert {("rate_limit", "a")} == uses.used


def test_unknown_kinds_are_reported_and_free_keys_are_not() -> None:
    node, report = parsed("{deadline: 3s, x-free: 1, retri: 5, token: hunter2}")

    assert ["deadline"] == list(kinds_in(node, KIND, report))
    known = "deadline, rate_limit, retry, security_headers, webhook_signature"
    assert [
        '1:27: retri: unknown policy "retri"; did you mean `retry`?',
        f'1:37: token: unknown policy "token"; expected one of {known}',
    ] == messages(report)
    assert "hunter2" not in report.problems()[0].excerpt
