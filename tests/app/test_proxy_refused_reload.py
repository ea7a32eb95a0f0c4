"""A reload that fails changes nothing, is told, and ends nothing: wrong files or a bug of ours."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable

import pytest

from proxy.app.proxy import Proxy, read_policies
from proxy.app.settings import Settings
from proxy.errors import ConfigError
from tests.app.served import Served, served
from tests.app.trial import UPSTREAM, Files, routes
from tests.wire.harness import RawUpstream


async def revision(running: Served) -> str:
    return (await running.get()).headers["X-Revision"]


def with_a_bug(*_: object, **__: object) -> None:
    raise ZeroDivisionError("a bug in the loader: hunter2")


def unknown_key(running: Served, _: pytest.MonkeyPatch) -> None:
    running.edit("security_headers", "securty_headers")


def bad_template(running: Served, _: pytest.MonkeyPatch) -> None:
    running.edit("routes:", 'errors: {templates: {route.none: {text: "{{ nobody }}"}}}\nroutes:')


def bad_constructor(running: Served, _: pytest.MonkeyPatch) -> None:
    running.edit("    policies:\n", '    policies:\n      trial: {broken: "it cannot be"}\n')


def bug_in_a_constructor(running: Served, _: pytest.MonkeyPatch) -> None:
    running.edit("    policies:\n", "    policies:\n      trial: {bug: true}\n")


def bug_in_the_loader(_: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.app.proxy.load", with_a_bug)


def bug_in_the_table(_: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.app.serving.RoutingTable", with_a_bug)


def no_file(running: Served, _: pytest.MonkeyPatch) -> None:
    (running.files.folder / "a.yaml").unlink()


Damage = Callable[[Served, pytest.MonkeyPatch], None]

each_damage = pytest.mark.parametrize(
    ("damage", "says"),
    [
        pytest.param(unknown_key, "did you mean", id="a key that is unknown"),
        pytest.param(bad_template, "unknown placeholder", id="what only shows when it is compiled"),
        pytest.param(bad_constructor, "it cannot be", id="what a policy refuses"),
        pytest.param(no_file, "no policy file", id="no file"),
        pytest.param(bug_in_a_constructor, "because of a bug in Seawall", id="a bug in a policy"),
        pytest.param(bug_in_the_loader, "because of a bug in Seawall", id="a bug in the loader"),
        pytest.param(bug_in_the_table, "because of a bug in Seawall", id="a bug in the routing table"),
    ],
)


@each_damage
@pytest.mark.usefixtures("built")
async def test_a_reload_that_fails_changes_nothing_and_is_told(
    files: Files, upstream: RawUpstream, damage: Damage, says: str
) -> None:
    async with served(files, upstream) as running:
        text = (files.folder / "a.yaml").read_text()
        before = await revision(running), running.proxy.configuration
        with pytest.MonkeyPatch.context() as patching:
            damage(running, patching)
            with pytest.raises(ConfigError, match=re.escape(says)):
                await running.proxy.reload()
        after = await revision(running), running.proxy.configuration
        failed = running.proxy.details().last_reload, running.metrics()["seawall_config_last_reload_success"]
        files.write(text)
        await running.proxy.reload()
        mended = running.proxy.details().last_reload, running.metrics()["seawall_config_last_reload_success"]

    assert before == after
    assert (False, "0.0") == (failed[0].ok, failed[1])
    assert says in failed[0].problems[0]
    assert (True, (), "1.0") == (mended[0].ok, mended[0].problems, mended[1])
    assert 1 == upstream.connections


@each_damage
@pytest.mark.usefixtures("built")
async def test_a_reload_that_fails_forgets_no_state(
    files: Files, upstream: RawUpstream, damage: Damage, says: str
) -> None:
    files.write(
        f'version: 1\nupstreams: {{app: {{url: "http://127.0.0.1:{upstream.port}"}}}}\n'
        'routes:\n  - name: all\n    match: {path: "/app/**"}\n    policies:\n'
        "      security_headers: {preset: none, set: {X-Revision: one}}\n      trial: {after: 2}\n"
    )
    text = (files.folder / "a.yaml").read_text()
    async with served(files) as running:
        statuses = [(await running.get()).status_code for _ in range(2)]
        with pytest.MonkeyPatch.context() as patching:
            running.edit("      trial: {after: 2}\n", "")
            damage(running, patching)
            with pytest.raises(ConfigError, match=re.escape(says)):
                await running.proxy.reload()
        files.write(text)
        await running.proxy.reload()
        statuses.append((await running.get()).status_code)

    assert [200, 200, 429] == statuses


async def test_a_bug_is_in_the_log_and_not_in_what_is_told(
    files: Files, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(files, upstream) as running:
        bug_in_the_loader(running, monkeypatch)
        with pytest.raises(ConfigError) as refused:
            await running.proxy.reload()

    assert f"{files.folder}: cannot be loaded, because of a bug in Seawall; its log has more" == str(
        refused.value
    )
    assert "ZeroDivisionError: a bug in the loader" in caplog.text


async def test_problems_are_logged_as_check_prints_them(
    files: Files, upstream: RawUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(files, upstream) as running:
        running.edit("security_headers", "securty_headers")
        with pytest.raises(ConfigError) as refused:
            await running.proxy.reload()

    assert [logging.ERROR] == [record.levelno for record in caplog.records]
    assert str(refused.value) in caplog.text


def test_a_start_with_files_that_do_not_compile_is_refused(files: Files) -> None:
    files.write(UPSTREAM + 'errors: {templates: {a.b: {text: "{{ nobody }}"}}}\n' + routes(a="{}"))
    settings = Settings(files.folder, access_log=False)

    async def start() -> None:
        Proxy(settings, read_policies(settings))

    with pytest.raises(ConfigError, match="unknown placeholder"):
        asyncio.run(start())
