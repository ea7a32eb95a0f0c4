"""Tokens, the keys that sign them, and policies that know those keys."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt import get_algorithm_by_name

from proxy.config.secrets import Secret
from proxy.config.units import Duration, HeaderName, Size
from proxy.exchange import Exchange
from proxy.policies.identity.jwt import Jwt, JwtConfig
from proxy.policies.identity.jwt.config import JwksConfig, JwksFile, JwksUrl
from proxy.testing import FakeClock, exchange, fake_services, route
from tests.policies.reading import refusal

PASSED = (200, None)
MISSING = (401, "jwt.missing")
INVALID = (401, "jwt.invalid")
EXPIRED = (401, "jwt.expired")
FORBIDDEN = (403, "jwt.forbidden")
UNAVAILABLE = (503, "jwt.unavailable")

NOW = int(FakeClock().now())
ISSUER = "https://id.example"
URL = "https://id.example/jwks"
SECRET = "a secret of at least thirty-two bytes"
CLAIMS: dict[str, Any] = {"iss": ISSUER, "aud": "tickets", "sub": "alice", "iat": NOW, "exp": NOW + 600}

_TYPES = {
    "leeway": Duration,
    "max_age": Duration,
    "stale_keys_for": Duration,
    "max_size": Size,
    "header": HeaderName,
}
_MADE = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "weak": lambda: rsa.generate_private_key(65537, 1024),
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
}
KIND_OF = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "rsa"),
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    "EdDSA": "Ed25519",
}


def a_key(kind: str = "P-256", number: int = 1) -> Any:
    """A private key; the same for the same arguments, since RSA keys take a while."""
    return _made(kind, number)


@cache
def _made(kind: str, number: int) -> Any:
    return _MADE[kind]()


def jwk(private: Any, kid: str | None = "k1", **more: Any) -> dict[str, Any]:
    """Its public part."""
    kind = next(name for name in ("RS256", "ES256", "EdDSA") if _is(private, name))
    public: Any = get_algorithm_by_name(kind).to_jwk(private.public_key(), as_dict=True)
    return {**public, **({} if kid is None else {"kid": kid}), **more}


def _is(private: Any, algorithm: str) -> bool:
    family = {"RS256": rsa.RSAPrivateKey, "ES256": ec.EllipticCurvePrivateKey}
    return isinstance(private, family.get(algorithm, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)))


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def b64(data: bytes | str | dict[str, Any]) -> str:
    raw = (
        json.dumps(data).encode()
        if isinstance(data, dict)
        else data.encode()
        if isinstance(data, str)
        else data
    )
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(
    claims: Any = None,
    *,
    alg: str = "ES256",
    key: Any = None,
    kid: str | None = "k1",
    header: Any = None,
    **changes: Any,
) -> str:
    """Signed as `alg` says, by hand, since pyjwt would refuse to make some of these."""
    if header is None:
        header = {"alg": alg, "typ": "JWT", **({} if kid is None else {"kid": kid})}
    body = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not ...}
    signed = f"{b64(header)}.{b64(body if claims is None else claims)}"
    if key is None:
        key = a_key(KIND_OF[alg]) if alg in KIND_OF else SECRET.encode()
    return f"{signed}.{b64(get_algorithm_by_name(alg).sign(signed.encode(), key))}"


def a_config(**settings: Any) -> JwtConfig:
    typed = {name: _TYPES.get(name, lambda value: value)(value) for name, value in settings.items()}
    if "secrets" in typed:
        typed["secrets"] = tuple(Secret(each) for each in typed["secrets"])
        defaults: dict[str, Any] = {"algorithms": ("HS256",)}
    else:
        document = {"keys": [jwk(a_key("P-256"))]}
        defaults = {
            "algorithms": ("ES256",),
            "jwks": JwksConfig(file=JwksFile("jwks.json").holding(document)),
        }
    return JwtConfig(**{"issuer": ISSUER, "audience": "tickets", **defaults, **typed})


def by_url(**settings: Any) -> JwtConfig:
    refresh = {
        name: Duration(settings.pop(name))
        for name in ("refresh_every", "unknown_kid_every")
        if name in settings
    }
    return a_config(jwks=JwksConfig(url=JwksUrl(URL), **refresh), **settings)


def a_policy(clock: FakeClock | None = None, **settings: Any) -> Jwt:
    return Jwt(a_config(**settings), fake_services(clock, name="jwt/api"))


def bearing(shown: str, **more: Any) -> Exchange:
    return exchange(headers={"Authorization": f"Bearer {shown}"}, **more)


async def answer(policy: Jwt, asked: Exchange | str) -> tuple[int, str | None]:
    return refusal(await route(policy).respond(bearing(asked) if isinstance(asked, str) else asked))
