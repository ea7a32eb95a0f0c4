"""Who signed, who did not, and who signed something else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from proxy.config.units import Duration, Size
from proxy.errors import FetchError
from proxy.exchange import Exchange, Identity
from proxy.policies.admission.size_limit import SizeLimit, SizeLimitConfig
from proxy.policies.identity.webhook_signature import WebhookSignature, WebhookSignatureConfig
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import Chunks, FakeClock, FakeFetch, FakeUpstream, exchange, fake_services, route
from tests.policies.identity.letters import PAYPAL_URL, UNAVAILABLE, paypal, policy, with_body
from tests.policies.identity.senders import (
    EXPIRED,
    INVALID,
    MALFORMED,
    MISSING,
    PASSED,
    a_config,
    a_policy,
    answer,
)
from tests.policies.reading import fields, refusal

SECRET = "It's a Secret to Everybody"
HEADER = "X-Hub-Signature-256"


def github(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


GOOD = github(b"Hello, World!")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({HEADER: GOOD}, PASSED, id="its signature"),
        pytest.param({HEADER.lower(): GOOD}, PASSED, id="in other letters"),
        pytest.param({HEADER: "sha256=" + GOOD[7:].upper()}, PASSED, id="hex in capitals"),
        pytest.param({}, MISSING, id="none"),
        pytest.param({"X-Hub-Signature": GOOD}, MISSING, id="the header of another provider"),
        pytest.param({"X_Hub_Signature_256": GOOD}, MISSING, id="a name with underscores"),
        pytest.param({HEADER: ""}, MALFORMED, id="an empty header"),
        pytest.param({HEADER: "sha256="}, MALFORMED, id="an empty signature"),
        pytest.param({HEADER: GOOD[7:]}, MALFORMED, id="no prefix"),
        pytest.param({HEADER: GOOD.replace("256", "1")}, MALFORMED, id="another algorithm"),
        pytest.param({HEADER: GOOD.replace("sha", "SHA")}, MALFORMED, id="a prefix in capitals"),
        pytest.param({HEADER: GOOD[:-1]}, MALFORMED, id="half a byte too short"),
        pytest.param({HEADER: GOOD[:-2]}, MALFORMED, id="a byte too short"),
        pytest.param({HEADER: GOOD + "00"}, MALFORMED, id="a byte too long"),
        pytest.param({HEADER: GOOD + " "}, MALFORMED, id="a space behind it"),
        pytest.param({HEADER: "sha256= " + GOOD[7:]}, MALFORMED, id="a space within"),
        pytest.param({HEADER: GOOD + ", " + GOOD}, MALFORMED, id="twice in one line"),
        pytest.param({HEADER: GOOD, HEADER.lower(): GOOD}, MALFORMED, id="twice in two lines"),
        pytest.param({HEADER: "sha256=" + "ä" * 32}, MALFORMED, id="not ASCII"),
        pytest.param({HEADER: "sha256=" + "１" * 64}, MALFORMED, id="digits of another script"),
        pytest.param({HEADER: "sha256=" + "00" * 50_000}, MALFORMED, id="a huge one"),
        pytest.param(
            {HEADER: "sha256=" + base64.b64encode(bytes.fromhex(GOOD[7:])).decode()},
            MALFORMED,
            id="another encoding",
        ),
        pytest.param({HEADER: github(b"Hello, World?")}, INVALID, id="that of another body"),
        pytest.param({HEADER: github(b"Hello, World!", "hunter2")}, INVALID, id="that of another secret"),
        pytest.param({HEADER: "sha256=" + "0" * 64}, INVALID, id="zeros"),
    ],
)
async def test_a_signature_in_a_header(headers: dict[str, str], expected: tuple[int, str | None]) -> None:
    asked = exchange("POST", headers=headers, body=b"Hello, World!")

    assert expected == await answer(a_policy("github", SECRET), asked)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"Hello, World!", PASSED, id="whole"),
        pytest.param(Chunks(b"Hello, ", b"World!"), PASSED, id="in pieces"),
        pytest.param(b"", INVALID, id="taken away"),
        pytest.param(b"Hello, World! ", INVALID, id="with a space more"),
        pytest.param(b"\xef\xbb\xbfHello, World!", INVALID, id="with a mark before it"),
    ],
)
async def test_what_is_signed_is_the_body_as_it_arrives(
    body: bytes | Chunks, expected: tuple[int, str | None]
) -> None:
    assert expected == await answer(
        a_policy("github", SECRET), exchange("POST", headers={HEADER: GOOD}, body=body)
    )


async def test_an_empty_body_can_be_signed() -> None:
    policy = a_policy("github", SECRET)

    answers = [await answer(policy, exchange("POST", headers={HEADER: github(body)})) for body in (b"", b"x")]

    assert [PASSED, INVALID] == answers


async def test_a_large_body_gives_the_same_signature_as_a_small_one_would() -> None:
    body = bytes(range(256)) * 4096
    policy = a_policy("github", "other", SECRET)

    answers = [
        await answer(policy, exchange("POST", headers={HEADER: github(body)}, body=sent_))
        for sent_ in (body, body[:-1])
    ]

    assert [PASSED, INVALID] == answers


async def test_while_a_large_body_is_hashed_others_have_their_turn() -> None:
    class CountingClock(FakeClock):
        turns = 0

        async def sleep(self, seconds: float) -> None:
            self.turns += seconds == 0
            await super().sleep(seconds)

    clock = CountingClock()
    body = bytes(5 * 2**20)
    policy = WebhookSignature(a_config("github", SECRET), fake_services(clock))

    await answer(policy, exchange("POST", headers={HEADER: github(body)}, body=body))

    assert 20 == clock.turns


async def test_any_of_several_secrets_may_have_signed() -> None:
    policy = a_policy("github", "new", "old")

    answers = [
        await answer(policy, exchange("POST", headers={HEADER: github(b"x", secret)}, body=b"x"))
        for secret in ("new", "old", "older")
    ]

    assert [PASSED, PASSED, INVALID] == answers


async def test_a_body_is_not_read_for_what_can_be_no_signature() -> None:
    class Unread(Chunks):
        async def collect(self, limit: int) -> bytes | None:
            raise AssertionError("it was read")

    asked = exchange("POST", headers={HEADER: "sha256=zz"}, body=Unread())

    assert MALFORMED == await answer(a_policy("github", SECRET), asked)


async def test_a_body_is_read_as_far_as_its_limit() -> None:
    size_limit = SizeLimit(SizeLimitConfig(body=Size(5)), fake_services())
    asked = exchange("POST", headers={HEADER: github(b"123456")}, body=Chunks(b"123", b"456"))

    response = await route(size_limit, a_policy("github", SECRET)).respond(asked)

    assert (413, "size_limit.body") == refusal(response)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({}, b"x", id="missing"),
        pytest.param({HEADER: "x"}, b"x", id="malformed"),
        pytest.param({HEADER: github(b"y")}, b"x", id="invalid"),
    ],
)
async def test_a_refusal_says_where_a_signature_belongs_and_neither_secret_nor_signature(
    headers: dict[str, str], body: bytes
) -> None:
    asked = exchange("POST", headers=headers, body=body)

    response = await route(a_policy("github", SECRET)).respond(asked)

    assert asked.refusal is not None
    told = f"{response.content!r} {asked.refusal} {asked.refusal.facts} {list(response.headers)}"
    assert ['WebhookSignature header="X-Hub-Signature-256"'] == fields(response)["www-authenticate"]
    assert (False, False) == (SECRET in told, github(body)[7:] in told)


@pytest.mark.parametrize(
    ("name", "known_before", "id_"),
    [
        pytest.param("webhook_signature/github-webhook", None, "github-webhook", id="the route or policy"),
        pytest.param("test", None, "test", id="whatever name there is"),
        pytest.param("webhook_signature/x", Identity("acme", "api_key"), "acme", id="who was known before"),
    ],
)
async def test_who_the_caller_is(name: str, known_before: Identity | None, id_: str) -> None:
    asked = exchange("POST", headers={HEADER: GOOD}, body=b"Hello, World!")
    asked.identity = known_before
    policy = WebhookSignature(a_config("github", SECRET), fake_services(name=name))

    await answer(policy, asked)

    assert asked.identity is not None
    assert id_ == asked.identity.id


def shadowed(asked: Exchange) -> list[str]:
    return [rejection.reason for rejection in asked.shadowed or []]


async def test_in_shadow_a_body_is_judged_where_another_policy_has_read_it() -> None:
    upstream = FakeUpstream(200)
    policy = in_shadow("webhook_signature", Hooks.of(a_policy("github", SECRET)))
    requests = [
        exchange("POST", headers={HEADER: GOOD}, body=b"Hello, World!"),
        exchange("POST", headers={HEADER: GOOD}, body=b"another"),
        exchange("POST", headers={HEADER: GOOD}, body=Chunks(b"another")),
        exchange("POST", body=Chunks(b"another")),
    ]

    answers = [refusal(await route(policy, upstream=upstream).respond(asked)) for asked in requests]

    assert [PASSED] * 4 == answers
    assert [
        [],
        ["webhook_signature.invalid"],
        ["webhook_signature.skipped"],
        ["webhook_signature.missing"],
    ] == [shadowed(asked) for asked in requests]


async def test_without_a_secret_every_request_passes_and_is_told_of() -> None:
    policy = WebhookSignature(WebhookSignatureConfig(scheme="github", secrets=()), fake_services())
    asked = exchange("POST", headers={HEADER: "nonsense"})

    assert PASSED == await answer(policy, asked)
    assert (["webhook_signature.unverified"], None) == (shadowed(asked), asked.identity)


@pytest.mark.parametrize(
    ("settings", "asked", "expected"),
    [
        pytest.param({}, paypal(), PASSED, id="signed"),
        pytest.param({}, exchange("POST"), MISSING, id="not signed"),
        pytest.param({}, with_body(paypal(), b"other"), INVALID, id="another body"),
        pytest.param({}, paypal(PAYPAL_AUTH_ALGO="none"), MALFORMED, id="another algorithm"),
        pytest.param(
            {"tolerance": Duration(1)},
            paypal(PAYPAL_TRANSMISSION_TIME="2023-11-14T22:13:00Z"),
            EXPIRED,
            id="old",
        ),
        pytest.param({"fetch": FakeFetch({PAYPAL_URL: FetchError("no")})}, paypal(), UNAVAILABLE, id="away"),
    ],
)
async def test_a_signature_by_certificate(settings: Any, asked: Exchange, expected: Any) -> None:
    judge = policy("paypal", **settings)

    assert expected == await answer(judge, asked)


def test_for_how_long_a_certificates_signature_is_good() -> None:
    config = WebhookSignatureConfig(scheme="aws-sns")

    assert ("a signature is good for 1h before and after its time",) == config.in_words()


@pytest.mark.parametrize(
    ("scheme", "secret", "where"),
    [
        ("github", "s", "X-Hub-Signature-256"),
        ("svix", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "svix-signature or webhook-signature"),
    ],
)
async def test_who_shows_no_signature_is_told_where_it_is_missing(
    scheme: str, secret: str, where: str
) -> None:
    response = await route(a_policy(scheme, secret)).respond(exchange("POST"))

    assert isinstance(response.content, bytes)
    assert f"The request carries no signature in {where}." == json.loads(response.content)["detail"]
