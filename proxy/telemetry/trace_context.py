"""The trace that a request belongs to, by W3C Trace Context (https://www.w3.org/TR/trace-context/).

`traceparent` and `tracestate` are passed on as they came: Seawall takes part in no trace, and
makes no spans. The trace's id is in the access log, so that a line leads to the trace and back.
"""

from __future__ import annotations

import re

_TRACEPARENT = re.compile(
    # version, trace-id, parent-id, flags; later versions may go on behind them (section 2.2.4).
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)
_LONGEST = 512


def trace_id(traceparent: str) -> str:
    """Empty where `traceparent` is none: it may be what anybody has sent, or several, joined."""
    found = _TRACEPARENT.fullmatch(traceparent) if len(traceparent) <= _LONGEST else None
    if found is None or (found[2] is not None and traceparent.startswith("00")):
        return ""
    return found[1]
