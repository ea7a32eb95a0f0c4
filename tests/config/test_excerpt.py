"""What is shown of the line of a problem."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.excerpt import Mask, Masks, excerpt, mask_by_key, mask_comment, mask_userinfo
from proxy.config.nodes import Source


def shown(text: str, line: int, column: int, *masks: Mask) -> list[str]:
    return excerpt(Source("a.yaml", text), line, column, masks).split("\n")


def test_a_caret_stands_under_the_column() -> None:
    assert ["key: value", "     ^"] == shown("first\nkey: value\n", 2, 6)


def test_tabs_keep_the_caret_in_its_place() -> None:
    assert ["\tkey: value", "\t     ^"] == shown("\tkey: value", 1, 7)


def test_a_caret_behind_the_line_stands_at_its_end() -> None:
    assert ["key:", "    ^"] == shown("key:", 1, 99)


@pytest.mark.parametrize("line", [0, 2, 9], ids=["the whole file", "blank", "past the end"])
def test_where_there_is_no_line_nothing_is_shown(line: int) -> None:
    assert [""] == shown("key: value\n  \n", line, 1)


def test_characters_that_could_confuse_a_terminal_are_replaced() -> None:
    assert ["a�b", "  ^"] == shown("a\x1bb", 1, 3)


def test_of_a_long_line_the_surroundings_of_the_caret_are_shown() -> None:
    line, caret = shown("a" * 500 + "X" + "b" * 500, 1, 501)

    assert ("..." + "a" * 70 + "X" + "b" * 69 + "...", " " * 73 + "^") == (line, caret)


def test_of_a_very_long_line_only_the_surroundings_are_looked_at() -> None:
    line, caret = shown("a" * 500_000 + "X" + "b" * 500_000, 1, 500_001)

    assert ("X", 146) == (line[len(caret) - 1], len(line))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (1, ["k: ***, l: m", "^"]),
        (4, ["k: ***, l: m", "   ^"]),
        (6, ["k: ***, l: m", "   ^"]),
        (12, ["k: ***, l: m", "        ^"]),
    ],
    ids=["before", "at its start", "within", "behind"],
)
def test_a_secret_is_hidden_and_the_caret_moves_with_the_text(column: int, expected: list[str]) -> None:
    assert expected == shown("k: secret, l: m", 1, column, Mask((1, 4), (1, 10)))


@pytest.mark.parametrize(
    ("line", "expected"),
    [(1, "k: ***"), (2, "  ***"), (3, "***, l: m")],
    ids=["its first line", "between", "its last line"],
)
def test_every_line_of_a_long_secret_is_hidden(line: int, expected: str) -> None:
    assert expected == shown('k: "one\n  two\nthree", l: m', line, 1, Mask((1, 4), (3, 7)))[0]


def test_secrets_that_touch_are_hidden_as_one() -> None:
    assert "***" == shown("abcdef", 1, 1, Mask((1, 1), (1, 4)), Mask((1, 3), (1, 7)))[0]


def test_what_stands_before_the_at_sign_of_a_url_is_hidden_everywhere() -> None:
    assert "url: http://***@b, c: https://***@e" == shown("url: http://a:p@x@b, c: https://d@e", 1, 1)[0]


def test_a_password_with_a_space_in_it_is_hidden_where_the_value_is_known_as_a_url() -> None:
    mask = Mask((1, 6), (1, 24), userinfo_only=True)

    assert 'url: "http://***@b", c: d@e' == shown('url: "http://a:p w@b", c: d@e', 1, 1, mask)[0]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a:b@c", "http://***@c"),
        ("http://c", "http://c"),
        ("a@b", "a@b"),
        ("http://a@b@c", "http://***@c"),
        ("ht//a@b", "ht//***@b"),
    ],
)
def test_userinfo_is_hidden_in_messages(url: str, expected: str) -> None:
    assert expected == mask_userinfo(url)


BROKEN = """\
routes:
  - name: a
    secrets:
      - one
      - {env: two}
    burst: 5
    far: 1
    from: 2
    it: 3

    more: {secrets: three}
  - secrets:
    - four
    other: five
"secret" : six
flow: {secrets: [
seven,
eight]}

"a":1}

{"a":"b","secrets":["nine"]
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (2, "  - name: a"),
        (4, "***"),
        (5, "***"),
        (6, "***"),
        (9, "    it: 3"),
        (10, ""),
        (11, "    more: {secrets: ***"),
        (13, "***"),
        (15, '"secret" : ***'),
        (17, "***"),
        (18, "***"),
        (22, '{"a":"b","secrets":***'),
    ],
)
def test_of_a_line_that_cannot_be_parsed_all_under_the_key_of_a_secret_is_hidden(
    line: int, expected: str
) -> None:
    source = Source("a.yaml", BROKEN)
    masks = mask_by_key(source, line, lambda key: "secret" in key)

    assert expected == excerpt(source, line, 1, masks).partition("\n")[0]


def test_masks_are_found_by_line() -> None:
    masks = Masks()
    short, long = Mask((2, 1), (2, 5)), Mask((3, 1), (5, 2))
    masks.add(short)
    masks.add(long)

    assert [[], [short], [long], [long], []] == [masks.of(line) for line in (1, 2, 3, 5, 6)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("burst: 5 # token: x", "burst: 5 #***"),
        ("burst: 5 # enough", "burst: 5 # enough"),
        ("# secret: x", "#***"),
        ("burst: a#secret: x", "burst: a#secret: x"),
        ("burst: 5", "burst: 5"),
    ],
)
def test_of_a_comment_what_stands_behind_the_key_of_a_secret_is_hidden(line: str, expected: str) -> None:
    source = Source("a.yaml", line)
    masks = mask_comment(source, 1, lambda key: key in ("token", "secret"))

    assert expected == excerpt(source, 1, 1, masks).partition("\n")[0]


def test_a_comment_beside_a_secret_is_hidden() -> None:
    assert "- *** #***" == shown("- abc # def", 1, 1, Mask((1, 3), (1, 6)))[0]


@given(st.text(alphabet="ab :@/\t\n"), st.integers(1, 5), st.integers(1, 40), st.data())
def test_nothing_of_a_secret_is_shown_wherever_it_stands(
    text: str, line: int, column: int, data: st.DataObject
) -> None:
    source = Source("a.yaml", text + "SECRET\n" + text)
    number = text.count("\n") + 1
    start = len(text.rpartition("\n")[2]) + 1
    end = data.draw(st.integers(start + 6, start + 9))

    for where in (line, number):
        assert "SECRET" not in excerpt(source, where, column, [Mask((number, start), (number, end))])
