"""Heads of HTTP/1 messages, checked byte for byte and taken apart (RFC 9112, sections 2 to 6).

A regular expression for the first line and one for the fields are the whole grammar:
whatever they do not match is refused, so that nothing is passed on that another server
could read in another way. No folded lines, no bare CR or LF, no control characters, no
space before a colon. The lines of the fields then stay as they are, in one piece; those
that frame the message, belong to this connection, or may not be believed are `special`.

A head whose fields have odd but legal white space around their values, or odd but legal names, is
spelled anew first, so that everything behind this module knows one spelling: `Name: value`, CRLF.

The parser that aiohttp brings (llhttp) is the oracle in the tests: what is taken here, it
takes too, and reads alike. ADR 12 says why it does not do the work itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_LINES = re.compile(rb"\r\n(?:" + _TOKEN + rb":[^\r]*+\r\n)*+")
_SPELLED = re.compile(rb"\r\n(?:[0-9A-Za-z\-]++: [^ \r][^\r]*+(?<! )\r\n)*+")
"""As `_LINES`, with one space before each value and none behind it, and with nothing odd in a name."""

_REQUEST_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}+ [\x21-\x7e]++ HTTP/1\.[01]")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] [1-9][0-9][0-9](?: [\t\x20-\x7e\x80-\xff]*+)?")

AS_CGI = bytes(code if chr(code) in "0123456789abcdefghijklmnopqrstuvwxyz" else 0x2D for code in range(256))
"""A table for `translate`: names that CGI could take for each other become the same one.

