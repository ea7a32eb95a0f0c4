"""Which keys of a set are used, and which are not."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.policies.identity.jwt.keys import MOST_KEYS, of_secrets, of_set
from tests.policies.identity.tokens import SECRET, a_key, b64, jwk

RSA = jwk(a_key("rsa"))
EC = jwk(a_key("P-256"))
NUMBER = int.from_bytes(b"\xff" * 300, "big")


def found(key: Any, *algorithms: str) -> list[str]:
    ring = of_set({"keys": [key, jwk(a_key("Ed25519"), "other")]}, (*algorithms, "EdDSA"))
    return sorted({name for each in ring.keys if each.id != "other" for name in each.algorithms})


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        pytest.param(RSA, ["PS512", "RS256"], id="RSA"),
        pytest.param({**RSA, "alg": "RS256"}, ["RS256"], id="RSA for one algorithm"),
        pytest.param({**RSA, "use": "sig", "key_ops": ["verify"]}, ["PS512", "RS256"], id="for signatures"),
        pytest.param({**RSA, "d": "AQAB", "p": "x"}, ["PS512", "RS256"], id="with its private part"),
        pytest.param({**RSA, "x5c": ["x"], "extra": 1}, ["PS512", "RS256"], id="with more"),
        pytest.param(EC, ["ES256"], id="P-256"),
        pytest.param(jwk(a_key("P-384")), ["ES384"], id="P-384"),
        pytest.param(jwk(a_key("Ed448"), alg="EdDSA"), ["EdDSA"], id="Ed448"),
        pytest.param(jwk(a_key("Ed25519"), alg="Ed25519"), ["EdDSA"], id="by its newer name"),
        pytest.param({**RSA, "use": "enc"}, [], id="for encryption"),
        pytest.param({**RSA, "key_ops": ["encrypt"]}, [], id="for encrypting"),
        pytest.param({**RSA, "key_ops": "verify"}, [], id="with operations that are no list"),
        pytest.param({**RSA, "alg": "RS384"}, [], id="for an algorithm that is not wanted"),
        pytest.param({**RSA, "alg": "ES256"}, [], id="for an algorithm of another kind"),
        pytest.param({**RSA, "alg": "HS256"}, [], id="for a secret's algorithm"),
        pytest.param({**RSA, "alg": 7}, [], id="for no algorithm"),
        pytest.param({**RSA, "kid": 7}, [], id="with a number as its name"),
        pytest.param({**RSA, "kid": "k" * 300}, [], id="with a huge name"),
        pytest.param(jwk(a_key("weak")), [], id="1024 bits"),
        pytest.param({**RSA, "n": b64(b"\xff" * 2048)}, [], id="16384 bits"),
        pytest.param({**RSA, "e": b64(b"\xff" * 20)}, [], id="a huge exponent"),
        pytest.param({**RSA, "e": b64(b"\x02")}, [], id="an even exponent"),
        pytest.param({**RSA, "n": "?"}, [], id="no base64"),
        pytest.param({**RSA, "n": 7}, [], id="a number that is no text"),
        pytest.param({"kty": "RSA", "kid": "k1"}, [], id="no numbers"),
        pytest.param({**EC, "y": EC["x"]}, [], id="a point that is not on the curve"),
        pytest.param({**EC, "crv": "P-384"}, [], id="another curve"),
        pytest.param({**EC, "crv": "secp256k1"}, [], id="a curve that is not wanted"),
        pytest.param({**EC, "crv": ["P-256"]}, [], id="a curve that is no text"),
        pytest.param({"kty": "OKP", "crv": "X25519", "x": "AAAA", "kid": "k1"}, [], id="for key agreement"),
        pytest.param({"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "k1"}, [], id="too short"),
        pytest.param({"kty": "oct", "k": b64(SECRET), "kid": "k1"}, [], id="a secret"),
        pytest.param({"kty": "new", "kid": "k1"}, [], id="a kind that nobody knows"),
        pytest.param({"kty": ["RSA"]}, [], id="a kind that is no text"),
        pytest.param("key", [], id="no mapping"),
        pytest.param(None, [], id="null"),
    ],
)
def test_a_key_of_a_set(key: Any, expected: list[str]) -> None:
    assert expected == found(key, "RS256", "PS512", "ES256", "ES384")


@pytest.mark.parametrize(
    ("document", "told"),
    [
        pytest.param([], "this is no JWK set", id="a list"),
        pytest.param({"keys": {}}, "this is no JWK set", id="keys that are no list"),
        pytest.param({"keys": []}, "no key in it can verify RS256: there are none", id="no keys"),
        pytest.param({"keys": [EC]}, "a key of type 'EC' is for another algorithm", id="another kind"),
        pytest.param({"keys": [jwk(a_key("weak"))]}, "an RSA key has 1024 bits, not 2048 to 8192", id="weak"),
        pytest.param({"keys": [RSA] * (MOST_KEYS + 1)}, "there are 101 keys in it", id="too many"),
    ],
)
def test_a_set_that_is_of_no_use_says_why(document: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told.replace("(", r"\(")):
        of_set(document, ["RS256"])


@pytest.mark.parametrize(
    ("secret", "algorithm", "told"),
    [
        pytest.param(b"x" * 31, "HS256", "31 bytes long; expected at least 32", id="short"),
        pytest.param(b"x" * 47, "HS384", "47 bytes long; expected at least 48", id="short for SHA-384"),
        pytest.param(b"x" * 63, "HS512", "63 bytes long; expected at least 64", id="short for SHA-512"),
        pytest.param(
            b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            "HS256",
            "public or private key",
            id="a public key",
        ),
    ],
)
def test_a_secret_that_is_none(secret: bytes, algorithm: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        of_secrets([secret], [algorithm])


def test_a_token_without_a_name_has_few_keys_tried() -> None:
    many = of_set({"keys": [jwk(a_key(), f"k{number}") for number in range(17)]}, ["ES256"])

    assert (0, 1) == (len(many.fitting("ES256", None)), len(many.fitting("ES256", "k3")))


def test_a_key_without_a_name_may_be_any() -> None:
    ring = of_set({"keys": [jwk(a_key(), None), jwk(a_key(), "k2")]}, ["ES256"])

    assert [[None], [None, "k2"]] == [[each.id for each in ring.fitting("ES256", kid)] for kid in ("x", "k2")]
