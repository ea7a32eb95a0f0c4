"""Tokens that are good, and all the ways in which one is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.units import HeaderValue
from proxy.exchange import Identity
from proxy.policies.identity.jwt.claims import RequestFact
from proxy.policies.identity.jwt.config import JwksConfig, JwksFile
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import FakeClock, FakeUpstream, exchange, route
from tests.policies.identity.tokens import (
    CLAIMS,
    EXPIRED,
    FORBIDDEN,
    INVALID,
    KIND_OF,
    MISSING,
    NOW,
    PASSED,
    SECRET,
    a_key,
    a_policy,
    answer,
    b64,
    bearing,
    jwk,
    token,
)
from tests.policies.reading import fields, refusal

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


def signed_otherwise() -> dict[str, str]:
    """Attacks on the header (RFC 8725, section 2)."""
    public = a_key().public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims, other = b64(CLAIMS), a_key("P-256", 2)
    own = {"alg": "ES256", "kid": "mine"}
    return {
        "another key": token(key=other),
        "another key under an unknown name": token(key=other, kid="k2"),
        "no signature, alg none": f"{b64({'alg': 'none'})}.{claims}.",
        "alg none, some signature": f"{b64({'alg': 'none', 'kid': 'k1'})}.{claims}.AAAA",
        "alg None": f"{b64({'alg': 'None'})}.{claims}.AAAA",
        "an algorithm that is not a text": f"{b64({'alg': ['ES256'], 'kid': 'k1'})}.{claims}.AAAA",
        "no algorithm": f"{b64({'kid': 'k1'})}.{claims}.AAAA",
        "the public key as a secret": hmac_by(pem),
        "an algorithm that is not allowed": token(alg="ES384"),
        "a key that it brings along": token(key=other, header={**own, "jwk": jwk(other, "mine")}),
        "a key that it points to": token(key=other, header={**own, "jku": "https://evil.example/jwks"}),
        "a certificate that it points to": token(key=other, header={**own, "x5u": "https://evil.example/c"}),
        "a path as the name of a key": token(key=other, kid="../../dev/null"),
        "a name that is no text": token(header={"alg": "ES256", "kid": 1}),
        "a huge name": token(header={"alg": "ES256", "kid": "k" * 300}),
        "extensions": token(header={"alg": "ES256", "kid": "k1", "crit": ["exp"], "exp": 1}),
        "no extensions, but a list of them": token(header={"alg": "ES256", "kid": "k1", "crit": []}),
        "b64 false": token(header={"alg": "ES256", "kid": "k1", "b64": False, "crit": ["b64"]}),
        "b64 alone": token(header={"alg": "ES256", "kid": "k1", "b64": False}),
        "alg twice": token(header='{"alg":"none","alg":"ES256","kid":"k1"}'),
        "a header that is no object": token(header='["ES256"]'),
        "a header that is no JSON": token(header="ES256"),
        "a header with a byte order mark": token(header='\ufeff{"alg":"ES256","kid":"k1"}'),
        "a deep header": token(header='{"alg":"ES256","kid":"k1","x":' + "[" * 99 + "]" * 99 + "}"),
    }


def hmac_by(secret: bytes) -> str:
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    signed = f"{b64({'alg': 'HS256', 'kid': 'k1'})}.{b64(CLAIMS)}"
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


@pytest.mark.parametrize(
    ("shown"), [pytest.param(each, id=name) for name, each in signed_otherwise().items()]
)
async def test_a_token_that_is_signed_otherwise_is_refused(shown: str) -> None:
    assert INVALID == await answer(a_policy(), shown)


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
    "claims",
    [
        pytest.param('{"sub":"alice","sub":"bob",' + json.dumps(CLAIMS)[1:], id="a claim twice"),
        pytest.param(json.dumps({**CLAIMS, "x": 0}).replace('"x": 0', '"x": NaN'), id="NaN"),
        pytest.param(json.dumps(CLAIMS) + " x", id="something behind it"),
        pytest.param(json.dumps({**CLAIMS, "x": "\ud800"}), id="a lone surrogate"),
        pytest.param(json.dumps(CLAIMS).encode("utf-16"), id="UTF-16"),
        pytest.param(json.dumps([CLAIMS]), id="a list"),
        pytest.param('"alice"', id="a text"),
        pytest.param(b"\xff", id="no text"),
    ],
)
async def test_claims_that_can_be_read_in_two_ways_are_refused(claims: str | bytes) -> None:
    assert INVALID == await answer(a_policy(), token(claims))


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


@pytest.mark.parametrize(
    ("rules", "changes", "expected"),
    [
        pytest.param({"org": RequestFact("path.org")}, {"org": "acme"}, PASSED, id="the path's"),
        pytest.param({"org": RequestFact("path.org")}, {"org": "globex"}, FORBIDDEN, id="another"),
        pytest.param({"org": RequestFact("path.org")}, {}, FORBIDDEN, id="none"),
        pytest.param({"org": RequestFact("path.org")}, {"org": ["a", "acme"]}, PASSED, id="in a list"),
        pytest.param({"org": RequestFact("path.no")}, {"org": ""}, FORBIDDEN, id="of a path without it"),
        pytest.param({"org": RequestFact("header:X-Org")}, {"org": "acme"}, PASSED, id="the header's"),
        pytest.param({"org": RequestFact("header:X-Two")}, {"org": "a"}, FORBIDDEN, id="one of two headers"),
        pytest.param({"org": RequestFact("header:X-Two")}, {"org": "a,b"}, FORBIDDEN, id="two headers' text"),
        pytest.param({"org": RequestFact("query:org")}, {"org": "acme"}, PASSED, id="the query's"),
        pytest.param({"role": ("admin", "owner")}, {"role": "owner"}, PASSED, id="one of the values"),
        pytest.param({"role": ("admin",)}, {"role": "adm"}, FORBIDDEN, id="another value"),
        pytest.param({"role": ("admin",)}, {"role": "admin user"}, FORBIDDEN, id="a text with it in"),
        pytest.param({"scope": ("write",)}, {"scope": "read write"}, PASSED, id="one of the words"),
        pytest.param({"scope": ("write",)}, {"scope": "read writer"}, FORBIDDEN, id="none of the words"),
        pytest.param({"mfa": (True,)}, {"mfa": True}, PASSED, id="true"),
        pytest.param({"mfa": (True,)}, {"mfa": 1}, FORBIDDEN, id="1 instead of true"),
        pytest.param({"mfa": (True,)}, {"mfa": "true"}, FORBIDDEN, id="a text instead of true"),
        pytest.param({"/realm/roles": ("admin",)}, {"realm": {"roles": ["admin"]}}, PASSED, id="further in"),
        pytest.param({"/realm/roles": ("admin",)}, {"realm": "admin"}, FORBIDDEN, id="not so far in"),
        pytest.param({"a": ("x",), "b": ("y",)}, {"a": "x"}, FORBIDDEN, id="one of two"),
    ],
)
async def test_claims_go_with_the_request(
    rules: dict[str, Any], changes: dict[str, Any], expected: tuple[int, str | None]
) -> None:
    asked = bearing(token(**changes), query="org=acme")
    asked.params = {"org": "acme"}
    for name, value in (("X-Org", "acme"), ("X-Two", "a"), ("X-Two", "b")):
        asked.request.headers.add(name, value)

    assert expected == await answer(a_policy(claims=rules), asked)


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
