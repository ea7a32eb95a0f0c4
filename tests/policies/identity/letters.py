"""Requests that PayPal and SNS sign, made from their documentation and not by our own code."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from proxy.exchange import Exchange
from proxy.policies.authorities import AuthoritiesFile
from proxy.policies.identity.webhook_signature import WebhookSignature, WebhookSignatureConfig
from proxy.policies.identity.webhook_signature.aws_sns import TopicArn
from proxy.testing import FakeClock, FakeFetch, exchange, fake_services, route
from tests.policies.identity.authority import Authority, pem, rsa_key
from tests.policies.identity.senders import NOW
from tests.policies.reading import refusal

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
