"""`seawall diff`: what is in force differently in another configuration, and which requests it moves."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from proxy.app.compile import Plan
from proxy.cli.loading import planned
from proxy.cli.options import (
    allow_literal_secrets_option,
    env_option,
    format_option,
    say_problems,
    seal_key_file_option,
    upstream_option,
)
from proxy.config.difference import Difference, changes
from proxy.config.report import looks_secret
from proxy.errors import ConfigError, Problem
from proxy.router.probes import Moved, Probe, rerouted

_EXAMPLES = 3
_GROUPS = 30
_SCOPE = (
    "Tried: the path, methods, hosts, headers and query of each route, with a sample segment for {name} and\n"
    "below /**, and what belongs to a route that differs and to another. Other requests may move too."
)


@dataclass(frozen=True, slots=True)
class _Compared:
    differences: Sequence[Difference]
    tried: int
    moved: Sequence[Moved]


@click.command()
@click.argument("before", metavar="A", type=click.Path(path_type=Path))
@click.argument("after", metavar="B", type=click.Path(path_type=Path))
@upstream_option
@allow_literal_secrets_option
@env_option
@seal_key_file_option
@click.option("--exit-code", "tells", is_flag=True, help="Exit with 1 where something differs, as git does.")
@format_option
def diff(
    before: Path,
    after: Path,
    upstream: str | None,
    allow_literal_secrets: bool,
    env: str,
    tells: bool,
    output: str,
) -> None:
    """Say what is in force differently in B than in A.

    A and B are files, or folders with *.yaml in them. Policies are compared merged, route by
    route, so that it does not matter where a value stands or how it is written. Secrets show
    as ***. Then requests are made up from the matches of all routes, and those that would go
    to another route are listed. Exit code: 0, unless a file has problems, or with --exit-code.
    """
    plans: list[Plan] = []
    problems: dict[Path, Sequence[Problem]] = {}
    for path in (before, after):
        try:
            plans.append(planned(path, upstream, allow_literal_secrets=allow_literal_secrets, env=env))
        except ConfigError as error:
            problems[path] = error.problems
    if problems:
        say_problems(problems, output)
        sys.exit(1)
    compared = _compare(*plans)
    click.echo(_as_json(compared) if output == "json" else _as_text(compared))
    sys.exit(1 if tells and (compared.differences or compared.moved) else 0)


def _compare(before: Plan, after: Plan) -> _Compared:
    differences = changes(before.configuration, after.configuration)
    # A route that only has another name now is said to be that already.
    renamed = {each.before: each.after for each in differences if each.path == "name" and each.routes}
    old = {renamed.get(route.facts.name, route.facts.name): route.match for route in before.routes}
    tried, moved = rerouted(old, {route.facts.name: route.match for route in after.routes})
    return _Compared(differences, tried, moved)


def _as_text(compared: _Compared) -> str:
    lines = [str(difference) for difference in compared.differences]
    if not lines:
        moved = "only the order of the routes differs"
        lines.append(moved if compared.moved else "nothing is in force differently")
    if compared.moved:
        lines += ["", f"of {compared.tried} requests tried, {len(compared.moved)} would go elsewhere:"]
        groups = list(_grouped(compared.moved))
        lines += [f"  {line}" for line in groups[:_GROUPS]]
        if len(groups) > _GROUPS:
            lines.append(f"  and {len(groups) - _GROUPS} more kinds; --format json has all")
        lines.append(_SCOPE)
    else:
        lines.append(f"of {compared.tried} requests tried, none would go elsewhere")
    return "\n".join(lines)


def _grouped(moved: Iterable[Moved]) -> Iterable[str]:
    groups: dict[tuple[str, str], list[Probe]] = {}
    for probe, before, after in moved:
        groups.setdefault((before, after), []).append(probe)
    for (before, after), probes in groups.items():
        examples = ", ".join(map(_words, probes[:_EXAMPLES]))
        more = f" and {len(probes) - _EXAMPLES} more" if len(probes) > _EXAMPLES else ""
        yield f"{examples}{more}: {before} → {after}"


def _words(probe: Probe) -> str:
    """`POST orders.example/orders/x?kind=new with X-Tenant`."""
    query = "&".join(_parameter(name, value) for name, value in probe.query)
    headers = ", ".join(name for name, _ in probe.headers)
    with_headers = f" with {headers}" if headers else ""
    return f"{probe.method} {probe.host}{probe.path}{'?' if query else ''}{query}{with_headers}"


def _parameter(name: str, value: str) -> str:
    return f"{name}=***" if looks_secret(name) else urlencode({name: value})


def _as_json(compared: _Compared) -> str:
    moved = [_moved_as_json(each) for each in compared.moved]
    routing = {"tried": compared.tried, "scope": " ".join(_SCOPE.split()), "moved": moved}
    differences = [difference.as_data() for difference in compared.differences]
    return json.dumps({"differences": differences, "routing": routing}, indent=2)


def _moved_as_json(moved: Moved) -> dict[str, Any]:
    # The values of headers may come from the environment: they are never shown.
    probe = moved.probe
    return {
        "method": probe.method,
        "path": probe.path,
        "host": probe.host or None,
        "query": {name: "***" if looks_secret(name) else value for name, value in probe.query},
        "headers": [name for name, _ in probe.headers],
        "before": moved.before,
        "after": moved.after,
    }
