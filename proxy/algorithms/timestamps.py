"""Points in time as others write them, read without any leniency.

`int()` and `float()` also take signs, exponents, underscores, white space and the digits of
other scripts; what is signed or compared here has one spelling.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal

TimeUnit = Literal["s", "ms", "iso8601"]
"""Seconds or milliseconds since the epoch, or a date and a time with their offset (RFC 3339)."""

_SECONDS = re.compile(r"[0-9]{1,11}")
_MILLISECONDS = re.compile(r"[0-9]{1,14}")
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)


def read_timestamp(text: str, unit: TimeUnit) -> float | None:
    """Seconds since the epoch; None for what is no timestamp in this unit."""
    return _READERS[unit](text)


def write_timestamp(at: float, unit: TimeUnit) -> str:
    """`at`, in seconds since the epoch, cut to whole seconds or milliseconds."""
    if unit == "ms":
        return str(int(at * 1000))
    if unit == "s":
        return str(int(at))
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> float | None:
    return float(text) if _SECONDS.fullmatch(text) else None


def _milliseconds(text: str) -> float | None:
    return int(text) / 1000 if _MILLISECONDS.fullmatch(text) else None


def _date_time(text: str) -> float | None:
    if not _DATE_TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):  # there is no 13th month, and no second before the year 1
        return None


_READERS: Mapping[TimeUnit, Callable[[str], float | None]] = {
    "s": _seconds,
    "ms": _milliseconds,
    "iso8601": _date_time,
}
