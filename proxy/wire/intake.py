"""From a parsed head to an exchange: the checks and the facts that come before any policy."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from multidict import CIMultiDict, CIMultiDictProxy

from proxy.errors import Rejection
from proxy.exchange import Exchange, Request, Response
from proxy.headers import Headers
from proxy.router import Found, Missing, normalize
from proxy.wire.aiohttp_parts import HttpProcessingError, RequestHead, complaint
from proxy.wire.bodies import Body
from proxy.wire.carrier import Carrier
from proxy.wire.framing import ChunkedDecoder, Decoder, LengthDecoder
from proxy.wire.head import (
    CONNECTION,
    HOST,
    colliding,
    dropped_with,
    host_of,
    request_decoder,
    split_target,
)
from proxy.wire.serving import CompiledRoute, HeadCaps, Serving

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
    """What is wrong with a head, or with the part of one that has arrived, `seen` bytes of it before."""
    line_end = data.find(b"\r\n")
    if (len(data) if line_end < 0 else line_end) > caps.target:
        return Rejection(414, "request.target_too_long", "The request line is too long.")
    if len(data) > caps.head:
        return _too_large()
    # The parser would also take RTSP and ICE, and their versions for those of HTTP.
    if line_end >= 0 and data[line_end - 9 : line_end] not in _VERSIONS:
        return _refuse_line(data[:line_end])
    if data.endswith(b"\r\n\r\n"):
        return _too_large() if data.count(b"\r\n") > caps.fields + 2 else None
    return _check_part(data, seen)


def _too_large() -> Rejection:
    return Rejection(431, "request.head_too_large", "The request's header is too large.")


def _refuse_line(line: bytes) -> Rejection:
    if _VERSION.search(line):
        return Rejection(505, "request.version", "Only HTTP/1.0 and HTTP/1.1 are spoken here.")
    return Rejection(400, "request.malformed", "This is not an HTTP request.")


def _check_part(data: bytes, seen: int) -> Rejection | None:
    """It may never be complete: say at once what can already be told, not after a time-out."""
    if _BARE_LF.search(data, max(0, seen - 1)):
        return Rejection(400, "request.malformed", "A line of the head does not end in CR LF.")
    if not _METHOD.match(data) and (len(data) > 32 or not _METHOD.match(data + b" ")):
        return Rejection(400, "request.malformed", "This is not an HTTP request.")
    return None


def refuse_head(raw: bytes, error: HttpProcessingError) -> Rejection:
    """The refusal of a head that the parser did not take."""
    cause = complaint(error)
    if "method" in cause.lower() and _METHOD.match(raw):
        return Rejection(501, "request.method", "This method is not known here.", cause=cause)
    return Rejection(400, "request.malformed", "The request's head is malformed.", cause=cause)


def open_exchange(
    client: ClientConnection, head: RequestHead | None, raw: bytes
) -> tuple[Carrier, Rejection | Response | None]:
    """An exchange for `head`, whose bytes are `raw`, and what it is answered where no route is to be asked.

    Without a head (it was malformed) the exchange stands for the failed request.
    """
    serving = client.serving
    if head is None:
        carrier = _carrier(client, _NO_HEAD, Request("", "", ""), serving.no_route, None)
        carrier.close = True
        return carrier, None
    refusal: Rejection | None = None
    decoder: LengthDecoder | ChunkedDecoder | None = None
    route, params = serving.no_route, _NO_PARAMS
    request = Request(head.method, head.path, "", "", _headers(client, head, raw), b"")
    try:
        decoder = request_decoder(head)
        if decoder is not None:
            request.content_length = decoder.left
        _read_target(request, head)
        if serving.local and (local := serving.local.get(request.path)) and head.method in ("GET", "HEAD"):
            return _carrier(client, head, request, route, decoder), local()
        route, params = _route(serving, request, head)
    except Rejection as rejection:
        refusal = rejection
    if client.secure or (client.peer_trusted and head.headers.get("X-Forwarded-Proto") == "https"):
        request.secure = True
    carrier = _carrier(client, head, request, route, decoder)
    carrier.exchange.params = params
    if refusal is not None and refusal.reason.startswith("request.") and refusal.reason != "request.path":
        carrier.close = True  # what follows on this connection can't be told apart any more
    return carrier, refusal


def _read_target(request: Request, head: RequestHead) -> None:
    """Path, query and host; raises Rejection for what is none."""
    target = head.path
    authority: str | None = None
    if target[:1] == "/":
        path, _, request.query = target.partition("?")
    else:
        if head.method == "CONNECT":
            raise _not_for_a_proxy(request)
        request.target, path, request.query, authority = split_target(head.method, target)
        if authority is not None:
            request.headers.set("Host", authority)  # RFC 9112, section 3.2.2
    host = host_of(head.headers.get(HOST, "") if authority is None else authority)
    if host is None:
        raise Rejection(400, "request.host", "The Host field is malformed.")
    request.host = host
    request.path = path if path == "*" else normalize(path)


def _route(serving: Serving, request: Request, head: RequestHead) -> Found[CompiledRoute]:
    preflight = None
    if request.method == "OPTIONS" and "Origin" in head.headers:
        preflight = head.headers.get("Access-Control-Request-Method")
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
    head: RequestHead,
    request: Request,
    route: CompiledRoute,
    decoder: Decoder | None,
) -> Carrier:
    exchange = Exchange(
        request,
        client_ip=_client_ip(client, head) if client.peer_trusted else client.peer_ip,
        request_id=(client.peer_trusted and _given_id(client, head)) or _random_id(),
        decision_id=f"{_prefix}-{next(_numbers):x}",
        started=client.monotonic(),
        peer_ip=client.peer_ip,
        peer_trusted=client.peer_trusted,
        max_body=client.settings.max_body,
    )
    exchange.route = route.facts
    if decoder is None:
        carrier = Carrier(client, head, exchange, route, None)
    else:
        request.content = body = Body(decoder, client.buffers)
        carrier = Carrier(client, head, exchange, route, body)
        body.wanted = carrier.body_wanted
    client.serving.recorder.started(exchange)
    return carrier


def _headers(client: ClientConnection, head: RequestHead, raw: bytes) -> Headers:
    serving = client.serving
    dropped = serving.dropped_trusted if client.peer_trusted else serving.dropped_untrusted
    if CONNECTION in head.headers:
        dropped = dropped_with(dropped, head.headers.getall(CONNECTION, ()))
    if b"_" in raw and (names := colliding(head.raw_headers, serving.dropped_untrusted)):
        dropped |= names
    return Headers(head.raw_headers, head.headers, dropped)


def _client_ip(client: ClientConnection, head: RequestHead) -> str:
    hops = head.headers.getall("X-Forwarded-For", ())
    return client.serving.peers.client_of(client.peer_ip, ",".join(hops))


def _given_id(client: ClientConnection, head: RequestHead) -> str | None:
    if not client.serving.accept_request_id:
        return None
    given = head.headers.get(client.serving.request_id_header)
    return given if given is not None and _REQUEST_ID.fullmatch(given) else None


def _random_id() -> str:
    """128 bits that nobody can guess: one system call for 256 of them."""
    if not _random:
        block = os.urandom(16 * 256).hex()
        _random.extend(block[at : at + 32] for at in range(0, len(block), 32))
    return _random.pop()


_random: list[str] = []


class _NoHead:
    """Stands for a head that could not be parsed."""

    method = ""
    path = ""
    version = (1, 1)
    headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
    raw_headers: tuple[tuple[bytes, bytes], ...] = ()
    should_close = True
    upgrade = False
    chunked = False


_NO_HEAD = _NoHead()
_NO_PARAMS: Mapping[str, str] = {}
