"""Single values, typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from proxy.config.context import INVALID, Context
from proxy.config.interpolate import interpolate
from proxy.config.nodes import Source
from proxy.config.patterns import Name
from proxy.config.report import Report
from proxy.config.secrets import PublicText, Secret
from proxy.config.shapes import shape_of
from proxy.config.typed import convert
from proxy.config.units import Duration, FilePath, HeaderValue, Network, Share, StatusSet
from proxy.config.upstream_url import UpstreamUrl
from proxy.config.yaml12 import parse
from tests.config.kinds import ENV, in_context, messages

NOT_SET = "the variable NO is not set; expected it in the environment, or ${NO:-default}"
NOT_A_NETWORK = (
    "10.0.0.1/8 has host bits set; expected an address such as 192.0.2.7 or a network such as 10.0.0.0/8"
)
URL_WITH_CREDENTIALS = (
    "the url has credentials in it; expected a url without, since every log would show them"
)
A_REFERENCE = "expected {env: NAME}, {file: path} or {sealed: TEXT}, or the option --allow-literal-secrets"
NO_NAME = "this cannot be the name of a variable; expected one such as WEBHOOK_SECRET"
NO_SEALED = "this cannot be a sealed value; expected one as `seawall seal` prints it"
NO_PATH = "this cannot be the path of a file; expected one such as /run/secrets/webhook"
UNREADABLE = "the file of the secret cannot be read: No such file or directory; expected a readable file"


def typed(annotation: Any, text: str, **settings: Any) -> tuple[Any, list[str]]:
    """The value, and what is wrong with it."""
    node, context = in_context(text, **settings)
    value = convert(shape_of(annotation), node, context)
    problems = [message.partition(": : ")[2] or message for message in messages(context.report)]
    assert (value is INVALID) is bool(problems)
    return value, problems


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (bool, "true", True),
        (bool, '"${NO:-false}"', False),
        (int, "0x1f", 31),
        (int, '"${PORT}"', 3000),
        (int, "${PORT}", 3000),
        (float, "1", 1.0),
        (float, "2.5", 2.5),
        (float, '"${NO:-1e3}"', 1000.0),
        (str, "'5'", "5"),
        (str, "${PORT}", "3000"),
        (str, "${NO:-true}", "true"),
        (str, "${NO:-0777}", "0777"),
        (str, "''", ""),
        (Literal["a", "1"], "a", "a"),
        (Literal["a", "1"], "${NO:-1}", "1"),
        (Literal[1, 2], '"${NO:-2}"', 2),
        (Duration, "1m", Duration(60)),
        (Share, "${NO:-50%}", Share(0.5)),
        (StatusSet, "[429, '50${NO:-2}-504']", StatusSet({429, 502, 503, 504})),
        (StatusSet, "404", StatusSet({404})),
        (HeaderValue, "0", "0"),
        (HeaderValue, "1.10", "1.10"),
        (HeaderValue, "TRUE", "TRUE"),
        (Name, "${PORT}", "3000"),
    ],
)
def test_a_value_that_fits_is_typed(annotation: Any, text: str, value: Any) -> None:
    actual, problems = typed(annotation, text)

    assert ([], value, type(value)) == (problems, actual, type(value)(actual).__class__)


@pytest.mark.parametrize(
    ("annotation", "text", "problem"),
    [
        (bool, "on", 'got the text "on"; expected true or false'),
        (bool, '"true"', 'got the text "true"; expected true or false'),
        (bool, "1", "got the number 1; expected true or false"),
        (int, "true", "got true; expected a whole number"),
        (int, "1.0", "got the number 1.0; expected a whole number"),
        (int, '"5"', 'got the text "5"; expected a whole number'),
        (int, "0777", 'got the text "0777"; expected a whole number'),
        (int, "[5]", "got a list; expected a whole number"),
        (int, "~", "got nothing; expected a whole number"),
        (float, ".inf", "got the number .inf; expected a number"),
        (float, ".nan", "got the number .nan; expected a number"),
        (float, "1e999", "got the number 1e999; expected a number"),
        (str, "5", "got the number 5; expected text in quotes"),
        (str, "false", "got false; expected text in quotes"),
        (str, "{a: b}", "got a mapping; expected text"),
        (Annotated[int, Meta(ge=2)], "1", "got the number 1; expected at least 2"),
        (Annotated[int, Meta(gt=2)], "2", "got the number 2; expected more than 2"),
        (Annotated[float, Meta(le=2)], "2.5", "got the number 2.5; expected at most 2"),
        (Annotated[float, Meta(lt=2)], "2", "got the number 2; expected less than 2"),
        (Annotated[str, Meta(min_length=1)], "''", 'got the text ""; expected at least 1 character'),
        (Annotated[str, Meta(max_length=2)], "abc", 'got the text "abc"; expected at most 2 characters'),
        (Annotated[str, Meta(pattern="^a")], "b", 'got the text "b"; expected text that matches ^a'),
        (Annotated[Duration, Meta(gt=0)], "0s", '"0s" is out of range; expected more than 0s'),
        (Literal["a", "b"], "c", 'got the text "c"; expected a or b'),
        (Literal[1], "true", "got true; expected 1"),
        (Duration, "30", "30 is no duration; expected one with its unit, such as 250ms, 30s, 1h30m, 7d"),
        (Network, "10.0.0.1/8", NOT_A_NETWORK),
        (HeaderValue, '" ${SECRET}"', "got a value; expected a value such as no-referrer"),
        (UpstreamUrl, '"http://hunter2@a b"', URL_WITH_CREDENTIALS),
        (Duration, "${NO}", NOT_SET),
        (str, "${NO}", NOT_SET),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_told_in_words(annotation: Any, text: str, problem: str) -> None:
    assert [problem] == typed(annotation, text)[1]


def test_every_variable_that_is_missing_in_a_list_is_reported() -> None:
    problems = typed(StatusSet, "['${NO}', '${ALSO_NO}']")[1]

    assert ["NO", "ALSO_NO"] == [problem.partition("variable ")[2].partition(" ")[0] for problem in problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{env: SECRET}", ENV["SECRET"]),
        ("{env: '${NO:-SECRET}'}", ENV["SECRET"]),
        ("{file: s.txt}", "in a file"),
    ],
    ids=["a variable", "a variable by a variable", "a file"],
)
def test_a_secret_is_read_from_where_it_is(tmp_path: Path, text: str, value: str) -> None:
    (tmp_path / "s.txt").write_text("in a file\n")

    assert Secret(value) == beside(tmp_path, Secret, text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hunter2", f"a secret stands here in clear; {A_REFERENCE}"),
        ("'${SECRET}'", f"a variable's value stands where a secret does; {A_REFERENCE}"),
        ("[hunter2]", "got a list; expected {env: NAME}, {file: path} or {sealed: TEXT}"),
        ("~", "got nothing; expected {env: NAME}, {file: path} or {sealed: TEXT}"),
        ("{envy: A}", '1:2: envy: unknown key "envy"; did you mean `env`?'),
        ("{}", "got 0 keys; expected either {env: NAME}, {file: path} or {sealed: TEXT}"),
        ("{env: A, file: b}", "got 2 keys; expected either {env: NAME}, {file: path} or {sealed: TEXT}"),
        ("{env: A}", "1:7: env: the variable A is not set; expected a secret in it"),
        ("{env: 5}", f"1:7: env: {NO_NAME}"),
        ("{env: hunter-2}", f"1:7: env: {NO_NAME}"),
        ("{file: [a]}", f"1:8: file: {NO_PATH}"),
        ("{file: /no/such}", f"1:8: file: {UNREADABLE}"),
        ("{sealed: [a]}", f"1:10: sealed: {NO_SEALED}"),
        ("{env: '${NO}'}", f"1:7: env: {NOT_SET}"),
    ],
)  # fmt: skip
def test_what_is_no_reference_to_a_secret_is_refused(text: str, problem: str) -> None:
    assert [problem] == typed(Secret, text)[1]


@pytest.mark.parametrize(
    ("text", "value"), [("hunter2", "hunter2"), ("'${SECRET}'", ENV["SECRET"]), ("12345", "12345")]
)
def test_a_literal_secret_is_taken_where_that_is_allowed(text: str, value: str) -> None:
    assert (Secret(value), []) == typed(Secret, text, allow_literal_secrets=True)


def test_an_empty_literal_is_no_secret() -> None:
    assert 1 == len(typed(Secret, "''", allow_literal_secrets=True)[1])


def test_where_nothing_is_built_secrets_and_files_may_be_missing() -> None:
    for annotation, text in ((Secret, "{env: NO}"), (Secret, "{file: no}"), (int, "${NO}")):
        node, context = in_context(text, lenient=True)
        assert INVALID is convert(shape_of(annotation), node, context)
        assert [] == messages(context.report)
    assert "no/such/file" == typed(FilePath, "no/such/file", lenient=True)[0]


def test_a_file_is_looked_for_beside_the_policy_file(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("x")

    assert str(tmp_path / "ca.crt") == beside(tmp_path, FilePath, "ca.crt")
    assert "/dev/null" != beside(tmp_path, FilePath, str(tmp_path / "ca.crt"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [("no.crt", "No such file or directory"), (".", "it is not a regular file")],
    ids=["missing", "a folder"],
)
def test_a_file_that_cannot_be_read_is_reported(text: str, reason: str) -> None:
    assert [f'"{text}" cannot be read: {reason}; expected a readable file'] == typed(FilePath, text)[1]


def beside(folder: Path, annotation: Any, text: str) -> Any:
    report = Report()
    node = parse(text.encode(), Source("a.yaml", "", folder), report)
    assert node is not None
    interpolate(node, ENV)
    return convert(shape_of(annotation), node, Context(report, ENV))


@pytest.mark.parametrize(
    ("text", "value"),
    [("a key", "a key"), ("{env: SECRET}", ENV["SECRET"]), ("'${SECRET}'", ENV["SECRET"])],
    ids=["in the file itself", "a variable", "interpolated"],
)
def test_a_public_text_stands_in_the_file_or_where_secrets_do(text: str, value: str) -> None:
    assert (PublicText(value), []) == typed(PublicText, text)


@pytest.mark.parametrize("text", ["5", "''", "[a]", "~", "{}", "{env: NO}"])
def test_what_is_no_public_text_is_refused(text: str) -> None:
    assert 1 == len(typed(PublicText, text)[1])
