"""What Amazon SNS signs, accepted; what others make of it, refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import Exchange
from proxy.policies.identity.webhook_signature.aws_sns import TopicArn
from proxy.testing import exchange
from tests.policies.identity.authority import pem, rsa_key
from tests.policies.identity.letters import (
    CONFIRM,
    ROOT,
    TOPIC,
    answer,
    policy,
    published,
    sns,
    sns_lines,
    sns_message,
)
from tests.policies.identity.senders import EXPIRED, INVALID, MALFORMED, MISSING, PASSED


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="a notification"),
        pytest.param({"Subject": None}, id="without a subject"),
        pytest.param({"MessageAttributes": {"a": {"Type": "String", "Value": "b"}}}, id="with attributes"),
        pytest.param(CONFIRM, id="a confirmation"),
        pytest.param({**CONFIRM, "Type": "UnsubscribeConfirmation"}, id="the end of a subscription"),
        pytest.param({"Timestamp": "2023-11-14T21:13:20.000Z"}, id="an hour old"),
    ],
)
async def test_what_sns_signs_passes(changes: dict[str, Any]) -> None:
    assert PASSED == await answer(sns(sns_message(**changes)), policy("aws-sns"))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param(exchange("POST"), MISSING, id="not from SNS"),
        pytest.param(sns({**sns_message(), "Message": "x"}), INVALID, id="another message"),
        pytest.param(sns({**sns_message(), "Subject": None}), INVALID, id="the subject left out"),
        pytest.param(sns(sns_message(key=rsa_key(2048, 2))), INVALID, id="another key"),
        pytest.param(sns(sns_message(digest=hashes.SHA1())), INVALID, id="SHA-1, as if it were 2"),
        pytest.param(
            sns(sns_message(SignatureVersion="1", digest=hashes.SHA1())), INVALID, id="version 1, not allowed"
        ),
        pytest.param(sns(sns_message(SignatureVersion="3")), INVALID, id="another version"),
        pytest.param(sns(sns_message(SignatureVersion=2)), MALFORMED, id="a version that is no text"),
        pytest.param(sns(sns_message(TopicArn=TOPIC + "x")), INVALID, id="another topic in the body"),
        pytest.param(
            sns(sns_message(TopicArn=TOPIC + "x"), headers={"x-amz-sns-topic-arn": TOPIC + "x"}),
            INVALID,
            id="another topic",
        ),
        pytest.param(sns(headers={"x-amz-sns-message-type": "Other"}), MALFORMED, id="another type"),
        pytest.param(
            sns({**sns_message(), "Type": "SubscriptionConfirmation"}), MALFORMED, id="type changed"
        ),
        pytest.param(
            sns(sns_message(**CONFIRM), headers={"x-amz-sns-message-type": "Notification"}),
            INVALID,
            id="another type than the header says",
        ),
        pytest.param(sns(sns_message(Timestamp="2023-11-14T21:13:19Z")), EXPIRED, id="too old"),
        pytest.param(sns(sns_message(Timestamp="2023-11-14T23:13:21Z")), EXPIRED, id="from the future"),
        pytest.param(sns(sns_message(Timestamp="yesterday")), MALFORMED, id="no time"),
        pytest.param(sns({**sns_message(), "Signature": "?"}), MALFORMED, id="no base64"),
        pytest.param(sns({**sns_message(), "Signature": "AAAA"}), INVALID, id="a short signature"),
        pytest.param(sns({**sns_message(), "Signature": None}), MALFORMED, id="no signature"),
        pytest.param(sns(b"[]"), MALFORMED, id="a list"),
        pytest.param(sns(b"{"), MALFORMED, id="no JSON"),
        pytest.param(
            sns(b'{"Type":"x",' + json.dumps(sns_message()).encode()[1:]), MALFORMED, id="a key twice"
        ),
        pytest.param(sns(b" " * (2 * 2**20 + 1)), MALFORMED, id="too large"),
    ],
)
async def test_what_others_make_of_it_does_not(asked: Exchange, expected: tuple[int, str]) -> None:
    assert expected == await answer(asked, policy("aws-sns"))


async def test_sns_may_sign_with_sha1_where_that_is_allowed() -> None:
    judge = policy("aws-sns", signature_versions=(1, 2))
    asked = [sns_message(SignatureVersion="1", digest=hashes.SHA1()), sns_message()]

    assert [PASSED, PASSED] == [await answer(sns(each), judge) for each in asked]


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abc.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123abc.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0123abc.pem",
        "https://evil.example/SimpleNotificationService-0123abc.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abc.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-0123abc.pem",
        "https://evil.example#@sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abc.pem",
        "https://evil.example\\@sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abc.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0123abc.pem",
        "https://s3.eu-west-1.amazonaws.com/SimpleNotificationService-0123abc.pem",
        "https://sns.eu-west-1.s3.amazonaws.com/SimpleNotificationService-0123abc.pem",
        "https://sns.eu-west-1.amazonaws.com/../SimpleNotificationService-0123abc.pem",
        "https://sns.eu-west-1.amazonaws.com/a/SimpleNotificationService-0123abc.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abc.pem?x",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abc.pem\n",
        "https://SNS.eu-west-1.amazonaws.com/SimpleNotificationService-0123abc.pem",
        "https://sns.eu-west-1.amazonaws.com.cn/SimpleNotificationService-0123abc.pem",
        "file:///etc/passwd",
        "",
    ],
)
async def test_nothing_is_fetched_from_anywhere_else(url: str) -> None:
    fetch = published(**{url: pem(ROOT.issue("sns.amazonaws.com"))})

    assert INVALID == await answer(sns(sns_message(SigningCertURL=url)), policy("aws-sns", fetch))
    assert [] == fetch.asked


@pytest.mark.parametrize(
    ("topic", "name", "expected"),
    [
        ("arn:aws:sns:eu-west-1:123456789012:orders", "sns.eu-west-1.amazonaws.com", PASSED),
        ("arn:aws:sns:af-south-1:123456789012:orders", "sns-signing.af-south-1.amazonaws.com", PASSED),
        ("arn:aws-us-gov:sns:us-gov-east-1:123456789012:x.fifo", "sns-us-gov-west-1.amazonaws.com", PASSED),
        ("arn:aws-cn:sns:cn-north-1:123456789012:orders", "sns-cn-north-1.amazonaws.com.cn", PASSED),
        ("arn:aws-cn:sns:cn-north-1:123456789012:orders", "sns.amazonaws.com", INVALID),
        ("arn:aws:sns:eu-west-1:123456789012:orders", "sns-signing.af-south-1.amazonaws.com", INVALID),
        ("arn:aws:sns:eu-west-1:123456789012:orders", "s3.amazonaws.com", INVALID),
    ],
)
async def test_a_certificate_is_that_of_the_region(
    topic: str, name: str, expected: tuple[int, str | None]
) -> None:
    arn = TopicArn.parse(topic)
    url = f"https://sns.{arn.region}.{arn.domain}/SimpleNotificationService-0.pem"
    judge = policy("aws-sns", published(**{url: pem(ROOT.issue(name))}), topic_arns=(arn,))
    asked = sns(sns_message(TopicArn=topic, SigningCertURL=url), headers={"x-amz-sns-topic-arn": topic})

    assert expected == await answer(asked, judge)


async def test_the_topic_is_known() -> None:
    asked = sns()
    await answer(asked, policy("aws-sns"))

    assert asked.identity is not None
    assert TOPIC == asked.identity.claims["topic"]


JUDGE = policy("aws-sns")
GOOD_SNS = json.dumps(sns_message(), ensure_ascii=False).encode()


@given(st.integers(0, len(GOOD_SNS) - 1), st.integers(0, 7))
async def test_no_flipped_bit_of_a_message_is_accepted_unless_it_is_not_signed(at: int, bit: int) -> None:
    changed = bytearray(GOOD_SNS)
    changed[at] ^= 1 << bit
    status, _ = await answer(sns(bytes(changed)), JUDGE)

    if status == 200:
        before, after = json.loads(GOOD_SNS), json.loads(changed)
        assert sns_lines(before) == sns_lines(after)
        assert before["Signature"] == after["Signature"]
