"""`seawall test`: play the tests that stand in policy files."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from proxy.cli.options import (
    allow_literal_secrets_option,
    count_of,
    env_option,
    format_option,
    problem_as_json,
    seal_key_file_option,
    upstream_option,
)
from proxy.config.loader import load
from proxy.errors import ConfigError, Problem
from proxy.policies import PIPELINE_ORDER
from proxy.rehearsal.player import Played, play
from proxy.rehearsal.report import played_as_json, played_as_text


@dataclass(frozen=True, slots=True)
class _Tested:
    path: Path
    problems: Sequence[Problem]
    played: Sequence[Played]

    @property
    def ok(self) -> bool:
        return not self.problems and all(played.failure is None for played in self.played)


@click.command("test")
@click.argument(
    "paths",
    metavar="PATH...",
    nargs=-1,
    required=True,
    envvar="SEAWALL_POLICIES",
    type=click.Path(path_type=Path),
)
@click.option("--filter", "wanted", default="", metavar="TEXT", help="Only tests with TEXT in their names.")
@upstream_option
@allow_literal_secrets_option
@env_option
@seal_key_file_option
@format_option
def test(
    paths: tuple[Path, ...],
    wanted: str,
    upstream: str | None,
    allow_literal_secrets: bool,
    env: str,
    output: str,
) -> None:
    """Play the `tests` of policy files, and say what is not as they expect.

    Each PATH is a file, or a folder with *.yaml in it, and a configuration of its own. The
    proxy is the one that `run` starts, but no connection leaves it and no time passes:
    upstreams answer as the tests say, and what would take a minute takes milliseconds.
    Secrets and variables come from `test_secrets` of the files, else from the environment.

    Exit code: 0 all passed, 1 failures or problems, or no tests at all.
    """
    tested = [
        _test(path, wanted, upstream, allow_literal_secrets=allow_literal_secrets, env=env) for path in paths
    ]
    click.echo(_as_json(tested) if output == "json" else "\n".join(_as_text(tested, wanted)))
    played = any(entry.played for entry in tested)
    sys.exit(0 if played and all(entry.ok for entry in tested) else 1)


def _test(path: Path, wanted: str, upstream: str | None, *, allow_literal_secrets: bool, env: str) -> _Tested:
    try:
        configuration = load(
            path,
            PIPELINE_ORDER,
            env=os.environ,
            allow_literal_secrets=allow_literal_secrets,
            default_upstream=upstream,
            rehearsal=True,
            environment=env,
        )
        chosen = [each for each in configuration.tests if wanted.lower() in each.test.name.lower()]
        return _Tested(path, (), [play(configuration, each) for each in chosen])
    except ConfigError as error:
        return _Tested(path, error.problems, ())


def _as_text(tested: Sequence[_Tested], wanted: str) -> list[str]:
    lines: list[str] = []
    for entry in tested:
        lines += map(str, entry.problems)
        lines += [line for played in entry.played for line in played_as_text(played)]
        if entry.problems:
            lines.append(f"{entry.path}: {count_of(len(entry.problems))}")
        elif not entry.played:
            such = f" with {wanted!r} in its name" if wanted else ""
            lines.append(f"{entry.path}: no test{such}; expected some under `tests`")
    total = [played for entry in tested for played in entry.played]
    failed = sum(played.failure is not None for played in total)
    if total:
        lines.append(
            f"{len(total)} test{'s' * (len(total) != 1)}: {len(total) - failed} passed, {failed} failed"
        )
    return lines


def _as_json(tested: Sequence[_Tested]) -> str:
    configurations = [
        {
            "path": str(entry.path),
            "ok": entry.ok,
            "problems": [problem_as_json(problem) for problem in entry.problems],
            "tests": [played_as_json(played) for played in entry.played],
        }
        for entry in tested
    ]
    return json.dumps({"configurations": configurations}, indent=2)
