"""Requests of a rehearsal, signed as a provider would; see also the round trips of `test_schemes_changed`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.policies.identity.webhook_signature.verification import JsonPointer, TimestampConfig
from tests.policies.identity.senders import (
    EXPIRED,
    FORM,
    NOW,
    PASSED,
    a_config,
    a_policy,
    answer,
    in_header,
    sent,
    sign,
)

KEY = "whsec_" + "A" * 32


def test_the_first_secret_signs() -> None:
    assert sign(a_config("github", "a", "b"), b"x") == sign(a_config("github", "a"), b"x")


@pytest.mark.parametrize(
    ("scheme", "secrets", "headers"),
    [
        pytest.param("gitlab", ["t", KEY], ["X-Gitlab-Token"], id="a token"),
        pytest.param(
            "gitlab", [KEY, "t"], ["webhook-timestamp", "webhook-id", "webhook-signature"], id="a key"
        ),
        pytest.param("stripe", ["s"], ["Stripe-Signature"], id="a time among signatures"),
        pytest.param("slack", ["s"], ["X-Slack-Request-Timestamp", "X-Slack-Signature"], id="a time beside"),
    ],
)
def test_which_headers_are_added(scheme: str, secrets: list[str], headers: list[str]) -> None:
    assert headers == [name for name, _ in sign(a_config(scheme, *secrets), b"{}").headers]


async def test_a_signature_that_was_there_is_replaced() -> None:
    signed = sign(a_config("github", "s"), b"x", headers={"x-hub-signature-256": "old"})

    assert 1 == len(signed.headers)
    assert PASSED == await answer(a_policy("github", "s"), sent(signed))


@pytest.mark.parametrize(
    ("scheme", "headers", "body"),
    [
        pytest.param("slack", {"x-slack-request-timestamp": str(NOW - 900)}, b"x", id="in a header"),
        pytest.param("linear", {}, b'{"webhookTimestamp": %d}' % ((NOW - 900) * 1000), id="in the body"),
    ],
)
async def test_a_time_that_a_test_gives_is_the_one_that_is_signed(
    scheme: str, headers: dict[str, str], body: bytes
) -> None:
    signed = sign(a_config(scheme, "s"), body, headers=headers)

    assert EXPIRED == await answer(a_policy(scheme, "s"), sent(signed))


async def test_an_id_that_a_test_gives_is_the_one_that_is_signed() -> None:
    signed = sign(a_config("svix", KEY), b"{}", headers={"Svix-Id": "mine"})

    assert ["mine"] == [value for name, value in signed.headers if name.lower() == "svix-id"]
    assert PASSED == await answer(a_policy("svix", KEY), sent(signed))


@pytest.mark.parametrize(
    ("unit", "now"),
    [("s", NOW), ("ms", NOW * 1000), ("iso8601", "2023-11-14T22:13:20Z")],
)
async def test_a_time_is_put_into_a_body_that_lacks_it(unit: Any, now: object) -> None:
    settings = {"header": "X-H", "timestamp": TimestampConfig(field=JsonPointer("/sent~1at"), unit=unit)}
    signed = sign(a_config("hmac", "s", **settings), b'{"a": 1}')

    assert {"a": 1, "sent/at": now} == json.loads(signed.body)
    assert PASSED == await answer(a_policy("hmac", "s", **settings), sent(signed))


@pytest.mark.parametrize(
    ("pointer", "body"),
    [("/t", b""), ("/t", b"[]"), ("/t", b"{"), ("/a/t", b"{}")],
    ids=["no body", "a list", "no JSON", "a place within"],
)
def test_a_time_that_cannot_be_put_into_a_body_is_missing(pointer: str, body: bytes) -> None:
    config = a_config("hmac", "s", header="X-H", timestamp=TimestampConfig(field=JsonPointer(pointer)))

    with pytest.raises(ValueError, match=f"expected a JSON body with it at {pointer}"):
        sign(config, body)


async def test_a_prefix_stands_before_the_time() -> None:
    settings = {
        "header": "X-H",
        "signed": "{timestamp}{body}",
        "timestamp": in_header("X-T", prefix="t=", unit="ms"),
    }
    signed = sign(a_config("hmac", "s", **settings), b"x")

    assert f"t={NOW}000" == dict(signed.headers)["X-T"]
    assert PASSED == await answer(a_policy("hmac", "s", **settings), sent(signed))


def test_a_header_that_is_signed_has_to_be_in_the_test() -> None:
    with pytest.raises(ValueError, match="X-Id stands there 0 times; expected each of X-Id once"):
        sign(a_config("hmac", "s", header="X-H", signed="{header:X-Id}{body}"))


@pytest.mark.parametrize(
    ("target", "headers", "body", "left"),
    [
        pytest.param("/p", {}, b"x", "/p?bodySHA256=", id="no query"),
        pytest.param("/p?a=1", {}, b"x", "/p?a=1&bodySHA256=", id="a query"),
        pytest.param("/p", {"Content-Type": FORM}, b"x=1", "/p", id="a form"),
        pytest.param("/p", {}, b"", "/p", id="no body"),
        pytest.param("/p?bodySHA256=1", {}, b"x", "/p?bodySHA256=1", id="a digest of the test's own"),
    ],
)
def test_twilio_puts_the_digest_of_a_body_into_the_url(
    target: str, headers: dict[str, str], body: bytes, left: str
) -> None:
    signed = sign(a_config("twilio", "s", public_url="https://h.example"), body, target, headers)

    assert left == (signed.target[: len(left)] if left.endswith("=") else signed.target)
