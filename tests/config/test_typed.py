"""Schemas, lists, mappings and unions, typed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, field

from proxy.config.context import INVALID, Context
from proxy.config.nodes import Node, Source
from proxy.config.patterns import Name
from proxy.config.report import Report
from proxy.config.schema import Schema
from proxy.config.secrets import Secret
from proxy.config.shapes import shape_of
from proxy.config.typed import convert, located, to_struct
from proxy.config.units import Duration, HeaderName, Share, StatusSet
from tests.config.kinds import KINDS, in_context, messages


class Inner(Schema, frozen=True, kw_only=True):
    limit: int
    after: Duration | None = None


class Other(Schema, frozen=True, kw_only=True):
    url: str


class Outer(Schema, frozen=True, kw_only=True):
    inner: Inner
    by_name: dict[Name, Inner] = field(default_factory=dict)
    by_text: dict[HeaderName, int] = field(default_factory=dict)
    several: Annotated[tuple[Inner, ...], Meta(max_length=2)] = ()
    anything: Any = None
    either: Duration | Inner | Other | list[int] = Duration(1)
    which: Literal["a"] | int | Share = "a"
    from_: str = field(name="from", default="")
    nullable: int | None = 5

    def __post_init__(self) -> None:
        if self.from_ == "bad":
            raise ValueError("`from` is bad; expected good")

    def check(self) -> Iterator[tuple[str, str]]:
        if self.inner.limit > 10:
            yield "inner.limit", "above ten; expected less"
            yield "by_text.none", "none; expected one"
        for index, inner in enumerate(self.several):
            if inner.limit > 10:
                yield f"several[{index}].limit", "above ten too; expected less"


def built(text: str, **settings: Any) -> tuple[Outer | None, list[str]]:
    node, context = in_context(text, **settings)
    return to_struct(Outer, node, context), messages(context.report)


def test_all_kinds_of_shapes_are_built() -> None:
    outer, problems = built(
        """
        inner: {limit: 1, after: 3s, x-note: free}
        by_name: {a: {limit: 2}, x-b: {anything: goes}}
        by_text: {x-lower-case: 3}
        several: [{limit: 4}]
        anything: [1, {b: ~}]
        either: {limit: 5}
        which: 50%
        from: there
        nullable: ~
        x-anchor: [free]
        """
    )

    assert [] == problems
    assert outer == Outer(
        inner=Inner(limit=1, after=Duration(3)),
        by_name={Name("a"): Inner(limit=2)},
        by_text={HeaderName("x-lower-case"): 3},
        several=(Inner(limit=4),),
        anything=[1, {"b": None}],
        either=Inner(limit=5),
        which=Share(0.5),
        from_="there",
        nullable=None,
    )


def test_null_is_as_if_the_key_were_not_there() -> None:
    outer, problems = built("{inner: {limit: 1, after: ~}, several: ~, by_text: }")

    assert ([], Outer(inner=Inner(limit=1))) == (problems, outer)


def test_every_problem_is_reported_at_its_place() -> None:
    outer, problems = built(
        """\
