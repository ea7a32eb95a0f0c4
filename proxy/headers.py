"""Header fields of one message, as cheap to pass on as they are easy to change.

A proxy passes most fields on untouched, so they stay the bytes that arrived, in their
order and with their case. What policies add is encoded once: at load, where it is known
then (`HeaderBlock`), else when it is set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

Field = tuple[bytes, bytes]
"""Name as it was written, and value; neither has surrounding white space."""


class Index(Protocol):
    """What a parser already knows of the received fields: a multidict, case-insensitive."""

    def getall(self, name: str, default: Sequence[str], /) -> Sequence[str]:
        """Every value of `name`, or `default`."""
        ...


FORWARDED = b"x-forwarded-"
ANY_FORWARDED = b"x-forwarded-*"
"""In a set of names to drop: all that begin with `FORWARDED`, since everybody makes up another."""

_LINE_BREAKS = frozenset("\r\n\0")
_NOTHING: frozenset[bytes] = frozenset()

# The same few sets are joined, and asked about the same few names, for every message: a
# look-up costs a fraction of a union, or of a conversion to lower case.
_unions: dict[tuple[frozenset[bytes], frozenset[bytes]], frozenset[bytes]] = {}
_verdicts: dict[frozenset[bytes], _Verdicts] = {}
_SETS_MAX = 128
_NAMES_MAX = 256
# Peers choose names, and by Connection also sets of them: what is out of the ordinary is not kept,
# or a few MB of requests would fill a hundred times as much memory.
_NAME_LENGTH_MAX = 64
_SET_SIZE_MAX = 256


class _Verdicts(dict[bytes, bool]):
    """Whether a field of this name stays, as it is spelled; bounded, since peers choose names."""

    def __init__(self, dropped: frozenset[bytes]) -> None:
        super().__init__()
        self._dropped = dropped

    def __missing__(self, name: bytes) -> bool:
        lower = name.lower()
        stays = lower not in self._dropped
        if stays and lower.startswith(FORWARDED):
            stays = ANY_FORWARDED not in self._dropped
        if len(name) <= _NAME_LENGTH_MAX:
            if len(self) >= _NAMES_MAX:
                self.clear()
            self[name] = stays
        return stays


def _verdicts_of(dropped: frozenset[bytes]) -> _Verdicts:
    verdicts = _verdicts.get(dropped)
    if verdicts is None:
        verdicts = _Verdicts(dropped)
        if len(dropped) <= _SET_SIZE_MAX:
            if len(_verdicts) >= _SETS_MAX:
                _verdicts.clear()
            _verdicts[dropped] = verdicts
    return verdicts


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


class HeaderBlock:
    """Fields known at load: those to set, and names to remove. Serialised once.

    `names` are lower case; a field that is set replaces all of its name.
    """

    __slots__ = ("fields", "lines", "names")

    def __init__(self, set_: Mapping[str, str], remove: Iterable[str] = ()) -> None:
        self.fields: tuple[Field, ...] = tuple(
            (n.encode("latin-1"), v.encode("utf-8")) for n, v in set_.items()
        )
        self.lines = b"\r\n".join(b": ".join(field) for field in self.fields)
        self.names = frozenset(
            [name.lower() for name, _ in self.fields] + [name.lower().encode("latin-1") for name in remove]
        )


class Headers:
    """The fields of one message. Names are matched without regard to case."""

    __slots__ = ("_added", "_blocks", "_dropped", "_index", "_received")

    def __init__(
        self,
        received: Sequence[Field] = (),
        index: Index | None = None,
        dropped: frozenset[bytes] = _NOTHING,
    ) -> None:
        """`dropped`: lower-case names among `received` that count as not there."""
        self._received = received
        self._index = index
        self._dropped = dropped
        self._blocks: tuple[HeaderBlock, ...] = ()
        self._added: list[Field] = []

    def copy(self) -> Headers:
        """The same fields, to be changed apart from these."""
        twin = Headers(self._received, self._index, self._dropped)
        twin._blocks, twin._added = self._blocks, list(self._added)
        return twin

    @property
    def received(self) -> Sequence[Field]:
        """The fields as they arrived, whatever was dropped or changed since."""
        return self._received

    def get(self, name: str) -> str | None:
        """The value of `name`, several joined by a comma (RFC 9110, section 5.3), or None."""
        found = self.get_all(name)
        return ", ".join(found) if found else None

    def get_all(self, name: str) -> list[str]:
        """Every value of `name`, in order. Undecodable bytes survive as surrogates."""
        wanted = name.lower().encode("latin-1")
        if wanted in self._dropped or (wanted.startswith(FORWARDED) and ANY_FORWARDED in self._dropped):
            values = []
        elif self._index is not None:
            values = list(self._index.getall(name, ()))
        else:
            values = [v.decode("utf-8", "surrogateescape") for n, v in self._received if n.lower() == wanted]
        if self._blocks or self._added:
            values += [
                v.decode("utf-8", "surrogateescape") for n, v in self._overlaid() if n.lower() == wanted
            ]
        return values

    def __contains__(self, name: str) -> bool:
        return bool(self.get_all(name))

    def __iter__(self) -> Iterator[Field]:
        stays = _verdicts_of(self._dropped)
        for field in self._received:
            if stays[field[0]]:
                yield field
        yield from self._overlaid()

    def add(self, name: str, value: str) -> None:
        """Append a field, beside any other of its name.

        Raises ValueError where the value would end the line, and so forge another field.
        """
        if not _LINE_BREAKS.isdisjoint(value):
            raise ValueError(f"the value of {name} has a line break or a NUL in it")
        self._added.append((name.encode("latin-1"), value.encode("utf-8", "surrogateescape")))

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
            self._added = [field for field in self._added if field[0].lower() not in names]
        if self._blocks:
            self._unstamp(names)

    def stamp(self, block: HeaderBlock) -> None:
        """Set and remove what `block` says; the same as `set` and `remove`, without the work."""
        self.drop(block.names)
        self._blocks += (block,)

    def serialize(self) -> bytes:
        """All fields, each ending in CRLF."""
        stays = _verdicts_of(self._dropped)
        lines = [b": ".join(field) for field in self._received if stays[field[0]]]
        if self._blocks or self._added:
            lines += [block.lines for block in self._blocks if block.lines]
            lines += [b": ".join(field) for field in self._added]
        return b"\r\n".join(lines) + b"\r\n" if lines else b""

    def _overlaid(self) -> Iterator[Field]:
        for block in self._blocks:
            yield from block.fields
        yield from self._added

    def _unstamp(self, names: frozenset[bytes]) -> None:
        """A later change touches a stamped field: take that block apart into single fields."""
        kept = []
        for block in self._blocks:
            if any(name.lower() in names for name, _ in block.fields):
                self._added[:0] = [field for field in block.fields if field[0].lower() not in names]
            else:
                kept.append(block)
        self._blocks = tuple(kept)
