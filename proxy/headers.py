"""Header fields of one message, as cheap to pass on as they are easy to change.

A proxy passes most fields on untouched, so they stay the bytes that arrived: one piece, in
their order and with their case, that is cut only where a field has to go. They are looked
at one by one only where a policy asks. What policies add is encoded once: at load, where it
is known then (`HeaderBlock`), else when it is set.

Who calls again mostly says the same again. What was worked out of such fields is kept with
them (`Known`), and goes when others come; where they differ in one value alone (`Varied`), what
does not depend on that one stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from functools import lru_cache, partial
from typing import Any, Generic, TypeVar

import msgspec

from proxy.header_lines import (
    ANY_FORWARDED,
    FORWARDED,
    HOLE,
    NO_LINES,
    UNIONS,
    Field,
    Line,
    Varied,
    fields_in,
    less,
    lines_of,
    union_of,
    values_in,
    without,
)

T = TypeVar("T")

Known = dict[object, Any]
"""Of lines that come again and again, what was worked out before: of a set of names that are dropped,
what is left; of a name, its value; of what somebody reads in them (`Headers.once`), the result."""
_KNOWN_MAX = 8
_UNKNOWN = object()

_LINE_BREAKS = frozenset("\r\n\0")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, section 5.6.2
_NOTHING: frozenset[bytes] = frozenset()


@lru_cache(1024)
def _sought(name: str) -> tuple[bytes, bytes]:
    """`name` in lower case, and how its line begins."""
    lower = name.lower().encode("latin-1")
    return lower, b"\r\n%b: " % lower


@lru_cache(1024)
def _encoded(name: str) -> bytes:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a header field")
    return name.encode("ascii")


def _bytes(name: str, value: str) -> bytes:
    if not _LINE_BREAKS.isdisjoint(value):
        raise ValueError(f"the value of {name} has a line break or a NUL in it")
    return value.encode("utf-8", "surrogateescape")


def header_line(name: str, value: str) -> Line:
    """A field, encoded once. Raises ValueError where name or value would forge another field."""
    return frozenset((_sought(name)[0],)), b"%b: %b\r\n" % (_encoded(name), _bytes(name, value))


class HeaderBlock:
    """Fields known at load: those to set, and names to remove. Serialised once.

    `names` are lower case; a field that is set replaces all of its name. Raises ValueError as `Headers.add`.
    """

    __slots__ = ("added", "fields", "names")

    def __init__(self, set_: Mapping[str, str], remove: Iterable[str] = ()) -> None:
        self.fields: tuple[Field, ...] = tuple((_encoded(n), _bytes(n, v)) for n, v in set_.items())
        set_names = frozenset([name.lower() for name, _ in self.fields])
        self.names = set_names | {name.lower().encode("latin-1") for name in remove}
        self.added: tuple[Line, ...] = ((set_names, lines_of(self.fields)),) if self.fields else ()


class OfField(Generic[T]):
    """For `Headers.once`: what `read` makes of all values of one field, whatever the others are.

    So it is kept, too, while the value of another one is new each time.
    """

    __slots__ = ("lower", "name", "read")

    def __init__(self, name: str, read: Callable[[list[str]], T]) -> None:
        self.name = name
        self.lower = _sought(name)[0]
        self.read = read

    def __call__(self, headers: Headers) -> T:
        return self.read(headers.get_all(self.name))


class Headers(msgspec.Struct, eq=False):  # a Struct, since one is made for each message, in C
    """The fields of one message, `received` ones first. Names are matched without regard to case."""

    _received: Sequence[Field] = ()
    _dropped: frozenset[bytes] = _NOTHING
    """Lower-case names of received fields that count as not there."""
    _arrived: bytes = b""
    """Received fields as lines; empty where they came one by one."""
    _lines: bytes = b""
    """As they arrived, without what was dropped at once."""
    _lower: bytes = b""
    """The same in lower case, once somebody needed that."""
    _known: Known | None = None
    """What was worked out of these lines before; None where they are not remembered."""
    _added: tuple[Line, ...] = ()
    _varied: Varied | None = None
    """Where `_known` is of all messages with another value of this field."""

    def copy(self) -> Headers:
        """The same fields, to be changed apart from these."""
        return copy(self)

    @property
    def received(self) -> Sequence[Field]:
        """The fields as they arrived, whatever was dropped or changed since."""
        if not self._received and self._arrived:
            self._received = tuple(fields_in(self._arrived))
        return self._received

    @property
    def received_count(self) -> int:
        """How many fields arrived."""
        # A CR alone stands in no line, and to look for one byte takes a third of the time.
        return self._arrived.count(b"\r") - 1 if self._arrived else len(self._received)

    @property
    def received_size(self) -> int:
        """Bytes of all names and values that arrived."""
        if self._arrived:
            return len(self._arrived) - 2 - 4 * self.received_count  # each has a colon, a space and a CRLF
        return sum([len(name) + len(value) for name, value in self._received])

    def get(self, name: str) -> str | None:
        """The value of `name`, several joined by a comma (RFC 9110, section 5.3), or None."""
        known = self._known
        if known is None or self._touched(_sought(name)[0]):
            return _as_one(self.get_all(name))
        value: str | None = known.get(name, _UNKNOWN)
        if value is _UNKNOWN:
            value = _as_one(self.get_all(name))
            if len(known) < _KNOWN_MAX and (self._varied is None or self._varied.name != _sought(name)[0]):
                known[name] = value
        return value

    def get_all(self, name: str) -> list[str]:
        """Every value of `name`, in order. Undecodable bytes survive as surrogates."""
        wanted, line = _sought(name)
        dropped = self._dropped
        if dropped and (wanted in dropped or (ANY_FORWARDED in dropped and wanted.startswith(FORWARDED))):
            values = []
        else:
            lines, lower = self._both()
            values = values_in(lines, lower, line)
        for names, added in self._added:
            if wanted in names:
                values += values_in(b"\r\n" + added, b"\r\n" + added.lower(), line)
        return values

    def once(self, read: Callable[[Headers], T]) -> T:
        """What `read` makes of the fields that arrived, whatever was changed since.

        It is kept while the same ones come again on a connection; of `OfField`, too, while another
        one is new each time. So `read` may depend on nothing else but what a policy was built with.
        """
        known = self._known
        if known is None:
            return read(self._unchanged())
        found: T | object = known.get(read, _UNKNOWN)
        if found is _UNKNOWN:
            found = read(self._unchanged())
            varied = self._varied
            lasts = varied is None or (isinstance(read, OfField) and read.lower != varied.name)
            if lasts and len(known) < _KNOWN_MAX:
                known[read] = found
        return found  # type: ignore[return-value]  # what `read` gave

    def __contains__(self, name: str) -> bool:
        wanted, line = _sought(name)
        return bool(self.get_all(name)) if self._touched(wanted) else line in self._both()[1]

    def __iter__(self) -> Iterator[Field]:
        lines, lower = self._both()
        yield from fields_in(without(lines, lower, self._dropped) if self._dropped else lines)
        for _, added in self._added:
            yield from fields_in(b"\r\n" + added)

    def add(self, name: str, value: str) -> None:
        """Append a field, beside any other of its name.

        Raises ValueError where name or value would forge another field.
        """
        self._added += (header_line(name, value),)

    def append(self, *lines: Line) -> None:
        """As `add`, for what was encoded before: by `header_line`, or as a block's `added`."""
        self._added += lines

    def set(self, name: str, value: str) -> None:
        """Replace every field of `name` by this one."""
        self.remove(name)
        self.add(name, value)

    def remove(self, name: str) -> None:
        """Take out every field of `name`."""
        self.drop(frozenset((name.lower().encode("latin-1"),)))

    def drop(self, names: frozenset[bytes], instead: tuple[Line, ...] = ()) -> None:
        """Take out every field whose lower-case name is in `names`, and append `instead`."""
        dropped = self._dropped
        self._dropped = (UNIONS.get((dropped, names)) or union_of(dropped, names)) if dropped else names
        for added in self._added:
            if not added[0].isdisjoint(names):
                self._added = tuple(less(self._added, names))
                break
        self._added += instead

    def stamp(self, block: HeaderBlock) -> None:
        """Set and remove what `block` says; the same as `set` and `remove`, without the work."""
        self.drop(block.names, block.added)

    def serialize(self) -> bytes:
        """All fields as lines: a CRLF, and behind each field another."""
        lines = self._lines or self._both()[0]
        if self._dropped:
            known = self._known
            lines = (known and known.get(self._dropped)) or self._cut()
            if self._varied is not None:
                lines = lines.replace(HOLE, self._varied.value)
        for _, added in self._added:
            lines += added
        return lines

    def _cut(self) -> bytes:
        """What arrived, without what was dropped; with the hole, where there is one."""
        varied = self._varied
        lines, lower = self._both() if varied is None else (varied.lines, varied.lower)
        cut = without(lines, lower, self._dropped)
        known = self._known
        if known is not None and len(known) < _KNOWN_MAX:
            known[self._dropped] = cut
        return cut

    def _unchanged(self) -> Headers:
        """What arrived, less what was dropped at once."""
        return Headers(
            self._received, _NOTHING, self._arrived, self._lines, self._lower, self._known, (), self._varied
        )

    def _touched(self, wanted: bytes) -> bool:
        """Something was done to fields of this name, or may have been."""
        dropped = self._dropped
        if dropped and (wanted in dropped or wanted.startswith(FORWARDED)):
            return True
        for names, _ in self._added:  # noqa: SIM110  # a generator would cost more than all the rest
            if wanted in names:
                return True
        return False

    def _both(self) -> tuple[bytes, bytes]:
        """Received fields as lines, and those in lower case."""
        if not self._lines:
            self._lines = NO_LINES + lines_of(self._received)
        if not self._lower:
            self._lower = self._lines.lower()
        return self._lines, self._lower


def _as_one(values: list[str]) -> str | None:
    return ", ".join(values) if values else None


arrived = partial(Headers, (), _NOTHING)
"""The fields of a message: all of its lines, and of these the ones that are not dropped at once.

Where the caller has them, those in lower case, and what is `Known` of them, which is shared
by all messages with the same lines.
"""
