"""Heads of messages: what is checked before one is believed, and how one is written.

llhttp has checked the syntax of a request's head strictly; what it leaves open is decided
here. A response's head comes from its lax mode, so its bytes are checked again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from multidict import istr

from proxy.errors import Rejection
from proxy.headers import ANY_FORWARDED, FORWARDED, Headers
from proxy.problem import TITLES
from proxy.wire.aiohttp_parts import RequestHead, ResponseHead
from proxy.wire.framing import ChunkedDecoder, CloseDecoder, Decoder, FramingError, LengthDecoder

# A multidict finds an `istr` in a third of the time that a str takes.
CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING = (
    istr("Connection"),
    istr("Content-Length"),
    istr("Transfer-Encoding"),
)
EXPECT, HOST, KEEP_ALIVE, TE = istr("Expect"), istr("Host"), istr("Keep-Alive"), istr("TE")
UPGRADE = istr("Upgrade")

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy proxy-authenticate proxy-authorization proxy-connection te"
    b" transfer-encoding upgrade".split()
)
"""Fields of one connection, never passed on (RFC 9110, section 7.6.1).

And `Proxy`, which CGI would hand on as the variable that names an outgoing proxy (httpoxy).
"""

SPOOFABLE = frozenset(
    b"forwarded x-forwarded x-original-forwarded-for x-real-ip x-client-ip x-cluster-client-ip true-client-ip"
    b" cf-connecting-ip fastly-client-ip x-envoy-external-address x-proxyuser-ip wl-proxy-client-ip"
    b" x-scheme x-url-scheme front-end-https".split()
) | {ANY_FORWARDED}
"""What only a trusted proxy may say about a client."""

_NOTHING: frozenset[bytes] = frozenset()
_KEPT = frozenset((b"content-length", b"host"))  # `Connection: content-length` must not unframe a message
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))
_ORDINARY_CONNECTION = frozenset(("keep-alive", "close", "Keep-Alive", "Close", ""))

_HOST = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
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
        host = bare[: bare.rindex("]") + 1] if bare.startswith("[") else bare.partition(":")[0]
        if len(authority) <= _KNOWN_HOST_LENGTH_MAX:
            if len(_known_hosts) >= _KNOWN_HOSTS_MAX:
                _known_hosts.clear()
            _known_hosts[authority] = host
    return host


_MAX_LENGTH_DIGITS = 18  # int() raises over 4300, and who stops at 2**63 would read another number


def request_decoder(head: RequestHead) -> LengthDecoder | ChunkedDecoder | None:
    """How the body is framed; None where there is none (RFC 9112, section 6.3).

    Raises Rejection where the framing is not beyond doubt.
    """
    if head.version[0] != 1:
        raise Rejection(505, "request.version", "Only HTTP/1 is spoken here.")
    headers = head.headers
    coding = headers.get(TRANSFER_ENCODING)
    if coding is None:
        length = headers.get(CONTENT_LENGTH, "0")
        if len(length) > _MAX_LENGTH_DIGITS:
            raise Rejection(400, "request.framing", "The Content-Length has too many digits.")
        size = int(length)
        return LengthDecoder(size) if size else None
    if head.version < (1, 1):
        # RFC 9112, section 6.1: such a message's framing is to be treated as faulty.
        raise Rejection(400, "request.framing", "HTTP/1.0 has no Transfer-Encoding.")
    if coding.lower() != "chunked" or not head.chunked:
        raise Rejection(501, "request.transfer_coding", "Only the transfer coding 'chunked' is understood.")
    if CONTENT_LENGTH in headers:
        raise Rejection(400, "request.framing", "Content-Length and Transfer-Encoding stand side by side.")
    return ChunkedDecoder()


def response_decoder(head: ResponseHead, method: str) -> Decoder | None:
    """How the body is framed; None where there is none (RFC 9112, section 6.3).

    Raises FramingError where the framing is not beyond doubt.
    """
    code = head.code
    if method == "HEAD" or code == 204 or code == 304:  # noqa: PLR1714  # faster than a set
        return None
    headers = head.headers
    coding = headers.get(TRANSFER_ENCODING)
    if coding is not None:
        if (
            coding.lower() != "chunked"
            or not head.chunked
            or head.version < (1, 1)
            or CONTENT_LENGTH in headers
            or len(headers.getall(TRANSFER_ENCODING)) > 1
        ):
            raise FramingError(f"the upstream's Transfer-Encoding can't be trusted: {coding[:40]!r}")
        return ChunkedDecoder()
    length = headers.get(CONTENT_LENGTH)
    if length is None:
        return CloseDecoder()
    if len(length) > _MAX_LENGTH_DIGITS:
        raise FramingError("the upstream's Content-Length has too many digits")
    size = int(length)
    return LengthDecoder(size) if size else None


_CLEAN_HEAD = re.compile(
    rb"HTTP/1\.[01] [1-9][0-9][0-9](?: [\t\x20-\x7e\x80-\xff]*+)?\r\n"
    rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n)*+\r\n"
)


def check_response_bytes(head: bytes) -> None:
    """Raise FramingError for what llhttp's lax mode lets through: it could split the response.

    Control characters, a CR or LF that is not part of a CRLF, folded lines, a space before a colon
    (`Transfer-Encoding : chunked` frames for some), and other protocols and versions.
    """
    if not _CLEAN_HEAD.fullmatch(head):
        raise FramingError("the head of the response is not strictly HTTP/1")


def dropped_with(base: frozenset[bytes], connection: Sequence[str]) -> frozenset[bytes]:
    """`base` and what the Connection fields name besides (RFC 9110, section 7.6.1)."""
    if not connection or (len(connection) == 1 and connection[0] in _ORDINARY_CONNECTION):
        return base
    tokens = ",".join(connection).lower().split(",")
    named = {token.strip(" \t").encode("utf-8", "surrogateescape") for token in tokens}
    return base | (named - _KEPT)


def colliding(headers: tuple[tuple[bytes, bytes], ...], guarded: frozenset[bytes]) -> frozenset[bytes]:
    """Names with underscores that a CGI or WSGI application could not tell from guarded ones."""
    lower = [name.lower() for name, _ in headers if b"_" in name]
    if not lower:  # as in most requests, whose underscores stand in cookies
        return _NOTHING
    guarded |= _KEPT
    return frozenset(
        name
        for name in lower
        if (folded := name.replace(b"_", b"-")) in guarded or folded.startswith(FORWARDED)
    )


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
    if not origin.startswith("/"):
        origin = "/" + origin
    path, _, query = origin.partition("?")
    return Target(origin, path, query, authority)


STATUS_LINES: dict[tuple[int, str], bytes] = {}
"""Those that were written before, by status and phrase; bounded by `status_line`."""
_STATUS_LINES_MAX = 1024
_KNOWN_PHRASE_LENGTH_MAX = 64


def status_line(status: int, phrase: str) -> bytes:
    """With its CRLF."""
    line = STATUS_LINES.get((status, phrase))
    if line is None:
        line = b"HTTP/1.1 %d %b\r\n" % (status, phrase.encode("utf-8", "surrogateescape"))
        if len(phrase) <= _KNOWN_PHRASE_LENGTH_MAX:
            if len(STATUS_LINES) >= _STATUS_LINES_MAX:
                STATUS_LINES.clear()
            STATUS_LINES[status, phrase] = line
    return line


def phrase_of(status: int) -> str:
    """The usual reason phrase; empty for a status that has none."""
    return TITLES.get(status, "")


def interim_headers(head: ResponseHead, dropped: frozenset[bytes]) -> Headers:
    """The fields of a 1xx response that go to the client; none that frames a body (RFC 9110, section 8.6)."""
    dropped = dropped_with(dropped, head.headers.getall(CONNECTION, ()))
    return Headers(head.raw_headers, head.headers, dropped | _FRAMING)


def interim_head(head: ResponseHead, dropped: frozenset[bytes] = HOP_BY_HOP) -> bytes:
    """A 1xx response, passed on (RFC 9110, section 15.2)."""
    fields = interim_headers(head, dropped).serialize()
    return status_line(head.code, head.reason) + fields + b"\r\n"


_OTHER_HTTP = frozenset(("h2", "h2c", "http", "https", "ssl", "tls"))
_PROTOCOL = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)?")


def upgrade_of(head: RequestHead) -> str:
    """The protocols that a client may switch to; empty where it asks for none (RFC 9110, section 7.8).

    Not to another HTTP (h2c, TLS): no policy would see the requests that are made over it.
    """
    if not head.upgrade or head.version < (1, 1):
        return ""
    asked = [protocol.strip(" \t") for protocol in ",".join(head.headers.getall(UPGRADE, ())).split(",")]
    return ", ".join(
        protocol
        for protocol in asked
        if _PROTOCOL.fullmatch(protocol) and protocol.lower().partition("/")[0] not in _OTHER_HTTP
    )


def switches_to(head: ResponseHead, asked: str) -> bool:
    """Whether a 101 names nothing but protocols out of `asked`."""
    if not asked:
        return False
    offered = {protocol.strip(" \t") for protocol in asked.lower().split(",")}
    chosen = ",".join(head.headers.getall(UPGRADE, ())).lower().split(",")
    return all(protocol.strip(" \t") in offered for protocol in chosen)
