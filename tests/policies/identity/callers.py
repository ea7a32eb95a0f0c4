"""Keys, and policies that know them."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from proxy.config.units import HeaderName, HeaderValue
from proxy.exchange import Exchange
from proxy.policies.identity.api_key import ApiKey, ApiKeyConfig
from proxy.policies.identity.api_key.keys import Expiry, Key, KeyFormat, Sha256
from proxy.testing import FakeClock, FakeUpstream, fake_services, route
from tests.policies.reading import refusal

PASSED = (200, None)
MISSING = (401, "api_key.missing")
INVALID = (401, "api_key.invalid")
EXPIRED = (401, "api_key.expired")

NOW = FakeClock().now()
GOOD = "a" * 64
OTHER = "b" * 64


def a_key(id_: str = "acme", key: str = GOOD, expires: float | None = None, **attributes: Any) -> Key:
    return Key(
        id=HeaderValue(id_),
        sha256=Sha256(sha256(key.encode("utf-8", "surrogateescape")).hexdigest()),
        expires=None if expires is None else Expiry(expires),
        attributes=attributes,
    )


def a_config(*keys: Key, **settings: Any) -> ApiKeyConfig:
    if "header" in settings:
        settings["header"] = HeaderName(settings["header"])
    if "format" in settings:
        settings["format"] = KeyFormat(settings["format"])
    return ApiKeyConfig(keys=keys or (a_key(),), **settings)


def a_policy(*keys: Key, **settings: Any) -> ApiKey:
    return ApiKey(a_config(*keys, **settings), fake_services())


async def answer(policy: ApiKey, asked: Exchange) -> tuple[int, str | None]:
    return refusal(await route(policy).respond(asked))


async def passed_on(policy: ApiKey, asked: Exchange) -> FakeUpstream:
    upstream = FakeUpstream(200)
    await route(policy, upstream=upstream).respond(asked)
    return upstream
