"""The path of a request, as it is matched, and the paths that are refused: 400, `request.path`.

The upstream gets the path as it came. So what Seawall takes for a path of route A must not
be served as one of B, or A's policies are walked around. Refused always (`normalize`):

- `.` and `..` segments, plain, encoded, or with parameters (`..;x`): upstreams differ in
  whether they resolve them (RFC 3986, section 5.2.4) before or after decoding.
- Encoded slashes, and backslashes: a separator to some (Tomcat, IIS, WHATWG URL), a letter
  to others.
- NUL, control characters, U+2028 and U+2029: the first ends a path in C, the last two a
  line of a regular expression in Java.
- A `%` without two hex digits, and what is not UTF-8: guessed at, dropped or, as overlong
  forms (`%c0%af`), decoded to ASCII.
- `%2561`, which is still encoded when it has been decoded: two servers in a row decode twice.
- `#`, where nginx ends the path, and `//` at the start, where URL parsers look for a host.

Double slashes further on are merged for matching, as nginx, Apache and Tomcat do.

Refused where it makes a difference (`fold`, `RoutingTable.find`): Express, IIS and Rails
don't mind the case of letters or a slash at the end; Java drops `;parameters`; who decodes
too early takes `%3f` for the end. Such an upstream serves `/Admin/`, `/admin;x` and
`/admin%3fx` as `/admin`. So each path is looked up twice, as it is written and as such an
upstream reads it, and refused where that leads to routes with different paths: one of them
would lose its policies. A route that spells the path out settles it.

Not covered: upstreams that take `/admin.json` for `/admin` (Rails, Spring before 5.3), or
the path from another field (`X-Original-URL`). Give such paths and fields a policy.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NewType
from urllib.parse import unquote_to_bytes

from proxy.errors import Rejection

NormalizedPath = NewType("NormalizedPath", str)
"""Begins with a slash; has no escapes, double slashes, dot segments or control characters."""

REMEMBERED_PATHS = 1024
"""How many paths a cache keeps; those not asked for longest go first."""
REMEMBERED_LENGTH = 256
"""Longer paths are not kept, so that a cache stays small whatever is asked for."""

_PLAIN = re.compile(r"/|(?:/[\w\-~!$&'()*+,=:@][\w\-.~!$&'()*+,=:@]*)+/?", re.ASCII)
_REFUSED_ENCODED = re.compile(
    r"(?P<authority>^//)|(?P<fragment>#)|(?P<slash>%2[fF])|(?P<percent>%(?![0-9a-fA-F]{2}))"
)
_REFUSED_DECODED = re.compile(
    r"(?P<dots>/\.\.?(?=[/;?#]|\Z))|(?P<backslash>\\)|(?P<twice>%[0-9a-fA-F]{2})"
    r"|(?P<control>[\x00-\x1f\x7f-\x9f\u2028\u2029])"
)
_WHY = {
    "authority": "The path begins with two slashes.",
    "fragment": "The path has a fragment.",
    "slash": "The path has an encoded slash in it.",
    "percent": "The path has a percent sign in it that is not followed by two hex digits.",
    "dots": "The path has a dot segment in it.",
    "backslash": "The path has a backslash in it.",
    "twice": "The path is encoded more than once.",
    "control": "The path has a control character in it.",
}
_SLASHES = re.compile(r"//+")
_IGNORED = re.compile(r"[?#].*|;[^/]*")


def normalize(path: str) -> NormalizedPath:
    """Decode `path` once and merge its double slashes; what follows a `?` is not looked at.

    `path` is that of a request target, undecodable bytes as surrogates. Raises Rejection
    (400, `request.path`) for what the module's docstring lists, and nothing else.
    """
    return _remembered(path) if len(path) <= REMEMBERED_LENGTH else _normalize(path)


def fold(path: str) -> str:
    """`path` without what a lenient upstream ignores, and without slashes around it.

    That is: in lower case, without `;parameters`, without what follows a decoded `?` or `#`.
    """
    if ";" in path or "?" in path or "#" in path:
        path = _SLASHES.sub("/", _IGNORED.sub("", path))
    return path.lower().strip("/")


def never_requested(path: str) -> bool:
    """No request's normalised path looks like `path`."""
    return bool(_REFUSED_DECODED.search(path)) or not path.startswith("/") or "//" in path


def _normalize(path: str) -> NormalizedPath:
    if _PLAIN.fullmatch(path):
        return NormalizedPath(path)
    path = path.partition("?")[0]
    if not path.startswith("/"):
        raise _rejection("The path does not begin with a slash.")
    _refuse(_REFUSED_ENCODED, path)
    try:
        decoded = unquote_to_bytes(path.encode("utf-8", "surrogateescape")).decode("utf-8")
    except UnicodeError:
        raise _rejection("The path is not UTF-8.") from None
    _refuse(_REFUSED_DECODED, decoded)
    return NormalizedPath(_SLASHES.sub("/", decoded))


_remembered = lru_cache(REMEMBERED_PATHS)(_normalize)


def _refuse(pattern: re.Pattern[str], path: str) -> None:
    if found := pattern.search(path):
        raise _rejection(_WHY[str(found.lastgroup)])


def _rejection(detail: str) -> Rejection:
    return Rejection(400, "request.path", detail)
