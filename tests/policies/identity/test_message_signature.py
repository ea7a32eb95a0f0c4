"""Who is let in by a signature, and who is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proxy.exchange import Exchange, Identity
from proxy.policies.keys import SIGNATURE
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import Chunks, FakeUpstream, route
from tests.policies.identity.message_signature import rfc9421 as rfc
from tests.policies.identity.message_signature.asking import (
    NOW,
    a_config,
    a_policy,
    asked,
    cause,
    outcome,
    sent,
    signed,
)
from tests.policies.identity.message_signature.forging import (
    ALL,
    BODY,
    EXPIRED,
    GOOD,
    HEAD,
    INVALID,
    MISSING,
    PASSED,
    changed,
    field,
    resigned,
)
from tests.policies.reading import fields, problems


def test_a_request_is_signed_by_what_the_tests_sign_with() -> None:
    """So that what is refused below is refused for what it says."""
    made = signed(body=BODY)

    assert {"Host", "Content-Digest", "Signature-Input", "Signature"} == {name for name, _ in made.headers}


@pytest.mark.parametrize("secure", [True, False])
async def test_a_signed_request_gets_in_and_is_known_by_its_key(secure: bool) -> None:
    exchange = sent(signed(body=BODY), secure=secure)

    assert PASSED == await outcome(a_policy(), exchange), cause(exchange)
    assert Identity("me", "message_signature") == exchange.identity


async def test_who_was_known_before_stays_known() -> None:
    exchange = sent(signed())
    exchange.identity = Identity("joe", "api_key")
    await outcome(a_policy(), exchange)

    assert "joe" == exchange.identity.id


async def test_what_nobody_signed_is_asked_to_be() -> None:
    response = await route(a_policy(), upstream=FakeUpstream(200)).respond(asked(fields=[("Host", "a")]))

    assert (401, ["Signature"]) == (response.status, fields(response)["www-authenticate"])


async def test_who_shows_nothing_differs_from_who_is_wrong() -> None:
    policy = a_policy()
    nobody = asked(fields=[("Host", "a"), ("Signature", "sig1=:AA==:")])

    assert MISSING == await outcome(policy, nobody)
    assert await policy.identify(nobody) is None
    known = await policy.identify(sent(signed()))
    assert (known is not None, INVALID) == (
        True,
        await outcome(policy, asked(fields=[("Host", "a"), ("Signature-Input", "sig1=()")])),
    )


# ---- time


@pytest.mark.parametrize(
    ("later", "parameters", "expected"),
    [
        (0, "", PASSED), (329, "", PASSED), (331, "", EXPIRED), (-29, "", PASSED), (-31, "", EXPIRED),
        (60, f";expires={NOW + 40}", PASSED), (71, f";expires={NOW + 40}", EXPIRED),
        (0, f";expires={NOW}", EXPIRED), (0, f";expires={NOW - 5}", EXPIRED), (0, ';expires="x"', INVALID),
    ],
    ids=[
        *("now", "just in time", "too old", "a clock that is slow", "from the future", "not expired"),
        *("expired", "expired when it was made", "expired before", "an expiry that is none"),
    ],
)  # fmt: skip
async def test_a_signature_is_good_for_a_time(later: float, parameters: str, expected: Any) -> None:
    exchange = sent(resigned(ALL, GOOD + parameters)(signed(body=BODY)))

    assert expected == await outcome(a_policy(now=NOW + later), exchange), cause(exchange)


async def test_who_has_no_key_does_not_learn_that_a_time_was_wrong() -> None:
    exchange = sent(resigned(ALL, GOOD, secret="f" * 32)(signed(body=BODY)))

    assert INVALID == await outcome(a_policy(now=NOW + 9999), exchange)


async def test_a_nonce_can_be_required() -> None:
    policy = a_policy(nonce="required")

    assert INVALID == await outcome(policy, sent(signed()))
    assert PASSED == await outcome(policy, sent(signed(nonce="required")))


# ---- several signatures


async def test_one_that_is_right_is_enough() -> None:
    made = signed()
    changed(made, "Signature-Input", f'other=("@method");keyid="x", {field(made, "Signature-Input")}')
    changed(made, "Signature", f"{field(made, 'Signature')}, other=:AA==:")

    assert PASSED == await outcome(a_policy(), sent(made))


@pytest.mark.parametrize(
    ("wanted", "given_", "expected"),
    [
        ({"label": "mine"}, {"label": "mine"}, PASSED),
        ({"label": "mine"}, {}, MISSING),
        ({"tag": "app"}, {"tag": "app"}, PASSED),
        ({"tag": "app"}, {"tag": "other"}, MISSING),
        ({"tag": "app"}, {}, MISSING),
    ],
    ids=["its label", "another label", "its tag", "another tag", "no tag"],
)
async def test_signatures_for_others_are_not_looked_at(wanted: Any, given_: Any, expected: Any) -> None:
    assert expected == await outcome(a_policy(**wanted), sent(signed(**given_)))


# ---- the body


async def test_a_chunked_body_without_a_digest_is_refused_where_there_is_any() -> None:
    made = signed()
    for body, expected in ((Chunks(b"x"), INVALID), (Chunks(), PASSED)):
        exchange = asked(made.method, made.target, made.headers, body)
        assert expected == await outcome(a_policy(), exchange)


async def test_a_signature_may_leave_the_body_out_where_that_is_said() -> None:
    made = signed()
    made.body = b"anything"

    assert PASSED == await outcome(a_policy(digest="if_covered"), sent(made))


async def test_every_digest_that_is_covered_must_be_right() -> None:
    made = signed(body=BODY)
    both = f"{field(made, 'Content-Digest')}, sha-512=:AA==:"
    changed(made, "Content-Digest", both)
    forged = sent(resigned(ALL, GOOD)(made))

    assert INVALID == await outcome(a_policy(digest="if_covered"), forged)
    assert "the body is not what Content-Digest says" == cause(forged)


@pytest.mark.parametrize("digest", ["required", "if_covered"])
async def test_a_part_of_the_digest_vouches_for_no_body_and_must_be_right(digest: str) -> None:
    covered = f'{HEAD} "content-digest";key="sha-256"'
    made = signed(body=BODY)
    value = field(made, "Content-Digest").removeprefix("sha-256=")
    base = "\n".join([
        '"@method": POST', '"@authority": example.com', '"@path": /foo', '"@query": ?param=Value&Pet=dog',
        f'"content-digest";key="sha-256": {value}', f'"@signature-params": ({covered}){GOOD}',
    ])  # fmt: skip
    for body, expected in ((BODY, PASSED if digest == "if_covered" else INVALID), (b"other", INVALID)):
        forged = resigned(covered, GOOD, base=base)(signed(body=BODY))
        forged.body = body
        assert expected == await outcome(a_policy(digest=digest), sent(forged))


async def test_no_body_is_read_before_the_signature_is_verified() -> None:
    made = resigned(ALL, GOOD, secret="f" * 32)(signed(body=BODY))
    exchange = asked(made.method, made.target, made.headers, Chunks(BODY))
    await outcome(a_policy(), exchange)

    assert not isinstance(exchange.request.content, bytes)


# ---- neighbours


async def test_the_same_message_is_the_same_signature_for_a_memory_of_replays() -> None:
    seen = []
    for made in (signed(body=BODY), signed(body=BODY), signed(body=b"other")):
        exchange = sent(made)
        await outcome(a_policy(), exchange)
        seen.append(exchange.recall(SIGNATURE))

    assert (True, True, 64) == (seen[0] == seen[1], seen[0] != seen[2], len(seen[0] or ""))


async def test_in_shadow_it_reports_and_lets_in() -> None:
    hooks = in_shadow("message_signature", Hooks.of(a_policy()))
    refused: Exchange = asked(fields=[("Host", "a")])
    response = await route(hooks, upstream=FakeUpstream(200)).respond(refused)

    assert 200 == response.status
    assert ["message_signature.missing"] == [each.reason for each in refused.shadowed or ()]


# ---- what a file may say

ED = f'{{algorithm: ed25519, public_key: "{rfc.ED25519.strip()}"}}'.replace("\n", "\\n")


@pytest.mark.parametrize(
    ("policy", "where"),
    [
        ("{keys: {}}", "message_signature.keys"),
        ("{}", "message_signature"),
        ("{keys: {a: {algorithm: md5, public_key: x}}}", "message_signature.keys.a.algorithm"),
        ("{keys: {a: {algorithm: ed25519}}}", "message_signature.keys.a"),
        ("{keys: {a: {algorithm: ed25519, public_key: nonsense}}}", "message_signature.keys.a.public_key"),
        (
            f"{{keys: {{a: {ED.replace('ed25519', 'rsa-pss-sha512')}}}}}",
            "message_signature.keys.a.public_key",
        ),
        (
            f"{{keys: {{a: {ED.replace('ed25519', 'ecdsa-p256-sha256')}}}}}",
            "message_signature.keys.a.public_key",
        ),
        (f"{{keys: {{a: {ED.replace('ed25519', 'hmac-sha256')}}}}}", "message_signature.keys.a.public_key"),
        (f"{{keys: {{a: {ED}}}, components: []}}", "message_signature.components"),
        (f"{{keys: {{a: {ED}}}, components: ['@status']}}", "message_signature.components[0]"),
        (f"{{keys: {{a: {ED}}}, components: [Host]}}", "message_signature.components[0]"),
        (f"{{keys: {{a: {ED}}}, label: A}}", "message_signature.label"),
        (f"{{keys: {{a: {ED}}}, public_url: example.com}}", "message_signature.public_url"),
        (f"{{keys: {{a: {ED}}}, max_age: 0s}}", "message_signature.max_age"),
    ],
)
def test_a_mistake_is_found_at_its_place(policy: str, where: str, tmp_path: Path) -> None:
    assert [where] == problems(f"message_signature: {policy}", tmp_path)


def test_a_good_one_has_no_problem(tmp_path: Path) -> None:
    (tmp_path / "acme.pem").write_text(rfc.P256)
    p256 = "{algorithm: ecdsa-p256-sha256, public_key: {file: acme.pem}}"

    assert [] == problems(f"message_signature: {{keys: {{a: {ED}, b: {p256}}}}}", tmp_path)


def test_a_secret_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("short")
    policy = "message_signature: {keys: {a: {algorithm: hmac-sha256, secret: {file: s}}}}"

    assert ["message_signature.keys.a.secret"] == problems(policy, tmp_path)


def test_it_says_in_words_for_how_long_a_signature_is_good() -> None:
    assert ("a signature is good for 5m after it was made",) == a_config().in_words()
