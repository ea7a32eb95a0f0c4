"""Collecting problems."""

from __future__ import annotations

import pytest

from proxy.config.nodes import Node, Source
from proxy.config.report import MAX_PROBLEMS, Report, did_you_mean, looks_secret
from tests.config.kinds import parsed


def child(document: Node, *keys: str) -> Node:
    for key in keys:
        assert isinstance(document.value, dict)
        document = document.value[key]
    return document


def test_problems_come_in_the_order_of_files_and_lines() -> None:
    document, report = parsed("a: 1\nb: {c: 2}\n")
    report.begin("first.yaml")
    report.begin("a.yaml")
    report.add(child(document, "b", "c"), "late")
    report.add(child(document, "a"), "early")
    report.add(child(document, "b"), "at its key", at_key=True)
    report.add_file("first.yaml", "unreadable")
    report.add_at(Source("last.yaml", "x: y"), 1, 4, "unparsable")

    assert [
        "first.yaml: unreadable",
        "a.yaml:1:4: a: early\na: 1\n   ^",
        "a.yaml:2:1: b: at its key\nb: {c: 2}\n^",
        "a.yaml:2:8: b.c: late\nb: {c: 2}\n       ^",
        "last.yaml:1:4: unparsable\nx: y\n   ^",
    ] == [str(problem) for problem in report.problems()]


def test_a_problem_that_several_routes_run_into_is_reported_once() -> None:
    document, report = parsed("a: 1\n")
    for _ in range(3):
        report.add(child(document, "a"), "wrong")

    assert 1 == len(report.problems())


def test_warnings_are_no_problems() -> None:
    document, report = parsed("a: 1\n")
    report.warn(document, "odd")
    report.warn_file("b.yml", "not read")

    assert (False, ["a.yaml:1:1: odd\na: 1\n^", "b.yml: not read"]) == (
        bool(report),
        [str(warning) for warning in report.warnings()],
    )


def test_what_is_masked_later_is_hidden_in_what_was_reported_earlier() -> None:
    document, report = parsed("{a: 1, b: [x, {c: y}]}\n")
    report.add(child(document, "a"), "wrong")
    report.mask(child(document, "b"))

    assert "{a: 1, b: ***}\n    ^" == report.problems()[0].excerpt


def test_only_the_userinfo_of_a_url_is_hidden() -> None:
    document, report = parsed('a: "http://u p@b/c"\n')
    report.mask_userinfo(child(document, "a"))
    report.add(document, "wrong")

    assert 'a: "http://***@b/c"' == report.problems()[0].excerpt.partition("\n")[0]


def test_of_what_nobody_understands_the_keys_decide_what_is_hidden() -> None:
    document, report = parsed("{a: {burst: 1, api-key: x, nested: {my_token: [y]}}, password: z}\n")
    for node in document.children():
        report.mask_untyped(node)
    report.add(document, "wrong")

    shown = "{a: {burst: 1, api-key: ***, nested: {my_token: ***}}, password: ***}"
    assert shown == report.problems()[0].excerpt.partition("\n")[0]


def test_schemas_name_further_keys_of_secrets() -> None:
    report = Report(["hmac"])

    assert [True, True, False] == [report.is_secret(key) for key in ("hmac", "secrets", "limit")]


def test_a_line_that_could_not_be_parsed_is_hidden_by_its_keys() -> None:
    report = Report(["hmac"])
    source = Source("a.yaml", "hmac: x: y")
    report.add_at(source, 1, 7, "no YAML")
    report.unparsed(source)

    assert "hmac: ***" == report.problems()[0].excerpt.partition("\n")[0]


def test_an_entry_is_hidden_with_its_key() -> None:
    document, report = parsed("{a: 1, hunter2: x, b: 2}\n")
    report.mask_entry(child(document, "hunter2"))
    report.add(child(document, "hunter2"), "wrong", at_key=True)
    (problem,) = report.problems()

    assert ("[***]", "{a: 1, ***, b: 2}") == (problem.path, problem.excerpt.partition("\n")[0])


def test_the_word_with_which_a_value_begins_is_hidden() -> None:
    document, report = parsed("a: b c\n")
    report.mask_word(child(document, "a"))
    report.add(document, "wrong")

    assert "a: *** c" == report.problems()[0].excerpt.partition("\n")[0]


def test_userinfo_is_hidden_in_messages_and_paths() -> None:
    document, report = parsed("{'http://hunter2@a': 1}\n")
    report.add(child(document, "http://hunter2@a"), "'http://hunter2@a' is wrong")

    assert "hunter2" not in str(report.problems()[0])


def test_a_problem_that_shows_later_is_rendered_and_not_kept() -> None:
    document, report = parsed("{a: 1, b: x}\n")
    report.mask(child(document, "b"))

    problem = report.problem(child(document, "a"), "wrong", at_key=True)

    assert ("a.yaml:1:2: a: wrong\n{a: 1, b: ***}\n ^", False) == (str(problem), bool(report))


def test_very_many_problems_are_cut_off_and_that_is_said() -> None:
    document, report = parsed(f"[{'x,' * (MAX_PROBLEMS + 5)}]\n")
    for node in document.children():
        report.add(node, "wrong")
    problems = report.problems()

    assert (MAX_PROBLEMS + 1, "there are more problems than these 1000") == (
        len(problems),
        problems[-1].message,
    )


@pytest.mark.parametrize(
    ("word", "known", "hint"),
    [
        ("brust", ["burst", "limit"], "; did you mean `burst`?"),
        ("zzz", ["burst", "limit"], "; expected one of burst, limit"),
        ("zzz", ["limit"], "; expected limit"),
        ("zzz", [], ""),
        (
            "zzz",
            [f"n{i:02}" for i in range(20)],
            "; expected one of " + ", ".join(f"n{i:02}" for i in range(12)) + ", ...",
        ),
        ("route-0300x", [f"route-{i:04}" for i in range(1000)] + ["other"], "; did you mean `route-0300`?"),
        ("othr", [f"route-{i:04}" for i in range(1000)] + ["other"], "; did you mean `other`?"),
    ],
    ids=["close", "not close", "one", "none", "many", "very many alike", "very many others"],
)
def test_a_hint_names_what_is_close_else_what_there_is(word: str, known: list[str], hint: str) -> None:
    assert hint == did_you_mean(word, known)


def test_past_the_last_problem_no_hint_is_looked_for() -> None:
    document, report = parsed(f"[{'x,' * MAX_PROBLEMS}]\n")
    before = report.hint("a", ["b"])
    for node in document.children():
        report.add(node, "wrong")

    assert ("; expected b", "") == (before, report.hint("a", ["b"]))


def test_a_long_message_is_shortened_in_the_middle() -> None:
    document, report = parsed("a: 1\n")
    report.add(document, f"{'x' * 5000} is wrong; expected less")

    message = report.problems()[0].message
    assert (803, True) == (len(message), message.endswith("xx is wrong; expected less"))


def test_keys_that_read_like_secrets_are_known() -> None:
    keys = [
        "client_secret",
        "accessToken",
        "PASSWORD",
        "private-key",
        "apikey",
        "Authorization",
        "limit",
        "key",
        "on_missing_secret",
    ]

    assert [True] * 6 + [False] * 3 == [looks_secret(key) for key in keys]
