"""What a rehearsal signs is what the policy lets in."""

from __future__ import annotations

import pytest

from tests.policies.identity.message_signature.asking import KEYS, a_policy, outcome, sent, signed
from tests.policies.identity.message_signature.forging import BODY, PASSED, field


async def test_a_rehearsal_signs_with_a_private_key_of_the_test() -> None:
    only = {"keys": {"test-key-ed25519": KEYS["test-key-ed25519"]}}

    assert PASSED == await outcome(a_policy(**only), sent(signed(body=BODY, **only)))


def test_without_a_private_key_it_says_what_is_missing() -> None:
    with pytest.raises(
        ValueError, match=r"expected one in PEM under test_secrets\.credentials for one of test"
    ):
        signed(keys={"test-key-ecc-p256": KEYS["test-key-ecc-p256"]})


def test_a_request_that_lacks_what_is_covered_cannot_be_signed() -> None:
    with pytest.raises(ValueError, match="the request has no x-tenant, which is covered; expected it"):
        signed(components=["@method", "x-tenant"])


def test_a_signature_of_its_own_takes_the_place_of_what_the_test_gives() -> None:
    made = signed(
        fields=[("Host", "example.com"), ("signature", "x"), ("Signature-Input", "y")], label="mine"
    )

    assert ["Host", "Signature-Input", "Signature"] == [name for name, _ in made.headers]
    assert field(made, "Signature").startswith("mine=:")
