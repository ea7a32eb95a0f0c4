"""Files beside the policy files that hold YAML or JSON with a schema, or lines of a form of their own.

They are read and typed while loading, like the policy files and with the same messages, so
that a policy never opens a file and a mistake in one is found before anything is served.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

from proxy.config.schema import Schema
from proxy.config.units import FilePath

MAX_BYTES = 16 * 1024 * 1024


class LineFault(NamedTuple):
    """What is wrong in one line of a file that is no YAML; what is expected. Nothing secret is in it."""

    line: int
    message: str


class PlaceInFile(str):
    """The path of a field with such a file, for what `check` of a schema finds wrong in there."""

    __slots__ = ("inside",)

    def __new__(cls, field: str, inside: str) -> Self:
        place = super().__new__(cls, field)
        place.inside = inside
        return place

    inside: str
    """The path in the file."""


class Document(FilePath):
    """The path of such a file, with what stands in it once it is loaded."""

    schema: ClassVar[type[Schema] | None]
    """Of what stands in it; each kind of document is a subclass that says so. None for a mapping with
    whatever keys, about which its policy decides."""
    public: ClassVar[bool] = False
    """Nothing secret is in it, so that its lines may be shown where it can't be read."""
    content: object = None
    """An instance of `schema`, or the mapping; None in a route that is not enabled."""

    @classmethod
    def read(cls, text: str) -> tuple[object, Sequence[LineFault]] | None:
        """The content of a file in a form of its own, and its faults; None where it is YAML or JSON."""
        del text
        return None

    def holding(self, content: object) -> Self:
        """The same path with `content`, an instance of `schema` or a mapping."""
        document = type(self)(self)
        document.content = content
        return document


def read_document(path: Path, read: Callable[[Path, int], bytes]) -> bytes:
    """What stands in the file at `path`; raises ValueError with the reason where that is of no use."""
    data = read(path, MAX_BYTES)
    if not data.strip():
        raise ValueError("it is empty")
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES // 2**20} MiB")
    return data
