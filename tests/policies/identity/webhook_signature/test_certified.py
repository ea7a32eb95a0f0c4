"""What PayPal and SNS sign, accepted; what others make of it, refused."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.units import Duration
from proxy.errors import FetchError
from proxy.exchange import Exchange
from proxy.policies.authorities import AuthoritiesFile
from proxy.policies.identity.webhook_signature import WebhookSignature, WebhookSignatureConfig
from proxy.policies.identity.webhook_signature.aws_sns import TopicArn
from proxy.policies.keys import SIGNATURE
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import Chunks, FakeClock, FakeFetch, FakeUpstream, exchange, fake_services, route
from tests.policies.identity.authority import Authority, pem, rsa_key
from tests.policies.identity.senders import EXPIRED, INVALID, MALFORMED, MISSING, NOW, PASSED
from tests.policies.reading import fields, refusal

UNAVAILABLE = (503, "webhook_signature.unavailable")
ROOT = Authority()
TOPIC = "arn:aws:sns:eu-west-1:123456789012:orders"
SNS_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abc.pem"
PAYPAL_URL = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594"
AT = "2023-11-14T22:13:20Z"
"""FakeClock's time."""


def policy(scheme: str, fetch: FakeFetch | None = None, **settings: Any) -> WebhookSignature:
    own: dict[str, Any] = {
        "aws-sns": {"topic_arns": (TopicArn(TOPIC),)},
        "paypal": {"webhook_id": "1JE4291016473214C"},
    }[scheme]
    file = AuthoritiesFile("ca.crt").holding(ROOT.pem)
    config = WebhookSignatureConfig(scheme=scheme, ca_file=file, **{**own, **settings})  # type: ignore[arg-type]
    services = fake_services(FakeClock(NOW), name="webhook_signature/hooks", fetch=fetch or published())
    return WebhookSignature(config, services)


def published(**documents: Any) -> FakeFetch:
    return FakeFetch(
        {
            SNS_URL: pem(ROOT.issue("sns.amazonaws.com")),
            PAYPAL_URL: pem(ROOT.issue("messageverificationcerts.paypal.com")),
            **documents,
        }
    )


def signature(signed: str, *, key: Any = None, digest: Any = None) -> str:
    made = (key or rsa_key()).sign(signed.encode(), PKCS1v15(), digest or hashes.SHA256())
    return base64.b64encode(made).decode()


# ---- Amazon SNS, by the developer guide's own words: each name and value on a line


def sns_lines(message: Mapping[str, Any]) -> str:
    if message["Type"] == "Notification":
        lines = f"Message\n{message['Message']}\nMessageId\n{message['MessageId']}\n"
        if message.get("Subject") is not None:
            lines += f"Subject\n{message['Subject']}\n"
    else:
        lines = f"Message\n{message['Message']}\nMessageId\n{message['MessageId']}\n"
        lines += f"SubscribeURL\n{message['SubscribeURL']}\nTimestamp\n{message['Timestamp']}\n"
        return (
            lines + f"Token\n{message['Token']}\nTopicArn\n{message['TopicArn']}\nType\n{message['Type']}\n"
        )
    lines += f"Timestamp\n{message['Timestamp']}\nTopicArn\n{message['TopicArn']}\n"
    return lines + f"Type\n{message['Type']}\n"


def sns_message(*, key: Any = None, digest: Any = None, **changes: Any) -> dict[str, Any]:
    message: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "Größe",
        "Message": 'two\nlines and "quotes"',
        "Timestamp": AT,
        "SignatureVersion": "2",
        "SigningCertURL": SNS_URL,
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
        **changes,
    }
    return {**message, "Signature": signature(sns_lines(message), key=key, digest=digest)}


def sns(message: Any = None, **more: Any) -> Exchange:
    message = sns_message() if message is None else message
    headers = {"x-amz-sns-message-type": "Notification", "x-amz-sns-topic-arn": TOPIC}
    if isinstance(message, dict):
        headers["x-amz-sns-message-type"] = str(message.get("Type"))
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return exchange("POST", **{"headers": {**headers, **more.pop("headers", {})}, "body": body, **more})


CONFIRM = {
    "Type": "SubscriptionConfirmation",
    "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?x",
    "Token": "t",
}


async def answer(asked: Exchange, judge: WebhookSignature) -> tuple[int, str | None]:
    return refusal(await route(judge).respond(asked))


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


# ---- PayPal

BODY = b'{"id":"WH-7MU294299R542214K","event_type":"PAYMENTS.PAYMENT.CREATED"}'
ID = "69cd13f0-d67a-11e5-baa3-778b53f4ae55"


