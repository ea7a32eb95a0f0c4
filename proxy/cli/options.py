"""Options that several commands share. Each is the same word as its environment variable."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import click

from proxy.config.context import DEVELOPMENT, PRODUCTION
from proxy.config.sealing import KEY_FILE, KEYS
from proxy.config.upstream_url import UpstreamUrl
from proxy.errors import Problem
from proxy.stores.opening import StoreUrl


def _upstream(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else UpstreamUrl.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _store(_: click.Context, __: click.Parameter, value: str | None) -> StoreUrl | None:
    try:
        return None if value is None else StoreUrl.parse(value)
    except ValueError as error:  # without the URL, which may have a password
        raise click.BadParameter(str(error)) from None


policies_option = click.option(
    "--policies",
    envvar="SEAWALL_POLICIES",
    show_envvar=True,
    required=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A policy file, or a folder with *.yaml in it.",
)

upstream_option = click.option(
    "--upstream",
    envvar="SEAWALL_UPSTREAM",
    show_envvar=True,
    callback=_upstream,
    metavar="URL",
    help="Where the application is, as a url: of the upstream `app`, where the files leave it out.",
)

store_option = partial(
    click.option,
    "--store",
    envvar="SEAWALL_STORE",
    show_envvar=True,
    callback=_store,
    metavar="URL",
    help="Where counters and what is remembered are kept: memory://, sqlite:///path, redis://host:6379/0.",
)
"""To be called: who serves says the default."""

allow_literal_secrets_option = click.option(
    "--allow-literal-secrets",
    envvar="SEAWALL_ALLOW_LITERAL_SECRETS",
    show_envvar=True,
    is_flag=True,
    help="Accept secrets that stand in policy files in clear: for trying things out, and nothing else.",
)

env_option = click.option(
    "--env",
    envvar="SEAWALL_ENV",
    show_envvar=True,
    default=PRODUCTION,
    show_default=True,
    metavar="NAME",
    help=f"Where this runs: `{DEVELOPMENT}` accepts `on_missing_secret: allow`, any other name refuses it.",
)


def _seal_key_file(context: click.Context, _: click.Parameter, value: str | None) -> None:
    """Into the environment, where everything else finds the keys of sealed values too."""
    before = os.environ.get(KEY_FILE)

    def restore() -> None:
        if before is None:
            os.environ.pop(KEY_FILE, None)
        else:
            os.environ[KEY_FILE] = before

    if value is not None and value != before:
        os.environ[KEY_FILE] = value
        context.call_on_close(restore)


seal_key_file_option = click.option(
    "--seal-key-file",
    envvar=KEY_FILE,
    show_envvar=True,
    expose_value=False,
    callback=_seal_key_file,
    type=click.Path(),
    metavar="FILE",
    help=f"Keys that open {{sealed: ...}}, one in each line, beside those in {KEYS}.",
)

format_option = click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)


def count_of(number: int, what: str = "problem") -> str:
    """`1 problem`, `2 problems`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def say_problems(problems: Mapping[Path, Sequence[Problem]], output: str) -> None:
    """Of files that cannot be used: for people on standard error, for programs on standard output."""
    if output == "json":
        found = [problem_as_json(problem) for each in problems.values() for problem in each]
        click.echo(json.dumps({"problems": found}, indent=2))
        return
    for path, each in problems.items():
        click.echo("\n".join([*map(str, each), f"{path}: {count_of(len(each))}"]), err=True)


def problem_as_json(problem: Problem) -> dict[str, object]:
    """For programs."""
    return {name: getattr(problem, name) for name in Problem.__slots__}
