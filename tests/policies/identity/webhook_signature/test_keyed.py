"""What a request that is signed with a shared secret proves, and what is wrong with others."""

from __future__ import annotations

import hmac

import pytest

from proxy.config.units import HeaderName
from proxy.exchange import Exchange
from proxy.policies.identity.webhook_signature.content import NotAsAgreed
from proxy.policies.identity.webhook_signature.keyed import Keyed
from proxy.policies.identity.webhook_signature.letter import Forged
from proxy.policies.identity.webhook_signature.verification import verifications
from proxy.policies.keys import SIGNATURE
from proxy.testing import FakeClock, exchange
from tests.policies.identity.senders import a_config

BODY = b'{"a": 1}'
DIGEST = hmac.new(b"new", BODY, "sha256").hexdigest()


def github(signature: str | None = f"sha256={DIGEST}") -> Exchange:
    headers = {} if signature is None else {"X-Hub-Signature-256": signature}
    return exchange("POST", "/", headers=headers, body=BODY)


def keyed(scheme: str = "github", **more: object) -> Keyed:
    config = a_config(scheme, "old", "new", **more)
    return Keyed(verifications(config), FakeClock())


async def test_any_of_the_secrets_may_have_signed_and_what_was_verified_is_remembered() -> None:
    asked = github()

    assert {} == await keyed().claims(asked)
    assert DIGEST == asked.recall(SIGNATURE)


async def test_a_request_without_a_signature_is_not_for_it_to_judge() -> None:
    assert ("X-Hub-Signature-256",) == keyed().headers
    assert await keyed().claims(github(None)) is None


async def test_nobody_can_prove_anything_where_there_is_no_secret() -> None:
    assert await Keyed((), FakeClock()).claims(github()) is None


@pytest.mark.parametrize(
    ("signature", "wrong"),
    [(f"sha256={'0' * 64}", Forged), ("sha256=zz", NotAsAgreed), (DIGEST, NotAsAgreed)],
    ids=["another digest", "no digest", "without its prefix"],
)
async def test_what_is_wrong_is_told_apart(signature: str, wrong: type[Exception]) -> None:
    with pytest.raises(wrong):
        await keyed().claims(github(signature))


@pytest.mark.parametrize(("shown", "right"), [("new", True), ("newer", False)])
async def test_a_token_is_the_secret_itself(shown: str, right: bool) -> None:
    tokens = keyed("token", header=HeaderName("X-Token"))
    asked = exchange("POST", "/", headers={"X-Token": shown}, body=BODY)

    if right:
        assert {} == await tokens.claims(asked)
    else:
        with pytest.raises(Forged):
            await tokens.claims(asked)
