"""Points in time as every log, decision and health page writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


def rfc3339(at: float) -> str:
    """`at`, in seconds since the epoch, in UTC with milliseconds: `2026-01-31T09:00:00.123Z`."""
    second = int(at)
    return f"{_to_the_second(second)}.{int((at - second) * 1000):03d}Z"


@lru_cache(maxsize=16)
def _to_the_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
