"""The certificate of the data port, renewed without a restart.

A directory as cert-manager and kubelet write it: `tls.crt`, the chain, and `tls.key`. New
files are taken for new connections; a pair that does not fit together is not, and the old
one stays.
"""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

_log = logging.getLogger("seawall")

_NO_PASSWORD = ""
"""For a key that has one; without this, OpenSSL would stop and ask the terminal."""


class Certificate:
    """Holds the context that handshakes use. Raises ValueError where there is no good pair at first."""

    def __init__(self, directory: Path) -> None:
        self._chain = directory / "tls.crt"
        self._key = directory / "tls.key"
        self._seen = self._signature()
        self.expires: float | None = None
        """When the first of the chain is not valid any more, in seconds since the epoch; None: unknown."""
        try:
            self.context = self._load()
            self.expires = _expiry(self._chain)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"no usable tls.crt and tls.key in {directory}: {error}") from None

    def refresh(self) -> bool:
        """Take the files where they have changed; True if new connections get a new certificate."""
        seen = self._signature()
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self._load()  # a bad pair must not half-replace a good one
            self.context.load_cert_chain(self._chain, self._key, password=_NO_PASSWORD)
            self.expires = _expiry(self._chain)
        except (OSError, ssl.SSLError) as error:
            _log.error(
                "the new %s and %s can't be used; the old ones stay: %s", self._chain, self._key, error
            )
            return False
        _log.info("the certificate in %s is taken for new connections", self._chain)
        return True

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._chain, self._key, password=_NO_PASSWORD)
        return context

    def _signature(self) -> tuple[object, ...]:
        return tuple(_stamp(path) for path in (self._chain, self._key))


def _expiry(chain: Path) -> float | None:
    # Imported with TLS alone: it takes 6 MiB. It may refuse what OpenSSL has taken.
    from cryptography import x509  # noqa: PLC0415

    try:
        certificates = x509.load_pem_x509_certificates(chain.read_bytes())
        return min(each.not_valid_after_utc.timestamp() for each in certificates)
    except (ValueError, x509.InvalidVersion):
        return None


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Inode, size and time: a symbolic link that is swapped changes the first."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
