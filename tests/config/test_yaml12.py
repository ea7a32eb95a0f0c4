"""Which YAML is read, and as what."""

from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import yaml12
from proxy.config.nodes import Source, plain
from proxy.config.report import Report
from proxy.config.yaml12 import MAX_COPIES, MAX_DEPTH, parse, typed_scalar
from tests.config.kinds import messages, parsed


def problems(data: bytes | str) -> list[str]:
    report = Report()
    parse(data.encode() if isinstance(data, str) else data, Source("a.yaml", ""), report)
    return messages(report)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("True", True), ("TRUE", True), ("false", False),
        ("null", None), ("~", None), ("", None),
        ("on", "on"), ("off", "off"), ("yes", "yes"), ("no", "no"), ("y", "y"),
        ("tRue", "tRue"), ("NO", "NO"),
        ("0", 0), ("-0", 0), ("+12", 12), ("-12", -12), ("0x1F", 31), ("0o17", 15),
        ("0777", "0777"), ("007", "007"), ("0b1", "0b1"), ("1_000", "1_000"), ("0x", "0x"), ("0o8", "0o8"),
        ("12:30", "12:30"), ("1:2:3", "1:2:3"), ("2001-01-01", "2001-01-01"), ("=", "="), ("<<", "<<"),
        ("1.5", 1.5), ("1.", 1.0), (".5", 0.5), ("-.5e3", -500.0), ("1e3", 1000.0), ("1e", "1e"),
        (".", "."),
        ("1.2.3", "1.2.3"), ("10.0.0.0/8", "10.0.0.0/8"), ("-", "-"), ("+", "+"),
        ("30s", "30s"), ("50%", "50%"),
        (".inf", math.inf), ("-.INF", -math.inf), ("+.Inf", math.inf), (".Infinity", ".Infinity"),
        ("1e999", math.inf),
        ("9" * 18, int("9" * 18)), ("9" * 19, "9" * 19), ("9" * 5000, "9" * 5000),
    ],
)  # fmt: skip
def test_a_scalar_without_quotes_has_the_type_of_yaml_1_2(text: str, value: object) -> None:
    actual = typed_scalar(text)

    assert (type(value), value) == (type(actual), actual)


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_not_a_number_is_one_in_yaml(text: str) -> None:
    assert math.isnan(typed_scalar(text))


@given(st.text())
def test_any_text_has_a_type(text: str) -> None:
    assert isinstance(typed_scalar(text), bool | int | float | str | None)


@pytest.mark.parametrize("text", ["'true'", '"true"', "|-\n  true", ">-\n  true"])
def test_a_scalar_in_quotes_or_a_block_is_text(text: str) -> None:
    assert "true" == parsed(text)[0].value


def test_keys_are_the_text_that_was_written() -> None:
    text = "on: 1\n429: 2\n~: 3\n'a b': 4\n"

    assert {"on": 1, "429": 2, "~": 3, "a b": 4} == plain(parsed(text)[0])


