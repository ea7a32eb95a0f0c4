"""Tokens that a rehearsal makes, and the key that stands there for the issuer's."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.exchange import Exchange
from proxy.policies.identity.jwt import Jwt, JwtConfig
from proxy.policies.identity.jwt.claims import RequestFact
from proxy.policies.identity.jwt.rehearsing import rehearsed_with, sign_with_token
from proxy.policy import Unsigned
from proxy.testing import exchange, fake_services
from tests.policies.identity.tokens import (
    INVALID,
    KIND_OF,
    NOW,
    PASSED,
    SECRET,
    a_config,
    answer,
    by_url,
    token,
)


def signed(config: JwtConfig, credentials: dict[str, str] | None = None, **more: Any) -> Exchange:
    unsigned = Unsigned("GET", "/x?org=acme", [("authorization", "old"), ("X-Org", "acme")], now=NOW, **more)
    sign_with_token(config, unsigned, credentials or {})
    asked = exchange(headers=dict(unsigned.headers), query="org=acme")
    asked.params = unsigned.params
    return asked


@pytest.mark.parametrize("alg", sorted(KIND_OF))
async def test_a_token_is_accepted_for_each_algorithm(alg: str) -> None:
    config = rehearsed_with(by_url(algorithms=(alg,)), {})

    assert PASSED == await answer(Jwt(config, fake_services()), signed(config))


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"secrets": (SECRET,)}, id="a secret"),
        pytest.param(
            {"typ": "at+jwt", "max_age": 60, "required": ("jti", "/a/b")}, id="all that it asks for"
        ),
        pytest.param({"id_claim": "/act/sub", "issuer": ("a", "b"), "audience": ("c",)}, id="lists"),
        pytest.param({"audience": None, "header": "X-Token"}, id="for nobody, in a header"),
        pytest.param(
            {
                "claims": {
                    "a": RequestFact("path.org"),
                    "b": RequestFact("header:x-org"),
                    "/c/d": RequestFact("query:org"),
                    "e": ("x", "y"),
                }
            },
            id="claims",
        ),
    ],
)
async def test_a_token_is_accepted_whatever_the_policy_asks_for(settings: dict[str, Any]) -> None:
    config = rehearsed_with(a_config(**settings), {})

    assert PASSED == await answer(Jwt(config, fake_services()), signed(config, params={"org": "acme"}))


async def test_a_credential_says_who_the_caller_is_and_what_else_the_token_says() -> None:
    config = rehearsed_with(by_url(claims={"org": RequestFact("path.org")}), {})
    asked = signed(config, {"key": "abc", "alice": '{"org": "acme", "plan": "gold"}'}, params={"org": "x"})
    asked.params = {"org": "acme"}

    await answer(Jwt(config, fake_services()), asked)

    assert asked.identity is not None
    assert ("alice", "gold") == (asked.identity.id, asked.identity.claims["plan"])


async def test_a_real_token_is_none_in_a_rehearsal() -> None:
    config = rehearsed_with(a_config(), {})

    assert INVALID == await answer(Jwt(config, fake_services()), token())


def test_a_secret_stays_as_it_is() -> None:
    config = a_config(secrets=(SECRET,))

    assert config is rehearsed_with(config, {})


@pytest.mark.parametrize("fact", ["path.org", "header:X-Other", "query:other"])
def test_a_claim_about_what_the_request_does_not_have_is_told(fact: str) -> None:
    config = rehearsed_with(by_url(claims={"org": RequestFact(fact)}), {})

    with pytest.raises(ValueError, match=f"equal to {fact}"):
        signed(config)
