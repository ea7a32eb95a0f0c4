"""Requests of a rehearsal that are signed by certificate."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.config.secrets import Secret
from proxy.exchange import Exchange
from proxy.policies.identity.webhook_signature import WebhookSignature, WebhookSignatureConfig
from proxy.policies.identity.webhook_signature.aws_sns import TopicArn
from proxy.policies.identity.webhook_signature.rehearsing import rehearsed_with
from proxy.policies.identity.webhook_signature.signing import sign_as_provider
from proxy.policy import Unsigned
from proxy.testing import FakeClock, exchange, fake_services
from tests.policies.identity.senders import EXPIRED, INVALID, NOW, PASSED, answer

TOPICS = ("arn:aws:sns:eu-west-1:123456789012:orders", "arn:aws-cn:sns:cn-north-1:123456789012:orders")
SNS = WebhookSignatureConfig(scheme="aws-sns", topic_arns=tuple(map(TopicArn, TOPICS)))
PAYPAL = WebhookSignatureConfig(scheme="paypal", webhook_id="1JE4291016473214C")


def signed(
    config: WebhookSignatureConfig, body: bytes = b"", headers: dict[str, str] | None = None
) -> Unsigned:
    unsigned = Unsigned("POST", "/hook", list((headers or {}).items()), body, NOW)
    sign_as_provider(config, unsigned, {})
    return unsigned


def arriving(unsigned: Unsigned) -> Exchange:
    return exchange("POST", headers=dict(unsigned.headers), body=unsigned.body)


def judge(config: WebhookSignatureConfig) -> WebhookSignature:
    return WebhookSignature(rehearsed_with(config, {}), fake_services(FakeClock(NOW)))


@pytest.mark.parametrize(
    ("config", "body"),
    [
        pytest.param(PAYPAL, b"", id="PayPal"),
        pytest.param(PAYPAL, b'{"id": "WH-1"}', id="PayPal with a body"),
        pytest.param(
            WebhookSignatureConfig(scheme="paypal", webhook_id="a", sandbox=True), b"", id="the sandbox"
        ),
        pytest.param(SNS, b"", id="SNS"),
        pytest.param(SNS, b'{"Message": "hi", "Subject": "x"}', id="SNS with a message"),
        pytest.param(SNS, json.dumps({"TopicArn": TOPICS[1]}).encode(), id="SNS of another region"),
        pytest.param(SNS, b'{"Type": "SubscriptionConfirmation"}', id="SNS asking for a confirmation"),
        pytest.param(
            WebhookSignatureConfig(scheme="aws-sns", topic_arns=SNS.topic_arns, signature_versions=(1,)),
            b"",
            id="SNS with SHA-1",
        ),
    ],
)
async def test_what_a_rehearsal_signs_is_accepted_there_and_nowhere_else(
    config: WebhookSignatureConfig, body: bytes
) -> None:
    unsigned = signed(config, body)
    changed = Unsigned(
        "POST", "/hook", unsigned.headers, unsigned.body.replace(b"rehearsal", b"other") + b" "
    )
    real = WebhookSignature(config, fake_services(FakeClock(NOW)))

    assert PASSED == await answer(judge(config), arriving(unsigned))
    assert (503, "webhook_signature.unavailable") == await answer(real, arriving(unsigned))
    if config.scheme == "paypal" or b"other" in changed.body:
        assert INVALID == await answer(judge(config), arriving(changed))


@pytest.mark.parametrize(
    ("config", "body", "headers"),
    [
        pytest.param(PAYPAL, b"", {"paypal-transmission-time": "2020-01-01T00:00:00Z"}, id="PayPal"),
        pytest.param(SNS, b'{"Timestamp": "2020-01-01T00:00:00Z"}', {}, id="SNS"),
    ],
)
async def test_a_time_that_a_test_gives_itself_is_kept(
    config: WebhookSignatureConfig, body: bytes, headers: dict[str, str]
) -> None:
    assert EXPIRED == await answer(judge(config), arriving(signed(config, body, headers)))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"hello", "no message of SNS"),
        (b"[]", "no message of SNS"),
        (b'{"Type": "Other"}', "the Type of the message is none of Notification"),
        (b'{"Message": 7}', "Message is no text, or not there; expected a text"),
    ],
)
def test_a_body_that_is_no_message_is_told(body: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        signed(SNS, body)


def test_a_policy_with_secrets_stays_as_it_is() -> None:
    config: Any = WebhookSignatureConfig(scheme="github", secrets=(Secret("s"),))

    assert config is rehearsed_with(config, {})
