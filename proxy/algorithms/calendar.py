"""Periods as calendars and clocks on walls have them, in UTC: this minute, hour, day, week, month."""

from __future__ import annotations

import math
from datetime import UTC, datetime

DAY = 86400
WEEK = 7 * DAY
_FIRST_MONDAY = 4 * DAY
"""1970-01-05."""


def is_calendar(seconds: float, *, month: bool = False) -> bool:
    """Whether periods of so many seconds begin at times that one would expect."""
    whole = seconds == int(seconds) and seconds >= 1
    return month or seconds == WEEK or (whole and DAY % int(seconds) == 0)


def period(now: float, seconds: float, *, month: bool = False) -> tuple[int, int]:
    """When the one of `now` began, and when it ends: seconds since the epoch. `is_calendar` must hold."""
    if month:
        # Whole seconds, since fractions are rounded there, and so into the month that follows.
        first = datetime.fromtimestamp(math.floor(now), UTC).replace(day=1, hour=0, minute=0, second=0)
        after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
        return int(first.timestamp()), int(after.timestamp())
    length, offset = int(seconds), _FIRST_MONDAY if seconds == WEEK else 0
    start = math.floor((now - offset) / length) * length + offset
    return start, start + length