Most servers make an underscore of a dash, and some of everything that is no letter and no digit.
"""

_CONTROL = bytes((*range(0x20), 0x7F))
_CONTROL_BUT_TAB = _CONTROL.replace(b"\t", b"")
_NOTHING: frozenset[bytes] = frozenset()
_KEEP_ALIVE = frozenset((b"keep-alive",))
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))

_NAMES = (
    "GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH"  # RFC 9110, RFC 5789
    " COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND UNBIND ACL"  # WebDAV
    " REPORT MKACTIVITY CHECKOUT MERGE MKCALENDAR LINK UNLINK QUERY"  # DeltaV, CalDAV, RFC 2068, QUERY
    " M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PURGE SOURCE"  # UPnP, caches, Icecast
)
METHODS = {name.encode(): name for name in _NAMES.split()}
"""Methods that are known here; another is refused with 501 (RFC 9110, section 9.1)."""


class MalformedError(Exception):
    """This is not a head of HTTP/1."""


class UnknownMethodError(MalformedError):
    """It would be one, but for its method."""


class RequestLine(msgspec.Struct, frozen=True, eq=False):
    """The first line of a request. Shared by all requests that begin with the same one."""

    raw: bytes
    """Without its CRLF."""
    method: str
    target: str
    """Byte for byte, undecodable bytes as surrogates."""
    modern: bool
    """HTTP/1.1; else 1.0."""


class Fields(msgspec.Struct, frozen=True, eq=False):
    """The fields of a head. Shared by consecutive messages of a connection that have the same ones."""

    lines: bytes
    """As they arrived; see `proxy.headers.NO_LINES`."""
    lower: bytes
    """The same in lower case; empty where nobody needed that yet."""
    special: dict[bytes, bytes]
    """Those that mean something to us: name and value, both in lower case. Not to be changed."""
    connection: frozenset[bytes]
    """What Connection names, in lower case."""
    odd: bool = False
    """There may be something else than letters, digits and dashes in a name."""

    def closes(self, *, modern: bool) -> bool:
        """The connection ends with this message (RFC 9112, section 9.3): `close` counts before all else."""
        return b"close" in self.connection or not (modern or b"keep-alive" in self.connection)

    def value(self, name: bytes) -> str:
        """All values of `name` (lower case), joined by commas, in the case that they came in; or nothing."""
        values, line = [], b"\r\n%b: " % name
        lower = self.lower or self.lines.lower()
        at = lower.find(line)
        while at >= 0:
            at += len(line)
            end = lower.index(b"\r\n", at)
            values.append(self.lines[at:end].decode("utf-8", "surrogateescape"))
            at = lower.find(line, end)
        return ",".join(values)


class Specials:
    """Finds fields of some names among others; names ending in `-` stand for all that begin so."""

    def __init__(self, names: Iterable[bytes]) -> None:
        spelled = sorted(
            re.escape(name) if name.endswith(b"-") else re.escape(name) + b"(?=: )" for name in set(names)
        )
        spelled.sort(key=len, reverse=True)  # a whole name before one that begins it: X-Forwarded-Id
        # Behind a beginning the rest of the name is taken for a part of the value: nobody asks for that.
        self.findall = re.compile(rb"\n(" + b"|".join(spelled) + rb")(?:: )?([^\r]*+)").findall


def parse_request_line(raw: bytes) -> RequestLine:
    """Take apart a request line, without its CRLF. Raises MalformedError."""
    if not _REQUEST_LINE.fullmatch(raw):
        raise MalformedError("no request line")
    verb, target, version = raw.split(b" ")
    method = METHODS.get(verb)
    if method is None:
        raise UnknownMethodError("a method that is not known")
    if method == "CONNECT" and target.startswith(b"/"):
        # RFC 9112, section 3.2.3. Some upstreams would open a tunnel all the same, which we would not see.
        raise MalformedError("CONNECT with a path")
    return RequestLine(raw, method, target.decode("utf-8", "surrogateescape"), version == b"HTTP/1.1")


def parse_fields(lines: bytes, specials: Specials) -> Fields:
    """Check the lines of a head behind its first one, from that one's CRLF to the last field's.

    Raises MalformedError.
    """
    # Without a bare CR, which no grammar here takes, this leaves whole CRLFs and nothing else of the kind.
    odd = _SPELLED.fullmatch(lines) is None
    if odd or len(lines.translate(None, _CONTROL)) != len(lines) - 2 * lines.count(b"\r"):
        lines = _spelled_anew(lines)
    lower = lines.lower()
    found = specials.findall(lower)
    special = dict(found)
    if len(special) < len(found):
        special = _joined(found)
    connection = special.get(b"connection")
    return Fields(lines, lower, special, _NOTHING if connection is None else _tokens(connection), odd)


def parse_status_line(raw: bytes) -> int:
    """The status in a status line without its CRLF. Raises MalformedError."""
    if not _STATUS_LINE.fullmatch(raw):
        raise MalformedError("no status line")
    return int(raw[9:12])


def _tokens(connection: bytes) -> frozenset[bytes]:
    if connection == b"keep-alive":
        return _KEEP_ALIVE
    return frozenset([token.strip(b" \t") for token in connection.split(b",")])


def _spelled_anew(lines: bytes) -> bytes:
    """The same with one space before each value and none behind it. Raises MalformedError."""
    if not _LINES.fullmatch(lines):
        raise MalformedError("a line that is no field")
    if len(lines.translate(None, _CONTROL_BUT_TAB)) != len(lines) - 2 * lines.count(b"\r"):
        raise MalformedError("a control character in a field")
    fields = [line.partition(b":") for line in lines[2:-2].split(b"\r\n")]
    return b"\r\n%b" % b"".join([b"%b: %b\r\n" % (name, _value(name, value)) for name, _, value in fields])


def _value(name: bytes, value: bytes) -> bytes:
    """Without the white space around it; but a tab behind a length or a coding is a part of it to some."""
    return value.lstrip(b" \t").rstrip(b" ") if name.lower() in _FRAMING else value.strip(b" \t")


def _joined(found: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Several fields of a name make a list (RFC 9110, section 5.3).

    With spaces, so that what may not be a list (a length, a coding, a host) is no valid value then.
    """
    special: dict[bytes, list[bytes]] = {}
    for name, value in found:
        special.setdefault(name, []).append(value)
    return {name: b" , ".join(values) for name, values in special.items()}
