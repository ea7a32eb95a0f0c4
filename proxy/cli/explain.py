"""`seawall explain`: what becomes of a request, or why one was refused."""

from __future__ import annotations

import json
import os
import re
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from proxy.cli.admin_client import admin_option, ask, token_file_option
from proxy.cli.explain_text import decision_as_text, request_as_text
from proxy.cli.options import (
    allow_literal_secrets_option,
    env_option,
    format_option,
    say_problems,
    seal_key_file_option,
    upstream_option,
)
from proxy.config.units import HeaderName, HeaderValue
from proxy.errors import ConfigError

_policies_option = click.option(
    "--policies",
    envvar="SEAWALL_POLICIES",
    show_envvar=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A policy file, or a folder with *.yaml in it.",
)


def _field(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """`Name: value`, as curl takes it."""
    fields = []
    for text in values:
        name, colon, value = text.partition(":")
        if not colon:
            raise click.BadParameter(f"{text!r} is no header; expected one such as 'X-Tenant: acme'")
        try:
            fields.append((str(HeaderName.parse(name)), str(HeaderValue.parse(value.strip()))))
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return tuple(fields)


def _target(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"/[!-~]*", value):
        raise click.BadParameter(f"{value!r} is no path; expected one such as /orders?page=2, as it is sent")
    return value


def _method(_: click.Context, __: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}", value):
        raise click.BadParameter(f"{value!r} is no method; expected one such as GET")
    return value


def _address(_: click.Context, __: click.Parameter, value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise click.BadParameter(f"{value!r} is no address; expected one such as 192.0.2.7") from None


@click.command()
@click.argument("decision_id", required=False)
@_policies_option
@click.option(
    "--path",
    "target",
    callback=_target,
    metavar="PATH",
    help="Path and query of a request to try, as they are sent.",
)
@click.option("--method", default="GET", show_default=True, callback=_method, help="Its method.")
@click.option("--host", metavar="HOST", help="Its Host; localhost where neither this nor --header says one.")
@click.option(
    "--header",
    "fields",
    multiple=True,
    callback=_field,
    help="One of its headers, as `Name: value`; can be given again.",
)
@click.option("--body", metavar="TEXT", help="Its body.")
@click.option(
    "--body-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that holds its body.",
)
@click.option(
    "--client-ip", default="192.0.2.1", show_default=True, callback=_address, help="The address of who asks."
)
@click.option("--https", is_flag=True, help="It comes over https.")
@click.option(
    "--sign",
    "signed",
    is_flag=True,
    help="With the signature or credential that its route wants, made from `test_secrets`.",
)
@click.option(
    "--upstream-status",
    type=click.IntRange(200, 599),
    default=200,
    show_default=True,
    help="What the upstream answers, if it is called.",
)
@upstream_option
@allow_literal_secrets_option
@env_option
@seal_key_file_option
@admin_option
@token_file_option
@format_option
def explain(
    decision_id: str | None, output: str, admin: str, token_file: Path | None, **options: Any
) -> None:
    """Say what becomes of a request, or why one was refused.

    \b
      seawall explain 5dcb71a330-10
      seawall explain --policies policies/starter --path /report

    With the DECISION_ID of a refusal (it is in the answer and in the access log) it asks a
    running Seawall: which policy it was, in which line of which file, which number crossed
    the threshold, and the smallest edit or wait with which it would have passed. Kept are
    the last thousand that were refused, that failed, or that shadow would have refused.

    With --policies and --path it tells which route such a request belongs to and why not
    to another, sends it through the production proxy on a clock and connections of its own,
    and tells what each policy did, and the answer. Nothing leaves the process, and no
    state of a running Seawall is known here: limits on rates are as if nobody had asked yet.
    """
    if decision_id is not None:
        if options["target"] is not None:
            raise click.UsageError("a decision has been taken: DECISION_ID and --path exclude each other")
        decision = ask(admin, f"/api/decisions/{quote(decision_id, safe='')}", token_file)
        if output == "json":
            click.echo(json.dumps(decision, indent=2))
        else:
            live = ask(admin, "/api/revision", token_file)["revision"]
            click.echo(decision_as_text(decision, live))
        return
    if options["policies"] is None or options["target"] is None:
        raise click.UsageError("expected a DECISION_ID, or --policies and --path")
    try:
        found = _rehearsed(**options)
    except ConfigError as error:
        say_problems({options["policies"]: error.problems}, output)
        sys.exit(1)
    click.echo(json.dumps(found, indent=2) if output == "json" else request_as_text(found))


def _rehearsed(
    policies: Path,
    upstream: str | None,
    allow_literal_secrets: bool,
    env: str,
    upstream_status: int,
    signed: bool,
    **asked: Any,
) -> dict[str, Any]:
    # Only here: who asks for a decision need not wait for the whole proxy to be imported.
    from proxy.cli.explain_request import CannotSign  # noqa: PLC0415
    from proxy.cli.explain_request import explain as rehearsed  # noqa: PLC0415
    from proxy.clock import SystemClock  # noqa: PLC0415
    from proxy.config.hidden import hidden_texts, masked  # noqa: PLC0415
    from proxy.config.loader import load  # noqa: PLC0415
    from proxy.policies import PIPELINE_ORDER  # noqa: PLC0415
    from proxy.rehearsal import Answer, Stuck  # noqa: PLC0415

    configuration = load(
        policies,
        PIPELINE_ORDER,
        env=os.environ,
        allow_literal_secrets=allow_literal_secrets,
        environment=env,
        default_upstream=upstream,
        rehearsal=True,
    )
    try:
        found = rehearsed(
            configuration, _request(**asked), Answer(upstream_status), at=SystemClock().now(), signed=signed
        )
    except (CannotSign, Stuck) as error:
        raise click.ClickException(str(error)) from None
    told: dict[str, Any] = masked(found, hidden_texts(configuration))
    return told


def _request(
    target: str,
    method: str,
    host: str | None,
    fields: tuple[tuple[str, str], ...],
    body: str | None,
    body_file: Path | None,
    client_ip: str,
    https: bool,
) -> Any:
    from proxy.rehearsal import Request  # noqa: PLC0415  # the same

    if body is not None and body_file is not None:
        raise click.UsageError("a request has one body: --body and --body-file exclude each other")
    names = [name.lower() for name, _ in fields]
    if host is not None and "host" in names:
        raise click.UsageError("a request has one Host: --host and --header 'Host: ...' exclude each other")
    if host is not None or "host" not in names:
        fields = (("Host", host or "localhost"), *fields)
    content = body.encode("utf-8", "surrogateescape") if body is not None else b""
    if body_file is not None:
        content = body_file.read_bytes()
    return Request(method, target, fields, content, client_ip, https)
