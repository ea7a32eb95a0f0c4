"""From a parsed head to an exchange: the checks and the facts that come before any policy."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from proxy.errors import Rejection
from proxy.exchange import Exchange, Request, Response
from proxy.header_lines import NO_LINES
from proxy.headers import arrived
from proxy.router import Found, Missing, normalize
from proxy.wire.bodies import Body
from proxy.wire.carrier import Carrier
from proxy.wire.framing import ChunkedDecoder, LengthDecoder
from proxy.wire.head import RequestFields, believed, request_decoder
from proxy.wire.hollow import remember
from proxy.wire.hops import COUNTED, take_hop
from proxy.wire.parser import (
    Fields,
    MalformedError,
    RequestLine,
    UnknownMethodError,
    parse_fields,
    parse_request_line,
)
from proxy.wire.serving import CompiledRoute, HeadCaps, Serving
from proxy.wire.target import host_of, split_target
from proxy.wire.upgrading import upgrade_of

if TYPE_CHECKING:
    from proxy.wire.client import ClientConnection

_BARE_LF = re.compile(rb"(?<!\r)\n")
_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32} ")
_VERSIONS = frozenset((b" HTTP/1.1", b" HTTP/1.0"))
_VERSION = re.compile(rb" HTTP/[0-9]+(?:\.[0-9]+)?\Z")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._~\-]{1,128}")

_prefix = os.urandom(5).hex()
_numbers = itertools.count(1)


def check_head_so_far(data: bytes, caps: HeadCaps, seen: int = 0) -> Rejection | None:
    """What is wrong with the part of a head that has arrived, `seen` bytes of it before."""
    line_end = data.find(b"\r\n")
    line = len(data) - data.endswith(b"\r") if line_end < 0 else line_end
    if len(data) > caps.head or line > caps.target:
        return too_large(line, caps)
    if line_end >= 0 and data[line_end - 9 : line_end] not in _VERSIONS:
        return _refuse_line(data[:line_end])
    return _check_part(data, seen)


def too_large(line: int, caps: HeadCaps) -> Rejection:
    """The refusal of a head whose first line has `line` bytes: that is too long, or else all of it."""
    if line > caps.target:
        return Rejection(414, "request.target_too_long", "The request line is too long.")
    return Rejection(431, "request.head_too_large", "The request's header is too large.")


def _refuse_line(line: bytes, cause: str = "") -> Rejection:
    if _VERSION.search(line) and line[-9:] not in _VERSIONS:
        return Rejection(505, "request.version", "Only HTTP/1.0 and HTTP/1.1 are spoken here.")
    return Rejection(400, "request.malformed", "This is not an HTTP request.", cause=cause)


def _check_part(data: bytes, seen: int) -> Rejection | None:
    """It may never be complete: say at once what can already be told, not after a time-out."""
    if _BARE_LF.search(data, max(0, seen - 1)):
        return Rejection(400, "request.malformed", "A line of the head does not end in CR LF.")
    if not _METHOD.match(data) and (len(data) > 32 or not _METHOD.match(data + b" ")):
        return Rejection(400, "request.malformed", "This is not an HTTP request.")
    return None


def refuse_head(error: MalformedError, line: bytes) -> Rejection:
    """The refusal of a head that is none, whose first line is `line`."""
    if isinstance(error, UnknownMethodError):
        return Rejection(501, "request.method", "This method is not known here.", cause=str(error))
    return _refuse_line(line, str(error))


_REMEMBERED_LINE = 256
"""Longer request lines, and longer headers than four times that, are not remembered."""
_REMEMBERED_TOKENS = 8
"""Of Connection; each costs ten times its bytes, and there may be ten thousand connections."""
_remembered_line = lru_cache(1024)(parse_request_line)


def read_line(raw: bytes) -> RequestLine:
    """Take apart a request line; the same ones come again and again. Raises MalformedError."""
    return _remembered_line(raw) if len(raw) <= _REMEMBERED_LINE else parse_request_line(raw)


def read_fields(client: ClientConnection, lines: bytes) -> RequestFields:
    """Take apart the lines of a request's fields. Raises MalformedError, and Rejection for too many.

    A client that calls again mostly says the same about itself: it is compared, which costs
    a hundredth of reading it; a twentieth where the value of one field is new each time.
    """
    hollow = client.hollow
    if hollow is not None and (filled := hollow.filled(lines)) is not None:
        client.last_lines, client.last_fields = b"", NO_FIELDS  # one of the two is enough to keep
        return filled
    serving = client.serving
    if lines.count(b"\r") > serving.caps.fields + 1:
        raise too_large(0, serving.caps)
    dropped = serving.dropped_trusted if client.peer_trusted else serving.dropped_untrusted
    parsed = parse_fields(lines, serving.request_specials)
    remembered = len(lines) <= _REMEMBERED_LINE * 4 and len(parsed.connection) <= _REMEMBERED_TOKENS
    fields = believed(parsed, dropped, serving.dropped_untrusted, remembered=remembered)
    if remembered:
        remember(client, lines, fields)
    return fields


def open_exchange(
    client: ClientConnection, line: RequestLine, fields: RequestFields
) -> tuple[Carrier, Rejection | Response | None]:
    """An exchange for a head, and what it is answered where no route is to be asked."""
    serving = client.serving
    refusal: Rejection | None = None
    decoder: LengthDecoder | ChunkedDecoder | None = None
    route, params = serving.no_route, _NO_PARAMS
    method, target = line.method, line.target
    headers = arrived(fields.all.lines, fields.kept, fields.kept_lower, fields.known, (), fields.varied)
    request = Request(method, target, "", "", headers)
    try:
        if fields.framed:
            decoder = request_decoder(line, fields.all)
            if decoder is not None:
                request.content_length = decoder.left
        host = fields.host or _odd_host(line, fields)
        if target[:1] == "/":
            path, _, request.query = target.partition("?")
            request.host = host
            request.path = normalize(path)
        else:
            _read_odd_target(request, host)
        if (serving.local or method in COUNTED) and (answer := _answered_here(serving, request)) is not None:
            return _carrier(client, line, fields, request, route, decoder), answer
        route, params = _route(serving, request)
    except Rejection as rejection:
        refusal = rejection
    if client.secure or (client.peer_trusted and fields.all.value(b"x-forwarded-proto") == "https"):
        request.secure = True
    carrier = _carrier(client, line, fields, request, route, decoder)
    carrier.exchange.params = params
    if refusal is not None and _is_last(method, refusal):
        carrier.close = True
    return carrier, refusal


def _answered_here(serving: Serving, request: Request) -> Response | None:
    """The answer to what is not asked of any upstream; raises Rejection as `take_hop`."""
    if request.method in COUNTED:
        return take_hop(request)
    local = serving.local.get(request.path) if request.method in ("GET", "HEAD") else None
    return None if local is None else local()


def _is_last(method: str, refusal: Rejection) -> bool:
    """What follows on this connection can't be told apart any more.

    Nor behind CONNECT, where a client that does not wait for the answer sends what is meant for the
    tunnel: somebody else's bytes, maybe, that would be taken for requests.
    """
    return method == "CONNECT" or (refusal.reason.startswith("request.") and refusal.reason != "request.path")


def open_failed(client: ClientConnection) -> Carrier:
    """An exchange that stands for a request whose head was malformed."""
    carrier = _carrier(client, _NO_LINE, NO_FIELDS, Request("", "", ""), client.serving.no_route, None)
    carrier.close = True
    return carrier


def _odd_host(line: RequestLine, fields: RequestFields) -> str:
    """An empty one, where that may be; raises Rejection (RFC 9112, section 3.2)."""
    if fields.host is None:
        raise Rejection(400, "request.host", "The Host field is malformed, or stands there twice.")
    if line.modern and b"host" not in fields.all.special:
        raise Rejection(400, "request.host", "There is no Host field.")
    return ""


def _read_odd_target(request: Request, host: str) -> None:
    """Path, query and host of a target that is no path; raises Rejection for what is none."""
    if request.method == "CONNECT":
        raise _not_for_a_proxy(request)
    request.target, path, request.query, authority = split_target(request.method, request.target)
    if authority is not None:
        request.headers.set("Host", authority)  # RFC 9112, section 3.2.2
        named = host_of(authority)
        if not named:  # RFC 9110, section 4.2.1: an http URL without a host is none
            raise Rejection(400, "request.host", "The target's host is malformed.")
        host = named
    request.host = host
    request.path = path if path == "*" else normalize(path)


def _route(serving: Serving, request: Request) -> Found[CompiledRoute]:
    preflight = None
    if request.method == "OPTIONS" and "Origin" in request.headers:
        preflight = request.headers.get("Access-Control-Request-Method")
    if request.path == "*":
        raise _not_for_a_proxy(request)
    found = serving.table.find(
        request.method, request.host, request.path, request.query, request.headers, preflight
    )
    if isinstance(found, Missing):
        raise _no_route(found)
    return found


def _no_route(missing: Missing) -> Rejection:
    if missing.allowed:
        allowed = ", ".join(missing.allowed)
        return Rejection(
            405, "route.method", "This path does not take this method.", headers=(("Allow", allowed),)
        )
    return Rejection(404, "route.none", "No route matches this request.")


def _not_for_a_proxy(request: Request) -> Rejection:
    if request.method == "CONNECT":
        # RFC 9110, section 9.3.6: a reverse proxy has no tunnels to offer.
        return Rejection(405, "route.method", "CONNECT is not offered here.", headers=(("Allow", ""),))
    return Rejection(404, "route.none", "A request about the server as a whole has no route.")


def _carrier(
    client: ClientConnection,
    line: RequestLine,
    fields: RequestFields,
    request: Request,
    route: CompiledRoute,
    decoder: LengthDecoder | ChunkedDecoder | None,
) -> Carrier:
    peer_ip = client_ip = client.peer_ip
    given = None
    if client.peer_trusted:
        client_ip = client.serving.peers.client_of(peer_ip, fields.all.value(b"x-forwarded-for"))
        given = _given_id(client.serving, fields)
    exchange = Exchange(
        request,
        client_ip=client_ip,
        request_id=given or (_random.pop() if _random else _random_id()),
        decision_id=f"{_prefix}-{next(_numbers):x}",
        started=client.monotonic(),
        peer_ip=peer_ip,
        peer_trusted=client.peer_trusted,
        max_body=client.settings.max_body,
    )
    exchange.route = route.facts
    id_field = client.serving.request_id_field % exchange.request_id.encode("latin-1")
    close = fields.all.closes(modern=line.modern)
    body = None if decoder is None else Body(decoder, client.buffers)
    carrier = Carrier(
        client, line, fields, exchange, route, body, route.pipeline, line.method, id_field, close
    )
    exchange.carrier = carrier
    if body is not None:
        request.content = body
        body.wanted = carrier.body_wanted
        carrier.request_sent = False
    if fields.upgrade:
        carrier.upgrade = upgrade_of(line, fields)
    client.serving.recorder.started(exchange)
    return carrier


def _given_id(serving: Serving, fields: RequestFields) -> str | None:
    if not serving.accept_request_id:
        return None
    given = fields.all.value(serving.request_id_header.lower().encode("latin-1"))
    return given if _REQUEST_ID.fullmatch(given) else None


def _random_id() -> str:
    """128 bits that nobody can guess: one system call for 256 of them."""
    if not _random:
        block = os.urandom(16 * 256).hex()
        _random.extend(block[at : at + 32] for at in range(0, len(block), 32))
    return _random.pop()


_random: list[str] = []

_NO_LINE = RequestLine(b"", "", "", modern=True)
NO_FIELDS = RequestFields(
    Fields(NO_LINES, NO_LINES, {}, frozenset()),
    NO_LINES,
    NO_LINES,
    host="",
    framed=False,
    upgrade=False,
    trailers=False,
)
_NO_PARAMS: Mapping[str, str] = {}
