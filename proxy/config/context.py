"""What typing needs beside the nodes, and the words for a value that does not fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from proxy.config.nodes import Node, Unresolved, described, quoted
from proxy.config.regular_file import read_regular
from proxy.config.report import Report
from proxy.config.shapes import Shape, hides

_KEY = re.compile(r"[A-Za-z0-9_.-]{1,40}")

INVALID: Final[Any] = object()
"""Instead of a value: there is none, and where that is a problem it has been reported."""


ABSENT: Final[Any] = object()
"""Instead of a secret that is not there, where the operator allows that: no list has it."""

PRODUCTION, DEVELOPMENT = "prod", "dev"
"""What `--env` is where nobody says it, and the one value with which less is asked."""


@dataclass(frozen=True, slots=True)
class Context:
    """How to type; the same for a whole route or definition."""

    report: Report
    env: Mapping[str, str] = field(default_factory=dict)
    allow_literal_secrets: bool = False
    lenient: bool = False
    """Nothing is built of it, so variables, secrets and files may be missing."""
    partial: bool = False
    """What is required may come from elsewhere when this is merged; nothing is built of it."""
    environment: str = PRODUCTION
    """What `--env` says."""
    secrets_may_be_absent: bool = False
    """The operator wants to go on without those that are not there."""
    files: Mapping[Path, bytes] = field(default_factory=dict)
    """What some files hold in a rehearsal, whatever is on disk."""
    unsealed: Mapping[str, str] = field(default_factory=dict)
    """What stands for some sealed values in a rehearsal."""

    def read(self, path: Path, limit: int) -> bytes:
        """What the file at `path` holds, and of a longer one a little more than `limit` bytes.

        Raises ValueError with the reason where it cannot be read.
        """
        held = self.files.get(path)
        return read_regular(path, limit) if held is None else held


def unresolved(node: Node, context: Context) -> bool:
    """A variable in `node`, which must be a scalar, stands for nothing; reported where that matters."""
    value = node.value
    if not isinstance(value, Unresolved):
        return False
    if value.malformed or not context.lenient:
        context.report.add(node, value.message)
    return True


def wrong(shape: Shape, node: Node, context: Context, expected: str = "") -> Any:
    """Report that something else stands where `shape` is expected."""
    hide(shape, node, context)
    hidden = shape.secret or hides(shape, interpolated=node.interpolated)
    shown = "a value" if hidden and not isinstance(node.value, list | dict | None) else described(node)
    context.report.add(node, f"got {shown}; expected {expected or shape.words}")
    return INVALID


def hide(shape: Shape, node: Node, context: Context) -> None:
    """`node` cannot be typed as `shape`, so nobody knows which of it is secret: guess, and guess high."""
    if shape.secret:
        context.report.mask(node)
    else:
        context.report.mask_untyped(node)


def unknown_key(shape: Shape, known: Iterable[str], child: Node, context: Context) -> bool:
    """Report the key of `child`, which stands in what should be a `shape`; False."""
    hide(shape, child, context)
    key, what = str(child.step), f"unknown key {quoted(str(child.step))}"
    # `{secrets: [a], b}` and `{url "http://..."}` have keys that were meant for values.
    if not _KEY.fullmatch(key) or (shape.secret and child.value is None):
        context.report.mask_entry(child)
        key, what = "", "this is not a key"
    context.report.add(child, f"{what}{context.report.hint(key, known)}", at_key=True)
    return False
