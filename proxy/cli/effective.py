"""`seawall effective`: the merged policies of a route, each value with where it comes from."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from proxy.cli.options import (
    allow_literal_secrets_option,
    env_option,
    format_option,
    policies_option,
    say_problems,
    seal_key_file_option,
    upstream_option,
)
from proxy.config.effective import as_json, as_text
from proxy.config.instances import NO_ROUTE
from proxy.config.loader import load
from proxy.config.report import did_you_mean
from proxy.errors import ConfigError
from proxy.policies import PIPELINE_ORDER


@click.command()
@click.argument("route", required=False)
@policies_option
@upstream_option
@allow_literal_secrets_option
@env_option
@seal_key_file_option
@format_option
def effective(
    route: str | None,
    policies: Path,
    upstream: str | None,
    allow_literal_secrets: bool,
    env: str,
    output: str,
) -> None:
    """Show what is in force on ROUTE, or on every route.

    Its policies stand in the order in which a request meets them, merged from defaults,
    named policies and the route itself, each value with the file and line that it comes
    from. `no_route` is what holds for requests without a route. Secrets show as ***.
    """
    try:
        configuration = load(
            policies,
            PIPELINE_ORDER,
            env=os.environ,
            allow_literal_secrets=allow_literal_secrets,
            environment=env,
            default_upstream=upstream,
        )
    except ConfigError as error:
        say_problems({policies: error.problems}, output)
        sys.exit(1)
    names = [NO_ROUTE, *(entry.name for entry in configuration.routes)]
    if route is not None and route not in names:
        raise click.UsageError(f"no enabled route is called `{route}`{did_you_mean(route, names)}")
    if output == "json":
        click.echo(json.dumps(as_json(configuration, route), indent=2))
    else:
        click.echo(as_text(configuration, route))
