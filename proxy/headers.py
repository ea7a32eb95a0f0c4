"""Header fields of one message, as cheap to pass on as they are easy to change.

A proxy passes most fields on untouched, so they stay the bytes that arrived: one piece, in
their order and with their case, that is cut only where a field has to go. They are looked
at one by one only where a policy asks. What policies add is encoded once: at load, where it
is known then (`HeaderBlock`), else when it is set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product

import msgspec

Cuts = dict[frozenset[bytes], bytes]
"""Of some lines: names that are dropped -> what is left. For lines that come again and again."""
_CUTS_MAX = 4

Field = tuple[bytes, bytes]
"""Name as it was written, and value; neither has surrounding white space."""

FORWARDED = b"x-forwarded-"
ANY_FORWARDED = b"x-forwarded-*"
"""In a set of names to drop: all that begin with `FORWARDED`, since everybody makes up another."""

NO_LINES = b"\r\n"
"""Lines of a message without fields. Lines begin with a CRLF, and each field `Name: value` ends in one."""

_LINE_BREAKS = frozenset("\r\n\0")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, section 5.6.2
_NOTHING: frozenset[bytes] = frozenset()

# The same few sets are joined, and looked for, for every message: a look-up costs a fraction
# of a union, or of compiling an expression. Policies choose these sets, peers do not.
_unions: dict[tuple[frozenset[bytes], frozenset[bytes]], frozenset[bytes]] = {}
_finders: dict[frozenset[bytes], re.Pattern[bytes]] = {}
_SETS_MAX = 512
_SET_SIZE_MAX = 256


def _finder(names: frozenset[bytes]) -> re.Pattern[bytes]:
    """Finds the lines of `names`, which are lower case, in lines of lower case."""
    finder = _finders.get(names)
    if finder is None:
        spelled = sorted(re.escape(name) for name in names if name != ANY_FORWARDED)
        if ANY_FORWARDED in names:
            spelled.append(re.escape(FORWARDED) + rb"[^:\r]*")
        finder = re.compile(rb"\r\n(?:" + b"|".join(spelled) + rb"):")
        if len(_finders) >= _SETS_MAX:
            _finders.clear()
        _finders[names] = finder
    return finder


def without(lines: bytes, lower: bytes, names: frozenset[bytes]) -> bytes:
    """`lines` but for those of `names`; `lower` are the same lines in lower case.

    An expression is compiled for each set of names: for those that we choose, not for a peer's.
    """
    if len(names) > _SET_SIZE_MAX:
        return without_these(lines, names)
    kept, at = [], 0
    for found in _finder(names).finditer(lower):
        kept.append(lines[at : found.start()])
        at = lines.index(b"\r\n", found.end())
    return b"".join((*kept, lines[at:])) if kept else lines


def without_these(lines: bytes, names: frozenset[bytes]) -> bytes:
    """As `without`, for names that a peer has chosen: slower, and nothing is remembered of them."""
    kept = [line for line in lines[2:-2].split(b"\r\n") if line.partition(b":")[0].lower() not in names]
    return b"\r\n".join((b"", *kept, b"")) if kept and lines != NO_LINES else NO_LINES


def spellings(name: str) -> frozenset[bytes]:
    """`name` in lower case with every mix of dashes and underscores, which CGI makes into one.

    There are two for each dash, four for two of them, and so on.
    """
    parts = name.lower().replace("_", "-").split("-")
    return frozenset(
        "".join(map("".join, zip(parts, (*joints, ""), strict=True))).encode()
        for joints in product("-_", repeat=len(parts) - 1)
    )


def _union(one: frozenset[bytes], other: frozenset[bytes]) -> frozenset[bytes]:
    if not one:
        return other
    union = _unions.get((one, other))
    if union is None:
        union = one | other
        if len(union) <= _SET_SIZE_MAX:
            if len(_unions) >= _SETS_MAX:
                _unions.clear()
            _unions[one, other] = union
    return union


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


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _spelled(fields: Iterable[Field]) -> bytes:
    return b"".join([b"%b: %b\r\n" % field for field in fields])


def _fields(lines: bytes) -> Iterator[Field]:
    for line in lines[2:-2].split(b"\r\n") if lines != NO_LINES else ():
        name, _, value = line.partition(b": ")
        yield name, value


Line = tuple[bytes, bytes]
"""A field as it goes out: its name in lower case, and the line with its CRLF."""


def header_line(name: str, value: str) -> Line:
    """A field, encoded once. Raises ValueError where name or value would forge another field."""
    return _sought(name)[0], b"%b: %b\r\n" % (_encoded(name), _bytes(name, value))


class HeaderBlock:
    """Fields known at load: those to set, and names to remove. Serialised once.

    `names` are lower case; a field that is set replaces all of its name. Raises ValueError as `Headers.add`.
    """

    __slots__ = ("fields", "lines", "names", "set_names")

    def __init__(self, set_: Mapping[str, str], remove: Iterable[str] = ()) -> None:
        self.fields: tuple[Field, ...] = tuple((_encoded(n), _bytes(n, v)) for n, v in set_.items())
        self.lines = _spelled(self.fields)
        self.set_names = frozenset([name.lower() for name, _ in self.fields])
        self.names = self.set_names | {name.lower().encode("latin-1") for name in remove}


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
    _cuts: Cuts | None = None
    """What became of these lines before; None where they are not remembered."""
    _blocks: tuple[HeaderBlock, ...] = ()
    _added: tuple[Line, ...] = ()

    def copy(self) -> Headers:
        """The same fields, to be changed apart from these."""
        return Headers(
            self._received,
            self._dropped,
            self._arrived,
            self._lines,
            self._lower,
            self._cuts,
            self._blocks,
            self._added,
        )

    @property
    def received(self) -> Sequence[Field]:
        """The fields as they arrived, whatever was dropped or changed since."""
        if not self._received and self._arrived:
            self._received = tuple(_fields(self._arrived))
        return self._received

    @property
    def received_count(self) -> int:
        """How many fields arrived."""
        return self._arrived.count(b"\r\n") - 1 if self._arrived else len(self._received)

    @property
    def received_size(self) -> int:
        """Bytes of all names and values that arrived."""
        if self._arrived:
            return len(self._arrived) - 2 - 4 * self.received_count  # each has a colon, a space and a CRLF
        return sum([len(name) + len(value) for name, value in self._received])

    def get(self, name: str) -> str | None:
        """The value of `name`, several joined by a comma (RFC 9110, section 5.3), or None."""
        wanted, line = _sought(name)
        if not self._touched(wanted):  # the usual question, answered at once
            lines, lower = self._both()
            at = lower.find(line)
            if at < 0:
                return None
            at += len(line)
            end = lower.index(b"\r\n", at)
            if lower.find(line, end) < 0:
                return _text(lines[at:end])
        found = self.get_all(name)
        return ", ".join(found) if found else None

    def get_all(self, name: str) -> list[str]:
        """Every value of `name`, in order. Undecodable bytes survive as surrogates."""
        wanted, line = _sought(name)
        values: list[str] = []
        dropped = self._dropped
        if not dropped or (
            wanted not in dropped and not (ANY_FORWARDED in dropped and wanted.startswith(FORWARDED))
        ):
            lines, all_lower = self._both()
            at = all_lower.find(line)
            while at >= 0:
                at += len(line)
                end = lines.index(b"\r\n", at)
                values.append(_text(lines[at:end]))
                at = all_lower.find(line, end)
        if not self._touched(wanted):
            return values
        for block in self._blocks:
            if wanted in block.set_names:
                values += [_text(value) for name, value in block.fields if name.lower() == wanted]
        values += [_text(added[len(line) - 2 : -2]) for lower, added in self._added if lower == wanted]
        return values

    def __contains__(self, name: str) -> bool:
        wanted, line = _sought(name)
        return bool(self.get_all(name)) if self._touched(wanted) else line in self._both()[1]

    def __iter__(self) -> Iterator[Field]:
        lines, lower = self._both()
        yield from _fields(without(lines, lower, self._dropped) if self._dropped else lines)
        yield from self._overlaid()

    def add(self, name: str, value: str) -> None:
        """Append a field, beside any other of its name.

        Raises ValueError where name or value would forge another field.
        """
        self._added += (header_line(name, value),)

    def append(self, *lines: Line) -> None:
        """As `add`, for fields that were encoded before by `header_line`."""
        self._added += lines

    def set(self, name: str, value: str) -> None:
        """Replace every field of `name` by this one."""
        self.remove(name)
        self.add(name, value)

    def remove(self, name: str) -> None:
        """Take out every field of `name`."""
        self.drop(frozenset((name.lower().encode("latin-1"),)))

    def drop(self, names: frozenset[bytes]) -> None:
        """Take out every field whose lower-case name is in `names`."""
        self._dropped = _union(self._dropped, names)
        if self._added:
            self._added = tuple([added for added in self._added if added[0] not in names])
        for block in self._blocks:
            if not block.set_names.isdisjoint(names):
                self._unstamp(names)
                break

    def stamp(self, block: HeaderBlock) -> None:
        """Set and remove what `block` says; the same as `set` and `remove`, without the work."""
        self.drop(block.names)
        self._blocks += (block,)

    def serialize(self) -> bytes:
        """All fields as lines: a CRLF, and behind each field another."""
        lines = self._lines
        if self._dropped or not lines:
            lines, lower = self._both()
            if self._dropped:
                lines = self._cut(lines, lower)
        for block in self._blocks:
            lines += block.lines
        for _, added in self._added:
            lines += added
        return lines

    def _cut(self, lines: bytes, lower: bytes) -> bytes:
        """`lines` without those of dropped names."""
        cuts = self._cuts
        if cuts is None:
            return without(lines, lower, self._dropped)
        cut = cuts.get(self._dropped)
        if cut is None:
            cut = without(lines, lower, self._dropped)
            if len(cuts) < _CUTS_MAX:
                cuts[self._dropped] = cut
        return cut

    def _touched(self, wanted: bytes) -> bool:
        """Something was done to fields of this name, or may have been."""
        dropped = self._dropped
        if dropped and (wanted in dropped or wanted.startswith(FORWARDED)):
            return True
        for block in self._blocks:
            if wanted in block.set_names:
                return True
        for lower, _ in self._added:  # noqa: SIM110  # a generator would cost more than all the rest
            if lower == wanted:
                return True
        return False

    def _both(self) -> tuple[bytes, bytes]:
        """Received fields as lines, and those in lower case."""
        if not self._lines:
            self._lines = NO_LINES + _spelled(self._received)
        if not self._lower:
            self._lower = self._lines.lower()
        return self._lines, self._lower

    def _overlaid(self) -> Iterator[Field]:
        for block in self._blocks:
            yield from block.fields
        for _, added in self._added:
            name, _, value = added[:-2].partition(b": ")
            yield name, value

    def _unstamp(self, names: frozenset[bytes]) -> None:
        """A later change touches a stamped field: take that block apart into single fields."""
        kept = []
        for block in self._blocks:
            if not block.set_names.isdisjoint(names):
                apart = [(name.lower(), _spelled(((name, value),))) for name, value in block.fields]
                self._added = (*(added for added in apart if added[0] not in names), *self._added)
            else:
                kept.append(block)
        self._blocks = tuple(kept)


def arrived(lines: bytes, kept: bytes, kept_lower: bytes = b"", cuts: Cuts | None = None) -> Headers:
    """The fields of a message that came as `lines`, of which `kept` are not dropped at once.

    `kept_lower` are these in lower case, where the caller has that; `cuts` is shared by all
    messages with the same lines.
    """
    return Headers((), _NOTHING, lines, kept, kept_lower, cuts)
