"""The command line: `seawall`, and `python -m proxy`, which is the same.

Exit codes: 0 fine, 1 problems found, 2 wrong usage.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import click

from proxy import __version__


class _Entry(NamedTuple):
    module: str
    attribute: str
    summary: str


# A command's module is imported when the command is used: `--help` and `check` should not wait
# for what only `run` needs.
_COMMANDS = {
    "run": _Entry("proxy.cli.run", "run", "Serve: forward requests and enforce the policies."),
    "check": _Entry("proxy.cli.check", "check", "Say what is wrong in policy files, and where."),
    "test": _Entry("proxy.cli.test_command", "test", "Play the tests of policy files, without waiting."),
    "effective": _Entry("proxy.cli.effective", "effective", "Show what is in force on a route, and why."),
    "explain": _Entry(
        "proxy.cli.explain", "explain", "Say what becomes of a request, or why one was refused."
    ),
    "diff": _Entry("proxy.cli.diff", "diff", "Say what another version of the files would change."),
    "schema": _Entry(
        "proxy.cli.schema_command", "schema", "Print the JSON Schema of policy files, for editors."
    ),
    "seal": _Entry(
        "proxy.cli.seal", "seal_command", "Encrypt a secret, so that it may stand in a policy file."
    ),
    "status": _Entry("proxy.cli.status", "status", "Say how a running Seawall is doing."),
    "docs": _Entry("proxy.cli.docs", "docs", "Write a page of documentation for each policy."),
}


_ELSEWHERE = {"validate": "check", "lint": "check", "serve": "run", "start": "run", "version": "--version"}
"""What people type who come from other tools."""


class _Commands(click.Group):
    """Commands by name; wrong usage is one line on standard error and exit code 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [name for name, entry in _COMMANDS.items() if find_spec(entry.module)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        entry = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(entry.module), entry.attribute)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        command = next((each for each in args if each in self.list_commands(ctx)), "COMMAND")
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.possibilities:
                raise
            expected = f"expected the command first, such as `seawall {command} {error.option_name} ...`"
            message = f"Seawall itself has no option '{error.option_name}'; {expected}"
            raise click.UsageError(message, ctx) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        commands = self.list_commands(ctx)
        if args[0] not in commands and not args[0].startswith("-"):
            raise click.UsageError(f"No such command '{args[0]}'{_meant(args, commands)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name].summary) for name in self.list_commands(ctx)])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: ARG002  # the signature is click's
        **extra: Any,
    ) -> Any:
        try:
            code = super().main(args, prog_name or "seawall", complete_var, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(2)
        except click.ClickException as error:
            message = " ".join(error.format_message().split())
            click.echo(f"seawall: {message}", err=True)
            sys.exit(error.exit_code)
        except click.Abort:
            sys.exit(130)  # as a shell counts it: ended by an interrupt
        sys.exit(code if isinstance(code, int) else 0)


def _meant(args: Sequence[str], commands: Sequence[str]) -> str:
    """What is to be typed instead."""
    command = _ELSEWHERE.get(args[0]) or next(iter(get_close_matches(args[0], commands, n=1)), None)
    if command is not None:
        return f"; did you mean `seawall {command}`?"
    later = next((at for at, each in enumerate(args) if each in commands), None)
    if later is not None:
        return f"; expected the command first: `seawall {shlex.join((args[later], *args[:later]))}`"
    return f"; expected one of {', '.join(commands)}"


@click.group(
    "seawall",
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="seawall %(version)s")
def main() -> None:
    """Seawall stands in front of an application that nobody has to change, and enforces what
    YAML policy files say, per route.

    \b
    Start here:
      seawall check policies/starter                     are the files right?
      seawall effective --policies policies/starter      what is in force on which route?
      seawall test policies/starter                      do they do what they are for?
      seawall run --policies policies/starter            serve, on http://127.0.0.1:8080

    `seawall COMMAND --help` tells the options of a command, and which of them can be given as
    variables too: --policies is SEAWALL_POLICIES. Exit codes: 0 fine, 1 problems found, 2 wrong
    usage.
    """
