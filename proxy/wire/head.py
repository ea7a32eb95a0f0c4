"""Heads of messages: what is believed of one, and how one is written.

`parser` has checked the bytes; what they may mean is decided here.
"""

from __future__ import annotations

import re

import msgspec

from proxy.errors import Rejection
from proxy.header_lines import ANY_FORWARDED, FORWARDED, Varied, without, without_these
from proxy.headers import Known
from proxy.problem import TITLES
from proxy.wire.framing import ChunkedDecoder, CloseDecoder, Decoder, FramingError, LengthDecoder
from proxy.wire.parser import AS_CGI, Fields, RequestLine, Specials, parse_fields, parse_status_line
from proxy.wire.target import host_of

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
) | {ANY_FORWARDED, FORWARDED}
"""What only a trusted proxy may say about a client."""

UNDERSTOOD = frozenset(b"content-length expect host".split())
"""Beside those: fields that are passed on, and mean something to us."""

_NOTHING: frozenset[bytes] = frozenset()
_KEPT = frozenset((b"content-length", b"host"))  # `Connection: content-length` must not unframe a message
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))
_ORDINARY_CONNECTION = frozenset((b"keep-alive", b"close", b""))

_MAX_LENGTH_DIGITS = 18  # int() raises over 4300, and who stops at 2**63 would read another number


class RequestFields(msgspec.Struct, frozen=True, eq=False):
    """What is believed of a request's fields. Shared, as `Fields` are."""

    all: Fields
    kept: bytes
    """The lines that are passed on, policies allowing."""
    kept_lower: bytes
    """The same in lower case; empty where nobody needed that yet."""
    host: str | None
    """See `host_of`; empty where there is none."""
    framed: bool
    """There may be a body."""
    upgrade: bool
    """It asks to switch protocols (RFC 9110, section 7.8)."""
    trailers: bool
    """The client takes trailers (RFC 9110, section 10.1.4)."""
    known: Known | None = None
    """What policies made of `kept`, where it is remembered."""
    varied: Varied | None = None
    """Where that holds with another value of one field as well."""


def believed(
    fields: Fields, dropped: frozenset[bytes], guarded: frozenset[bytes], *, remembered: bool = False
) -> RequestFields:
    """`dropped`: names that are not passed on; `guarded`: those that no other name may be taken for.

    `remembered`: the next request may have the same.
    """
    special = fields.special
    kept = fields.lines
    if not dropped.isdisjoint(special):
        kept = without(kept, fields.lower, dropped)
    named = named_by(fields.connection)
    if fields.odd:
        named |= colliding(fields.lower, guarded)
    if named:
        kept = without_these(kept, named)
    return RequestFields(
        fields,
        kept,
        fields.lower if kept is fields.lines else kept.lower(),
        host_of(special.get(b"host", b"").decode("latin-1")),
        b"content-length" in special or b"transfer-encoding" in special,
        b"upgrade" in fields.connection and b"upgrade" in special,
        b"trailers" in special.get(b"te", b""),
        {} if remembered else None,
    )


def request_decoder(line: RequestLine, fields: Fields) -> LengthDecoder | ChunkedDecoder | None:
    """How the body is framed; None where there is none (RFC 9112, section 6.3).

    Raises Rejection where the framing is not beyond doubt.
    """
    special = fields.special
    coding = special.get(b"transfer-encoding")
    if coding is None:
        size = _length(special.get(b"content-length", b"0"))
        if size is None:
            raise Rejection(400, "request.framing", "The Content-Length is no number, or stands there twice.")
        return LengthDecoder(size) if size else None
    if not line.modern:
        # RFC 9112, section 6.1: such a message's framing is to be treated as faulty.
        raise Rejection(400, "request.framing", "HTTP/1.0 has no Transfer-Encoding.")
    if b"content-length" in special:
        raise Rejection(400, "request.framing", "Content-Length and Transfer-Encoding stand side by side.")
    if coding != b"chunked":
        raise _refuse_coding(coding)
    return ChunkedDecoder()


def _refuse_coding(coding: bytes) -> Rejection:
    """RFC 9112, section 6.3: only where `chunked` comes last, and once, is the framing beyond doubt."""
    tokens = [token.strip(b" ") for token in coding.split(b",")]
    several = b" , " in coding or tokens.count(b"chunked") > 1
    if several or (b"chunked" in tokens and tokens[-1] != b"chunked"):
        return Rejection(400, "request.framing", "The transfer coding 'chunked' stands once, and last.")
    return Rejection(501, "request.transfer_coding", "Only the transfer coding 'chunked' is understood.")


def _length(value: bytes) -> int | None:
    """None for what is no length; RFC 9110, section 8.6."""
    return int(value) if value.isdigit() and len(value) <= _MAX_LENGTH_DIGITS else None


class ResponseHead(msgspec.Struct, frozen=True, eq=False):
    """A response's head. Shared by consecutive responses of a connection that have the same one."""

    status: int
    line: bytes
    """As it goes on: of HTTP/1.1, with its phrase, without its CRLF."""
    phrase: str
    """Of the status line."""
    fields: Fields
    kept: bytes
    """The lines that are passed on, policies allowing."""
    kept_lower: bytes
    """The same in lower case."""
    modern: bool
    """HTTP/1.1; else 1.0."""
    should_close: bool
    """The connection ends with this message."""
    known: Known
    """What policies made of `kept`."""


