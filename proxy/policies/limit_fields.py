"""What a response says of a limit: `RateLimit-Policy` and `RateLimit`, or `X-RateLimit-*`.

The first two as in the IETF draft "RateLimit header fields for HTTP"
(draft-ietf-httpapi-ratelimit-headers): lists of structured fields (RFC 9651), so that ours
stands beside the upstream's own, and neither is loosened. `X-RateLimit-Limit`, `-Remaining` and
`-Reset` (seconds) have no room for two: the one with the least remaining stands there.
"""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import Literal

from proxy.algorithms.gcra import MICROSECONDS, Quota
from proxy.exchange import Response
from proxy.header_lines import Line
from proxy.headers import HeaderBlock, header_line

Style = Literal["ietf", "legacy", "both", "none"]

_REMEMBERED = 256
_REMAINING = "X-RateLimit-Remaining"


class LimitFields:
    """The fields of one limit, called `name` there."""

    def __init__(self, style: Style, name: str, quota: Quota) -> None:
        self._quota = quota
        # A window is whole seconds: a shorter one is told as what it comes to in a second.
        window = math.ceil(quota.period)
        self._limit = math.floor(quota.limit * window / quota.period)
        policy = f'"{name}";q={self._limit};w={window}'
        self._policy = header_line("RateLimit-Policy", policy)
        both = HeaderBlock({"RateLimit-Policy": policy, "RateLimit": f'"{name}";r='})
        ((names, lines),) = both.added
        lines = lines[:-2].replace(b"%", b"%%") + b"%d;t=%d\r\n"
        self._told = lru_cache(_REMEMBERED)(partial(_told, names, lines))  # few limits have more to tell
        self._ietf = style in ("ietf", "both")
        self._legacy = style in ("legacy", "both")

    def write(self, response: Response, state: tuple[int, int] | None) -> None:
        """Say what remains, and in how many microseconds it is more; None where nobody asked."""
        headers = response.headers
        if state is None:
            if self._ietf:
                headers.append(self._policy)
            return
        remaining, wait = state
        reset = -(-wait // MICROSECONDS)
        if self._ietf:
            headers.append(self._told(remaining, reset))
        if self._legacy and not _is_tighter(headers.get(_REMAINING), remaining):
            headers.set("X-RateLimit-Limit", str(self._limit))
            headers.set(_REMAINING, str(remaining))
            headers.set("X-RateLimit-Reset", str(reset))


def _told(names: frozenset[bytes], lines: bytes, remaining: int, reset: int) -> Line:
    return names, lines % (remaining, reset)


def _is_tighter(stated: str | None, remaining: int) -> bool:
    """What stands there promises no more than `remaining`; what cannot be read is left alone."""
    if stated is None:
        return False
    number = stated.strip()
    return not (number.isascii() and number.isdecimal()) or int(number[:9]) <= remaining
