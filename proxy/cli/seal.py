"""`seawall seal`: secrets that may stand in a policy file, and keys for them."""

from __future__ import annotations

import os
import re
import sys
from base64 import b64encode
from collections.abc import Iterator, Sequence

import click

from proxy.algorithms.sealed import KEY_BYTES, RANDOM_BYTES, NotOpened, SealKey, opened, seal, sealed_with
from proxy.cli.options import count_of, seal_key_file_option
from proxy.config.sealing import KEYS, seal_keys
from proxy.config.secrets import MAX_BYTES

_SEALED = re.compile(
    r"""(?<![\w-])(sealed["']?\s*:\s*(?:&\S+\s+)?["']?)?(?<![\w-])(A[Q-Za-f][\w-]{70,})""", re.ASCII
)
"""A sealed value on a line of a policy file; its first byte is 1. In `test_secrets` it is a key."""
_ON_SEVERAL_LINES = re.compile(r"""(?<![\w-])sealed["']?\s*:\s*(?:[>|][+-]?|["'][\w-]*)\s*$""", re.ASCII)
_MOST_BYTES = 16 * 2**20


@click.command("seal")
@seal_key_file_option
@click.option("--new-key", is_flag=True, help="Print a new key instead.")
@click.option(
    "--rotate",
    is_flag=True,
    help="Print the policy file on standard input, with all its sealed values sealed anew by the first key.",
)
def seal_command(new_key: bool, rotate: bool) -> None:
    """Encrypt a secret, so that it may stand in a policy file.

    The secret is asked for, or comes on standard input, less a line end behind it; it is never
    an argument, since those can be seen by others. What is printed belongs where the file
    would have {env: NAME}.

    \b
      export SEAWALL_SEAL_KEY="$(seawall seal --new-key)"
      printf %s "$SECRET" | seawall seal
      seawall seal --rotate < policy.yaml > new.yaml

    Several keys may be given: the first seals, and all open. Exit code: 0 fine, 1 where a
    value cannot be opened, 2 wrong usage.
    """
    if new_key and rotate:
        raise click.UsageError("--new-key and --rotate exclude each other")
    if new_key:
        click.echo(b64encode(os.urandom(KEY_BYTES)).decode())
        return
    try:
        keys = seal_keys(os.environ)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if not keys:
        raise click.UsageError(
            f"no key is given; expected one in {KEYS}, or in the file of --seal-key-file;"
            " `seawall seal --new-key` makes one"
        )
    if rotate:
        _rotate(keys)
    else:
        click.echo(f"{{sealed: {_sealed(keys[0], _secret())}}}")


def _secret() -> bytes:
    if sys.stdin.isatty():
        secret = os.fsencode(click.prompt("Secret", hide_input=True, confirmation_prompt=True, err=True))
    else:
        secret = sys.stdin.buffer.read(MAX_BYTES + 2).rstrip(b"\r\n")
    if not secret:
        raise click.UsageError("there is no secret; expected one on standard input")
    if len(secret) > MAX_BYTES:
        raise click.UsageError(f"the secret is too large; expected at most {MAX_BYTES} bytes")
    return secret


def _sealed(key: SealKey, secret: bytes) -> str:
    return seal(key, secret, os.urandom(RANDOM_BYTES))


def _rotate(keys: Sequence[SealKey]) -> None:
    """All or nothing: half of a file would be taken for a whole one."""
    text = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise click.UsageError(f"the file is too large; expected at most {_MOST_BYTES} bytes")
    problems: list[str] = []
    counts = {"anew": 0, "as they were": 0}
    lines = text.decode("utf-8", "surrogateescape").splitlines(keepends=True)
    rotated = list(_rotated(lines, keys, counts, problems))
    for problem in problems:
        click.echo(f"seawall: {problem}", err=True)
    if problems:
        click.echo(f"{count_of(len(problems))}; nothing is printed", err=True)
        sys.exit(1)
    sys.stdout.buffer.write("".join(rotated).encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()
    total = count_of(sum(counts.values()), "sealed value")
    click.echo(f"{total}: {', '.join(f'{count} {what}' for what, count in counts.items())}", err=True)


def _rotated(
    lines: Sequence[str], keys: Sequence[SealKey], counts: dict[str, int], problems: list[str]
) -> Iterator[str]:
    known: dict[str, str] = {}

    def anew(found: re.Match[str]) -> str:
        before, sealed = found.groups("")
        if sealed not in known:
            try:
                secret = opened(sealed, keys)
            except NotOpened as error:
                if before:
                    problems.append(f"line {number}: {error}")
                return found[0]  # some other long word
            old = sealed_with(sealed) != keys[0].id
            known[sealed] = _sealed(keys[0], secret) if old else sealed
            counts["anew" if old else "as they were"] += 1
        return before + known[sealed]

    for number, line in enumerate(lines, 1):
        if _ON_SEVERAL_LINES.search(line):
            problems.append(f"line {number}: the sealed value goes over several lines; expected it on one")
        yield line if line.lstrip().startswith("#") else _SEALED.sub(anew, line)