inner: {limt: 1}
by_name: {a: 5, "b/c": {limit: 1}}
by_text: {"x y": z}
several: [{limit: 1}, {limit: a}, b]
either: {urls: 1}
which: b
form: x
"""
    )

    name = "'b/c' is no name; expected up to 63 letters, digits, `_`, `-`, `.`, such as per_client"
    assert outer is None
    assert [
        "1:1: inner: `limit` is missing; expected a whole number",
        '1:9: inner.limt: unknown key "limt"; did you mean `limit`?',
        "2:14: by_name.a: got the number 5; expected a mapping",
        f'2:17: by_name["b/c"]: {name}',
        "3:11: by_text[\"x y\"]: 'x y' is no header name; expected one such as X-Request-ID",
        '3:18: by_text["x y"]: got the text "z"; expected a whole number',
        '4:31: several[1].limit: got the text "a"; expected a whole number',
        '4:35: several[2]: got the text "b"; expected a mapping',
        "5:1: either: `limit` is missing; expected a whole number",
        '5:10: either.urls: unknown key "urls"; expected one of after, limit',
        '6:8: which: got the text "b"; expected a, a whole number or a value such as 20%',
        '7:1: form: unknown key "form"; did you mean `from`?',
    ] == problems


WHICH = "expected a, a whole number or a value such as 20%"
NO_DURATION = "'soon' is no duration; expected one with its unit, such as 250ms, 30s, 1h30m, 7d"
NOT_SET = "the variable NO is not set; expected it in the environment, or ${NO:-default}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("which: {}", f"2:8: which: got a mapping; {WHICH}"),
        ("which: []", f"2:8: which: got a list; {WHICH}"),
        ("either: soon", f"2:9: either: {NO_DURATION}"),
        ("either: [a]", '2:10: either[0]: got the text "a"; expected a whole number'),
        ("either: {url: 5}", "2:15: either.url: got the number 5; expected text in quotes"),
        ("by_name: []", "2:10: by_name: got a list; expected a mapping"),
        ("several: {}", "2:10: several: got a mapping; expected a list"),
        (
            "several: [{limit: 1}, {limit: 1}, {limit: 1}]",
            "2:10: several: got a list; expected at most 2 entries",
        ),
        ("anything: ['${NO}']", f"2:12: anything[0]: {NOT_SET}"),
        ("from: bad", "1:1: : `from` is bad; expected good"),
    ],
)
def test_a_shape_that_does_not_fit_is_told_in_words(text: str, problem: str) -> None:
    assert [problem] == built(f"inner: {{limit: 1}}\n{text}")[1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[1]", "1:1: : got a list; expected a mapping"),
        ("{inner: 5}", "1:9: inner: got the number 5; expected a mapping"),
        ("{inner: {limit: ~}}", "1:2: inner: `limit` is missing; expected a whole number"),
    ],
    ids=["a list", "a number", "a required null"],
)
def test_what_is_no_mapping_or_lacks_a_key_is_told_in_words(text: str, problem: str) -> None:
    assert [problem] == built(text)[1]


def test_rules_across_fields_are_all_reported_where_the_fields_stand() -> None:
    _, problems = built("{inner: {limit: 11}, several: [{limit: 1}, {limit: 12}], by_text: {a: 1}}")

    assert [
        "1:17: inner.limit: above ten; expected less",
        "1:52: several[1].limit: above ten too; expected less",
        "1:67: by_text: none; expected one",
    ] == problems


def test_a_null_in_a_union_that_has_none_is_told_in_words() -> None:
    node, context = in_context("~")

    assert INVALID is convert(shape_of(int | Share), node, context)
    assert ["1:1: : got nothing; expected a whole number or a value such as 20%"] == messages(context.report)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("{several: [{limit: 1}]}", []),
        ("{inner: {after: 1s}}", []),
        ("{inner: {limit: a}}", ['1:17: inner.limit: got the text "a"; expected a whole number']),
        ("{innr: {}}", ['1:2: innr: unknown key "innr"; did you mean `inner`?']),
        ("{several: [{after: 1s}]}", ["1:12: several[0]: `limit` is missing; expected a whole number"]),
    ],
    ids=["nothing required", "nothing required further in", "types", "keys", "a list is complete"],
)
def test_of_a_part_everything_is_checked_but_what_is_missing(text: str, problems: list[str]) -> None:
    assert (None, problems) == built(text, partial=True)


def test_a_secret_beside_a_wrong_key_is_hidden() -> None:
    class Holder(Schema, frozen=True, kw_only=True):
        hmac: list[Secret]

    node, context = in_context("{hmac: {a: hunter2}, hmacs: [hunter2]}")
    to_struct(Holder, node, context)

    assert 2 == len(context.report.problems())
    assert "hunter2" not in "\n".join(map(str, context.report.problems()))


def test_a_list_may_be_one_value_that_parses_itself() -> None:
    node, context = in_context("[429, 5xx]")

    assert StatusSet.parse([429, "5xx"]) == convert(shape_of(StatusSet | Inner), node, context)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", ""),
        ("a", "a"),
        ("a.b", "a.b"),
        ("a.b[1]", "a.b[1]"),
        ("a.b[1].c", "a.b[1].c"),
        ("a.b[9]", "a.b"),
        ("a.none.b", "a"),
        ("d.e.f", '["d.e"].f'),
        ("d.x", "d"),
        ("ab", ""),
    ],
)
def test_a_path_leads_to_a_value_or_to_what_is_around_it(path: str, found: str) -> None:
    node = in_context("{a: {b: [1, {c: 2}]}, d.e: {f: 1}, d: {g: 1}}")[0]

    assert found == located(node, path).path


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["30s", "10%"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["total", "mode", "secrets", "env", "file", "limit", "burst", "backoff", "base", "x-a", ""]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(VALUES, st.sampled_from(KINDS))
def test_no_value_raises(value: Any, kind: Any) -> None:
    def node_of(item: Any) -> Node:
        if isinstance(item, dict):
            item = {key: node_of(child) for key, child in item.items()}
        elif isinstance(item, list):
            item = [node_of(child) for child in item]
        node = Node(item, Source("a", ""))
        node.text = item if isinstance(item, str) else ""
        for step, child in enumerate(node.children()):
            node.adopt(step, child)
        return node

    report = Report()
    config = to_struct(kind.config, node_of(value), Context(report))

    assert isinstance(config, msgspec.Struct) is not bool(report)
