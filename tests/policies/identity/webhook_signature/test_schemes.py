"""Each provider's scheme, by what the providers publish."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Any

import pytest

import proxy.policies.identity.webhook_signature as policy_module
from proxy.config.shapes import LiteralShape, struct_shape
from proxy.policies.identity.webhook_signature import WebhookSignatureConfig
from proxy.policies.identity.webhook_signature.certified import CERTIFIED
from proxy.policies.identity.webhook_signature.schemes import PRESETS
from proxy.testing import exchange
from tests.policies.identity.senders import (
    EXPIRED,
    FORM,
    INVALID,
    MALFORMED,
    MISSING,
    NOW,
    PASSED,
    a_config,
    a_policy,
    answer,
    sent,
    sign,
)

SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F"
    b"96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
SQUARE_BODY = (
    b'{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification",'
    b'"event_id":"ac3ac95b-f97d-458c-a6e6-18981597e05f","created_at":"2022-07-13T20:30:59.037339943Z",'
    b'"data":{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}'
)
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD = {
    "id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "timestamp": "1614265330",
    "signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
STANDARD_BODY = b'{"test": 2432232314}'


def standard(family: str) -> dict[str, str]:
    return {f"{family}-{name}": value for name, value in STANDARD.items()}


VECTORS = [
    pytest.param(
        "github",
        "It's a Secret to Everybody",
        {},
        "/",
        {"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
        b"Hello, World!",
        NOW,
        id="github, of its documentation",
    ),
    pytest.param(
        "slack",
        "8f742231b10e8888abcd99yyyzzz85a5",
        {},
        "/",
        {
            "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            "X-Slack-Request-Timestamp": "1531420618",
        },
        SLACK_BODY,
        1531420618,
        id="slack, of its documentation",
    ),
    pytest.param(
        "twilio",
        "12345",
        {"public_url": "https://mycompany.com"},
        "/myapp.php?foo=1&bar=2",
        {"X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=", "Content-Type": FORM},
        b"Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE",
        NOW,
        id="twilio, of its documentation",
    ),
    pytest.param(
        "square",
        "Ibxx_5AKakO-3qeNVR61Dw",
        {"public_url": "https://webhook.site"},
        "/679a4f3a-dcfa-49ee-bac5-9d0edad886b9",
        {"x-square-hmacsha256-signature": "GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4="},
        SQUARE_BODY,
        NOW,
        id="square, of its packages",
    ),
    pytest.param(
        "square",
        "signature-key",
        {"public_url": "https://webhook.site"},
        "/webhooks",
        {"x-square-hmacsha256-signature": "Cxt7+aTi4rKgcA0bC4g9EHdVtLSDWdqccmL5MvihU4U="},
        b'{"data":{"type":"webhooks","id":">id<"}}',
        NOW,
        id="square, of its packages, with characters that JSON may escape",
    ),
    pytest.param(
        "standard-webhooks",
        WHSEC,
        {},
        "/",
        standard("webhook"),
        STANDARD_BODY,
        1614265330,
        id="standard-webhooks, of its packages",
    ),
    pytest.param(
        "svix", WHSEC, {}, "/", standard("svix"), STANDARD_BODY, 1614265330, id="svix, of its packages"
    ),
    pytest.param(
        "svix",
        WHSEC.removeprefix("whsec_"),
        {},
        "/",
        standard("webhook"),
        STANDARD_BODY,
        1614265330,
        id="svix, with the other headers, and the secret without its prefix",
    ),
    pytest.param(
        "gitlab", WHSEC, {}, "/", standard("webhook"), STANDARD_BODY, 1614265330, id="gitlab, as the standard"
    ),
]


@pytest.mark.parametrize(("scheme", "secret", "config", "target", "headers", "body", "now"), VECTORS)
async def test_what_a_provider_publishes_as_signed_is_accepted(
    scheme: str,
    secret: str,
    config: dict[str, Any],
    target: str,
    headers: dict[str, str],
    body: bytes,
    now: float,
) -> None:
    path, _, query = target.partition("?")
    policy = a_policy(scheme, secret, now=now, **config)

    answers = [
        await answer(policy, exchange("POST", path, query=query, headers=headers, body=sent_))
        for sent_ in (body, body + b"x")
    ]

    assert [PASSED, INVALID] == answers


async def test_a_wrong_vector_of_the_standard_is_refused() -> None:
    headers = {**standard("webhook"), "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="}
    asked = exchange("POST", headers=headers, body=STANDARD_BODY)

    assert INVALID == await answer(a_policy("standard-webhooks", WHSEC, now=1614265330), asked)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"X-Gitlab-Token": "s3cret"}, PASSED, id="the token"),
        pytest.param({"X-Gitlab-Token": "S3cret"}, INVALID, id="in capitals"),
        pytest.param({"X-Gitlab-Token": "s3cre"}, INVALID, id="a part of it"),
        pytest.param({"X-Gitlab-Token": ""}, INVALID, id="an empty one"),
        pytest.param({"X-Gitlab-Token": "größe"}, INVALID, id="not ASCII"),
        pytest.param({"X-Gitlab-Token": WHSEC}, INVALID, id="the key of signatures, which is no token"),
        pytest.param({"X-Gitlab-Token": "s3cret", "x-gitlab-token": "s3cret"}, MALFORMED, id="twice"),
        pytest.param({}, MISSING, id="none"),
    ],
)
async def test_gitlab_shows_a_token_where_it_does_not_sign(
    headers: dict[str, str], expected: tuple[int, str | None]
) -> None:
    asked = exchange("POST", headers=headers, body=b"{}")

    assert expected == await answer(a_policy("gitlab", "s3cret", WHSEC), asked)


async def test_gitlab_that_signs_does_not_get_by_with_a_token() -> None:
    asked = exchange("POST", headers={"X-Gitlab-Token": WHSEC}, body=b"{}")

    assert MISSING == await answer(a_policy("gitlab", WHSEC), asked)


async def test_a_shared_secret_in_a_header_of_the_operators_choice() -> None:
    policy = a_policy("token", "old", "schlüssel", header="X-Freshdesk-Secret")
    shown = ["old", "schlüssel", "wrong"]

    answers = [
        await answer(policy, exchange("POST", headers={"X-Freshdesk-Secret": value})) for value in shown
    ]

    assert [PASSED, PASSED, INVALID] == answers


@pytest.mark.parametrize("prefix", ["", "sha256="])
async def test_freshdesk_may_leave_out_the_prefix(prefix: str) -> None:
    signed = sign(a_config("freshdesk", "s"), b"{}")
    value = prefix + dict(signed.headers)["X-Freshdesk-Signature"].removeprefix("sha256=")

    asked = sent(signed, headers={"X-Freshdesk-Signature": value})

    assert PASSED == await answer(a_policy("freshdesk", "s"), asked)


async def test_twilio_may_sign_by_sha256_where_the_secret_is_a_shared_key() -> None:
    digest = hmac.new(b"s", b"https://h.example/p?q=1a1", hashlib.sha256).digest()
    headers = {"Content-Type": FORM, "X-Twilio-Signature": base64.b64encode(digest).decode()}
    policy = a_policy("twilio", "s", public_url="https://h.example")

    answers = [
        await answer(policy, exchange("POST", "/p", query="q=1", headers=headers, body=body))
        for body in (b"a=1", b"a=2")
    ]

    assert [PASSED, INVALID] == answers


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        pytest.param("https://h.example", PASSED, id="without the port"),
        pytest.param("https://h.example:443", PASSED, id="with the port"),
        pytest.param("https://h.example:80", INVALID, id="with another port"),
        pytest.param("http://h.example", INVALID, id="another scheme"),
    ],
)
async def test_twilio_may_sign_the_port(base: str, expected: tuple[int, str | None]) -> None:
    signature = base64.b64encode(hmac.new(b"s", f"{base}/p".encode(), hashlib.sha1).digest()).decode()
    asked = exchange("POST", "/p", headers={"X-Twilio-Signature": signature})

    assert expected == await answer(a_policy("twilio", "s", public_url="https://h.example"), asked)


async def test_shopify_may_use_its_newer_header() -> None:
    signed = sign(a_config("shopify", "s"), b"{}")

    asked = sent(signed, headers={"Shopify-Hmac-Sha256": dict(signed.headers)["X-Shopify-Hmac-SHA256"]})

    assert PASSED == await answer(a_policy("shopify", "s"), asked)


async def test_a_signature_of_the_asymmetric_kind_is_passed_over() -> None:
    value = f"v1a,{'A' * 86}== v1,{'A' * 43}= {STANDARD['signature']}"
    asked = exchange("POST", headers={**standard("svix"), "svix-signature": value}, body=STANDARD_BODY)

    assert PASSED == await answer(a_policy("svix", WHSEC, now=1614265330), asked)


async def test_the_seconds_of_zendesk_are_those_that_were_signed() -> None:
    signed = sign(a_config("zendesk", "s"), b"")
    stamp = "X-Zendesk-Webhook-Signature-Timestamp"
    times = [dict(signed.headers)[stamp], "2023-11-14T22:13:20+00:00", "1700000000", "2020-01-01T00:00:00Z"]

    answers = [
        await answer(a_policy("zendesk", "s"), sent(signed, headers={**dict(signed.headers), stamp: time}))
        for time in times
    ]

    assert [PASSED, INVALID, MALFORMED, INVALID] == answers


async def test_an_old_request_of_zendesk_is_refused() -> None:
    signed = sign(a_config("zendesk", "s"), b"{}", now=NOW - 301)

    assert EXPIRED == await answer(a_policy("zendesk", "s"), sent(signed))


def test_the_page_has_every_scheme_with_its_headers() -> None:
    rows = dict(
        re.findall(r"^\| ([a-z-]+)(?:,[^|]*)? \| ([^|]*) \|", policy_module.__doc__ or "", re.MULTILINE)
    )

    assert [] == [
        (name, scheme.header)
        for name, schemes in PRESETS.items()
        for scheme in schemes
        if scheme.header.lower() not in (policy_module.__doc__ or "").lower() or name not in rows
    ]


def test_the_schema_has_every_scheme() -> None:
    shape = struct_shape(WebhookSignatureConfig).fields["scheme"].shape

    assert isinstance(shape, LiteralShape)
    assert {*PRESETS, *CERTIFIED, "token", "hmac"} == set(shape.values)
