"""Seawall as a gateway to somebody else's API over https: where a client's request may go, and as what.

Whatever a client writes, it goes to the upstream of the policy file, under its name, or nowhere.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from tests.app.served import Served, served
from tests.app.trial import Files
from tests.wire.harness import Echo, Peer, RawUpstream, until
from tests.wire.probes import refusal

POLICIES = """\
version: 1
upstreams:
  api: {{url: "https://localhost:{port}", tls: {{ca_file: {ca}}}}}
defaults: {{forwarded: {{emit: [], host: upstream}}, timeout: {{connect: 2s}}}}
routes:
  - {{name: api, match: {{path: "/**"}}, policies: {policies}}}
"""
LOOKS = (
    "{retry: {max_retries: 1, backoff: {base: 1ms, max: 1ms}, body_limit: 64KiB, classes: "
    '{busy: {body: {pointer: /error, values: [busy]}}, odd: {body: {xpath: "//Error", values: [busy]}}, '
    'word: {body: {regex: "busy, come again"}}}}}'
)
MiB = 2**20


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class Api:
    """Somebody else's: `running` is the way to it."""

    def __init__(self, running: Served, upstream: RawUpstream, names: list[str | None]) -> None:
        self.running = running
        self.upstream = upstream
        self.names = names
        """As which it was asked for in each handshake (SNI)."""

    async def connect(self) -> Peer:
        return Peer(*await asyncio.open_connection("127.0.0.1", self.running.port))

    async def ask(self, raw: bytes) -> tuple[bytes, bytes]:
        peer = await self.connect()
        peer.send(raw)
        answer = await peer.message()
        peer.close()
        return answer

    async def cause(self) -> str:
        """What operators are told of the last failure."""
        decisions = self.running.proxy.decisions
        await until(lambda: bool(decisions.recent(1)))
        return decisions.recent(1)[0].cause


@asynccontextmanager
async def api(
    files: Files,
    authority: trustme.CA,
    serve: Callable[[Peer], Awaitable[object]],
    certificate: trustme.LeafCert | None = None,
    policies: str = "{}",
) -> AsyncIterator[Api]:
    names: list[str | None] = []
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (certificate or authority.issue_cert("localhost")).configure_cert(theirs)
    theirs.sni_callback = lambda _, name, __: names.append(name)
    upstream = RawUpstream(serve)
    upstream._server = await asyncio.start_server(upstream._accept, "127.0.0.1", 0, ssl=theirs)
    ca = files.folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    files.write(POLICIES.format(port=upstream.port, ca=ca, policies=policies))
    try:
        async with served(files) as running:
            yield Api(running, upstream, names)
    finally:
        await upstream.__aexit__(None)


def without_id(head: bytes) -> bytes:
    return re.sub(rb"X-Request-ID: [0-9a-f]{32}\r\n", b"", head)


# ---- what the client says of where to go


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"GET /a HTTP/1.1\r\nHost: evil.test\r\n\r\n", id="Host"),
        pytest.param(b"GET /a HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n", id="Seawall's address, as is usual"),
        pytest.param(b"GET /a HTTP/1.1\r\nHost:\r\n\r\n", id="an empty Host"),
        pytest.param(b"GET http://evil.test/a HTTP/1.1\r\nHost: evil.test\r\n\r\n", id="an absolute target"),
        pytest.param(
            b"GET https://evil.test:1/a HTTP/1.1\r\nHost: x\r\n\r\n", id="an absolute target, https"
        ),
        pytest.param(b"GET http://evil.test/a HTTP/1.0\r\n\r\n", id="an absolute target alone"),
        pytest.param(b"GET /a HTTP/1.0\r\n\r\n", id="no Host at all"),
        pytest.param(
            b"GET /a HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: evil.test\r\n\r\n", id="X-Forwarded-Host"
        ),
        pytest.param(b"GET /a HTTP/1.1\r\nHost: a\r\nForwarded: host=evil.test\r\n\r\n", id="Forwarded"),
        pytest.param(
            b"GET /a HTTP/1.1\r\nHost: a\r\nX_Forwarded_Host: evil.test\r\n\r\n", id="in CGI's spelling"
        ),
        pytest.param(b"GET /a HTTP/1.1\r\nHost: a\r\nX-Real-IP: 10.0.0.1\r\n\r\n", id="an address inside"),
        pytest.param(
            b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n", id="Host as of one connection"
        ),
        pytest.param(b"GET /a HTTP/1.1\r\nHost: a\r\nProxy: http://evil.test\r\n\r\n", id="httpoxy"),
        pytest.param(
            b"GET /a HTTP/1.1\r\nHost: a\r\nProxy-Authorization: Basic eDp5\r\n\r\n", id="for a proxy alone"
        ),
    ],
)
async def test_it_goes_to_the_api_under_its_own_name_and_says_nothing_else(
    raw: bytes, files: Files, authority: trustme.CA
) -> None:
    echo = Echo()
    async with api(files, authority, echo) as out:
        _, body = await out.ask(raw)
        port = out.upstream.port

    assert (b"ok", ["localhost"]) == (body, out.names)
    assert [b"GET /a HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % port] == [
        without_id(head) for head in echo.seen
    ]


