"""Whether a certificate is a sender's: issued to its name, by somebody who is trusted, and good now."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import Certificate
    from cryptography.x509.verification import Store

MOST_CERTIFICATES = 8
"""In one document."""
_SMALLEST, _LARGEST = 2048, 8192
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class Distrusted(Exception):
    """The certificate vouches for nothing; says why, for the log."""


class Unvouched(Distrusted):
    """It is issued to the right name, but by nobody who is trusted, as far as can be seen."""


class Vouched(NamedTuple):
    """A key that is the sender's."""

    key: RSAPublicKey
    until: float
    """When its certificate ends, in seconds since the epoch."""


def store_of(pem: bytes) -> Store:
    """Trusted authorities. Those that can't be read are passed over; raises ValueError where none is left."""
    from cryptography.x509.verification import Store  # noqa: PLC0415  # only where a policy needs it

    found = list(_readable(pem))
    if not found:
        raise ValueError("no authority is known that could vouch for certificates; expected `ca_file`")
    return Store(found)


def certificates_in(document: bytes) -> list[Certificate]:
    """Those of a document, PEM or one in DER. Raises Distrusted."""
    from cryptography import x509  # noqa: PLC0415  # as above

    try:
        if b"-----BEGIN" not in document:
            return [x509.load_der_x509_certificate(document)]
        found = x509.load_pem_x509_certificates(document)
    except ValueError:
        raise Distrusted("there is no certificate that can be read") from None
    if len(found) > MOST_CERTIFICATES:
        raise Distrusted(f"there are {len(found)} certificates")
    return found


def vouched(chain: Sequence[Certificate], names: Iterable[str], trusted: Store, now: float) -> Vouched:
    """The key of the first certificate; the others of `chain` may help. Raises Distrusted, Unvouched."""
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415  # as above
    from cryptography.x509 import DNSName  # noqa: PLC0415  # as above
    from cryptography.x509.verification import PolicyBuilder, VerificationError  # noqa: PLC0415  # as above

    leaf = chain[0]
    mine = _names_of(leaf) & frozenset(names)
    if not mine:
        raise Distrusted("the certificate is not issued to the sender")
    key = leaf.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or not _SMALLEST <= key.key_size <= _LARGEST:
        raise Distrusted("the key of the certificate is not RSA, or not of a size that is accepted")
    policy = PolicyBuilder().store(trusted).time(datetime.fromtimestamp(now, UTC))
    try:
        policy.build_server_verifier(DNSName(min(mine))).verify(leaf, list(chain[1:]))
    except VerificationError as error:
        raise Unvouched(f"nobody who is trusted vouches for the certificate: {error}") from None
    return Vouched(key, leaf.not_valid_after_utc.timestamp())


def issuer_url(certificate: Certificate) -> str | None:
    """Where the certificate of its issuer is, as it says itself (RFC 5280, section 4.2.2.1)."""
    from cryptography import x509  # noqa: PLC0415  # as above
    from cryptography.x509.oid import AuthorityInformationAccessOID  # noqa: PLC0415  # as above

    with suppress(x509.ExtensionNotFound, ValueError):
        extension = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
        for access in extension.value:
            is_url = isinstance(access.access_location, x509.UniformResourceIdentifier)
            if is_url and access.access_method == AuthorityInformationAccessOID.CA_ISSUERS:
                return str(access.access_location.value)
    return None


def _names_of(certificate: Certificate) -> frozenset[str]:
    from cryptography import x509  # noqa: PLC0415  # as above

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    return frozenset(name.lower() for name in names.get_values_for_type(x509.DNSName))


def _readable(pem: bytes) -> Iterable[Certificate]:
    from cryptography import x509  # noqa: PLC0415  # as above

    for one in _PEM.findall(pem):
        with suppress(ValueError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old authorities have serial numbers of their own kind
            yield x509.load_pem_x509_certificate(one)
