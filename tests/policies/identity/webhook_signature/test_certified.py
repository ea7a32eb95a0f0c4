"""What senders that sign by certificate have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proxy.config.units import Duration
from proxy.errors import FetchError
from proxy.policies.authorities import AuthoritiesFile
from proxy.policies.identity.webhook_signature import WebhookSignature, WebhookSignatureConfig
from proxy.policies.keys import SIGNATURE
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import Chunks, FakeClock, FakeFetch, FakeUpstream, exchange, fake_services, route
from tests.policies.identity.letters import (
    PAYPAL_URL,
    ROOT,
    SNS_URL,
    UNAVAILABLE,
    answer,
    paypal,
    policy,
    published,
    sns,
    sns_message,
)
from tests.policies.identity.senders import NOW, PASSED
from tests.policies.reading import fields, refusal

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


@pytest.mark.parametrize(("scheme", "make"), SIGNED)
async def test_a_request_without_a_signature_is_not_mine_and_one_with_it_is(scheme: str, make: Any) -> None:
    judge = policy(scheme)
    shown = await judge.identify(make())

    assert (None, "hooks") == (await judge.identify(exchange("POST")), shown and shown.id)
