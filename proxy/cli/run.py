"""`seawall run`: serve."""

from __future__ import annotations

import gc
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from proxy.admin.access import parse_origin
from proxy.app.settings import Settings
from proxy.cli.options import (
    allow_literal_secrets_option,
    env_option,
    policies_option,
    seal_key_file_option,
    store_option,
    upstream_option,
)
from proxy.config.units import Duration, Size
from proxy.stores.opening import MEMORY

F = TypeVar("F", bound=Callable[..., Any])

_LEVELS = ("debug", "info", "warning", "error")


class _Unit(click.ParamType[float]):
    """A value with its unit, written as in policy files."""

    def __init__(self, kind: type[Duration | Size]) -> None:
        self._kind = kind
        self.name = kind.__name__.lower()

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, (Duration, Size)):
            return value
        try:
            return self._kind.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Address(click.ParamType[str]):
    """`host:port`, or `unix:/path` where allowed."""

    name = "address"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        host, colon, port = value.rpartition(":")
        if value.startswith("unix:/"):
            if param is None or param.name == "listen":
                return value
            self.fail(f"{value!r}: only --listen takes a socket's path", param, ctx)
        is_port = re.fullmatch(r"\d{1,5}", port, re.ASCII) and int(port) <= 65535
        if not colon or not is_port or (":" in host and not host.startswith("[")):
            self.fail(f"{value!r} is no address; expected host:port, such as 127.0.0.1:8080", param, ctx)
        return value


class _Origin(click.ParamType[str]):
    """`https://host`, or with a port."""

    name = "origin"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return parse_origin(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Place(click.Path):
    """A path; an empty one comes of a variable that is not set, and must not mean the working directory."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the path is empty; expected one, or the option left out", param, ctx)
        return super().convert(value, param, ctx)


def _option(name: str, help: str, **rest: Any) -> Callable[[F], F]:  # noqa: A002  # click's word
    """An option and its environment variable, which are the same word."""
    variable = f"SEAWALL_{name.upper().replace('-', '_')}"
    return click.option(
        f"--{name}", envvar=variable, show_envvar=True, show_default="default" in rest, help=help, **rest
    )


@click.command()
@policies_option
@upstream_option
@_option(
    "listen",
    "The data port, where clients come: host:port, or unix:/path.",
    type=_Address(),
    default="127.0.0.1:8080",
)
@_option(
    "status",
    "The status port, for kubelet and Prometheus: /livez, /readyz, /metrics.",
    type=_Address(),
    default="127.0.0.1:9902",
)
@_option(
    "admin",
    "The admin port, for operators: details, decisions, reload.",
    type=_Address(),
    default="127.0.0.1:9901",
)
@_option(
    "admin-token-file",
    "A file with the bearer token of the admin port; needed where that is not on loopback.",
    type=_Place(),
)
@_option(
    "admin-origin",
    "A web site whose pages may call the admin port, such as https://ops.example. Can be given again.",
    type=_Origin(),
    multiple=True,
)
@_option(
    "tls-cert-dir",
    "https on the data port, with tls.crt and tls.key of this folder, and renewed ones as they come.",
    type=_Place(),
)
@store_option(default=MEMORY, show_default=True)
@_option(
    "store-timeout",
    "The longest that a request waits for the store; then policies do what `when_store_fails` says.",
    type=_Unit(Duration),
    default="50ms",
)
@_option(
    "store-failures",
    "So many failures of the store in a row, and nobody asks it for a while.",
    type=click.IntRange(1, 1_000_000),
    default=5,
)
@_option(
    "store-open-for",
    "How long nobody asks it then, before one request tries.",
    type=_Unit(Duration),
    default="30s",
)
@_option("drain", "How long requests in flight may go on after SIGTERM.", type=_Unit(Duration), default="20s")
@_option(
    "max-body",
    "The largest body that a policy may read whole, where no size_limit says less.",
    type=_Unit(Size),
    default="10MiB",
)
@_option(
    "max-buffered",
    "All bodies together that policies hold at one time; 503 beyond.",
    type=_Unit(Size),
    default="256MiB",
)
@_option(
    "access-log", "One JSON line for each exchange.", type=click.Choice(["stdout", "off"]), default="stdout"
)
@_option(
    "audit-log",
    "One JSON line for each request that is authenticated or refused, and each change: into a file, or - for "
    "standard output.",
    metavar="FILE",
)
@_option(
    "audit-max-size",
    "The size at which that file is put aside and a new one begun.",
    type=_Unit(Size),
    default="100MiB",
)
@_option(
    "audit-keep", "How many files that were put aside are kept.", type=click.IntRange(0, 1000), default=10
)
@_option(
    "audit-on-failure",
    "Where the audit log cannot be written: refuse all requests and changes, or drop its lines.",
    type=click.Choice(["refuse", "drop"]),
    default="refuse",
)
@_option(
    "watch",
    "How edits are noticed: auto asks the kernel and looks at times, poll looks often, off waits for SIGHUP.",
    type=click.Choice(["auto", "poll", "off"]),
    default="auto",
)
@_option(
    "log-level",
    "The least that Seawall's own log tells, on standard error.",
    type=click.Choice(_LEVELS),
    default="info",
)
@allow_literal_secrets_option
@env_option
@seal_key_file_option
def run(log_level: str, access_log: str, **options: object) -> None:
    """Serve: pass requests on to the application, and enforce what the policy files say.

    Edits of the files are live within a second; files with a mistake are refused whole, and what
    worked goes on. SIGTERM ends it, with what is in flight done, or --drain over.
    """
    gc.disable()  # nothing of what is imported is garbage, and it is looked at again and again
    from proxy.app.process import run as serve  # noqa: PLC0415  # the other commands do without
    from proxy.telemetry.own_log import OwnLog  # noqa: PLC0415  # the same

    gc.enable()

    # Without standard error, its number may be that of another file by now.
    handler = logging.NullHandler() if sys.__stderr__ is None else OwnLog()
    logging.basicConfig(level=log_level.upper(), handlers=[handler])
    settings = Settings(access_log=access_log == "stdout", **options)  # type: ignore[arg-type]
    sys.exit(serve(settings))