def paypal(body: bytes = BODY, *, key: Any = None, digest: Any = None, **changes: str) -> Exchange:
    time, number = changes.get("PAYPAL_TRANSMISSION_TIME", AT), changes.get("PAYPAL_TRANSMISSION_ID", ID)
    signed = f"{number}|{time}|1JE4291016473214C|{zlib.crc32(body)}"
    headers = {
        "PAYPAL-TRANSMISSION-ID": ID,
        "PAYPAL-TRANSMISSION-TIME": AT,
        "PAYPAL-TRANSMISSION-SIG": signature(signed, key=key, digest=digest),
        "PAYPAL-CERT-URL": PAYPAL_URL,
        "PAYPAL-AUTH-ALGO": "SHA256withRSA",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    return exchange("POST", headers=headers, body=body)


def with_body(asked: Exchange, body: bytes) -> Exchange:
    asked.request.content = body
    return asked


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param(paypal(), PASSED, id="as it should be"),
        pytest.param(paypal(b""), PASSED, id="without a body"),
        pytest.param(paypal(b"x" * 600_000), PASSED, id="a large body"),
        pytest.param(paypal(PAYPAL_TRANSMISSION_TIME="2023-11-14T22:08:20Z"), PASSED, id="5 min old"),
        pytest.param(exchange("POST", body=BODY), MISSING, id="not from PayPal"),
        pytest.param(with_body(paypal(), BODY + b" "), INVALID, id="another body"),
        pytest.param(paypal(key=rsa_key(2048, 2)), INVALID, id="another key"),
        pytest.param(paypal(digest=hashes.SHA1()), INVALID, id="SHA-1"),
        pytest.param(paypal(PAYPAL_AUTH_ALGO="SHA1withRSA"), MALFORMED, id="another algorithm"),
        pytest.param(paypal(PAYPAL_TRANSMISSION_SIG="?"), MALFORMED, id="no base64"),
        pytest.param(paypal(PAYPAL_TRANSMISSION_SIG="AAAA"), INVALID, id="a short signature"),
        pytest.param(paypal(PAYPAL_TRANSMISSION_ID="a|b"), MALFORMED, id="an id with a bar in it"),
        pytest.param(paypal(PAYPAL_TRANSMISSION_TIME="2023-11-14T22:08:19Z"), EXPIRED, id="too old"),
        pytest.param(paypal(PAYPAL_TRANSMISSION_TIME="2023-11-14T22:18:21Z"), EXPIRED, id="from the future"),
        pytest.param(paypal(PAYPAL_TRANSMISSION_TIME="now"), MALFORMED, id="no time"),
        pytest.param(paypal(Paypal_Cert_Url=PAYPAL_URL), MALFORMED, id="a header twice"),
    ],
)
async def test_what_paypal_signs(asked: Exchange, expected: tuple[int, str | None]) -> None:
    assert expected == await answer(asked, policy("paypal"))


@pytest.mark.parametrize(
    "url",
    [
        "http://api.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
        "https://www.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1",
        "https://evil.example/v1/notifications/certs/CERT-1",
        "https://evil-api.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com@evil.example/v1/notifications/certs/CERT-1",
        "https://api.paypal.com:444/v1/notifications/certs/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/../../CERT-1",
        "https://api.paypal.com/v1/notifications/certs/CERT-1?x=y",
        "https://api.paypal.com/v1/other/CERT-1",
    ],
)
async def test_nothing_is_fetched_from_where_paypal_has_none(url: str) -> None:
    fetch = published(**{url: pem(ROOT.issue("messageverificationcerts.paypal.com"))})

    assert INVALID == await answer(paypal(PAYPAL_CERT_URL=url), policy("paypal", fetch))
    assert [] == fetch.asked


async def test_the_sandbox_and_production_do_not_vouch_for_each_other() -> None:
    name, url = "messageverificationcerts.sandbox.paypal.com", PAYPAL_URL.replace("api.", "api.sandbox.")
    fetch = published(**{url: pem(ROOT.issue(name)), PAYPAL_URL: pem(ROOT.issue(name))})
    sandbox, production = policy("paypal", fetch, sandbox=True), policy("paypal", fetch)

    assert [PASSED, INVALID, INVALID, INVALID] == [
        await answer(paypal(PAYPAL_CERT_URL=url), sandbox),
        await answer(paypal(), sandbox),
        await answer(paypal(PAYPAL_CERT_URL=url), production),
        await answer(paypal(), production),
    ]


# ---- both

SIGNED = [pytest.param("aws-sns", sns, id="SNS"), pytest.param("paypal", paypal, id="PayPal")]


