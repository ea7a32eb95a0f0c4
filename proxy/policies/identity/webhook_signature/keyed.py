"""Senders that sign with a secret which they share with us, and what they may have signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from proxy.algorithms.signatures import any_equal
from proxy.clock import Clock
from proxy.exchange import Exchange
from proxy.policies.identity.webhook_signature.content import (
    FORM,
    Message,
    NotAsAgreed,
    field_of,
    is_hashed,
    signed_content,
)
from proxy.policies.identity.webhook_signature.hashing import keyed_digest, sha256_of
from proxy.policies.identity.webhook_signature.letter import Forged
from proxy.policies.identity.webhook_signature.signature_header import signatures_in, time_in
from proxy.policies.identity.webhook_signature.time_of_signing import verify_time
from proxy.policies.identity.webhook_signature.verification import Verification
from proxy.policies.keys import SIGNATURE


class Keyed:
    """Verifies that a request is signed in one of `ways`."""

    def __init__(self, ways: Sequence[Verification], clock: Clock) -> None:
        self._ways = ways
        self._clock = clock
        self.headers = tuple(dict.fromkeys(way.scheme.header for way in ways))

    async def claims(self, exchange: Exchange) -> Mapping[str, object] | None:
        """What it tells of its sender, which is nothing more; None where it shows no signature.

        Raises NotAsAgreed, Forged, Expired, and Rejection for the body.
        """
        headers = exchange.request.headers
        ways = [way for way in self._ways if way.scheme.header in headers]
        if not ways:
            return None
        wrong: list[NotAsAgreed] = []
        for way in ways:
            try:
                await self._verify(exchange, way)
            except NotAsAgreed as error:
                wrong.append(error)  # perhaps it is signed in the provider's other way
            else:
                return {}
        raise wrong[0]

    async def _verify(self, exchange: Exchange, way: Verification) -> None:
        request, scheme = exchange.request, way.scheme
        message = Message(request.method, request.target, request.headers.get_all)
        value = message.only(scheme.header)
        if not scheme.signed:
            _verify_token(value, way.keys)
            return
        signatures, stamp = signatures_in(value, scheme), scheme.stamp
        time = "" if stamp is None or stamp.field else time_in(message, scheme, stamp)
        message.body = await exchange.body()
        exchange.remember(SIGNATURE, (await self._verified(message, way, time, signatures)).hex())
        if stamp is not None:
            if stamp.field:
                time = field_of(message.body, stamp.field) or ""
            verify_time(time, stamp.unit, way.tolerance, self._clock.now())

    async def _verified(
        self, message: Message, way: Verification, time: str, signatures: Sequence[bytes]
    ) -> bytes:
        """The digest that one of `signatures` is."""
        if FORM in way.template.places and not is_hashed(message, await sha256_of(message.body, self._clock)):
            raise Forged("the URL does not vouch for the body")
        for base in way.bases:
            pieces = signed_content(way.template, message, time, base)
            for key in way.keys:
                digest = await keyed_digest(key, way.scheme.algorithm, pieces, self._clock)
                if any_equal([digest], signatures):
                    return digest
        raise Forged("no secret makes this signature")


def _verify_token(value: str, keys: Sequence[bytes]) -> None:
    shown = sha256(value.encode("utf-8", "surrogateescape")).digest()
    if not any_equal(keys, [shown]):
        raise Forged("it is none of the secrets")
