"""Keys: each for its algorithm, and for no other."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from proxy.config.secrets import PublicText, Secret
from proxy.policies.identity.message_signature.keys import KeyConfig, sign_with, verifier

MESSAGE = b'"@method": POST'
MAKERS: dict[str, Any] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ecdsa-p256-sha256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-p384-sha384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsa-pss-sha512": lambda: rsa.generate_private_key(65537, 2048),
    "rsa-v1_5-sha256": lambda: rsa.generate_private_key(65537, 2048),
}
each_algorithm = pytest.mark.parametrize("algorithm", MAKERS)


@cache
def pair(algorithm: str) -> tuple[str, str]:
    """A private and a public key in PEM."""
    return in_pem(MAKERS[algorithm]())


def in_pem(private: Any) -> tuple[str, str]:
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), public.decode()


def a_key(algorithm: Any, public: str) -> KeyConfig:
    return KeyConfig(algorithm=algorithm, public_key=PublicText(public))


@each_algorithm
def test_a_signature_of_the_key_is_one_and_no_other_is(algorithm: Any) -> None:
    private, public = pair(algorithm)
    verify = verifier(a_key(algorithm, public))
    signature = sign_with(private, algorithm, MESSAGE)
    other = sign_with(in_pem(MAKERS[algorithm]())[0], algorithm, MESSAGE)

    assert verify(signature, MESSAGE)
    wrong = [other, signature[:-1], signature + b"\0", b"", bytes(len(signature)), signature[::-1]]
    assert [False] * 7 == [verify(each, MESSAGE) for each in wrong] + [verify(signature, MESSAGE + b" ")]


@each_algorithm
def test_a_key_of_another_kind_is_refused(algorithm: Any) -> None:
    kinds = {"ed25519": "rsa-pss-sha512", "ecdsa-p256-sha256": "ecdsa-p384-sha384"}
    other = a_key(algorithm, pair(kinds.get(algorithm, "ed25519"))[1])

    with pytest.raises(ValueError, match="this is a key of another kind"):
        verifier(other)


def test_a_signature_of_one_padding_is_none_of_the_other() -> None:
    private, public = pair("rsa-pss-sha512")
    verify = verifier(a_key("rsa-v1_5-sha256", public))

    assert not verify(sign_with(private, "rsa-pss-sha512", MESSAGE), MESSAGE)


def test_a_short_rsa_key_is_refused() -> None:
    public = in_pem(rsa.generate_private_key(65537, 1024))[1]

    with pytest.raises(ValueError, match="this key is too short; expected 2048 bits or more"):
        verifier(a_key("rsa-pss-sha512", public))


def test_a_private_key_where_a_public_one_belongs_is_refused_and_not_repeated() -> None:
    private = pair("ed25519")[0]

    with pytest.raises(ValueError, match="this is no public key in PEM") as caught:
        verifier(a_key("ed25519", private))
    assert private.splitlines()[1] not in str(caught.value)


def test_a_secret_is_compared_whole() -> None:
    verify = verifier(KeyConfig(algorithm="hmac-sha256", secret=Secret("x" * 16)))

    assert not verify(b"", MESSAGE)


@pytest.mark.parametrize(
    ("key", "field"),
    [
        (KeyConfig(algorithm="hmac-sha256", public_key=PublicText("x")), "public_key"),
        (KeyConfig(algorithm="ed25519", secret=Secret("x" * 16)), "secret"),
        (KeyConfig(algorithm="ed25519"), ""),
        (KeyConfig(algorithm="hmac-sha256"), ""),
        (KeyConfig(algorithm="hmac-sha256", secret=Secret("short")), "secret"),
        (KeyConfig(algorithm="ed25519", public_key=PublicText("x")), "public_key"),
    ],
)
def test_what_does_not_fit_the_algorithm_is_told_at_its_field(key: KeyConfig, field: str) -> None:
    assert [field] == [where for where, _ in key.check()]


@pytest.mark.parametrize("private", ["", "nonsense", pair("ed25519")[1]], ids=["nothing", "no PEM", "public"])
@each_algorithm
def test_what_cannot_sign_is_told(private: str, algorithm: Any) -> None:
    with pytest.raises(ValueError, match="the credential is no private key in PEM for"):
        sign_with(private, algorithm, MESSAGE)
