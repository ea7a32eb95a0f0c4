"""What a request asks for: the host and the target, taken apart (RFC 9112, section 3.2; RFC 3986)."""

from __future__ import annotations

import re
from typing import NamedTuple

from proxy.errors import Rejection

_HOST = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_LARGEST_PORT = 65535
_known_hosts: dict[str, str] = {}
_KNOWN_HOSTS_MAX = 1024
_KNOWN_HOST_LENGTH_MAX = 255  # clients choose them: what is longer than any name is not remembered


def host_of(authority: str) -> str | None:
    """The host in lower case without its port; None where `authority` is none (RFC 3986, 3.2)."""
    host = _known_hosts.get(authority)
    if host is None:
        if not _HOST.fullmatch(authority):
            return None
        bare = authority.lower()
        _, separator, port = bare.rpartition(":")
        if separator and port.isdigit() and int(port) > _LARGEST_PORT:  # five digits at most, says _HOST
            return None
        host = bare[: bare.rindex("]") + 1] if bare.startswith("[") else bare.partition(":")[0]
        if len(authority) <= _KNOWN_HOST_LENGTH_MAX:
            if len(_known_hosts) >= _KNOWN_HOSTS_MAX:
                _known_hosts.clear()
            _known_hosts[authority] = host
    return host


class Target(NamedTuple):
    """The request target, taken apart (RFC 9112, section 3.2)."""

    origin: str
    """In origin-form, as it goes to the upstream."""
    path: str
    query: str
    authority: str | None = None
    """Of an absolute-form target, which then stands above the Host field."""


def split_target(method: str, target: str) -> Target:
    """Raises Rejection for a form that does not go with the method."""
    if target.startswith("/"):
        path, _, query = target.partition("?")
        return Target(target, path, query)
    if target == "*" and method == "OPTIONS":
        return Target("*", "*", "")
    scheme, separator, after = target.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        raise Rejection(400, "request.target", "The request target is neither a path nor an http URL.")
    at = min((found for found in (after.find("/"), after.find("?")) if found >= 0), default=len(after))
    authority, origin = after[:at], after[at:]
    if not origin and method == "OPTIONS":
        return Target("*", "*", "", authority)  # RFC 9112, section 3.2.4
    if not origin.startswith("/"):
        origin = "/" + origin
    path, _, query = origin.partition("?")
    return Target(origin, path, query, authority)