def response_head(raw: bytes, specials: Specials, dropped: frozenset[bytes]) -> ResponseHead:
    """Take apart `raw`, from the status line to the empty line. Raises MalformedError."""
    end = raw.index(b"\r\n")
    line = raw[:end]
    status = parse_status_line(line)
    fields = parse_fields(raw[end:-2], specials)
    kept = without(fields.lines, fields.lower, dropped)
    if named := named_by(fields.connection):
        kept = without_these(kept, named)
    return ResponseHead(
        status,
        b"HTTP/1.1%b" % line[8:] if len(line) > 12 else b"HTTP/1.1%b " % line[8:],
        line[13:].decode("utf-8", "surrogateescape"),
        fields,
        kept,
        fields.lower if kept is fields.lines else kept.lower(),
        line[7:8] == b"1",
        fields.closes(modern=line[7:8] == b"1") or not _ends(status, fields.special),
        {},
    )


def _ends(status: int, special: dict[bytes, bytes]) -> bool:
    """A response's end can be told without that of its connection.

    Not that of a HEAD that is not framed: who says nothing of the length may send it, and mostly closes.
    Nor that of a 204 which speaks of a body: who may not send one and says so may send it all the same,
    and what comes late would be taken for the answer to the next request, which may be another client's.
    """
    if status == 204:
        return special.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in special
    bodiless = status == 304 or status < 200
    return bodiless or b"content-length" in special or b"transfer-encoding" in special


_SETTINGS = re.compile(rb"\x00..\x04\x00\x00{4}", re.DOTALL)
"""How a server of HTTP/2 begins (RFC 9113, section 3.4)."""


def no_http(begun: bytes | bytearray) -> str:
    """What to say of an upstream that begins in this way, which is not how a response of HTTP/1 does."""
    if _SETTINGS.match(begun):
        return "this is HTTP/2; expected HTTP/1.1, which is what upstreams are spoken to"
    return "this is no response of HTTP/1"


_NO_LENGTH = "the upstream's Content-Length is no number, or stands there twice"


def response_decoder(head: ResponseHead, method: str) -> Decoder | None:
    """How the body is framed; None where there is none (RFC 9112, section 6.3).

    Raises FramingError where the framing is not beyond doubt.
    """
    code = head.status
    special = head.fields.special
    if method == "HEAD" or code == 204 or code == 304:  # noqa: PLR1714  # faster than a set
        if b"content-length" in special:
            _check_unsent(special)
        return None
    coding = special.get(b"transfer-encoding")
    if coding is not None:
        if coding != b"chunked" or not head.modern or b"content-length" in special:
            raise FramingError(f"the upstream's Transfer-Encoding can't be trusted: {coding[:40]!r}")
        return ChunkedDecoder()
    length = special.get(b"content-length")
    if length is None:
        return CloseDecoder()
    size = _length(length)
    if size is None:
        raise FramingError(_NO_LENGTH)
    return LengthDecoder(size) if size else None


def _check_unsent(special: dict[bytes, bytes]) -> None:
    """The length of a body that is not sent frames nothing, but it is passed on. Raises FramingError."""
    if b"transfer-encoding" in special:
        raise FramingError("the upstream sent Content-Length and Transfer-Encoding side by side")
    if _length(special[b"content-length"]) is None:
        raise FramingError(_NO_LENGTH)


def named_by(connection: frozenset[bytes]) -> frozenset[bytes]:
    """Fields that Connection names, and that are not passed on for that (RFC 9110, section 7.6.1)."""
    return _NOTHING if connection <= _ORDINARY_CONNECTION else connection - _KEPT - _ORDINARY_CONNECTION


_ODD_NAMES = re.compile(rb"\n([0-9a-z\-]*+[^0-9a-z\-:\r][^:\r]*):")


def colliding(lower: bytes, guarded: frozenset[bytes]) -> frozenset[bytes]:
    """Names that a CGI or WSGI application could not tell from guarded ones, such as `x_real.ip`.

    `lower` are a head's lines in lower case.
    """
    names = _ODD_NAMES.findall(lower)
    if not names:
        return _NOTHING
    guarded |= _KEPT
    return frozenset(
        name
        for name in names
        if (folded := name.translate(AS_CGI)) in guarded or folded.startswith(FORWARDED)
    )


STATUS_LINES: dict[tuple[int, str], bytes] = {}
"""Those that were written before, by status and phrase; bounded by `status_line`."""
_STATUS_LINES_MAX = 1024
_KNOWN_PHRASE_LENGTH_MAX = 64


def status_line(status: int, phrase: str) -> bytes:
    """Without its CRLF."""
    line = STATUS_LINES.get((status, phrase))
    if line is None:
        line = b"HTTP/1.1 %d %b" % (status, phrase.encode("utf-8", "surrogateescape"))
        if len(phrase) <= _KNOWN_PHRASE_LENGTH_MAX:
            if len(STATUS_LINES) >= _STATUS_LINES_MAX:
                STATUS_LINES.clear()
            STATUS_LINES[status, phrase] = line
    return line


def phrase_of(status: int) -> str:
    """The usual reason phrase; empty for a status that has none."""
    return TITLES.get(status, "")


def interim_lines(head: ResponseHead) -> bytes:
    """The fields of a 1xx response that go to the client; none that frames a body (RFC 9110, section 8.6)."""
    return without(head.kept, head.kept_lower, _FRAMING)


def interim_head(head: ResponseHead) -> bytes:
    """A 1xx response, passed on (RFC 9110, section 15.2)."""
    return b"%b%b\r\n" % (head.line, interim_lines(head))
