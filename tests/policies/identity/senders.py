"""Signed requests, and policies that know the secret."""

from __future__ import annotations

from typing import Any

from proxy.config.secrets import Secret
from proxy.config.units import Duration, HeaderName
from proxy.exchange import Exchange
from proxy.policies.identity.webhook_signature import WebhookSignature, WebhookSignatureConfig
from proxy.policies.identity.webhook_signature.signing import sign_as_provider
from proxy.policies.identity.webhook_signature.verification import TimestampConfig
from proxy.policies.public_url import PublicUrl
from proxy.policy import Unsigned
from proxy.testing import FakeClock, exchange, fake_services, route
from tests.policies.reading import refusal

PASSED = (200, None)
MISSING = (401, "webhook_signature.missing")
MALFORMED = (401, "webhook_signature.malformed")
INVALID = (401, "webhook_signature.invalid")
EXPIRED = (401, "webhook_signature.expired")

NOW = 1_700_000_000
TYPES = {"header": HeaderName, "tolerance": Duration, "public_url": PublicUrl.parse}
FORM = "application/x-www-form-urlencoded"


def a_config(scheme: str, *secrets: str, **settings: Any) -> WebhookSignatureConfig:
    typed = {name: TYPES.get(name, lambda value: value)(value) for name, value in settings.items()}
    return WebhookSignatureConfig(scheme=scheme, secrets=tuple(map(Secret, secrets)), **typed)  # type: ignore[arg-type]


def a_policy(scheme: str, *secrets: str, now: float = NOW, **settings: Any) -> WebhookSignature:
    return WebhookSignature(a_config(scheme, *secrets, **settings), fake_services(FakeClock(now)))


def in_header(name: str, **settings: Any) -> TimestampConfig:
    return TimestampConfig(header=HeaderName(name), **settings)


async def answer(policy: WebhookSignature, asked: Exchange) -> tuple[int, str | None]:
    return refusal(await route(policy).respond(asked))


def sign(
    config: WebhookSignatureConfig,
    body: bytes = b"",
    target: str = "/hook",
    headers: dict[str, str] | None = None,
    now: float = NOW,
) -> Unsigned:
    """A request as the provider would send it."""
    unsigned = Unsigned("POST", target, list((headers or {}).items()), body, now)
    sign_as_provider(config, unsigned, {})
    return unsigned


def sent(signed: Unsigned, **changes: Any) -> Exchange:
    """What arrives of it; `changes` are what somebody did to it on the way."""
    path, _, query = changes.pop("target", signed.target).partition("?")
    headers = changes.pop("headers", dict(signed.headers))
    body = changes.pop("body", signed.body)
    return exchange(signed.method, path, query=query, headers=headers, body=body)
