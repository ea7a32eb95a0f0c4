"""`seawall check`: every problem of policy files, with file, line and column."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom

import click

from proxy.app.compile import Parts, compile_plan
from proxy.cli.options import (
    allow_literal_secrets_option,
    count_of,
    format_option,
    problem_as_json,
    upstream_option,
)
from proxy.clock import SystemClock
from proxy.config.configuration import Configuration
from proxy.config.loader import load
from proxy.errors import ConfigError, Problem
from proxy.policies import PIPELINE_ORDER
from proxy.policy import Shared
from proxy.stores.memory import MemoryStore


@dataclass(frozen=True, slots=True)
class _Checked:
    path: Path
    configuration: Configuration | None
    problems: Sequence[Problem]

    @property
    def warnings(self) -> Sequence[Problem]:
        return self.configuration.warnings if self.configuration else ()


@click.command()
@click.argument(
    "paths",
    metavar="PATH...",
    nargs=-1,
    required=True,
    envvar="SEAWALL_POLICIES",
    type=click.Path(path_type=Path),
)
@upstream_option
@allow_literal_secrets_option
@format_option
def check(paths: tuple[Path, ...], upstream: str | None, allow_literal_secrets: bool, output: str) -> None:
    """Say what is wrong in policy files.

    Each PATH is a file, or a folder with *.yaml in it, and a configuration of its own.
    Variables and secrets must be there, as for `run`. Exit code: 0 fine, 1 problems found.
    """
    checked = [_check(path, upstream, allow_literal_secrets=allow_literal_secrets) for path in paths]
    click.echo(_as_json(checked) if output == "json" else "\n".join(map(_as_text, checked)))
    sys.exit(1 if any(entry.problems for entry in checked) else 0)


def _check(path: Path, upstream: str | None, *, allow_literal_secrets: bool) -> _Checked:
    try:
        configuration = load(
            path,
            PIPELINE_ORDER,
            env=os.environ,
            allow_literal_secrets=allow_literal_secrets,
            default_upstream=upstream,
        )
        # Some things only show when the policies are built, so that is done, and nothing served.
        clock = SystemClock()
        compile_plan(configuration, Parts(clock, SystemRandom(), MemoryStore(clock), Shared()))
    except ConfigError as error:
        return _Checked(path, None, error.problems)
    return _Checked(path, configuration, ())


def _as_text(checked: _Checked) -> str:
    lines = [str(problem) for problem in checked.problems]
    lines += [f"warning: {warning}" for warning in checked.warnings]
    if checked.configuration is None:
        lines.append(f"{checked.path}: {count_of(len(checked.problems))}")
    else:
        routes = len(checked.configuration.routes)
        revision = checked.configuration.short_revision
        lines.append(f"{checked.path}: fine, {routes} route{'s' * (routes != 1)}, revision {revision}")
    return "\n".join(lines)


def _as_json(checked: Sequence[_Checked]) -> str:
    configurations = [
        {
            "path": str(entry.path),
            "ok": not entry.problems,
            "revision": entry.configuration.revision if entry.configuration else None,
            "problems": [problem_as_json(problem) for problem in entry.problems],
            "warnings": [problem_as_json(problem) for problem in entry.warnings],
        }
        for entry in checked
    ]
    return json.dumps({"configurations": configurations}, indent=2)
