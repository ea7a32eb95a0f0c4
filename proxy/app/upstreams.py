"""Where an upstream is, and whom it is trusted by, from what a policy file says of it."""

from __future__ import annotations

import ssl

from proxy.config.model import UpstreamConfig, UpstreamTlsConfig
from proxy.wire.pool import Address

_SYSTEM_TLS = UpstreamTlsConfig()
_PORTS = {"http": 80, "https": 443}


class TlsFault(ValueError):
    """A file of TLS that cannot be used."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        """Of `UpstreamTlsConfig`, the one that names it."""


def address_of(upstream: UpstreamConfig) -> Address:
    """Reads the files that it names; raises TlsFault where one cannot be used."""
    url = upstream.url
    # A dot at the end says how to look a name up, and is no part of what the host is called.
    called = url.host.rstrip(".")
    host = f"[{called}]" if ":" in called else called
    own_tls = upstream.tls or _SYSTEM_TLS
    tls = _context(own_tls) if url.scheme == "https" else None
    return Address(
        authority=(host if url.port == _PORTS.get(url.scheme) else f"{host}:{url.port}")
        if host
        else "localhost",
        host=url.host,
        port=url.port,
        unix=url.socket,
        tls=tls,
        server_name=own_tls.server_name or called if tls else None,
    )


def _context(tls: UpstreamTlsConfig) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except OSError as error:
        raise TlsFault("ca_file", f"no authorities can be read: {_why(error)}; expected PEM") from None
    context.set_alpn_protocols(["http/1.1"])
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.client_cert is not None:
        try:
            # With a password, and be it an empty one, since OpenSSL would ask the terminal for one.
            context.load_cert_chain(tls.client_cert.cert_file, tls.client_cert.key_file, password="")
        except OSError as error:
            message = f"cannot be used: {_why(error)}; expected a chain and its key in PEM, no password"
            raise TlsFault("client_cert", message) from None
    return context


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason.lower().replace("_", " ") if error.reason else "it is not PEM"
    return error.strerror or str(error)