def test_merge_keys_yield_to_what_is_written_and_to_what_is_merged_earlier() -> None:
    text = (
        "x: &x {a: 1, b: 1, c: 1}\ny: &y {b: 2, d: 2}\nz: {c: 3, <<: [*y, *x]}\nw: {<<: *x, a: 4}\n'<<': 5\n"
    )
    document = plain(parsed(text)[0])

    assert {"c": 3, "b": 2, "d": 2, "a": 1} == document["z"]
    assert {"a": 4, "b": 1, "c": 1} == document["w"]
    assert 5 == document["<<"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\n<<: 5\n", '2:5: ["<<"]: `<<` merges mappings; expected an alias of one, or a list of such'),
        (
            "<<: [{a: 1}, b]\n",
            '1:14: ["<<"][1]: `<<` merges mappings; expected an alias of one, or a list of such',
        ),
        (
            "<<: {a: 1}\n<<: {b: 1}\n",
            '2:1: ["<<"]: `<<` stands twice; expected once, and it stands in line 1 already',
        ),
        (
            "a: 1\nb: {c: 1, c: 2}\n",
            "2:11: b.c: `c` stands twice; expected once, and it stands in line 2 already",
        ),
        (
            "!t {a: !!str 1}",
            "1:8: a: a tag is not allowed; expected a value without one",
        ),
    ],
    ids=["merging a scalar", "merging a list with one", "merging twice", "a key twice", "tags"],
)
def test_what_is_wrong_within_a_document_is_reported_and_read_over(text: str, problem: str) -> None:
    assert problem in problems(text)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("", "1:1: : the file is empty"),
        ("# nothing", "1:1: : the file is empty"),
        ("a: 1\n---\nb: 1", "2:1: : a second document starts here"),
        ("a: *b", "1:4: : this alias stands for nothing"),
        ("a: &a {b: *a}", "1:11: : this alias stands for nothing"),
        ("? {a: b}\n: c", "1:3: : this cannot be a key"),
        ("? *a\n: c", "1:3: : this cannot be a key"),
        ("&k a: b", "1:1: : a key has a tag or an anchor"),
        ("a: b: c", "1:5: : this is not YAML: mapping values are not allowed"),
        (
            "a:\n\tb: 1",
            "2:1: : this is not YAML: found character that cannot start any token; indent with spaces",
        ),
        ("a: [1,\n  {b: c\n", "2:3: : this is not YAML: did not find expected ',' or '}'; close the bracket"),
        (
            "a: [b\nc: d",
            "2:2: : this is not YAML: did not find expected ',' or ']' (within what starts in line 1)",
        ),
        ('a: "\\q"', "1:5: : this is not YAML: found unknown escape character; in double quotes"),
        ("a: 'b\nc: d\n", "1:4: : this is not YAML: found unexpected end of stream; close the quote"),
        ("%FOO\n---\na: 1", "1:1: : this is not YAML: found unknown directive name"),
        ("- a\nb: 1", "2:1: : this is not YAML: did not find expected '-' indicator"),
        (
            "x: {path: /a/{b}}",
            "1:14: : this is not YAML: did not find expected ',' or '}'; between braces, quote",
        ),
        ("x: [${A}]", "1:6: : this is not YAML: did not find expected ',' or ']'; between braces, quote"),
        ("a${b}: c", "1:1: : variables are not put into keys"),
    ],
)
def test_what_cannot_be_read_is_located(text: str, start: str) -> None:
    assert [True] == [problem.startswith(start) for problem in problems(text)]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"a: 1\nb: \xff", "2:4: : the file is not UTF-8; expected UTF-8 text"),
        ("a: 1".encode("utf-16"), "1:1: : the file is not UTF-8; expected UTF-8 text"),
        (b"a: \0", "1:4: : the control character U+0000 cannot stand in YAML; expected text"),
        (b"a:\r\n b\x1b: 1", "2:3: : the control character U+001B cannot stand in YAML; expected text"),
        ("a: b\u2028c".encode(), "1:5: : the control character U+2028 cannot stand in YAML; expected text"),
    ],
    ids=["Latin-1", "UTF-16", "NUL", "escape", "line separator"],
)
def test_bytes_that_are_no_text_are_located(data: bytes, problem: str) -> None:
    assert [problem] == problems(data)


def test_a_byte_order_mark_is_read_over() -> None:
    assert [] == problems(b"\xef\xbb\xbfa: 1")


def test_the_version_directive_and_document_marks_are_allowed() -> None:
    assert {"a": 1} == plain(parsed("%YAML 1.2\n---\na: 1\n...\n")[0])


def test_nesting_is_bounded() -> None:
    deep = "[" * (MAX_DEPTH + 2)

    assert [f"1:{MAX_DEPTH + 2}: : this is nested too deep; expected at most {MAX_DEPTH} levels"] == problems(
        deep
    )
    assert [] == problems("[" * MAX_DEPTH + "]" * MAX_DEPTH)


def test_nesting_by_aliases_is_bounded_too() -> None:
    chain = "".join(f"- &a{n} [*a{n - 1}]\n" if n else "- &a0 [x]\n" for n in range(MAX_DEPTH + 1))

    assert [True] == ["stand for too much" in problem for problem in problems(chain)]


def test_many_aliases_of_something_small_are_fine_and_of_something_large_are_not() -> None:
    many = "- &a [x, y]\n" + "- *a\n" * 1000
    large = f"- &a [{'x, ' * 999}x]\n" + "- *a\n" * (MAX_COPIES // 1000 + 1)

    assert [] == problems(many)
    assert [True] == ["stand for too much" in problem for problem in problems(large)]


def test_positions_count_from_one_and_characters_rather_than_bytes() -> None:
    document = parsed("ключ: {é: x}\n")[0]
    assert isinstance(document.value, dict)
    (inner,) = document.value["ключ"].children()

    assert ((1, 8), 1, 11, (1, 12)) == (inner.key, inner.line, inner.column, inner.end)


def test_the_slower_parser_without_libyaml_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: &a {b: [1, 'x']}\nc: *a\nd: {<<: *a, e: |\n"
    good = text.replace("e: |", "e: f}")
    monkeypatch.setattr(yaml12, "_Loader", yaml.SafeLoader)

    assert {"b": [1, "x"], "e": "f"} == plain(parsed(good)[0])["d"]
    assert [True] == ["this is not YAML" in problem for problem in problems(text)]


def test_an_error_of_the_parser_that_has_no_place_is_still_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise yaml.YAMLError

    monkeypatch.setattr(yaml, "parse", fail)

    assert ["1:1: : this is not YAML; expected YAML 1.2"] == problems("a: 1")


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    report = Report()

    document = parse(data, Source("a.yaml", ""), report)

    assert document is not None or report
    assert all(problem.line > 0 and problem.column > 0 for problem in report.problems())


@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`,#?<\n\t ~1.", max_size=60))
def test_no_text_of_yaml_like_characters_raises(text: str) -> None:
    report = Report()

    document = parse(text.encode(), Source("a.yaml", ""), report)

    assert document is not None or report
