"""Tokens that are good, and all the ways in which one is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.units import HeaderValue
from proxy.exchange import Identity
from proxy.policies.identity.jwt import Jwt
from proxy.policies.identity.jwt.claims import RequestFact
from proxy.policies.identity.jwt.config import JwksConfig, JwksFile
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import FakeClock, FakeFetch, FakeUpstream, exchange, fake_services, route
from tests.policies.identity.tokens import (
    INVALID,
    MISSING,
    NOW,
    PASSED,
    UNAVAILABLE,
    URL,
    a_key,
    a_policy,
    answer,
    b64,
    bearing,
    by_url,
    jwk,
    jwks,
    token,
)
from tests.policies.reading import fields, refusal

GOOD = token()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"Authorization": f"Bearer {GOOD}"}, PASSED, id="a token"),
        pytest.param({"authorization": f"bEARER  {GOOD}"}, PASSED, id="other letters, two spaces"),
        pytest.param({}, MISSING, id="none"),
        pytest.param({"Authorization": ""}, MISSING, id="an empty header"),
        pytest.param({"Authorization": "Basic YTpi"}, MISSING, id="a credential of another kind"),
        pytest.param({"Authorization": f"Bearers {GOOD}"}, MISSING, id="another scheme"),
        pytest.param({"X-Token": GOOD}, MISSING, id="another header"),
        pytest.param({"Authorization": "Bearer"}, INVALID, id="no token"),
        pytest.param({"Authorization": f"Bearer {GOOD}", "AUTHORIZATION": "Basic YTpi"}, INVALID, id="two"),
        pytest.param({"Authorization": f"Bearer {GOOD}, {GOOD}"}, INVALID, id="two in one line"),
        pytest.param({"Authorization": f"Bearer {GOOD} x"}, INVALID, id="something behind it"),
        pytest.param({"Authorization": "Bearer ключ"}, INVALID, id="not ASCII"),
        pytest.param({"Authorization": f"Bearer {GOOD}="}, INVALID, id="padding"),
        pytest.param({"Authorization": f"Bearer {GOOD.rpartition('.')[0]}."}, INVALID, id="no signature"),
        pytest.param({"Authorization": f"Bearer {GOOD}.a.b"}, INVALID, id="five parts, as if encrypted"),
        pytest.param({"Authorization": f"Bearer {'a' * 9000}"}, INVALID, id="a huge one"),
    ],
)
async def test_where_a_token_stands(headers: dict[str, str], expected: tuple[int, str | None]) -> None:
    assert expected == await answer(a_policy(), exchange(headers=headers))


@pytest.mark.parametrize(
    ("known_before", "expected"),
    [(None, ("alice", "jwt")), (Identity("acme", "api_key"), ("acme", "api_key"))],
    ids=["nobody has said it", "somebody has"],
)
async def test_who_the_caller_is(known_before: Identity | None, expected: tuple[str, str]) -> None:
    asked = bearing(token(org="acme"))
    asked.identity = known_before

    await answer(a_policy(), asked)

    assert asked.identity is not None
    assert expected == (asked.identity.id, asked.identity.method)


async def test_the_id_is_the_claim_that_the_policy_names_and_the_claims_go_with_it() -> None:
    asked = bearing(token(act={"sub": "robot"}))

    await answer(a_policy(id_claim="/act/sub"), asked)

    assert asked.identity is not None
    assert ("robot", "alice") == (asked.identity.id, asked.identity.claims["sub"])


def test_no_token_is_not_mine_and_a_wrong_one_is() -> None:
    policy = a_policy()
    shown = policy.identify(bearing(GOOD))

    assert (None, "alice") == (policy.identify(exchange()), shown and shown.id)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        pytest.param(exchange(), 'Bearer realm="my \\"api\\""', id="no token"),
        pytest.param(bearing("x"), 'Bearer realm="my \\"api\\"", error="invalid_token"', id="a wrong one"),
        pytest.param(
            bearing(token(exp=NOW - 99)),
            'Bearer realm="my \\"api\\"", error="invalid_token"',
            id="an old one",
        ),
        pytest.param(
            bearing(GOOD), 'Bearer realm="my \\"api\\"", error="insufficient_scope"', id="one that may not"
        ),
    ],
)
async def test_what_a_client_is_told(asked: Any, told: str) -> None:
    policy = a_policy(realm=HeaderValue('my "api"'), claims={"scope": ("write",)})

    assert [told] == fields(await route(policy).respond(asked))["www-authenticate"]


async def test_nothing_of_a_token_is_told() -> None:
    shown = token(key=a_key("P-256", 2), sub="hunter2")
    asked = bearing(shown)

    response = await route(a_policy()).respond(asked)

    assert asked.refusal is not None
    told = f"{response.content!r} {list(response.headers)} {asked.refusal} {asked.refusal.facts}"
    assert [False, False, False] == [part in told for part in ("hunter2", *shown.split(".")[1:])]


async def test_a_token_in_a_header_of_its_own() -> None:
    policy, upstream = a_policy(header="X-Token", hide_credentials=True), FakeUpstream(200)
    shown = [
        exchange(headers={"X-Token": each, "x_token": "forged", "X-Other": "1"})
        for each in (GOOD, f"Bearer {GOOD}")
    ]

    answers = [refusal(await route(policy, upstream=upstream).respond(each)) for each in shown]

    assert [PASSED, PASSED, MISSING] == [*answers, await answer(policy, GOOD)]
    assert [[(b"X-Other", b"1")]] * 2 == [list(seen.headers) for seen in upstream.seen]


async def test_the_application_gets_the_token_where_nothing_else_is_said() -> None:
    upstream = FakeUpstream(200)

    await route(a_policy(), upstream=upstream).respond(bearing(GOOD))

    assert [f"Bearer {GOOD}"] == upstream.seen[0].headers.get_all("Authorization")


async def test_in_shadow_a_request_passes_and_is_reported() -> None:
    policy = in_shadow("jwt", Hooks.of(a_policy(hide_credentials=True)))
    upstream, asked = FakeUpstream(200), [bearing(GOOD), bearing("x"), exchange()]

    answers = [refusal(await route(policy, upstream=upstream).respond(each)) for each in asked]

    assert [PASSED] * 3 == answers
    assert [None, "jwt.invalid", "jwt.missing"] == [
        each.shadowed and each.shadowed[0].reason for each in asked
    ]
    assert [1, 1, 0] == [len(list(seen.headers)) for seen in upstream.seen]


POLICY = a_policy(
    algorithms=("ES256", "RS256"),
    jwks=JwksConfig(file=JwksFile("k").holding({"keys": [jwk(a_key()), jwk(a_key("rsa"), "r1")]})),
)
SIGNED = [GOOD, token(alg="RS256", kid="r1")]


@given(st.sampled_from(SIGNED), st.data())
def test_no_change_of_a_token_is_accepted(good: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(
        st.characters(min_codepoint=32, max_codepoint=126).filter(lambda each: each != good[at])
    )
    how = data.draw(st.sampled_from(["instead", "before", "without"]))
    changed = good[:at] + ("" if how == "without" else other) + good[at + (how != "before") :]

    assert 401 == status_of(changed) or changed.strip(" ") == good


@given(
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=300)
    | st.binary(max_size=200).map(b64)
)
def test_whatever_is_no_token_is_refused_and_nothing_breaks(text: str) -> None:
    head = b64({"alg": "ES256", "kid": "k1"})

    assert {401} == {status_of(each) for each in (text or "x", f"{head}.{text}.x", f"{text}.{text}.{text}")}


def test_what_is_changed_was_accepted() -> None:
    assert [200, 200] == [status_of(each) for each in SIGNED]


def status_of(shown: str) -> int:
    answered = route(POLICY).admit(bearing(shown))
    return 200 if answered is None else answered.status


def test_it_is_said_in_words() -> None:
    words = by_url(max_age=3600, refresh_every=600).in_words()

    assert [
        "a token is good for 1h at most",
        "keys are fetched every 10m, and count for 1h more where that fails",
    ] == list(words)


async def test_keys_that_are_fetched_are_waited_for_by_nobody() -> None:
    clock = FakeClock()
    fetch = FakeFetch({URL: jwks(jwk(a_key()))})
    services = fake_services(clock, name="jwt/api", fetch=fetch)
    policy = Jwt(by_url(), services)
    before = await answer(policy, GOOD)
    services.state.commit()
    await clock.advance(0)
    after = [await answer(policy, each) for each in (GOOD, token(kid="k2"), token(key=a_key("P-256", 2)))]

    assert (UNAVAILABLE, [PASSED, INVALID, INVALID]) == (before, after)


def test_the_facts_that_it_asks_for_are_told() -> None:
    config = by_url(claims={"org": RequestFact("path.org"), "role": ("admin",)})

    assert [("claims.org", "path.org")] == list(config.asked())


@pytest.mark.parametrize(
    "beside",
    [{"X_Org": "globex"}, {"x_org": "globex"}, {"X_ORG": "globex"}],
    ids=["underscore", "lower case", "upper case"],
)
async def test_the_application_gets_no_second_spelling_of_a_header_that_a_claim_was_compared_with(
    beside: dict[str, str],
) -> None:
    policy = a_policy(claims={"org": RequestFact("header:X-Org")})
    upstream = FakeUpstream(200)

    await route(policy, upstream=upstream).respond(
        exchange(headers={"Authorization": f"Bearer {token(org='acme')}", "X-Org": "acme", **beside})
    )

    assert [[b"acme"]] == [
        [value for name, value in each.headers if name.lower().replace(b"_", b"-") == b"x-org"]
        for each in upstream.seen
    ]


@pytest.mark.parametrize("header", ["Authorization", "X-Token"])
async def test_who_shows_no_token_is_told_where_it_is_missing(header: str) -> None:
    response = await route(a_policy(header=header)).respond(exchange())

    assert isinstance(response.content, bytes)
    assert f"This service wants a token in the header {header}." == json.loads(response.content)["detail"]