@pytest.mark.parametrize(
    ("raw", "refused"),
    [
        pytest.param(b"CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test\r\n\r\n", 405, id="CONNECT"),
        pytest.param(b"CONNECT / HTTP/1.1\r\nHost: evil.test\r\n\r\n", 400, id="CONNECT to a path"),
        pytest.param(b"GET ftp://evil.test/a HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="another scheme"),
        pytest.param(b"GET //evil.test@a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, id="two Hosts"),
        pytest.param(
            b"GET http://a@evil.test/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="credentials in a target"
        ),
        pytest.param(
            b"GET //evil.test/a HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="a path that some take for a host"
        ),
        pytest.param(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404, id="the server as a whole"),
    ],
)
async def test_what_is_meant_for_another_kind_of_proxy_reaches_nobody(
    raw: bytes, refused: int, files: Files, authority: trustme.CA
) -> None:
    echo = Echo()
    async with api(files, authority, echo) as out:
        answer = await out.ask(raw)

    assert (refused, [], []) == (refusal(*answer)[0], echo.seen, out.names)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_the_clients_to_follow(status: int, files: Files, authority: trustme.CA) -> None:
    where = b"https://user:secret@elsewhere.test/b?c#d"
    echo = Echo(answer=b"HTTP/1.1 %d Away\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % (status, where))
    async with api(files, authority, echo) as out:
        head, _ = await out.ask(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")

    assert (b"HTTP/1.1 %d Away" % status, 1) == (head.partition(b"\r\n")[0], len(echo.seen))
    assert b"\r\nLocation: " + where + b"\r\n" in head


# ---- who the API proves to be

NOW = datetime.now(UTC)


def self_signed() -> trustme.LeafCert:
    return trustme.CA().issue_cert("localhost")


CERTIFICATES: dict[str, tuple[Callable[[trustme.CA], trustme.LeafCert], str]] = {
    "expired": (
        lambda ca: ca.issue_cert("localhost", not_before=NOW - timedelta(9), not_after=NOW - timedelta(1)),
        "certificate has expired",
    ),
    "not yet valid": (
        lambda ca: ca.issue_cert("localhost", not_before=NOW + timedelta(1)),
        "certificate is not yet valid",
    ),
    "of another host": (lambda ca: ca.issue_cert("evil.test"), "not valid for 'localhost'"),
    "of a host below": (lambda ca: ca.issue_cert("*.localhost"), "not valid for 'localhost'"),
    "by the address alone": (lambda ca: ca.issue_cert("127.0.0.1"), "not valid for 'localhost'"),
    "by nobody who is known": (lambda _: self_signed(), "unable to get local issuer certificate"),
}


@pytest.mark.parametrize(("certificate", "says"), CERTIFICATES.values(), ids=CERTIFICATES)
async def test_who_cannot_prove_to_be_the_api_gets_nothing_of_the_request(
    certificate: Callable[[trustme.CA], trustme.LeafCert], says: str, files: Files, authority: trustme.CA
) -> None:
    echo = Echo()
    async with api(files, authority, echo, certificate(authority)) as out:
        answer = await out.ask(b"GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t\r\n\r\n")
        cause = await out.cause()

    assert (502, "upstream.unreachable") == refusal(*answer)
    assert says in cause
    assert b"localhost" not in answer[1]
    assert [] == echo.seen


# ---- what it answers, where a policy looks into it


def answer(body: bytes, *fields: bytes) -> bytes:
    lines = b"".join(b"%b\r\n" % field for field in (*fields, b"Content-Length: %d" % len(body)))
    return b"HTTP/1.1 200 OK\r\n%b\r\n%b" % (lines, body)


LAUGHS = b'<!DOCTYPE a [<!ENTITY a0 "busy">%b]><Error>&a20;</Error>' % b"".join(
    b'<!ENTITY a%d "%b">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 21)
)
OUTSIDE = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><Error>busy&x;</Error>'
BOMB = gzip.compress(bytes(32 * MiB))
BODIES = {
    "a gzip bomb": answer(BOMB, b"Content-Encoding: gzip"),
    "a gzip bomb in a gzip bomb": answer(gzip.compress(BOMB), b"Content-Encoding: gzip, gzip"),
    "entities that multiply": answer(LAUGHS, b"Content-Type: application/xml"),
    "an entity from outside": answer(OUTSIDE, b"Content-Type: application/xml"),
    "elements without an end": answer(b"<a>" * 20_000),
    "brackets without an end": answer(b"[" * 60_000),
    "more than is looked at": answer(b'{"error": "busy"}' + b" " * 3 * MiB),
    "more than it says, compressed": answer(gzip.compress(b"x" * 65536 + b"busy, come again")[:-9],
                                            b"Content-Encoding: gzip"),
    "a coding that is none": answer(b"busy", b"Content-Encoding: br"),
}  # fmt: skip


@pytest.mark.parametrize("raw", BODIES.values(), ids=BODIES)
async def test_a_body_that_cannot_be_looked_into_goes_by_as_it_is_and_costs_little(
    raw: bytes, files: Files, authority: trustme.CA
) -> None:
    echo = Echo(answer=raw)
    async with api(files, authority, echo, policies=LOOKS) as out:
        tracemalloc.start()
        _, body = await out.ask(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert (raw.partition(b"\r\n\r\n")[2], 1) == (body, len(echo.seen))
    assert peak < len(raw) * 4 + 4 * MiB


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(answer(b'{"error": "busy"}'), id="JSON"),
        pytest.param(answer(gzip.compress(b'{"error": "busy"}'), b"Content-Encoding: gzip"), id="in gzip"),
        pytest.param(answer(b"<r><Error>busy</Error></r>"), id="XML"),
        pytest.param(answer(b"sorry: busy, come again"), id="text"),
    ],
)
async def test_what_they_look_for_is_found_where_it_is(
    raw: bytes, files: Files, authority: trustme.CA
) -> None:
    seen: list[bytes] = []

    async def serve(peer: Peer) -> None:
        while True:
            seen.append(await peer.head())
            peer.send(raw if len(seen) == 1 else answer(b"fine"))

    async with api(files, authority, serve, policies=LOOKS) as out:
        _, body = await out.ask(b"GET /a HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, br\r\n\r\n")

    assert (b"fine", [True] * 2) == (body, [b"\r\nAccept-Encoding: gzip\r\n" in head for head in seen])


# ---- an upload that the API has to agree to


@pytest.mark.parametrize("policies", ["{}", LOOKS], ids=["nothing waits", "a policy looks into answers"])
async def test_the_api_says_itself_whether_an_upload_may_come(
    policies: str, files: Files, authority: trustme.CA
) -> None:
    events: list[bytes] = []

    async def serve(peer: Peer) -> None:
        head = await peer.head()
        events.append(b"asked" if b"Expect: 100-continue\r\n" in head else b"?")
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        events.append(await peer.exactly(2))
        peer.send(answer(b"got it"))
        await peer.rest()

    async with api(files, authority, serve, policies=policies) as out:
        peer = await out.connect()
        peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        told = await peer.head()
        peer.send(b"hi")
        _, body = await peer.message()
        peer.close()

    assert (b"HTTP/1.1 100 Continue", b"got it") == (told.partition(b"\r\n")[0], body)
    assert [b"asked", b"hi"] == events
