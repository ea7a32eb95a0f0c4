"""What operators read of reloads: each thing once, and in words."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from proxy.app.reload_log import ReloadLog
from proxy.config.configuration import Configuration
from proxy.config.loader import load
from proxy.errors import ConfigError, Problem
from proxy.policies import PIPELINE_ORDER
from tests.app.trial import UPSTREAM, Files, routes

Make = Callable[..., Configuration]


@pytest.fixture
def make(files: Files) -> Make:
    """A configuration of routes and their policies."""

    def make(**policies: str) -> Configuration:
        files.write(UPSTREAM + routes(**policies))
        return load(files.folder, PIPELINE_ORDER, env={})

    return make


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> ReloadLog:
    caplog.set_level(logging.INFO)
    return ReloadLog(0.0)


def refusal(message: str) -> ConfigError:
    return ConfigError([Problem("a.yaml", 3, 1, "routes", message)])


def test_what_changed_is_said_in_words(log: ReloadLog, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    before, after = make(shop="{deadline: 30s}"), make(shop="{deadline: 10s}")

    log.accepted(before, after, 5.0, watched=True)

    assert [f"revision {after.short_revision} is live: shop: deadline.total 30s → 10s"] == caplog.messages
    assert (("shop: deadline.total 30s → 10s",), True, 5.0) == (log.last_change, log.last.ok, log.last.at)


def test_a_new_revision_that_is_only_written_otherwise_is_told_as_such(
    log: ReloadLog, files: Files, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    before = make(shop="{deadline: 60s}")
    files.write(UPSTREAM + routes(shop="{deadline: 1m}") + "# that is the same\n")
    after = load(files.folder, PIPELINE_ORDER, env={})

    log.accepted(before, after, 5.0, watched=True)

    assert [f"revision {after.short_revision} is live; no value in it is different"] == caplog.messages


def test_a_secret_that_is_another_is_told_though_the_files_are_the_same(
    log: ReloadLog, files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    files.write(UPSTREAM + routes(hook="{webhook_signature: {scheme: github, secrets: [{env: SECRET}]}}"))
    before, after = (
        load(files.folder, PIPELINE_ORDER, env={"SECRET": f"{which}-horse-battery-staple"})
        for which in ("correct", "other")
    )

    log.accepted(before, after, 5.0, watched=True)

    told = "hook: webhook_signature.secrets: secret changed"
    assert [f"revision {after.short_revision} is live: {told}"] == caplog.messages


def test_of_very_many_changes_the_first_are_told(log: ReloadLog, make: Make) -> None:
    before = make(**{f"r{number}": "{deadline: 60s}" for number in range(50)})
    after = make(**{f"r{number}": f"{{deadline: {number + 1}s}}" for number in range(50)})

    log.accepted(before, after, 5.0, watched=True)

    assert (21, "and 30 more") == (len(log.last_change), log.last_change[-1])


def test_a_problem_is_told_once_however_often_it_is_seen(
    log: ReloadLog, caplog: pytest.LogCaptureFixture
) -> None:
    for at in (1.0, 2.0, 3.0):
        log.refused(refusal("is wrong"), at, bug=None, watched=True)
    log.refused(refusal("is still wrong"), 4.0, bug=None, watched=True)

    assert [False, True] == ["still" in message for message in caplog.messages]
    assert (False, 4.0, ("a.yaml:3:1: routes: is still wrong",)) == (
        log.last.ok,
        log.last.at,
        log.last.problems,
    )


def test_who_asks_is_told_again(log: ReloadLog, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        log.refused(refusal("is wrong"), 1.0, bug=None, watched=False)

    assert 2 == len(caplog.messages)


@pytest.mark.parametrize("watched", [True, False])
def test_a_refused_edit_that_is_taken_back_is_told_to_be_fine_again(
    log: ReloadLog, make: Make, caplog: pytest.LogCaptureFixture, watched: bool
) -> None:
    before = make(shop="{deadline: 30s}")
    log.refused(refusal("is wrong"), 1.0, bug=None, watched=watched)

    log.accepted(before, make(shop="{deadline: 30s}"), 2.0, watched=watched)

    said = f"revision {before.short_revision} is live, as before; its files are fine again"
    assert (said, True, ()) == (caplog.messages[-1], log.last.ok, log.last.problems)


def test_a_problem_that_comes_back_is_told_again(
    log: ReloadLog, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    before = make(shop="{}")
    log.refused(refusal("is wrong"), 1.0, bug=None, watched=True)
    log.accepted(before, make(shop="{}"), 2.0, watched=True)
    log.refused(refusal("is wrong"), 3.0, bug=None, watched=True)

    assert 2 == sum("is wrong" in message for message in caplog.messages)


@pytest.mark.parametrize(("watched", "lines"), [(True, 0), (False, 1)])
def test_a_file_that_is_only_touched_is_told_of_to_who_asked(
    log: ReloadLog, make: Make, caplog: pytest.LogCaptureFixture, watched: bool, lines: int
) -> None:
    before = make(shop="{}")

    log.accepted(before, make(shop="{}"), 2.0, watched=watched)

    assert lines == len(caplog.messages)


def test_what_changed_last_is_still_told_after_a_touch(log: ReloadLog, make: Make) -> None:
    before, after = make(shop="{deadline: 30s}"), make(shop="{deadline: 10s}")
    log.accepted(before, after, 1.0, watched=True)

    log.accepted(after, make(shop="{deadline: 10s}"), 2.0, watched=True)

    assert ("shop: deadline.total 30s → 10s",) == log.last_change


def test_a_bug_while_comparing_is_logged_and_ends_nothing(
    log: ReloadLog, make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("proxy.app.reload_log.changes", broken)
    after = make(shop="{}")

    log.accepted(make(shop="{deadline: 1s}"), after, 1.0, watched=True)

    assert (True, f"revision {after.short_revision} is live") == (log.last.ok, caplog.messages[-1])
    assert "ZeroDivisionError" in caplog.text


def test_a_warning_is_said_once_while_it_stands(log: ReloadLog, caplog: pytest.LogCaptureFixture) -> None:
    one, other = Problem("a.yaml", 1, 1, "", "not used"), Problem("a.yaml", 2, 1, "", "not used either")

    for warnings in ((one,), (one, other), (other,), (one,)):
        log.warned(warnings)

    assert [str(one), str(other), str(one)] == caplog.messages
