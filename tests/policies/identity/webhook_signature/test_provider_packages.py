"""Signatures that the providers' own packages make are accepted, where those packages are installed."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from proxy.testing import exchange
from tests.policies.identity.senders import FORM, INVALID, NOW, PASSED, a_config, a_policy, answer, sign

BODY = '{"name": "J\u00fcrgen", "n": 1}'
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NODE = Path(__file__).parents[3] / "node"
HOST = "https://hooks.example"


async def answers(
    scheme: str, secret: str, headers: dict[str, str], body: str = BODY, target: str = "/hook", **config: Any
) -> list[tuple[int, str | None]]:
    """To the request as it was signed, and to the same with a longer body."""
    path, _, query = target.partition("?")
    policy = a_policy(scheme, secret, **config)
    bodies = (body.encode(), body.encode() + b"x")
    return [
        await answer(policy, exchange("POST", path, query=query, headers=headers, body=each))
        for each in bodies
    ]


async def test_stripe() -> None:
    stripe = pytest.importorskip("stripe")
    signature = stripe.WebhookSignature._compute_signature(f"{NOW}.{BODY}", "whsec_test")

    headers = {"Stripe-Signature": f"t={NOW},v1={signature}"}

    assert [PASSED, INVALID] == await answers("stripe", "whsec_test", headers)


async def test_slack() -> None:
    slack = pytest.importorskip("slack_sdk.signature")
    signature = slack.SignatureVerifier("s").generate_signature(timestamp=str(NOW), body=BODY)

    headers = {"X-Slack-Request-Timestamp": str(NOW), "X-Slack-Signature": signature}

    assert [PASSED, INVALID] == await answers("slack", "s", headers)


@pytest.mark.parametrize(
    ("package", "scheme", "family"),
    [("svix.webhooks", "svix", "svix"), ("standardwebhooks", "standard-webhooks", "webhook")],
)
async def test_standard_webhooks(package: str, scheme: str, family: str) -> None:
    webhook = pytest.importorskip(package).Webhook(WHSEC)
    signature = webhook.sign("msg_1", datetime.fromtimestamp(NOW, UTC), BODY)

    headers = {f"{family}-id": "msg_1", f"{family}-timestamp": str(NOW), f"{family}-signature": signature}

    assert [PASSED, INVALID] == await answers(scheme, WHSEC, headers)


class Fields(dict[str, list[str]]):
    def getlist(self, name: str) -> list[str]:
        return self[name]


@pytest.mark.parametrize("port", ["", ":443"])
@pytest.mark.parametrize("algorithm", ["HMAC_SHA1", "HMAC_SHA256"])
async def test_a_form_of_twilio(port: str, algorithm: str) -> None:
    twilio = pytest.importorskip("twilio.request_validator")
    form = Fields({"To": ["+18005551212"], "Body": ["b & c", "\u00e4+"], "Empty": [""], "Same": ["1", "1"]})
    url = f"{HOST}{port}/hook?x=1&y"
    signature = twilio.RequestValidator("token").compute_signature(url, form, algorithm)

    headers = {"Content-Type": FORM, "X-Twilio-Signature": signature}
    body = urlencode(form, doseq=True)

    assert [PASSED, INVALID] == await answers(
        "twilio", "token", headers, body, "/hook?x=1&y", public_url=HOST
    )


async def test_json_of_twilio() -> None:
    twilio = pytest.importorskip("twilio.request_validator")
    target = f"/hook?bodySHA256={hashlib.sha256(BODY.encode()).hexdigest()}"
    signature = twilio.RequestValidator("token").compute_signature(HOST + target, {})

    headers = {"Content-Type": "application/json", "X-Twilio-Signature": signature}

    assert [PASSED, INVALID] == await answers("twilio", "token", headers, target=target, public_url=HOST)


def test_square_accepts_what_is_signed_here() -> None:
    square = pytest.importorskip("square.utils.webhooks_helper")
    signed = sign(a_config("square", "key", public_url=HOST), BODY.encode(), "/hook?x=1")

    assert square.verify_signature(
        request_body=BODY,
        signature_header=dict(signed.headers)["X-Square-HmacSha256-Signature"],
        signature_key="key",
        notification_url=f"{HOST}/hook?x=1",
    )


def signed_in_node(script: str, asked: list[list[str]]) -> Any:
    """What a package of the sender's that exists for Node alone says to it (`make node`)."""
    node = shutil.which("node")
    if node is None or not (NODE / "node_modules").is_dir():
        pytest.skip("needs Node and `make node`")
    command = [node, str(NODE / script)]
    return json.loads(subprocess.check_output(command, input=json.dumps(asked), text=True, timeout=60))


async def test_github() -> None:
    secrets = ["It's a Secret to Everybody", "\u00e4\u20ac", "s" * 200]
    bodies = [BODY, "Hello, World!", "x" * 100_000]
    asked = [[secret, body] for secret in secrets for body in bodies]

    for (secret, body), signature in zip(asked, signed_in_node("github.js", asked), strict=True):
        headers = {"X-Hub-Signature-256": signature}
        assert [PASSED, INVALID] == await answers("github", secret, headers, body)
        assert [INVALID, INVALID] == await answers("github", f"{secret}2", headers, body)
