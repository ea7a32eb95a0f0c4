"""Header fields as the bytes that they are sent in: found, read and cut out by name, all at once.

Lines begin with a CRLF, and each field `Name: value` ends in one. Names are looked for in the same
lines in lower case, which come with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import product

import msgspec

Field = tuple[bytes, bytes]
"""Name as it was written, and value; neither has surrounding white space."""

FORWARDED = b"x-forwarded-"
ANY_FORWARDED = b"x-forwarded-*"
"""In a set of names to drop: all that begin with `FORWARDED`, since everybody makes up another."""

NO_LINES = b"\r\n"
"""Lines of a message without fields."""

Line = tuple[frozenset[bytes], bytes]
"""What is added: the names in it, in lower case, and one line or more, each with its CRLF."""

HOLE = b"\0"
"""In lines that are the same in several messages but for one value: stands for that. No field has a NUL."""


class Varied(msgspec.Struct, frozen=True, eq=False):
    """What one of such messages has for the hole, and what stands around it."""

    name: bytes
    """Of the field, in lower case."""
    value: bytes
    lines: bytes
    """With the hole..."""
    lower: bytes
    """...and these in lower case."""


# The same few sets are looked for in every message: a look-up costs a fraction of compiling an
# expression. Policies choose these sets, peers do not.
_finders: dict[frozenset[bytes], re.Pattern[bytes]] = {}
SETS_MAX = 512
"""How many sets of names are remembered, and..."""
SET_SIZE_MAX = 256
"""...how large they may be."""


def _finder(names: frozenset[bytes]) -> re.Pattern[bytes]:
    """Finds the lines of `names`, which are lower case, in lines of lower case."""
    finder = _finders.get(names)
    if finder is None:
        spelled = sorted(re.escape(name) for name in names if name != ANY_FORWARDED)
        if ANY_FORWARDED in names:
            spelled.append(re.escape(FORWARDED) + rb"[^:\r]*")
        finder = re.compile(rb"\r\n(?:" + b"|".join(spelled) + rb"):")
        if len(_finders) >= SETS_MAX:
            _finders.clear()
        _finders[names] = finder
    return finder


UNIONS: dict[tuple[frozenset[bytes], frozenset[bytes]], frozenset[bytes]] = {}
"""Of two such sets, for the same reason: a look-up costs a fraction of joining them."""


def union_of(one: frozenset[bytes], other: frozenset[bytes]) -> frozenset[bytes]:
    """Both; remembered in `UNIONS`."""
    if not one:
        return other
    union = UNIONS.get((one, other))
    if union is None:
        union = one | other
        if len(union) <= SET_SIZE_MAX:
            if len(UNIONS) >= SETS_MAX:
                UNIONS.clear()
            UNIONS[one, other] = union
    return union


def without(lines: bytes, lower: bytes, names: frozenset[bytes]) -> bytes:
    """`lines` but for those of `names`; `lower` are the same lines in lower case.

    An expression is compiled for each set of names: for those that we choose, not for a peer's.
    """
    if len(names) > SET_SIZE_MAX:
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


def less(added: Iterable[Line], names: frozenset[bytes]) -> Iterator[Line]:
    """What was added, without the fields of `names`."""
    for set_names, lines in added:
        kept = set_names - names
        if len(kept) == len(set_names):
            yield set_names, lines
        elif kept:
            yield kept, without_these(b"\r\n" + lines, names)[2:]


def spellings(name: str) -> frozenset[bytes]:
    """`name` in lower case with every mix of dashes and underscores, which CGI makes into one.

    There are two for each dash, four for two of them, and so on.
    """
    parts = name.lower().replace("_", "-").split("-")
    return frozenset(
        "".join(map("".join, zip(parts, (*joints, ""), strict=True))).encode()
        for joints in product("-_", repeat=len(parts) - 1)
    )


def values_in(lines: bytes, lower: bytes, line: bytes) -> list[str]:
    """What stands behind each `line`: a name as it begins one, in lower case, such as `\\r\\nhost: `."""
    values: list[str] = []
    at = lower.find(line)
    while at >= 0:
        at += len(line)
        end = lines.index(b"\r\n", at)
        values.append(_text(lines[at:end]))
        at = lower.find(line, end)
    return values


def lines_of(fields: Iterable[Field]) -> bytes:
    """Each with its CRLF, but without the one in front of all."""
    return b"".join([b"%b: %b\r\n" % field for field in fields])


def fields_in(lines: bytes) -> Iterator[Field]:
    """One by one, for those who look at all of them."""
    for line in lines[2:-2].split(b"\r\n") if lines != NO_LINES else ():
        name, _, value = line.partition(b": ")
        yield name, value


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
