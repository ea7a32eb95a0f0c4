"""Whether a token is one of the issuer's, for us, and good now."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.policies.identity.jwt.config import JwksConfig, JwksFile
from proxy.testing import FakeClock
from tests.policies.identity.tokens import (
    EXPIRED,
    INVALID,
    KIND_OF,
    NOW,
    PASSED,
    SECRET,
    a_key,
    a_policy,
    answer,
    jwk,
    token,
)

GOOD = token()


@pytest.mark.parametrize("alg", sorted(KIND_OF))
async def test_a_token_of_each_algorithm_passes(alg: str) -> None:
    keys = JwksConfig(file=JwksFile("k").holding({"keys": [jwk(a_key(KIND_OF[alg]))]}))
    policy = a_policy(algorithms=(alg,), jwks=keys)

    assert PASSED == await answer(policy, token(alg=alg))
    assert INVALID == await answer(policy, token(alg=alg)[:-6] + "AAAAAA")


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
async def test_a_token_by_a_shared_secret_passes_whatever_key_it_names(alg: str) -> None:
    secrets = ("another secret that is long enough for all of the three of them, i.e. 64", SECRET * 2)
    policy = a_policy(algorithms=(alg,), secrets=secrets)
    signed = [
        token(alg=alg, key=each.encode(), kid=kid)
        for each, kid in zip((*secrets, "x" * 80), "abc", strict=True)
    ]

    assert [PASSED, PASSED, INVALID] == [await answer(policy, each) for each in signed]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, PASSED, id="as it should be"),
        pytest.param({"iss": "https://evil.example"}, INVALID, id="another issuer"),
        pytest.param({"iss": ["https://id.example"]}, INVALID, id="a list of issuers"),
        pytest.param({"iss": ...}, INVALID, id="no issuer"),
        pytest.param({"aud": ["mail", "tickets"]}, PASSED, id="for several"),
        pytest.param({"aud": "mail"}, INVALID, id="for somebody else"),
        pytest.param({"aud": ["mail", 7]}, INVALID, id="for a number"),
        pytest.param({"aud": {"tickets": 1}}, INVALID, id="for an object"),
        pytest.param({"aud": ...}, INVALID, id="for nobody"),
        pytest.param({"exp": ...}, INVALID, id="without an end"),
        pytest.param({"exp": None}, INVALID, id="with null as its end"),
        pytest.param({"exp": str(NOW + 600)}, INVALID, id="with a text as its end"),
        pytest.param({"exp": True}, INVALID, id="with true as its end"),
        pytest.param({"exp": -1}, INVALID, id="with a negative end"),
        pytest.param({"exp": 10**400}, INVALID, id="with a huge end"),
        pytest.param({"exp": 1e300}, INVALID, id="with a huge end, in floating point"),
        pytest.param({"exp": NOW + 0.5}, PASSED, id="with half a second left"),
        pytest.param({"exp": NOW - 29}, PASSED, id="over, within the leeway"),
        pytest.param({"exp": NOW - 30}, EXPIRED, id="over"),
        pytest.param({"nbf": NOW + 30}, PASSED, id="about to begin"),
        pytest.param({"nbf": NOW + 31}, INVALID, id="not begun"),
        pytest.param({"nbf": "now"}, INVALID, id="with a beginning that is no time"),
        pytest.param({"iat": NOW + 31}, INVALID, id="issued in the future"),
        pytest.param({"iat": ...}, PASSED, id="issued nobody knows when"),
        pytest.param({"sub": ...}, INVALID, id="nobody's"),
        pytest.param({"sub": 7}, INVALID, id="a number's"),
        pytest.param({"sub": ""}, INVALID, id="an empty text's"),
        pytest.param({"sub": "a\nb"}, INVALID, id="with a line break"),
        pytest.param({"sub": "jürgen größe"}, PASSED, id="with letters beyond ASCII"),
        pytest.param({"sub": "a" * 257}, INVALID, id="with a huge name"),
    ],
)
async def test_what_a_token_says(changes: dict[str, Any], expected: tuple[int, str | None]) -> None:
    assert expected == await answer(a_policy(), token(**changes))


@pytest.mark.parametrize(
    ("settings", "changes", "expected"),
    [
        pytest.param({"audience": None}, {"aud": ...}, PASSED, id="for nobody, where nobody is named"),
        pytest.param({"audience": None}, {}, INVALID, id="for somebody, where nobody is named"),
        pytest.param({"audience": ("a", "tickets")}, {}, PASSED, id="for one of several"),
        pytest.param({"issuer": ("https://a", "https://id.example")}, {}, PASSED, id="by one of several"),
        pytest.param({"expiry": "optional"}, {"exp": ...}, PASSED, id="without an end"),
        pytest.param({"expiry": "optional"}, {"exp": NOW - 31}, EXPIRED, id="with an end that has passed"),
        pytest.param({"required": ("jti",)}, {}, INVALID, id="without what is required"),
        pytest.param({"required": ("jti",)}, {"jti": "1"}, PASSED, id="with what is required"),
        pytest.param({"required": ("/a/b",)}, {"a": {"b": 0}}, PASSED, id="with what is required further in"),
        pytest.param({"max_age": 60}, {"iat": NOW - 90}, PASSED, id="as old as it may be"),
        pytest.param({"max_age": 60}, {"iat": NOW - 91}, EXPIRED, id="too old"),
        pytest.param({"max_age": 60}, {"iat": ...}, INVALID, id="nobody knows how old"),
        pytest.param({"typ": "at+jwt"}, {"typ": "application/AT+JWT"}, PASSED, id="of the type"),
        pytest.param({"typ": "at+jwt"}, {"typ": "JWT"}, INVALID, id="of another type"),
        pytest.param({"typ": "at+jwt"}, {"typ": None}, INVALID, id="of no type"),
        pytest.param({"leeway": 0}, {"exp": NOW}, EXPIRED, id="over, without leeway"),
    ],
)
async def test_what_a_policy_asks_for(
    settings: dict[str, Any], changes: dict[str, Any], expected: tuple[int, str | None]
) -> None:
    header = {"alg": "ES256", "kid": "k1", "typ": changes.pop("typ", "JWT")}

    assert expected == await answer(a_policy(**settings), token(header=header, **changes))


async def test_a_token_that_is_remembered_still_expires() -> None:
    clock = FakeClock()
    policy = a_policy(clock)
    before = await answer(policy, GOOD)
    await clock.advance(629)
    still = await answer(policy, GOOD)
    await clock.advance(1)

    assert [PASSED, PASSED, EXPIRED] == [before, still, await answer(policy, GOOD)]


async def test_more_tokens_than_are_remembered_pass() -> None:
    policy = a_policy(secrets=(SECRET,))
    shown = [token(alg="HS256", sub=f"caller-{number}") for number in range(1030)]

    assert {PASSED} == {await answer(policy, each) for each in (*shown, *shown[:10])}
