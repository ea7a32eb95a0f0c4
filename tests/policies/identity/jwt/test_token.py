"""What a token looks like, and what only looks like one."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.policies.identity.tokens import (
    CLAIMS,
    INVALID,
    a_key,
    a_policy,
    answer,
    b64,
    jwk,
    token,
)


def signed_otherwise() -> dict[str, str]:
    """Attacks on the header (RFC 8725, section 2)."""
    public = a_key().public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims, other = b64(CLAIMS), a_key("P-256", 2)
    own = {"alg": "ES256", "kid": "mine"}
    return {
        "another key": token(key=other),
        "another key under an unknown name": token(key=other, kid="k2"),
        "no signature, alg none": f"{b64({'alg': 'none'})}.{claims}.",
        "alg none, some signature": f"{b64({'alg': 'none', 'kid': 'k1'})}.{claims}.AAAA",
        "alg None": f"{b64({'alg': 'None'})}.{claims}.AAAA",
        "an algorithm that is not a text": f"{b64({'alg': ['ES256'], 'kid': 'k1'})}.{claims}.AAAA",
        "no algorithm": f"{b64({'kid': 'k1'})}.{claims}.AAAA",
        "the public key as a secret": hmac_by(pem),
        "an algorithm that is not allowed": token(alg="ES384"),
        "a key that it brings along": token(key=other, header={**own, "jwk": jwk(other, "mine")}),
        "a key that it points to": token(key=other, header={**own, "jku": "https://evil.example/jwks"}),
        "a certificate that it points to": token(key=other, header={**own, "x5u": "https://evil.example/c"}),
        "a path as the name of a key": token(key=other, kid="../../dev/null"),
        "a name that is no text": token(header={"alg": "ES256", "kid": 1}),
        "a huge name": token(header={"alg": "ES256", "kid": "k" * 300}),
        "extensions": token(header={"alg": "ES256", "kid": "k1", "crit": ["exp"], "exp": 1}),
        "no extensions, but a list of them": token(header={"alg": "ES256", "kid": "k1", "crit": []}),
        "b64 false": token(header={"alg": "ES256", "kid": "k1", "b64": False, "crit": ["b64"]}),
        "b64 alone": token(header={"alg": "ES256", "kid": "k1", "b64": False}),
        "alg twice": token(header='{"alg":"none","alg":"ES256","kid":"k1"}'),
        "a header that is no object": token(header='["ES256"]'),
        "a header that is no JSON": token(header="ES256"),
        "a header with a byte order mark": token(header='\ufeff{"alg":"ES256","kid":"k1"}'),
        "a deep header": token(header='{"alg":"ES256","kid":"k1","x":' + "[" * 99 + "]" * 99 + "}"),
    }


def hmac_by(secret: bytes) -> str:
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    signed = f"{b64({'alg': 'HS256', 'kid': 'k1'})}.{b64(CLAIMS)}"
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


@pytest.mark.parametrize(
    ("shown"), [pytest.param(each, id=name) for name, each in signed_otherwise().items()]
)
async def test_a_token_that_is_signed_otherwise_is_refused(shown: str) -> None:
    assert INVALID == await answer(a_policy(), shown)


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param('{"sub":"alice","sub":"bob",' + json.dumps(CLAIMS)[1:], id="a claim twice"),
        pytest.param(json.dumps({**CLAIMS, "x": 0}).replace('"x": 0', '"x": NaN'), id="NaN"),
        pytest.param(json.dumps(CLAIMS) + " x", id="something behind it"),
        pytest.param(json.dumps({**CLAIMS, "x": "\ud800"}), id="a lone surrogate"),
        pytest.param(json.dumps(CLAIMS).encode("utf-16"), id="UTF-16"),
        pytest.param(json.dumps([CLAIMS]), id="a list"),
        pytest.param('"alice"', id="a text"),
        pytest.param(b"\xff", id="no text"),
    ],
)
async def test_claims_that_can_be_read_in_two_ways_are_refused(claims: str | bytes) -> None:
    assert INVALID == await answer(a_policy(), token(claims))
