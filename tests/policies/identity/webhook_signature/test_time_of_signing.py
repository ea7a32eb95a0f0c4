"""When a request was signed, and until when it is good."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from proxy.config.units import Duration
from proxy.errors import Change
from proxy.testing import exchange
from tests.policies.identity.senders import (
    EXPIRED,
    INVALID,
    MALFORMED,
    NOW,
    PASSED,
    a_config,
    a_policy,
    answer,
    sent,
    sign,
)

STRIPE = "Stripe-Signature"


def stripe(body: bytes = b"{}", time: str = str(NOW), secret: str = "whsec_test") -> str:
    return hmac.new(secret.encode(), time.encode() + b"." + body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(f"t={NOW},v1={stripe()}", PASSED, id="one signature"),
        pytest.param(f"t={NOW}, v1={stripe()}", PASSED, id="a space behind the comma"),
        pytest.param(f"v1={stripe()},t={NOW}", PASSED, id="the time last"),
        pytest.param(f"t={NOW},v1={'0' * 64},v1={stripe()},v0=x", PASSED, id="the second of two"),
        pytest.param(f"t={NOW},v1=zz,v1={stripe()}", PASSED, id="beside one that is none"),
        pytest.param(f"t={NOW},v0={stripe()}", MALFORMED, id="as one of a test event"),
        pytest.param(f"v1={stripe()}", MALFORMED, id="no time"),
        pytest.param(f"t={NOW},t={NOW - 9999},v1={stripe()}", MALFORMED, id="two times"),
        pytest.param(f"t=,v1={stripe(time='')}", MALFORMED, id="an empty time"),
        pytest.param(f"t=1e9,v1={stripe(time='1e9')}", MALFORMED, id="a time with an exponent"),
        pytest.param(f"t=+{NOW},v1={stripe(time=f'+{NOW}')}", MALFORMED, id="a time with a sign"),
        pytest.param(f"t=-5,v1={stripe(time='-5')}", MALFORMED, id="a time before 1970"),
        pytest.param(f"t=١٢٣,v1={stripe(time='١٢٣')}", MALFORMED, id="a time in another script"),
        pytest.param(f"t={'9' * 20},v1={stripe(time='9' * 20)}", MALFORMED, id="a time of twenty digits"),
        pytest.param(f"t={NOW},v1={stripe()}" + ",v1=0" * 40, MALFORMED, id="very many entries"),
        pytest.param(f"t={NOW + 1},v1={stripe()}", INVALID, id="another time than was signed"),
        pytest.param(f"t={NOW},v1={stripe(secret='x')}", INVALID, id="another secret"),
    ],
)
async def test_a_header_with_several_entries(value: str, expected: tuple[int, str | None]) -> None:
    asked = exchange("POST", headers={STRIPE: value}, body=b"{}")

    assert expected == await answer(a_policy("stripe", "whsec_test"), asked)


@pytest.mark.parametrize(
    ("off", "settings", "expected"),
    [
        pytest.param(-300, {}, PASSED, id="as old as may be"),
        pytest.param(-301, {}, EXPIRED, id="too old"),
        pytest.param(300, {}, PASSED, id="as early as may be"),
        pytest.param(301, {}, EXPIRED, id="too early"),
        pytest.param(-31, {"tolerance": 30}, EXPIRED, id="too old for this policy"),
        pytest.param(-3600, {"tolerance": 3600}, PASSED, id="old, where that is allowed"),
    ],
)
@pytest.mark.parametrize("scheme", ["stripe", "slack", "zendesk", "standard-webhooks"])
async def test_a_signature_has_its_time(
    scheme: str, off: int, settings: dict[str, Any], expected: tuple[int, str | None]
) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signed = sign(a_config(scheme, secret), b"{}", now=NOW + off)

    assert expected == await answer(a_policy(scheme, secret, **settings), sent(signed))


async def test_a_late_request_is_told_apart_from_a_forged_one_and_what_would_let_it_pass() -> None:
    asked = exchange("POST", headers={STRIPE: f"t={NOW - 400},v1={stripe(time=str(NOW - 400))}"}, body=b"{}")
    forged = exchange("POST", headers={STRIPE: f"t={NOW - 400},v1={'0' * 64}"}, body=b"{}")
    policy = a_policy("stripe", "whsec_test", now=NOW + 0.5)

    assert [EXPIRED, INVALID] == [await answer(policy, asked), await answer(policy, forged)]
    assert asked.refusal is not None
    assert Change("tolerance", Duration(401)) == asked.refusal.change
    assert {"signed_at": NOW - 400, "now": NOW + 0.5, "off_by": 400.5, "tolerance": 300.0} == (
        asked.refusal.facts
    )


LINEAR = "Linear-Signature"


def linear(body: bytes) -> dict[str, str]:
    return {LINEAR: hmac.new(b"s", body, hashlib.sha256).hexdigest()}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param({"webhookTimestamp": NOW * 1000}, PASSED, id="now"),
        pytest.param({"webhookTimestamp": NOW * 1000 - 60_000}, PASSED, id="as old as may be"),
        pytest.param({"webhookTimestamp": NOW * 1000 - 60_001}, EXPIRED, id="too old"),
        pytest.param({"webhookTimestamp": NOW * 1000 + 60_001}, EXPIRED, id="too early"),
        pytest.param({"webhookTimestamp": str(NOW * 1000)}, PASSED, id="as text"),
        pytest.param({"webhookTimestamp": NOW * 1000.0}, MALFORMED, id="with a decimal point"),
        pytest.param({"webhookTimestamp": True}, MALFORMED, id="no number"),
        pytest.param({"webhookTimestamp": None}, MALFORMED, id="null"),
        pytest.param({"webhookTimestamp": [NOW * 1000]}, MALFORMED, id="a list"),
        pytest.param({"data": {"webhookTimestamp": NOW * 1000}}, MALFORMED, id="in another place"),
        pytest.param([NOW * 1000], MALFORMED, id="no object"),
    ],
)
async def test_a_time_in_the_body(document: object, expected: tuple[int, str | None]) -> None:
    body = json.dumps(document).encode()

    assert expected == await answer(
        a_policy("linear", "s"), exchange("POST", headers=linear(body), body=body)
    )


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"{", b'{"webhookTimestamp"', b'{"webhookTimestamp": "\xff"}', b"[" * 100_000],
    ids=["empty", "no text", "half of it", "a name alone", "text that is none", "very deep"],
)
async def test_a_signed_body_without_a_time_is_refused(body: bytes) -> None:
    assert MALFORMED == await answer(
        a_policy("linear", "s"), exchange("POST", headers=linear(body), body=body)
    )


async def test_a_time_in_a_header_does_not_stand_for_one_in_the_body() -> None:
    headers = {**linear(b"{}"), "Linear-Timestamp": str(NOW * 1000)}

    assert MALFORMED == await answer(a_policy("linear", "s"), exchange("POST", headers=headers, body=b"{}"))


@pytest.mark.parametrize(
    ("scheme", "settings", "words"),
    [
        pytest.param("slack", {}, "a signature is good for 5m before and after its time", id="as usual"),
        pytest.param(
            "slack", {"tolerance": 30}, "a signature is good for 30s before and after its time", id="its own"
        ),
        pytest.param("github", {}, "a signature is good for ever, since it has no time", id="no time"),
        pytest.param("gitlab", {}, "a signature is good for ever, since it has no time", id="a token"),
    ],
)
def test_what_it_comes_to_in_words(scheme: str, settings: dict[str, Any], words: str) -> None:
    assert (words,) == a_config(scheme, "s", **settings).in_words()
