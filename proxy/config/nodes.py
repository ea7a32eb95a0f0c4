"""A parsed policy file, in which every value remembers where it stands.

Nodes are read, interpolated, merged, and only then typed; the file, line and column that
an operator is told are those of the text that decided the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Scalar = None | bool | int | float | str

_LINE_END = re.compile(r"\r\n|\r|\n")
_PLAIN_STEP = re.compile(r"[A-Za-z0-9_-]{1,60}")


class Source:
    """One file: the name that problems show, its text, and the folder of relative paths."""

    __slots__ = ("_lines", "directory", "name", "text")

    def __init__(self, name: str, text: str, directory: Path | None = None) -> None:
        self.name = name
        self.text = text
        self.directory = directory if directory is not None else Path()
        self._lines: list[str] | None = None

    def line(self, number: int) -> str:
        """Line `number`, counted from 1, without its end; empty past the last one."""
        if self._lines is None:
            self._lines = _LINE_END.split(self.text)
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """The value of a scalar whose `${...}` stands for nothing. Whoever needs it reports it."""

    message: str
    malformed: bool = False
    """Wrong whatever the environment, so reported even where the value is not needed."""


class Node:
    """A scalar, a list or a mapping. Lines and columns count from 1.

    Only this package's reader and interpolation change a node; everybody else shares it.
    """

    __slots__ = (
        "column",
        "end",
        "interpolated",
        "key",
        "key_hidden",
        "line",
        "origin",
        "parent",
        "plain",
        "source",
        "step",
        "text",
        "value",
    )

    def __init__(self, value: Any, source: Source, line: int = 0, column: int = 0) -> None:
        self.value: Scalar | Unresolved | list[Node] | dict[str, Node] = value
        self.source = source
        self.line = line
        self.column = column
        self.end = (line, column)
        """Line and column just behind the value."""
        self.key: tuple[int, int] | None = None
        """Line and column of the key, where the node is the value of one."""
        self.key_hidden = False
        """The key is not shown: it may be a secret that lost its own."""
        self.text = ""
        """A scalar as it was written, without quotes; after interpolation, with the variables' values."""
        self.plain = False
        """A scalar without quotes, which YAML gives a type by its looks."""
        self.interpolated = False
        self.origin = ""
        """Which piece of a variable it is, for whoever has to tell what is wrong with it."""
        self.parent: Node | None = None
        self.step: str | int = ""

    @property
    def path(self) -> str:
        """Where in the document, such as `routes[0].match.path`; empty for the document."""
        steps: list[str] = []
        node = self
        while node.parent is not None:
            steps.append("[***]" if node.key_hidden else spell_step(node.step))
            node = node.parent
        return "".join(reversed(steps)).removeprefix(".")

    @property
    def place(self) -> str:
        """`file:line`."""
        return f"{self.source.name}:{self.line}" if self.line else self.source.name

    @property
    def key_place(self) -> str:
        """`file:line` of its key, where it has one."""
        return f"{self.source.name}:{self.key[0]}" if self.key else self.place

    def adopt(self, step: str | int, child: Node) -> None:
        """`child` stands in this node, under `step`."""
        child.parent = self
        child.step = step

    def twin(self) -> Node:
        """Another node with the same content and place, to stand under another key."""
        twin = Node(self.value, self.source, self.line, self.column)
        twin.end = self.end
        twin.text = self.text
        twin.plain = self.plain
        twin.interpolated = self.interpolated
        twin.origin = self.origin
        return twin

    def children(self) -> Iterator[Node]:
        """The values in a list or a mapping, in their order."""
        if isinstance(self.value, dict):
            yield from self.value.values()
        elif isinstance(self.value, list):
            yield from self.value

    def leaves(self) -> Iterator[Node]:
        """Every scalar in it, itself included."""
        if isinstance(self.value, dict | list):
            for child in self.children():
                yield from child.leaves()
        else:
            yield self


def spell_step(step: str | int) -> str:
    """One step of a path: `[0]`, `.body`, or `["a.b"]` where a name would be misread."""
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN_STEP.fullmatch(step) else f"[{quoted(step)}]"


def quoted(text: str) -> str:
    """`text` in double quotes on one line, cut short where it is long."""
    short = text if len(text) <= 60 else text[:57] + "..."
    escaped = short.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in escaped) + '"'


def plain(node: Node) -> Any:
    """The node as ordinary Python values."""
    value = node.value
    if isinstance(value, dict):
        return {key: plain(child) for key, child in value.items()}
    if isinstance(value, list):
        return [plain(child) for child in value]
    return value


def described(node: Node) -> str:
    """What stands there, in words: `the number 3`, `the text "abc"`, `a list`."""
    value = node.value
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return node.text or str(value).lower()
    if isinstance(value, int | float):
        return f"the number {node.text or value}"
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    return "a list" if isinstance(value, list) else "a mapping"
