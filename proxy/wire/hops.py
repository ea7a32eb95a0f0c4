"""Max-Forwards: how many more proxies a TRACE or an OPTIONS may pass (RFC 9110, section 7.6.2).

Each takes one off. Who gets none answers itself: an OPTIONS with nothing to tell of the application's
options, and a TRACE with 501, since what it would repeat has credentials in it.
"""

from __future__ import annotations

import re

from proxy.errors import Rejection
from proxy.exchange import Request, Response

COUNTED = frozenset(("OPTIONS", "TRACE"))
"""Methods for which the field counts; with others it is passed on as it came."""
_FIELD = "Max-Forwards"
_MOST = 255
"""Passed on at most, as by a TTL of IP: no way to an application is that long."""
_NUMBER = re.compile(r"0*([0-9]{1,9})", re.ASCII)


def take_hop(request: Request) -> Response | None:
    """Count this proxy; the answer where it is the last one that may have the request.

    Raises Rejection for a number that is none, and where there is nothing to answer with.
    """
    values = request.headers.get_all(_FIELD)
    if not values:
        return None
    number = _NUMBER.fullmatch(values[0]) if len(values) == 1 else None
    if number is None:
        raise Rejection(400, "request.malformed", "Max-Forwards is no number, or stands there twice.")
    left = int(number[1])
    if left:
        request.headers.set(_FIELD, str(min(left - 1, _MOST)))
        return None
    if request.method == "TRACE":
        raise Rejection(501, "request.method", "A TRACE is passed on here, and not answered.")
    return Response(200)
