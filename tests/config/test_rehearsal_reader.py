"""`tests` and `test_secrets`, in a rehearsal and elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.loader import load
from proxy.config.rehearsals import RehearsalSecrets
from proxy.errors import ConfigError
from tests.config.kinds import KINDS, ROUTE, START, loaded, refused

SECRETS = "test_secrets: {env: {NO_SUCH: sesame}, files: {no/such: opened}, credentials: {alice: a}}\n"
SIGNED = START + ROUTE + "    policies: {webhook_signature: {secrets: [{env: NO_SUCH}, {file: no/such}]}}\n"


def a_test(name: str = "a", path: str = "/", extra: str = "") -> str:
    return f'  - {{name: {name}, steps: [{{request: {{path: "{path}"{extra}}}, expect: {{status: 200}}}}]}}\n'


def test_each_test_knows_where_it_stands(tmp_path: Path) -> None:
    configuration = loaded(START + ROUTE + "tests:\n" + a_test("a") + a_test("b"), tmp_path)

    assert [("a", f"{tmp_path}/a.yaml:7"), ("b", f"{tmp_path}/a.yaml:8")] == [
        (stated.test.name, stated.place) for stated in configuration.tests
    ]


def test_a_rehearsal_takes_secrets_and_files_of_the_tests(tmp_path: Path) -> None:
    configuration = loaded(SIGNED + SECRETS, tmp_path, rehearsal=True)
    config = configuration.routes[0].policies[0].config

    assert [b"sesame", b"opened"] == [secret.reveal() for secret in config.secrets]  # type: ignore[attr-defined]
    assert {"alice": "a"} == configuration.test_secrets.credentials


def test_nothing_else_takes_them(tmp_path: Path) -> None:
    problems = refused(SIGNED + SECRETS, tmp_path)
    plain = loaded(START + ROUTE + SECRETS, tmp_path)

    assert 2 == len(problems)
    assert RehearsalSecrets() == plain.test_secrets


def test_secrets_of_the_tests_stand_above_the_environment(tmp_path: Path) -> None:
    text = START + ROUTE + "tests:\n" + a_test(path="/${PORT}") + "test_secrets: {env: {PORT: theirs}}\n"
    paths = []
    for rehearsal in (False, True):
        request = loaded(text, tmp_path, rehearsal=rehearsal).tests[0].test.steps[0].request
        assert request is not None
        paths.append(request.path)

    assert ["/3000", "/theirs"] == paths


def test_a_variable_that_only_a_rehearsal_has_matters_only_there(tmp_path: Path) -> None:
    text = START + ROUTE + "tests:\n" + a_test(path="/${NO_SUCH}")

    assert () == loaded(text, tmp_path).tests
    assert ["7:40: tests[0].steps[0].request.path: the variable NO_SUCH is not set"] == [
        problem.partition(";")[0] for problem in refused(text, tmp_path, rehearsal=True)
    ]


def test_a_route_that_is_off_may_be_signed_for_and_one_that_is_not_there_may_not(tmp_path: Path) -> None:
    off = "  - {name: off, enabled: false, match: {path: /off}}\n"
    text = START + ROUTE + off + "tests:\n" + a_test(extra=", sign: off") + a_test("b", extra=", sign: of")

    assert ['9:51: tests[1].steps[0].request.sign: "of" is not a route; did you mean `off`?'] == refused(
        text, tmp_path
    )


def test_tests_of_a_folder_stand_in_any_file_and_their_secrets_once(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("version: 1\ntests:\n" + a_test("b") + SECRETS, encoding="utf-8")
    file = tmp_path / "a.yaml"
    file.write_text(START + ROUTE + "tests:\n" + a_test("a") + SECRETS, encoding="utf-8")
    with pytest.raises(ConfigError) as refusal:
        load(tmp_path, KINDS, env={})
    file.write_text(START + ROUTE + "tests:\n" + a_test("a"), encoding="utf-8")

    assert [f"`test_secrets` stands in {tmp_path}/a.yaml:8 already; expected once"] == [
        problem.message for problem in refusal.value.problems
    ]
    assert ["a", "b"] == [stated.test.name for stated in load(tmp_path, KINDS, env={}).tests]
