"""Tokens for requests of a rehearsal, and the key that stands there for the issuer's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from proxy.algorithms.signatures import read_key
from proxy.policies.identity.jwt.claims import RequestFact
from proxy.policies.identity.jwt.config import JwksConfig, JwksFile
from proxy.policies.identity.jwt.keys import ASYMMETRIC, algorithm_named
from proxy.policy import Unsigned

if TYPE_CHECKING:
    from proxy.policies.identity.jwt import JwtConfig

_KEY_ID = "rehearsal"
_LASTS = 300
_CURVES = {"ES256": "SECP256R1", "ES384": "SECP384R1", "ES512": "SECP521R1"}


def rehearsed_with(
    config: JwtConfig,
    credentials: Mapping[str, str],  # noqa: ARG001  # the same for all policies
) -> JwtConfig:
    """The same policy with a key of the rehearsal instead of the issuer's; nothing is fetched."""
    if config.jwks is None:
        return config
    name = _algorithm(config.algorithms)
    public: Any = algorithm_named(name).to_jwk(_private_key(name).public_key(), as_dict=True)
    document = {"keys": [{**public, "kid": _KEY_ID, "use": "sig", "alg": name}]}
    return msgspec.structs.replace(config, jwks=JwksConfig(file=JwksFile("rehearsal").holding(document)))


def sign_with_token(config: JwtConfig, unsigned: Unsigned, credentials: Mapping[str, str]) -> None:
    """Show a token that is good now; the rehearsal's `sign`.

    Raises ValueError where a claim must be equal to something that the request does not have.
    """
    from jwt.api_jws import PyJWS  # noqa: PLC0415  # an extra: only where a policy needs it

    claims = _claims(config, unsigned, credentials)
    if config.secrets:
        name: str = config.algorithms[0]
        key: Any = read_key(config.secrets[0].reveal(), config.key_encoding)
    else:
        name = _algorithm(config.algorithms)
        key = _private_key(name)
    header = {"kid": _KEY_ID, "typ": config.typ or "JWT"}
    token = PyJWS().encode(json.dumps(claims).encode(), key, name, header)
    own = config.header.lower()
    unsigned.headers[:] = [each for each in unsigned.headers if each[0].lower() != own]
    unsigned.headers.append((config.header, f"Bearer {token}"))


def _claims(config: JwtConfig, unsigned: Unsigned, credentials: Mapping[str, str]) -> dict[str, Any]:
    now = int(unsigned.now)
    claims: dict[str, Any] = {"iat": now, "exp": now + _LASTS}
    for name, stated in (("iss", config.issuer), ("aud", config.audience)):
        if stated is not None:
            claims[name] = stated if isinstance(stated, str) else stated[0]
    for name in (*config.required, config.id_claim):
        _put(claims, name, "rehearsal")
    for name, wanted in config.claims.items():
        _put(claims, name, _value(wanted, unsigned) if isinstance(wanted, RequestFact) else wanted[0])
    for caller, shown in credentials.items():
        said = _said(shown)
        if said is not None:
            _put(claims, config.id_claim, caller, anew=True)
            return claims | said
    return claims


def _value(fact: RequestFact, unsigned: Unsigned) -> str:
    if fact.fact == "path":
        found = unsigned.params.get(fact.name)
    elif fact.fact == "header":
        found = next((value for name, value in unsigned.headers if name.lower() == fact.name.lower()), None)
    else:
        fields = parse_qsl(unsigned.target.partition("?")[2], keep_blank_values=True)
        found = next((value for name, value in fields if name == fact.name), None)
    if found is None:
        raise ValueError(
            f"a claim must be equal to {fact}, which the request does not have; expected it there"
        )
    return found


def _put(claims: dict[str, Any], name: str, value: object, *, anew: bool = False) -> None:
    """By its name, or further in by a JSON pointer; what is there stays unless it is to be made `anew`."""
    steps = [name]
    if name.startswith("/"):
        steps = [step.replace("~1", "/").replace("~0", "~") for step in name.split("/")[1:]]
    for step in steps[:-1]:
        claims = claims.setdefault(step, {})
    if anew or steps[-1] not in claims:
        claims[steps[-1]] = value


def _said(shown: str) -> dict[str, Any] | None:
    """A credential of a caller that is a JSON object: what else its token says."""
    try:
        said = json.loads(shown)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _algorithm(names: Iterable[str]) -> str:
    return next(name for name in names if name in ASYMMETRIC)


@cache
def _private_key(name: str) -> Any:
    """One for each algorithm and process."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415  # as above

    if name == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if name in _CURVES:
        return ec.generate_private_key(getattr(ec, _CURVES[name])())
    return rsa.generate_private_key(65537, 2048)
