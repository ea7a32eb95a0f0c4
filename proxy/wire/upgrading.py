"""Upgrades: the upstream switches protocols, and from there on bytes are relayed (RFC 9110, section 7.8)."""

from __future__ import annotations

import re

from proxy.errors import UpstreamError
from proxy.exchange import Response
from proxy.headers import arrived
from proxy.wire.attempts import Attempts
from proxy.wire.head import RequestFields, ResponseHead, interim_lines, status_line
from proxy.wire.parser import RequestLine
from proxy.wire.reply import TUNNEL
from proxy.wire.tunnel import Tunnel

_OTHER_HTTP = frozenset(("h2", "h2c", "http", "https", "ssl", "tls"))
_PROTOCOL = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)?")


def upgrade_of(line: RequestLine, fields: RequestFields) -> str:
    """The protocols that a client may switch to; empty where it asks for none (RFC 9110, section 7.8).

    Not to another HTTP (h2c, TLS): no policy would see the requests that are made over it.
    """
    if not fields.upgrade or not line.modern:
        return ""
    asked = [protocol.strip(" \t") for protocol in fields.all.value(b"upgrade").split(",")]
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
    chosen = head.fields.value(b"upgrade").lower().split(",")
    return all(protocol.strip(" \t") in offered for protocol in chosen)


class Upgrading(Attempts, eq=False):
    """Calls of an upstream that may end in a tunnel."""

    _switched: tuple[str, bytes] = ("", b"")
    """The protocol that the upstream switched to, and the first bytes in it."""

    def upstream_switches(self, head: ResponseHead, data: bytes) -> bool:
        """101, and what came behind it; False where the client did not ask for this."""
        connection = self._connection
        if connection is None or not self.request_sent or not switches_to(head, self.upgrade):
            return False
        self.exchange.upstream_status = 101
        headers = arrived(head.fields.lines, interim_lines(head))
        response = Response(101, headers, phrase=head.phrase, from_upstream=True)
        self._switched = head.fields.value(b"upgrade"), data
        if self._task is None:
            self.pipeline.dress(self.exchange, response)
            self._switch(response)
        else:
            connection.pause_reading()
            self._hand_over(response)
        return True

    def _switch(self, response: Response) -> None:
        """From here on bytes are relayed."""
        connection, self._connection = self._connection, None
        if connection is None:
            self.refuse(UpstreamError(502, "upstream.reset", "The upstream closed the connection."))
            return
        protocol, data = self._switched
        self.client.write(
            b"%b%b%bConnection: upgrade\r\nUpgrade: %b\r\n\r\n"
            % (
                status_line(101, response.phrase),
                response.headers.serialize(),
                self.id_field,
                protocol.encode("utf-8", "surrogateescape"),
            )
        )
        self.head_sent = True
        self.status = 101
        self.phase = TUNNEL
        # A conversation is no response: neither the deadline nor the limits of bodies are about it,
        # and the attempt has come to its good end.
        self.exchange.deadline = None
        self._attempted(None)
        self.limit(self.client.settings.tunnel_idle)
        tunnel = connection.tunnel = Tunnel(self, self.client, connection)
        self.client.switch(tunnel)
        connection.resume_reading()
        if data:
            tunnel.from_upstream(data)
