"""What nobody may change of a signed request on its way, whoever signed it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.policies.identity.webhook_signature.schemes import PRESETS
from tests.policies.identity.senders import (
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

WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

PROVIDERS = [
    ("github", "s3cret", {}, {}),
    ("stripe", "whsec_as_it_is", {}, {}),
    ("slack", "s3cret", {}, {}),
    ("shopify", "s3cret", {}, {}),
    ("zendesk", "s3cret", {}, {}),
    ("standard-webhooks", WHSEC, {}, {}),
    ("svix", WHSEC, {}, {}),
    ("twilio", "s3cret", {"public_url": "https://hooks.example"}, {"Content-Type": FORM}),
    ("twilio", "s3cret", {"public_url": "https://hooks.example"}, {"Content-Type": "application/json"}),
    ("square", "s3cret", {"public_url": "https://hooks.example"}, {}),
    ("gitlab", WHSEC, {}, {}),
    ("bitbucket", "s3cret", {}, {}),
    ("linear", "s3cret", {}, {}),
    ("freshdesk", "s3cret", {}, {}),
    ("freshdesk", "s3cret", {"header": "X-Acme"}, {}),
    ("hmac", "s3cret", {"header": "X-Acme", "signed": "{method} {header:X-Id} {body}"}, {"X-Id": "7"}),
]
each_provider = pytest.mark.parametrize(
    ("scheme", "secret", "config", "headers"),
    [pytest.param(*row, id=f"{row[0]} {number}") for number, row in enumerate(PROVIDERS)],
)


def test_every_provider_is_among_those_that_are_tried_here() -> None:
    assert set(PRESETS) == {scheme for scheme, *_ in PROVIDERS} - {"hmac"}


def body_for(scheme: str, headers: dict[str, str]) -> bytes:
    return b"a=1&b=x" if headers.get("Content-Type") == FORM else b'{"webhookTimestamp": %d}' % (NOW * 1000)


@each_provider
async def test_what_is_signed_as_a_provider_does_is_accepted(
    scheme: str, secret: str, config: dict[str, Any], headers: dict[str, str]
) -> None:
    signed = sign(a_config(scheme, secret, **config), body_for(scheme, headers), "/p?q=1", headers)

    assert PASSED == await answer(
        a_policy(scheme, "another", secret, **config)
        if secret != WHSEC
        else a_policy(scheme, secret, **config),
        sent(signed),
    )


@each_provider
async def test_another_secret_is_refused(
    scheme: str, secret: str, config: dict[str, Any], headers: dict[str, str]
) -> None:
    signed = sign(a_config(scheme, secret, **config), body_for(scheme, headers), "/p?q=1", headers)
    other = "whsec_" + "A" * 32 if secret == WHSEC else "another"

    assert INVALID == await answer(a_policy(scheme, other, **config), sent(signed))


@each_provider
@given(data=st.data())
@settings(max_examples=25, deadline=None)
async def test_a_body_that_was_changed_by_a_bit_is_refused(
    data: st.DataObject, scheme: str, secret: str, config: dict[str, Any], headers: dict[str, str]
) -> None:
    signed = sign(a_config(scheme, secret, **config), body_for(scheme, headers), "/p?q=1", headers)
    at = data.draw(st.integers(0, len(signed.body) * 8 - 1))
    changed = bytearray(signed.body)
    changed[at // 8] ^= 1 << at % 8

    assert PASSED != await answer(a_policy(scheme, secret, **config), sent(signed, body=bytes(changed)))


@each_provider
@given(data=st.data())
@settings(max_examples=40, deadline=None)
async def test_a_header_that_was_changed_by_a_character_is_refused(
    data: st.DataObject, scheme: str, secret: str, config: dict[str, Any], headers: dict[str, str]
) -> None:
    signed = sign(a_config(scheme, secret, **config), body_for(scheme, headers), "/p?q=1", headers)
    name = data.draw(st.sampled_from([name for name, _ in signed.headers if name != "Content-Type"]))
    value = dict(signed.headers)[name]
    at = data.draw(st.integers(0, len(value) - 1))
    character = data.draw(st.characters(min_codepoint=33, exclude_categories=["Cs", "Cc"]))
    changed = value[:at] + character + value[at + 1 :]

    passed = PASSED == await answer(
        a_policy(scheme, secret, **config), sent(signed, headers={**dict(signed.headers), name: changed})
    )

    assert not passed or changed.lower() == value.lower(), "hex may be in capitals, and nothing else"


@each_provider
async def test_a_header_that_is_missing_or_stands_there_twice_is_refused(
    scheme: str, secret: str, config: dict[str, Any], headers: dict[str, str]
) -> None:
    signed = sign(a_config(scheme, secret, **config), body_for(scheme, headers), "/p?q=1", headers)
    policy = a_policy(scheme, secret, **config)
    names = [name for name, _ in signed.headers if name != "Content-Type"]
    without = [
        sent(signed, headers={name: value for name, value in signed.headers if name != gone})
        for gone in names
    ]
    twice = [
        sent(signed, headers={**dict(signed.headers), name.swapcase(): dict(signed.headers)[name]})
        for name in names
    ]

    answers = [await answer(policy, asked) for asked in [*without, *twice]]

    assert [] == [each for each in answers if each not in (MISSING, MALFORMED, INVALID)]
