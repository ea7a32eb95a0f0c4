"""The command line: `seawall`, and `python -m proxy`, which is the same.

Exit codes: 0 fine, 1 problems found, 2 wrong usage.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
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
