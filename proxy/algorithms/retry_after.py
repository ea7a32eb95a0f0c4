"""Retry-After: how long a server asks to be left alone (RFC 9110, section 10.2.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_SECONDS = re.compile(r"[0-9]{1,9}")
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
# Of the three forms of a date only this may be sent (section 5.6.7), and only this is: the others have
# two digits for a year, or no time zone.
_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) "
    rf"({_MONTHS}) ([0-9]{{4}}) ([0-9]{{2}}):([0-9]{{2}}):([0-9]{{2}}) GMT"
)


def seconds_asked(value: str, now: float) -> float | None:
    """From `now` (seconds since the epoch) on, 0 for what is past; None for what is no Retry-After."""
    if _SECONDS.fullmatch(value):
        return float(value)
    found = _DATE.fullmatch(value)
    if found is None:
        return None
    day, month, year, hour, minute, second = found.groups()
    try:
        number = _MONTHS.index(month) // 4 + 1
        date = datetime(int(year), number, int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        return max(0.0, date.timestamp() - now)
    except (ValueError, OverflowError):  # there is no 31st of February
        return None
