"""Spellings of a header's name that an application may take for it.

CGI and WSGI make one variable of `X-Event` and `X_Event`. A policy that looks at the one has to keep
the other from the application, or that may read what nobody has looked at.
"""

from __future__ import annotations

from proxy.header_lines import spellings

_MOST_DASHES = 8


def lookalikes(name: str) -> frozenset[bytes]:
    """Its other spellings, for `Headers.drop`."""
    return spellings(name) - {name.lower().encode()}


def too_many_dashes(name: str) -> str:
    """What is wrong with a header of whose `lookalikes` there are too many; nothing where they are few."""
    many = sum(map(name.count, "-_")) > _MOST_DASHES
    return f"there are too many dashes in it; expected at most {_MOST_DASHES}" if many else ""