@pytest.mark.parametrize(("scheme", "make"), SIGNED)
async def test_a_certificate_that_is_out_of_reach_is_nobodys_fault(scheme: str, make: Any) -> None:
    away = FakeFetch(dict.fromkeys((SNS_URL, PAYPAL_URL), FetchError("no answer")))
    response = await route(policy(scheme, away)).respond(make())

    assert (UNAVAILABLE, ["5"]) == (refusal(response), fields(response)["retry-after"])


@pytest.mark.parametrize(("scheme", "make"), SIGNED)
async def test_a_tolerance_may_be_stated(scheme: str, make: Any) -> None:
    judge = policy(scheme, tolerance=Duration(7 * 86400))
    old = "2023-11-08T00:00:00Z"
    asked = sns(sns_message(Timestamp=old)) if scheme == "aws-sns" else paypal(PAYPAL_TRANSMISSION_TIME=old)

    assert [PASSED, PASSED] == [await answer(asked, judge), await answer(make(), judge)]


@pytest.mark.parametrize(("scheme", "make"), SIGNED)
async def test_who_signed_and_what_is_known(scheme: str, make: Any) -> None:
    one, again = make(), make()
    judge = policy(scheme)
    for asked in (one, again):
        await answer(asked, judge)

    assert one.identity is not None
    assert ("hooks", scheme) == (one.identity.id, one.identity.claims["scheme"])
    assert one.recall(SIGNATURE) == again.recall(SIGNATURE) is not None


async def test_the_topic_is_known() -> None:
    asked = sns()
    await answer(asked, policy("aws-sns"))

    assert asked.identity is not None
    assert TOPIC == asked.identity.claims["topic"]


@pytest.mark.parametrize(
    ("scheme", "header"), [("aws-sns", "x-amz-sns-message-type"), ("paypal", "PayPal-Transmission-Sig")]
)
async def test_a_request_that_is_not_signed_is_told_where_a_signature_belongs(
    scheme: str, header: str
) -> None:
    response = await route(policy(scheme)).respond(exchange("POST"))

    assert [f'WebhookSignature header="{header}"'] == fields(response)["www-authenticate"]


@pytest.mark.parametrize(("scheme", "make"), SIGNED)
async def test_in_shadow_only_what_others_read_is_judged(scheme: str, make: Any) -> None:
    shadowed = in_shadow("webhook_signature", Hooks.of(policy(scheme)))
    read, unread, none = make(), make(), exchange("POST")
    unread.request.content = Chunks(b"{}")

    answers = [
        refusal(await route(shadowed, upstream=FakeUpstream(200)).respond(each)) for each in (read, none)
    ]
    await route(shadowed, upstream=FakeUpstream(200)).respond(unread)

    assert [PASSED, PASSED] == answers
    assert [None, ["webhook_signature.skipped"], ["webhook_signature.missing"]] == [
        each.shadowed and [one.reason for one in each.shadowed] for each in (read, unread, none)
    ]


async def test_a_reload_keeps_the_keys() -> None:
    fetch = published()
    services = replace(fake_services(FakeClock(NOW), name="webhook_signature/hooks", fetch=fetch))
    file = AuthoritiesFile("ca.crt").holding(ROOT.pem)
    config = WebhookSignatureConfig(scheme="paypal", webhook_id="1JE4291016473214C", ca_file=file)

    answers = [await answer(paypal(), WebhookSignature(config, services)) for _ in range(3)]

    assert ([PASSED] * 3, 1) == (answers, len(fetch.asked))


JUDGES = {"aws-sns": policy("aws-sns"), "paypal": policy("paypal")}
GOOD_SNS = json.dumps(sns_message(), ensure_ascii=False).encode()


@given(st.integers(0, len(GOOD_SNS) - 1), st.integers(0, 7))
async def test_no_flipped_bit_of_a_message_is_accepted_unless_it_is_not_signed(at: int, bit: int) -> None:
    changed = bytearray(GOOD_SNS)
    changed[at] ^= 1 << bit
    status, _ = await answer(sns(bytes(changed)), JUDGES["aws-sns"])

    if status == 200:
        before, after = json.loads(GOOD_SNS), json.loads(changed)
        assert sns_lines(before) == sns_lines(after)
        assert before["Signature"] == after["Signature"]


@given(st.integers(0, len(BODY) - 1), st.integers(0, 7))
async def test_no_flipped_bit_of_a_body_is_accepted(at: int, bit: int) -> None:
    changed = bytearray(BODY)
    changed[at] ^= 1 << bit

    assert INVALID == await answer(with_body(paypal(), bytes(changed)), JUDGES["paypal"])
