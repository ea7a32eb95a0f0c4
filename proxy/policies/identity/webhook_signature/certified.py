"""Senders that sign by a key whose certificate they name, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

from proxy.config.system_authorities import system_authorities
from proxy.policies.authorities import AuthoritiesFile, authorities_in
from proxy.policies.identity.webhook_signature.aws_sns import AwsSns
from proxy.policies.identity.webhook_signature.certificates import Certificates, Trust
from proxy.policies.identity.webhook_signature.chain import Distrusted
from proxy.policies.identity.webhook_signature.letter import Forged, Letter, Sender, is_signed
from proxy.policies.identity.webhook_signature.paypal import PayPal
from proxy.policies.identity.webhook_signature.time_of_signing import verify_time
from proxy.policies.keys import SIGNATURE

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.fetch import Fetch
    from proxy.policies.identity.webhook_signature import WebhookSignatureConfig
    from proxy.policy import Services

_SENDERS: Mapping[str, type[PayPal | AwsSns]] = {"paypal": PayPal, "aws-sns": AwsSns}
CERTIFIED = tuple(_SENDERS)


class RehearsedAuthorities(AuthoritiesFile):
    """The authority of a rehearsal, which has issued one certificate."""

    certificate: bytes = b""
    """In PEM, wherever it is asked for."""


def sender_of(config: WebhookSignatureConfig) -> Sender | None:
    """None for a sender that signs by a shared secret."""
    make = _SENDERS.get(config.scheme)
    return None if make is None else make(config)


class Certified:
    """Verifies the letters of one sender. Raises ValueError where nobody could vouch for it."""

    def __init__(self, sender: Sender, config: WebhookSignatureConfig, services: Services) -> None:
        self._sender = sender
        self._clock = services.clock
        self.headers = (sender.header,)
        self._tolerance = config.tolerance or sender.tolerance
        authorities, fetch = authorities_in(config.ca_file), services.fetch
        if isinstance(config.ca_file, RehearsedAuthorities):
            fetch = _handing_out(config.ca_file.certificate)
        trust = Trust(authorities or system_authorities(), sender.names, sender.issuers)
        key = f"certificates {config.scheme} {config.sandbox} {sha256(authorities).hexdigest()}"
        self._certificates = services.shared(key, lambda: Certificates(trust, fetch, services.clock))

    async def claims(self, exchange: Exchange) -> Mapping[str, object] | None:
        """What else is known of the sender then; None where the request shows no signature.

        Raises NotAsAgreed, Forged, Expired, OutOfReach, and Rejection for the body.
        """
        if self._sender.header not in exchange.request.headers:
            return None
        letter = await self._sender.letter(exchange, self._clock)
        verify_time(letter.time, "iso8601", self._tolerance, self._clock.now())
        exchange.remember(SIGNATURE, await self._verified(letter))
        return letter.claims

    async def _verified(self, letter: Letter) -> str:
        """What the letter can be told from others by."""
        try:
            key = await self._certificates.key(letter.certificate)
        except Distrusted as error:
            raise Forged(str(error)) from None
        if not is_signed(letter, key):
            raise Forged("the certificate's key did not make this signature")
        return sha256(letter.signed).hexdigest()


def _handing_out(certificate: bytes) -> Fetch:
    async def fetch(
        url: str, *, at_most: int, within: float, authorities: bytes = b"", plain: bool = False
    ) -> bytes:
        del url, at_most, within, authorities, plain
        return certificate

    return fetch
