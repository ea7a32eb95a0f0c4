"""What PayPal signs (PayPal-Python-SDK, `notifications.py`).

`transmission id|time|webhook id|CRC-32 of the body`, by RSA with SHA-256.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from proxy.algorithms.signatures import decode
from proxy.policies.identity.webhook_signature.content import Message, NotAsAgreed
from proxy.policies.identity.webhook_signature.hashing import crc32_of
from proxy.policies.identity.webhook_signature.letter import Forged, Letter

if TYPE_CHECKING:
    from proxy.clock import Clock
    from proxy.exchange import Exchange
    from proxy.policies.identity.webhook_signature import WebhookSignatureConfig

ID, TIME, SIGNATURE = "PayPal-Transmission-Id", "PayPal-Transmission-Time", "PayPal-Transmission-Sig"
CERTIFICATE, ALGORITHM = "PayPal-Cert-Url", "PayPal-Auth-Algo"
RSA_SHA256 = "SHA256withRSA"
_ID = re.compile(r"[A-Za-z0-9-]{1,100}")


class PayPal:
    """See the module's docstring. Sandbox and production do not vouch for each other."""

    header = SIGNATURE
    tolerance = 300.0
    issuers = re.compile(r"http://cacerts\.digicert\.com/[A-Za-z0-9._-]+\.(crt|cer)")

    def __init__(self, config: WebhookSignatureConfig) -> None:
        self._webhook_id = config.webhook_id or ""
        self._domain = "sandbox.paypal.com" if config.sandbox else "paypal.com"
        host = re.escape(self._domain)
        self._url = re.compile(rf"https://api(-m)?\.{host}/v1/notifications/certs/[A-Za-z0-9_-]{{1,200}}")

    def names(self, url: str) -> Iterable[str]:
        """Of the certificate, wherever it stands."""
        del url
        return (f"messageverificationcerts.{self._domain}",)

    async def letter(self, exchange: Exchange, clock: Clock) -> Letter:
        """What stands in the request. Raises NotAsAgreed and Forged."""
        request = exchange.request
        message = Message(request.method, request.target, request.headers.get_all)
        number, time, url = message.only(ID), message.only(TIME), message.only(CERTIFICATE)
        signature = decode(message.only(SIGNATURE), "base64")
        if message.only(ALGORITHM) != RSA_SHA256:
            raise NotAsAgreed(f"{ALGORITHM} is not {RSA_SHA256}")
        if signature is None or not _ID.fullmatch(number):
            raise NotAsAgreed("the signature is not in base64, or the id is none")
        if not self._url.fullmatch(url):
            raise Forged(f"{CERTIFICATE} is none of PayPal's")
        signed = self.signed(number, time, await crc32_of(await exchange.body(), clock))
        return Letter(url, signed, signature, "sha256", time, {})

    def signed(self, number: str, time: str, checksum: int) -> bytes:
        """What is signed."""
        return f"{number}|{time}|{self._webhook_id}|{checksum}".encode()

    def example_url(self) -> str:
        """Where a certificate may stand."""
        return f"https://api.{self._domain}/v1/notifications/certs/CERT-rehearsal"
