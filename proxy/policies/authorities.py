"""Certificates in a file, for policies that trust others than the system does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from proxy.config.documents import Document, LineFault
from proxy.config.schema import Schema


class AuthoritiesFile(Document):
    """A file with certificates in PEM."""

    schema: ClassVar[type[Schema] | None] = None
    example: ClassVar[str] = "/run/tls/ca.crt"

    @classmethod
    def read(cls, text: str) -> tuple[object, Sequence[LineFault]]:
        """The content is the PEM, as bytes."""
        from cryptography import x509  # noqa: PLC0415  # only where a policy needs it

        pem = text.encode()
        try:
            x509.load_pem_x509_certificates(pem)
        except ValueError:
            return None, [LineFault(1, "no certificates can be read here; expected PEM")]
        return pem, ()


def authorities_in(file: AuthoritiesFile | None) -> bytes:
    """Those of a loaded file, in PEM; nothing where there is none: those of the system count."""
    return file.content if file is not None and isinstance(file.content, bytes) else b""
