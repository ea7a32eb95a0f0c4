"""Typed values as they would stand in a policy file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import msgspec

from proxy.config.units import Duration, Share, Size, StatusSet

_SECONDS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))
_BYTES = (
    *(("GiB", 2**30), ("GB", 10**9), ("MiB", 2**20), ("MB", 10**6), ("KiB", 2**10), ("KB", 10**3)),
    ("B", 1),
)

_FEW = 3

fields_of = cache(msgspec.structs.fields)
"""Of a schema; kept, since a call costs more than all else here and leaves cycles behind."""


def spelled(value: Any) -> Any:
    """`value` with its units as text, and of types that JSON has."""
    for unit, spell in _UNITS:
        if isinstance(value, unit):
            return spell(value)
    if isinstance(value, msgspec.Struct):
        return {info.encode_name: spelled(getattr(value, info.name)) for info in fields_of(type(value))}
    if isinstance(value, dict):
        return {str(key): spelled(item) for key, item in value.items()}
    if isinstance(value, list | tuple | frozenset):
        return [spelled(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def about(seconds: float) -> str:
    """A time for people, to four digits: `600ms`, `8.64s`, `2.5h`."""
    for unit, size in _SECONDS:
        if seconds * 1000 >= size:
            return f"{seconds * 1000 / size:.4g}{unit}"
    return f"{seconds * 1_000_000:.4g}µs"


def listed(names: Sequence[object]) -> str:
    """`a`, `a and b`, `a, b, c and 4 more`."""
    left = len(names) - _FEW
    told = [*map(str, names[:_FEW]), *([f"{left} more"] if left > 0 else [])]
    return " and ".join([*([", ".join(told[:-1])] if told[1:] else []), *told[-1:]])


def _in_units(amount: int, units: tuple[tuple[str, int], ...]) -> str:
    """In the largest unit of which it is a whole number."""
    for unit, size in units:
        if amount >= size and amount % size == 0:
            return f"{amount // size}{unit}"
    return f"0{units[-1][0]}"


def _codes(codes: StatusSet) -> Iterator[int | str]:
    """As few as they can be said in: 429, 502-504, 5xx."""
    left = sorted(codes)
    while left:
        first = left[0]
        hundred = first // 100
        breaks = (n for n, code in enumerate(left) if code != first + n or code // 100 > hundred)
        row = next(breaks, len(left))
        if row == 100:
            yield f"{hundred}xx"
        elif row > 2:
            yield f"{first}-{left[row - 1]}"
        else:
            yield from left[:row]
        del left[:row]


_UNITS: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (Duration, lambda value: _in_units(round(value * 1000), _SECONDS)),
    (Size, lambda value: _in_units(value, _BYTES)),
    (Share, lambda value: f"{value * 100:g}%"),
    (StatusSet, lambda value: list(_codes(value))),
)
