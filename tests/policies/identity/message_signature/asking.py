"""Policies with the keys of the RFC, and requests to them."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from typing import Any

from proxy.config.secrets import PublicText, Secret
from proxy.config.units import Duration
from proxy.exchange import Exchange, Request
from proxy.headers import Headers
from proxy.policies.identity.message_signature import MessageSignature, MessageSignatureConfig
from proxy.policies.identity.message_signature.keys import KeyConfig
from proxy.policies.identity.message_signature.names import ComponentName, KeyId, Label
from proxy.policies.identity.message_signature.signing import sign_message
from proxy.policies.public_url import PublicUrl
from proxy.policy import Unsigned
from proxy.testing import FakeClock, FakeUpstream, fake_services, route
from tests.policies.identity.message_signature import rfc9421 as rfc
from tests.policies.reading import refusal

SECRET = "0123456789abcdef0123456789abcdef"
NOW = rfc.CREATED + 10
KEYS = {
    "test-key-ed25519": KeyConfig(algorithm="ed25519", public_key=PublicText(rfc.ED25519)),
    "test-key-ecc-p256": KeyConfig(algorithm="ecdsa-p256-sha256", public_key=PublicText(rfc.P256)),
    "test-key-rsa-pss": KeyConfig(algorithm="rsa-pss-sha512", public_key=PublicText(rfc.RSA_PSS)),
    "test-shared-secret": KeyConfig(algorithm="hmac-sha256", secret=Secret(b64decode(rfc.SHARED_SECRET))),
}
MINE = {"me": KeyConfig(algorithm="hmac-sha256", secret=Secret(SECRET))}
_TYPES = {"label": Label, "public_url": PublicUrl, "max_age": Duration, "leeway": Duration}


def a_config(**settings: Any) -> MessageSignatureConfig:
    keys = settings.pop("keys", MINE)
    if "components" in settings:
        settings["components"] = tuple(map(ComponentName, settings["components"]))
    typed = {name: _TYPES[name](value) if name in _TYPES else value for name, value in settings.items()}
    return MessageSignatureConfig(keys={KeyId(id_): key for id_, key in keys.items()}, **typed)


def a_policy(now: float = NOW, **settings: Any) -> MessageSignature:
    return MessageSignature(a_config(**settings), fake_services(clock=FakeClock(start=now)))


def asked(
    method: str = "POST",
    target: str = "/foo?param=Value&Pet=dog",
    fields: Sequence[tuple[str, str]] = (),
    body: Any = b"",
    *,
    secure: bool = True,
) -> Exchange:
    path, _, query = target.partition("?")
    headers = Headers(
        [(name.encode("latin-1"), value.encode("utf-8", "surrogateescape")) for name, value in fields]
    )
    request = Request(method, target, path, query, headers, body, secure=secure)
    request.content_length = len(body) if isinstance(body, bytes) else None
    return Exchange(request, client_ip="192.0.2.7")


def signed(
    method: str = "POST",
    target: str = "/foo?param=Value&Pet=dog",
    fields: Sequence[tuple[str, str]] = (("Host", "example.com"),),
    body: bytes = b"",
    **settings: Any,
) -> Unsigned:
    """A request that the policy with these settings lets in."""
    unsigned = Unsigned(method, target, list(fields), body, float(NOW))
    sign_message(a_config(**settings), unsigned, {"test-key-ed25519": rfc.ED25519_PRIVATE})
    return unsigned


def sent(unsigned: Unsigned, **facts: Any) -> Exchange:
    return asked(unsigned.method, unsigned.target, unsigned.headers, unsigned.body, **facts)


async def outcome(policy: MessageSignature, exchange: Exchange) -> tuple[int, str | None]:
    return refusal(await route(policy, upstream=FakeUpstream(200)).respond(exchange))


def cause(exchange: Exchange) -> str:
    return "" if exchange.refusal is None else exchange.refusal.cause
