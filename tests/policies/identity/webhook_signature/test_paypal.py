"""What PayPal signs, accepted; what others make of it, refused."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import Exchange
from proxy.testing import exchange
from tests.policies.identity.authority import pem, rsa_key
from tests.policies.identity.letters import (
    BODY,
    PAYPAL_URL,
    ROOT,
    answer,
    paypal,
    policy,
    published,
    with_body,
)
from tests.policies.identity.senders import EXPIRED, INVALID, MALFORMED, MISSING, PASSED


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


JUDGE = policy("paypal")


@given(st.integers(0, len(BODY) - 1), st.integers(0, 7))
async def test_no_flipped_bit_of_a_body_is_accepted(at: int, bit: int) -> None:
    changed = bytearray(BODY)
    changed[at] ^= 1 << bit

    assert INVALID == await answer(with_body(paypal(), bytes(changed)), JUDGE)
