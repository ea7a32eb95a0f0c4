"""Servers that read HTTP sloppily, each in its own way: what request smuggling lives on.

A naive forwarder is a `Reader`, too: it takes the first message off what a client sent and
passes these bytes on. Where the server behind it reads another way, one request becomes two.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

Fields = dict[bytes, list[bytes]]
"""Lower-case names; every value of each, in order."""

CRLF = re.compile(rb"\r\n")
LF_TOO = re.compile(rb"\r?\n")
CR_TOO = re.compile(rb"(?>\r\n|\r|\n)")

REQUEST_LINE = re.compile(rb"[A-Z]+ \S+ HTTP/\d\.\d")
STATUS_LINE = re.compile(rb"[A-Z]+/\d\.\d \d+")


def decimal(value: bytes) -> int:
    """A Content-Length by the book; nothing for what is none."""
    return int(value) if re.fullmatch(rb"[0-9]+", value) else 0


def lenient_number(value: bytes) -> int:
    """The first number in it, of which the last digits count."""
    digits = re.search(rb"0[xX][0-9a-fA-F]+|[0-9]+", value)
    if digits is None:
        return 0
    return int(digits[0], 16) if digits[0][1:2] in (b"x", b"X") else int(digits[0][-18:])


def hexadecimal(line: bytes) -> int | None:
    """A chunk's size by the book; None for what is none."""
    size = re.fullmatch(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?", line, re.DOTALL)
    return int(size[1], 16) if size else None


def lenient_hexadecimal(line: bytes) -> int | None:
    """The first number in it, in 64 bits."""
    size = re.match(rb"[\s+-]*(?:0[xX])?([0-9a-fA-F]+)", line)
    return int(size[1], 16) % 2**64 if size else None


def is_chunked(values: list[bytes]) -> bool:
    """By the book: `chunked`, and nothing else."""
    return [value.lower() for value in values] == [b"chunked"]


def mentions_chunked(values: list[bytes]) -> bool:
    """`chunked` anywhere."""
    return any(b"chunked" in value.lower() for value in values)


def never(_: list[bytes]) -> bool:
    """Knows nothing of transfer codings, as HTTP/1.0 does."""
    return False


@dataclass(frozen=True)
class Reader:
    """How one server reads; by the book where nothing else is said."""

    start: re.Pattern[bytes] = REQUEST_LINE
    newline: re.Pattern[bytes] = CRLF
    chunked: Callable[[list[bytes]], bool] = is_chunked
    length: Callable[[bytes], int] = decimal
    size: Callable[[bytes], int | None] = hexadecimal
    which_length: int = 0
    """Of several Content-Lengths."""
    coding_first: bool = True
    """Transfer-Encoding stands above Content-Length."""
    name: Callable[[bytes], bytes] = field(default=lambda name: name)
    folds: bool = False
    """Joins folded lines."""
    ignores_bodies: bool = False
    skips_two: bool = False
    """Behind a chunk's data, whether they are CR LF or not."""

    def messages(self, data: bytes) -> list[bytes]:
        """The messages that it sees in `data`. What is none it skips, as a robust server would."""
        found = []
        start = self.start.search(data)
        while start is not None:
            end = self._end(data, start.start())
            found.append(data[start.start() : end])
            start = self.start.search(data, end)
        return found

    def fields(self, head: bytes) -> Fields:
        """The header fields of a head."""
        fields: Fields = {}
        values: list[bytes] = []
        for line in self.newline.split(head)[1:]:
            name, colon, value = line.partition(b":")
            if self.folds and line[:1] in (b" ", b"\t") and values:
                values[-1] = (values[-1] + b" " + line).strip()
            elif colon:
                values = fields.setdefault(self.name(name.lower()), [])
                values.append(value.strip(b" \t"))
        return fields

    def _end(self, data: bytes, start: int) -> int:
        empty = re.compile(b"(?:%b){2}" % self.newline.pattern.join((b"(?:", b")"))).search(data, start)
        if empty is None:
            return len(data)
        fields = self.fields(data[start : empty.start()])
        if self.ignores_bodies:
            return empty.end()
        coded = self.chunked(fields.get(b"transfer-encoding", []))
        lengths = fields.get(b"content-length", [])
        if coded and (self.coding_first or not lengths):
            return self._chunks(data, empty.end())
        return min(len(data), empty.end() + (self.length(lengths[self.which_length]) if lengths else 0))

    def _chunks(self, data: bytes, at: int) -> int:
        while (line := self.newline.search(data, at)) is not None:
            size = self.size(data[at : line.start()])
            if size is None:
                return at  # the body ends here, and what follows is the next request's
            at = line.end() + size
            if not size:
                return self._trailers(data, at)
            if self.skips_two:
                at += 2
            elif line := self.newline.match(data, at):
                at = line.end()
        return len(data)

    def _trailers(self, data: bytes, at: int) -> int:
        while (line := self.newline.search(data, at)) is not None:
            if line.start() == at:
                return line.end()
            at = line.end()
        return len(data)


BY_THE_BOOK = Reader()
LENGTH_ONLY = Reader(chunked=never)
LENGTH_FIRST = Reader(coding_first=False)
LAST_LENGTH = Reader(which_length=-1)
LENIENT_NUMBERS = Reader(length=lenient_number)
LENIENT_SIZES = Reader(size=lenient_hexadecimal)
LENIENT_CODINGS = Reader(chunked=mentions_chunked)
LENIENT_NAMES = Reader(
    name=lambda name: re.sub(rb"[^a-z0-9]", b"-", name.strip(b" \t\0\xad;")), chunked=mentions_chunked
)
FOLDS = Reader(folds=True)
IGNORES_FOLDS = Reader(newline=re.compile(rb"\r\n[ \t]*"))
LF_ENDS_LINES = Reader(newline=LF_TOO)
CR_ENDS_LINES = Reader(newline=CR_TOO)
SKIPS_TWO = Reader(skips_two=True)
NO_BODIES = Reader(ignores_bodies=True)

ALL = (
    BY_THE_BOOK,
    LENGTH_ONLY,
    LENGTH_FIRST,
    LAST_LENGTH,
    LENIENT_NUMBERS,
    LENIENT_SIZES,
    LENIENT_CODINGS,
    LENIENT_NAMES,
    FOLDS,
    IGNORES_FOLDS,
    LF_ENDS_LINES,
    CR_ENDS_LINES,
    SKIPS_TWO,
)
"""All but those that ignore bodies: to these no forwarder can do justice."""
