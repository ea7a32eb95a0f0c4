"""Authorities of our own, and the certificates that they issue to senders."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from proxy.testing import FakeClock

NOW = datetime.fromtimestamp(FakeClock().now(), UTC)
_USAGE = dict.fromkeys(
    (
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "encipher_only",
        "decipher_only",
    ),
    False,
)


@cache
def rsa_key(size: int = 2048, number: int = 1) -> Any:
    return rsa.generate_private_key(65537, size)


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


class Authority:
    """One that is trusted, or that another vouches for."""

    def __init__(self, name: str = "root", parent: Authority | None = None, **more: Any) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(digital_signature=False, key_cert_sign=True, crl_sign=True, **_USAGE)
        self.certificate = (parent or self)._signed(
            self.name,
            self.key.public_key(),
            [
                (x509.BasicConstraints(ca=True, path_length=None), True),
                (usage, True),
                (x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False),
            ],
            **more,
        )

    @property
    def pem(self) -> bytes:
        return pem(self.certificate)

    def issue(self, *names: str, key: Any = None, **more: Any) -> x509.Certificate:
        """A certificate of a sender with these names."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0] if names else "nobody")])
        extensions: list[tuple[Any, bool]] = []
        if names:
            extensions.append((x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False))
        return self._signed(subject, (key or rsa_key()).public_key(), extensions, **more)

    def _signed(
        self,
        subject: x509.Name,
        public: Any,
        extensions: list[tuple[Any, bool]],
        *,
        begins: timedelta = timedelta(days=-1),
        ends: timedelta = timedelta(days=90),
        issuer_url: str = "",
    ) -> x509.Certificate:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + begins)
            .not_valid_after(NOW + ends)
            .add_extension(identifier, critical=False)
        )
        if issuer_url:
            place = x509.UniformResourceIdentifier(issuer_url)
            access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, place)
            builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.key, hashes.SHA256())
