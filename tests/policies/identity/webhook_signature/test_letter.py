"""Whether a key has signed what a request says."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import hashes

from proxy.policies.identity.webhook_signature.letter import Letter, is_signed
from tests.policies.identity.authority import rsa_key
from tests.policies.identity.letters import signature

SIGNED = signature("hello")


@pytest.mark.parametrize(
    ("said", "made", "digest", "expected"),
    [
        pytest.param("hello", SIGNED, "sha256", True, id="as it should be"),
        pytest.param("hello", signature("hello", digest=hashes.SHA1()), "sha1", True, id="with SHA-1"),
        pytest.param("Hello", SIGNED, "sha256", False, id="something else"),
        pytest.param("hello", SIGNED, "sha1", False, id="another digest"),
        pytest.param("hello", signature("hello", key=rsa_key(2048, 2)), "sha256", False, id="another key"),
        pytest.param("hello", "", "sha256", False, id="no signature"),
        pytest.param("hello", "AA" * 400, "sha256", False, id="a long one"),
    ],
)
def test_a_letter(said: str, made: str, digest: str, expected: bool) -> None:
    letter = Letter("", said.encode(), base64.b64decode(made), digest, "", {})  # type: ignore[arg-type]

    assert expected is is_signed(letter, rsa_key().public_key())
