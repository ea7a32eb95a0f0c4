"""`seawall check`: every problem of policy files, with file, line and column; and what they come to."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from proxy.app.advice import advice
from proxy.cli.github import annotation
from proxy.cli.loading import planned
from proxy.cli.options import (
    allow_literal_secrets_option,
    count_of,
    env_option,
    problem_as_json,
    seal_key_file_option,
    store_option,
    upstream_option,
)
from proxy.cli.words import not_enforced, sentences
from proxy.clock import SystemClock
from proxy.config.configuration import Configuration
from proxy.errors import ConfigError, Problem
from proxy.stores.opening import StoreUrl

_MOST_SENTENCES = 30


@dataclass(frozen=True, slots=True)
class _Checked:
    path: Path
    configuration: Configuration | None
    problems: Sequence[Problem]
    warnings: Sequence[Problem] = ()
    notes: Sequence[Problem] = ()
    """What would be a warning if Seawall were started as it is by default, where nobody has said how."""


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
@store_option()
@allow_literal_secrets_option
@env_option
@seal_key_file_option
@click.option(
    "--test-secrets",
    is_flag=True,
    help="Take variables and secrets from `test_secrets` of the files: for machines that have no real ones.",
)
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="For people, for programs, or for annotations in a GitHub workflow.",
)
def check(  # click hands in each option
    paths: tuple[Path, ...],
    upstream: str | None,
    store: StoreUrl | None,
    allow_literal_secrets: bool,
    env: str,
    test_secrets: bool,
    strict: bool,
    output: str,
) -> None:
    """Say what is wrong in policy files, and what they come to.

    Each PATH is a file, or a folder with *.yaml in it, and a configuration of its own.
    Variables and secrets must be there, as for `run`, or with --test-secrets in the files'
    `test_secrets`. Warnings are for what is allowed and probably not meant; notes for what
    depends on the store, where none is named here. Where nothing is wrong, limits and waits are
    said in words.

    Exit code: 0 fine, 1 problems found; with --strict also where there are warnings.
    """
    checked = [
        _check(
            path,
            upstream,
            store,
            allow_literal_secrets=allow_literal_secrets,
            env=env,
            test_secrets=test_secrets,
        )
        for path in paths
    ]
    if output == "json":
        click.echo(_as_json(checked))
    else:
        lines = _as_annotations if output == "github" else _as_text
        click.echo("\n".join(line for entry in checked for line in lines(entry)))
    failed = any(entry.problems or (strict and entry.warnings) for entry in checked)
    sys.exit(1 if failed else 0)


def _check(
    path: Path,
    upstream: str | None,
    store: StoreUrl | None,
    *,
    allow_literal_secrets: bool,
    env: str,
    test_secrets: bool,
) -> _Checked:
    try:
        plan = planned(
            path, upstream, allow_literal_secrets=allow_literal_secrets, env=env, test_secrets=test_secrets
        )
    except ConfigError as error:
        return _Checked(path, None, error.problems)
    now, kept = SystemClock().now(), store is not None and store.kind != "memory"
    advised = advice(plan, now, survives=kept or store is None)
    warnings = _in_order((*plan.configuration.warnings, *advised))
    by_default = () if kept else advice(plan, now, survives=False)
    notes = _in_order(note for note in by_default if note not in warnings)
    return _Checked(path, plan.configuration, (), warnings, notes)


def _in_order(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(dict.fromkeys(problems), key=lambda each: (each.file, each.line, each.column))


def _as_text(checked: _Checked) -> Iterator[str]:
    yield from map(str, checked.problems)
    yield from (f"warning: {warning}" for warning in checked.warnings)
    yield from (f"note: {note}" for note in checked.notes)
    yield _summary(checked)
    if checked.configuration is not None:
        told = sentences(checked.configuration)
        yield from (f"  {sentence}" for sentence in told[:_MOST_SENTENCES])
        if len(told) > _MOST_SENTENCES:
            yield f"  and {len(told) - _MOST_SENTENCES} more; --format json has all"
        for kind, modes in not_enforced(checked.configuration).items():
            yield f"  {kind} is not enforced everywhere: {'; '.join(modes)}"


def _as_annotations(checked: _Checked) -> Iterator[str]:
    yield from (annotation("error", problem) for problem in checked.problems)
    yield from (annotation("warning", warning) for warning in checked.warnings)
    yield from (annotation("notice", note) for note in checked.notes)
    yield _summary(checked)


def _summary(checked: _Checked) -> str:
    if checked.configuration is None:
        return f"{checked.path}: {count_of(len(checked.problems))}"
    routes = count_of(len(checked.configuration.routes), "route")
    warnings = f", {count_of(len(checked.warnings), 'warning')}" if checked.warnings else ""
    return f"{checked.path}: fine, {routes}{warnings}, revision {checked.configuration.short_revision}"


def _as_json(checked: Sequence[_Checked]) -> str:
    return json.dumps({"configurations": [_entry(entry) for entry in checked]}, indent=2)


def _entry(checked: _Checked) -> dict[str, object]:
    configuration = checked.configuration
    return {
        "path": str(checked.path),
        "ok": not checked.problems,
        "revision": configuration.revision if configuration else None,
        "problems": [problem_as_json(problem) for problem in checked.problems],
        "warnings": [problem_as_json(problem) for problem in checked.warnings],
        "notes": [problem_as_json(problem) for problem in checked.notes],
        "words": [sentence.as_data() for sentence in sentences(configuration)] if configuration else [],
        "not_enforced": not_enforced(configuration) if configuration else {},
    }
