"""What a request says that is signed by a certificate's key: the same for every such sender."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from proxy.clock import Clock
    from proxy.exchange import Exchange


class Forged(Exception):
    """The request can't be the sender's; says why, for the log."""


class Letter(NamedTuple):
    """A request as far as it is signed."""

    certificate: str
    """The URL, one of the sender's."""
    signed: bytes
    signature: bytes
    digest: Literal["sha1", "sha256"]
    time: str
    """RFC 3339; it is signed."""
    claims: Mapping[str, object]
    """What else is known of the sender then."""


class Sender(Protocol):
    """One that signs by certificate."""

    header: str
    """A request without it is not the sender's."""
    tolerance: float
    """Seconds by which the time of signing may be away from now, where the operator does not say."""
    issuers: re.Pattern[str]
    """Where the certificates of its authorities may be fetched from."""

    def names(self, url: str) -> Iterable[str]:
        """To whom the certificate at `url` must be issued."""
        ...

    async def letter(self, exchange: Exchange, clock: Clock) -> Letter:
        """What stands in the request. Raises NotAsAgreed, Forged, and Rejection for its body."""
        ...


def is_signed(letter: Letter, key: RSAPublicKey) -> bool:
    """By `key`: RSASSA-PKCS1-v1_5 (RFC 8017, section 8.2)."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # only where a policy needs it
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415  # as above
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415  # as above

    digest = hashes.SHA256() if letter.digest == "sha256" else hashes.SHA1()  # noqa: S303  # version 1 of SNS
    try:
        key.verify(letter.signature, letter.signed, PKCS1v15(), digest)
    except InvalidSignature:
        return False
    return True
