"""One of several ways to prove who one is: who is admitted, who is not, and what the application is told."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.loader import load
from proxy.config.patterns import Method
from proxy.config.secrets import Secret
from proxy.config.units import HeaderName
from proxy.errors import Busy, ConfigError, Rejection
from proxy.exchange import Exchange, Identity
from proxy.policies import PIPELINE_ORDER
from proxy.policies.identity.authenticate import Authenticate, AuthenticateConfig
from proxy.policies.identity.authenticate.forwarding import Fact
from proxy.policies.identity.authenticate.ways import Way
from proxy.policies.identity.basic_auth import BasicAuthConfig
from proxy.policies.identity.basic_auth.htpasswd import Htpasswd
from proxy.policies.identity.webhook_signature import WebhookSignatureConfig
from proxy.policy import Hooks, Services
from proxy.shadow import in_shadow
from proxy.testing import FakeUpstream, exchange, fake_services, route
from tests.policies.identity import tokens
from tests.policies.identity.callers import GOOD, OTHER, a_config, a_key
from tests.policies.reading import fields, problems, refusal

PASSED = (200, None)
MISSING = (401, "authenticate.missing")
INVALID = (401, "authenticate.invalid")
FORBIDDEN = (403, "authenticate.forbidden")
UNAVAILABLE = (503, "authenticate.unavailable")

KEY = {"X-API-Key": GOOD}
WRONG_KEY = {"X-API-Key": OTHER}


def basic(credential: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(credential.encode()).decode()}"}


PASSWORD, WRONG_PASSWORD = basic("ann:sesame"), basic("ann:wrong")
WRONG_SIGNATURE = {"X-Hub-Signature-256": f"sha256={'0' * 64}"}

BY_KEY = Way(api_key=a_config(a_key(plan="gold", admin=False, limit=3, tags=["a", "b"])))
BY_OTHER_KEY = Way(api_key=a_config(a_key("globex", OTHER)))
BY_PASSWORD = Way(basic_auth=BasicAuthConfig(credentials=(Secret("ann:sesame"),)))
BY_SIGNATURE = Way(webhook_signature=WebhookSignatureConfig(scheme="github", secrets=(Secret("s"),)))
ALL = (BY_KEY, BY_PASSWORD, BY_SIGNATURE)


def a_policy(
    *ways: Way, services: Services | None = None, forward: Mapping[str, str] | None = None, **settings: Any
) -> Authenticate:
    told = {HeaderName(name): Fact.parse(fact) for name, fact in (forward or {}).items()}
    config = AuthenticateConfig(any_of=ways or (BY_KEY, BY_PASSWORD), forward=told, **settings)
    return Authenticate(config, services or fake_services())


def methods(*names: str) -> tuple[Method, ...]:
    return tuple(map(Method, names))


async def answer(policy: Authenticate, asked: Exchange) -> tuple[int, str | None]:
    return refusal(await route(policy).respond(asked))


async def told(policy: Authenticate | Hooks, asked: Exchange) -> dict[str, str]:
    """The headers that reach the application; nothing where it is not called."""
    upstream = FakeUpstream(200)
    await route(policy, upstream=upstream).respond(asked)
    return {name.decode(): value.decode() for request in upstream.seen for name, value in request.headers}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(KEY, PASSED, id="the first way"),
        pytest.param(PASSWORD, PASSED, id="the second way"),
        pytest.param(KEY | PASSWORD, PASSED, id="both"),
        pytest.param({}, MISSING, id="none"),
        pytest.param({"Authorization": "Bearer x"}, MISSING, id="one that no way knows"),
        pytest.param({"X-API-Key": ""}, MISSING, id="an empty key"),
        pytest.param({"X_API_Key": GOOD}, MISSING, id="a name that only a CGI would take for it"),
        pytest.param(WRONG_KEY, INVALID, id="a wrong key"),
        pytest.param(WRONG_PASSWORD, INVALID, id="a wrong password"),
        pytest.param(WRONG_KEY | WRONG_PASSWORD, INVALID, id="both wrong"),
        pytest.param(WRONG_KEY | PASSWORD, INVALID, id="a wrong one before a right one"),
        pytest.param(KEY | WRONG_PASSWORD, INVALID, id="a wrong one behind a right one"),
        pytest.param(KEY | WRONG_SIGNATURE, INVALID, id="a wrong one that takes a while to be judged"),
        pytest.param({"X-API-Key": GOOD, "x-api-key": GOOD}, INVALID, id="a key twice"),
        pytest.param(PASSWORD | {"authorization": "Bearer x"}, INVALID, id="two of Authorization"),
        pytest.param(
            {"Authorization": f"{PASSWORD['Authorization']}, Bearer x"},
            INVALID,
            id="two in one Authorization",
        ),
        pytest.param({"X-API-Key": "а" * 64}, INVALID, id="letters that look alike"),
        pytest.param({"X-API-Key": "a" * 1_000_000}, INVALID, id="a huge key"),
    ],
)
async def test_one_way_is_enough_and_nothing_wrong_may_be_shown(
    headers: Mapping[str, str], expected: tuple[int, str | None]
) -> None:
    assert expected == await answer(a_policy(*ALL), exchange(headers=headers))


@pytest.mark.parametrize(
    ("role", "beside", "expected"),
    [
        ("admin", {}, PASSED),
        ("support", {}, PASSED),
        ("guest", {}, FORBIDDEN),
        ("guest", KEY, FORBIDDEN),
        ("guest", WRONG_KEY, INVALID),
        ("support", WRONG_KEY, INVALID),
    ],
)
async def test_a_token_that_one_way_does_not_allow_may_be_allowed_by_another(
    role: str, beside: Mapping[str, str], expected: tuple[int, str | None]
) -> None:
    ways = (Way(jwt=tokens.a_config(claims={"role": (allowed,)})) for allowed in ("admin", "support"))
    shown = {"Authorization": f"Bearer {tokens.token(role=role)}"}

    assert expected == await answer(a_policy(*ways, BY_KEY), exchange(headers=shown | beside))


@given(st.integers(0, 63), st.characters(min_codepoint=33, max_codepoint=126), st.booleans())
def test_no_changed_credential_is_accepted_beside_a_right_one(at: int, letter: str, beside: bool) -> None:
    key = GOOD[:at] + letter + GOOD[at + 1 :]
    headers = {"X-API-Key": key} | (PASSWORD if beside else {})

    try:
        a_policy().on_request(exchange(headers=headers))
        accepted = True
    except Rejection:
        accepted = False

    assert (key == GOOD) == accepted


@pytest.mark.parametrize("ways", [(BY_KEY, BY_OTHER_KEY), (BY_OTHER_KEY, BY_KEY)])
async def test_of_two_ways_of_one_kind_either_may_know_the_caller(ways: tuple[Way, ...]) -> None:
    policy = a_policy(*ways)

    answers = [await answer(policy, exchange(headers={"X-API-Key": key})) for key in (GOOD, OTHER, "x" * 64)]

    assert [PASSED, PASSED, INVALID] == answers


@pytest.mark.parametrize(
    ("ways", "id_"),
    [
        pytest.param((BY_KEY, BY_PASSWORD), "acme", id="the key first"),
        pytest.param((BY_PASSWORD, BY_KEY), "ann", id="the password first"),
    ],
)
async def test_of_two_that_accept_the_first_says_who_it_is(ways: tuple[Way, ...], id_: str) -> None:
    asked = exchange(headers=KEY | PASSWORD)

    await answer(a_policy(*ways), asked)

    assert asked.identity is not None
    assert id_ == asked.identity.id


async def test_who_was_known_before_stays_who_it_is() -> None:
    asked = exchange(headers=KEY)
    asked.identity = Identity("before", "other")

    await answer(a_policy(), asked)

    assert "before" == asked.identity.id


@pytest.mark.parametrize("headers", [{}, WRONG_KEY, WRONG_PASSWORD], ids=["missing", "key", "password"])
async def test_the_client_is_told_every_way_and_not_which_one_failed(headers: Mapping[str, str]) -> None:
    response = await route(a_policy(*ALL, *ALL)).respond(exchange(headers=headers))

    assert [
        'ApiKey header="X-API-Key"',
        'Basic realm="restricted", charset="UTF-8"',
        'WebhookSignature header="X-Hub-Signature-256"',
    ] == fields(response)["www-authenticate"]


async def test_what_a_client_reads_is_the_same_whatever_was_wrong() -> None:
    policy = a_policy(*ALL)

    answers = {
        str((await route(policy).respond(exchange(headers=headers))).content)
        for headers in (WRONG_KEY, WRONG_PASSWORD, WRONG_SIGNATURE, WRONG_KEY | PASSWORD)
    }

    assert 1 == len(answers)


async def test_the_decision_tells_what_was_wrong_with_which() -> None:
    asked = exchange(headers=WRONG_KEY | WRONG_PASSWORD)

    await answer(a_policy(), asked)

    assert asked.refusal is not None
    assert (
        "api_key.invalid: this key is not known; basic_auth.invalid: user or password are wrong"
        == asked.refusal.cause
    )


@pytest.mark.parametrize(
    ("required", "method", "headers", "expected"),
    [
        pytest.param(("POST", "DELETE"), "POST", {}, MISSING, id="a method that needs one"),
        pytest.param(("POST", "DELETE"), "POST", KEY, PASSED, id="and has one"),
        pytest.param(("POST", "DELETE"), "GET", {}, PASSED, id="a method that needs none"),
        pytest.param(("POST", "DELETE"), "GET", WRONG_KEY, INVALID, id="and has a wrong one"),
        pytest.param(("POST", "DELETE"), "OPTIONS", {}, PASSED, id="a preflight"),
        pytest.param(("POST", "DELETE"), "HEAD", {}, PASSED, id="HEAD beside GET"),
        pytest.param(("GET",), "HEAD", {}, MISSING, id="HEAD is GET without a body"),
        pytest.param(("GET",), "TRACE", {}, PASSED, id="TRACE"),
        pytest.param(("POST",), "post", {}, MISSING, id="no method of HTTP"),
        pytest.param(("POST",), "BREW", {}, MISSING, id="another that is none"),
        pytest.param(
            ("POST",), "GET", {"X-HTTP-Method-Override": "POST"}, MISSING, id="a GET that wants to be a POST"
        ),
        pytest.param(("POST",), "GET", {"x-http-method": " post "}, MISSING, id="in other letters"),
        pytest.param(("POST",), "GET", {"X-Method-Override": "BREW"}, MISSING, id="or no method at all"),
        pytest.param(("POST",), "GET", {"X-HTTP-Method-Override": "GET"}, PASSED, id="or a GET"),
        pytest.param(None, "OPTIONS", {}, MISSING, id="all of them"),
    ],
)
async def test_which_methods_need_a_credential(
    required: tuple[str, ...] | None,
    method: str,
    headers: Mapping[str, str],
    expected: tuple[int, str | None],
) -> None:
    policy = a_policy(methods=None if required is None else methods(*required))

    assert expected == await answer(policy, exchange(method, headers=headers))


async def test_where_none_is_needed_who_shows_one_is_known_by_it() -> None:
    asked = exchange(headers=KEY)

    await answer(a_policy(methods=methods("POST")), asked)

    assert asked.identity is not None
    assert ("acme", "api_key") == (asked.identity.id, asked.identity.method)


async def test_an_application_sees_no_other_method_in_a_spelling_that_only_it_reads() -> None:
    policy = a_policy(methods=methods("POST"))

    headers = await told(
        policy, exchange(headers={"X_HTTP_Method_Override": "POST", "X-Method_Override": "PUT"})
    )

    assert {} == headers


FORWARD = {"X-Auth-Id": "auth.id", "X-Auth-Method": "auth.method", "X-Plan": "auth.claims.plan"}


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        pytest.param("auth.id", "acme", id="who it is"),
        pytest.param("auth.method", "api_key", id="by which way"),
        pytest.param("auth.claims.plan", "gold", id="a text"),
        pytest.param("auth.claims.admin", "false", id="true or false"),
        pytest.param("auth.claims.limit", "3", id="a number"),
        pytest.param("auth.claims.tags", '["a","b"]', id="a list"),
        pytest.param("auth.claims.org", None, id="what there is not"),
        pytest.param("auth.claims.plan.name", None, id="what is not that deep"),
    ],
)
async def test_the_application_is_told(fact: str, value: str | None) -> None:
    headers = await told(a_policy(forward={"X-Told": fact}), exchange(headers=KEY))

    assert value == headers.get("X-Told")


async def test_a_claim_may_lie_deeper() -> None:
    identity = Identity("x", "jwt", {"realm": {"roles": ["a"], "name": "größe"}})

    assert ['["a"]', "größe", '{"roles":["a"],"name":"größe"}', None] == [
        Fact.parse(f"auth.claims.{name}").of(identity)
        for name in ("realm.roles", "realm.name", "realm", "realm.roles.0")
    ]


SPOOFED = {
    "X-Auth-Id": "root",
    "x-auth_id": "root",
    "X_Auth_Id": "root",
    "X_AUTH-METHOD": "root",
    "X-plan": "root",
}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
@pytest.mark.parametrize(
    ("credential", "expected"),
    [
        pytest.param({}, {}, id="nobody"),
        pytest.param(PASSWORD, {"X-Auth-Id": "ann", "X-Auth-Method": "basic_auth"}, id="somebody"),
    ],
)
async def test_no_client_says_who_it_is(
    method: str, credential: Mapping[str, str], expected: Mapping[str, str]
) -> None:
    policy = a_policy(methods=methods("DELETE"), forward=FORWARD)

    headers = await told(policy, exchange(method, headers=SPOOFED | dict(credential)))

    assert {**credential, **expected} == headers


@pytest.mark.parametrize(
    "claim",
    ["a\r\nX-Admin: 1", "a\0", " admin", "admin ", "", "\udc80", "a" * 4097, object()],
    ids=["a line", "a NUL", "a space before", "behind", "nothing", "no text", "long", "no JSON"],
)
def test_what_can_not_stand_in_a_header_is_found_at_load(claim: object) -> None:
    config = AuthenticateConfig(
        any_of=(BY_PASSWORD, Way(api_key=a_config(a_key(note=claim), a_key("b", OTHER, plan=claim)))),
        forward={HeaderName(name): Fact.parse(fact) for name, fact in FORWARD.items()},
    )

    assert ["any_of[1].api_key.keys[1].attributes.plan"] == [path for path, _ in config.check()]


def test_an_attribute_is_found_with_its_line_in_the_file_of_keys_and_nothing_of_that_is_shown(
    tmp_path: Path,
) -> None:
    hashes = [sha256(key.encode()).hexdigest() for key in (GOOD, OTHER)]
    (tmp_path / "keys.yaml").write_text(
        f"keys:\n  - {{id: a, sha256: {hashes[0]}}}\n"
        f'  - {{id: b, sha256: {hashes[1]}, attributes: {{plan: "a\\nb"}}}}\n',
        encoding="utf-8",
    )
    (tmp_path / "policies.yaml").write_text(
        'version: 1\nupstreams: {app: {url: "http://127.0.0.1:3000"}}\nroutes:\n  - name: a\n'
        "    match: {path: /a}\n    policies:\n"
        "      authenticate:\n        forward: {X-Plan: auth.claims.plan}\n"
        "        any_of: [{api_key: {keys_file: keys.yaml}}]\n",
        encoding="utf-8",
    )

    with pytest.raises(ConfigError) as refused:
        load(tmp_path / "policies.yaml", PIPELINE_ORDER, env={})

    says = "auth.claims.plan is no text that can stand in a header, and `forward` has it in X-Plan"
    place = f"{tmp_path}/keys.yaml:3:106: keys[1].attributes.plan"
    assert f"{place}: {says}; expected a line of text" == str(refused.value)


@pytest.mark.parametrize(
    "claim",
    ["a\r\nX-Admin: 1", "a\0", " admin", "admin ", "", "\udc80", "a" * 4097, object()],
    ids=["a line", "a NUL", "a space before", "behind", "nothing", "no text", "long", "no JSON"],
)
async def test_what_can_not_stand_in_a_header_is_not_half_told(claim: object) -> None:
    policy = a_policy(Way(api_key=a_config(a_key(plan=claim))), forward=FORWARD)
    asked = exchange(headers=KEY)
    upstream = FakeUpstream(200)

    response = await route(policy, upstream=upstream).respond(asked)

    assert (INVALID, 0) == (refusal(response), len(upstream.seen))


async def test_a_judge_that_is_too_busy_is_told_of_with_503() -> None:
    async def busy(work: Any) -> Any:
        raise Busy("66 are waiting")

    services = fake_services()
    object.__setattr__(services, "in_thread", busy)
    file, faults = Htpasswd.read("bob:$2y$05$ilwzvPwOiGCLdOjrE4gYreRlLz1ev/exAOiydZ/xhkQ5vmArVbCBG")
    by_file = Way(basic_auth=BasicAuthConfig(htpasswd=Htpasswd("/f").holding(file)))
    asked = exchange(headers=basic("bob:sesame"))
    policy = a_policy(BY_KEY, by_file, BY_PASSWORD, services=services)

    answers = [
        await answer(policy, each) for each in (asked, exchange(headers=KEY), exchange(headers=PASSWORD))
    ]

    assert ([], [UNAVAILABLE, PASSED, PASSED]) == (faults, answers)
    assert asked.refusal is not None
    cause = "basic_auth.unavailable: 66 are waiting; basic_auth.invalid: user or password are wrong"
    assert (5.0, cause) == (asked.refusal.retry_after, asked.refusal.cause)


async def test_a_body_that_is_too_large_is_that_and_no_wrong_signature() -> None:
    asked = exchange(
        "POST", headers={"X-Hub-Signature-256": f"sha256={'0' * 64}"}, body=_Endless(), max_body=10
    )

    assert (413, "request.body_too_large") == await answer(a_policy(BY_SIGNATURE), asked)


class _Endless:
    async def collect(self, limit: int) -> bytes | None:
        return None


async def test_in_shadow_nothing_changes_and_it_is_told_of() -> None:
    shadow = in_shadow("authenticate", Hooks.of(a_policy(forward=FORWARD)))
    requests = [exchange(headers=headers) for headers in (KEY | {"X-Auth-Id": "mine"}, WRONG_KEY, {})]

    passed = [await told(shadow, asked) for asked in requests]

    assert [KEY | {"X-Auth-Id": "mine"}, WRONG_KEY, {}] == passed
    assert [None, ["authenticate.invalid"], ["authenticate.missing"]] == [
        asked.shadowed and [each.reason for each in asked.shadowed] for asked in requests
    ]


def test_where_no_way_waits_nothing_waits() -> None:
    plain = route(a_policy(BY_KEY, BY_PASSWORD)).plain

    assert (True, False) == (plain, route(a_policy(*ALL)).plain)


async def test_ways_of_one_kind_have_names_of_their_own() -> None:
    two = (
        BY_SIGNATURE,
        Way(webhook_signature=WebhookSignatureConfig(scheme="slack", secrets=(Secret("s"),))),
    )
    asked = exchange("POST", headers={"X-Hub-Signature-256": f"sha256={_github(b'{}')}"}, body=b"{}")

    passed = await answer(a_policy(*two, services=fake_services(name="authenticate/senders")), asked)

    assert asked.identity is not None
    assert (PASSED, "senders/webhook_signature") == (passed, asked.identity.id)


def _github(body: bytes) -> str:
    return hmac.digest(b"s", body, "sha256").hex()


HASH = "0" * 64


@pytest.mark.parametrize(
    ("says", "wrong"),
    [
        pytest.param(f"{{any_of: [{{api_key: {{keys: [{{id: a, sha256: '{HASH}'}}]}}}}]}}", [], id="one"),
        pytest.param("{}", ["authenticate"], id="none"),
        pytest.param("{any_of: []}", ["authenticate.any_of"], id="an empty list"),
        pytest.param("{any_of: [{}]}", ["authenticate.any_of[0]"], id="an empty way"),
        pytest.param("{any_of: [partners]}", ["authenticate.any_of[0]"], id="a name"),
        pytest.param(
            "{any_of: [{api_key: partners}]}", ["authenticate.any_of[0].api_key"], id="a name within"
        ),
        pytest.param(
            "{any_of: [{apikey: {}}]}", ["authenticate.any_of[0].apikey"], id="no way that is known"
        ),
        pytest.param(
            "{any_of: [{api_key: {use: x}}]}", ["authenticate.any_of[0].api_key.use"], id="a use within"
        ),
        pytest.param(
            f"{{any_of: [{{api_key: {{mode: shadow, keys: [{{id: a, sha256: '{HASH}'}}]}}}}]}}",
            ["authenticate.any_of[0].api_key.mode"],
            id="a mode within",
        ),
        pytest.param("{any_of: [{api_key: {}}]}", ["authenticate.any_of[0].api_key"], id="nobody with a key"),
        pytest.param(
            f"{{any_of: [{{api_key: {{keys: [{{id: a, sha256: '{HASH}'}}]}},"
            " basic_auth: {credentials: [{file: /dev/null}]}}]}",
            ["authenticate.any_of[0].basic_auth.credentials[0].file"],
            id="a secret that is missing",
        ),
        pytest.param(
            f"{{any_of: [{{api_key: {{keys: [{{id: a, sha256: '{HASH}'}}]}}}}],"
            " methods: [get], forward: {X-A: auth.name, 'X A': auth.id}}",
            ["authenticate.methods[0]", "authenticate.forward.X-A", 'authenticate.forward["X A"]'],
            id="three mistakes",
        ),
        pytest.param(
            f"{{any_of: [{{api_key: {{keys: [{{id: a, sha256: '{HASH}'}}]}}}}],"
            " forward: {Content-Length: auth.id, X-Id: auth.id, X_ID: auth.id}}",
            ["authenticate.forward.Content-Length", "authenticate.forward.X_ID"],
            id="headers that say something else",
        ),
        pytest.param(
            f"{{any_of: [{{api_key: {{keys: [{{id: a, sha256: '{HASH}'}}]}}}}],"
            " forward: {X-a-b-c-d-e-f-g-h-i: auth.id}}",
            ["authenticate.forward"],
            id="a name with too many dashes",
        ),
    ],
)
def test_what_a_policy_file_may_say(says: str, wrong: list[str], tmp_path: Any) -> None:
    assert wrong == problems(f"authenticate: {says}", tmp_path)


def test_two_ways_in_one_entry_are_told_apart(tmp_path: Any) -> None:
    key = f"api_key: {{keys: [{{id: a, sha256: '{HASH}'}}]}}"
    secret = tmp_path / "secret"
    secret.write_text("ann:sesame")

    says = f"{{any_of: [{{{key}, basic_auth: {{credentials: [{{file: {secret}}}]}}}}]}}"

    assert ["authenticate.any_of[0]"] == problems(f"authenticate: {says}", tmp_path)


@pytest.mark.parametrize("name", ["x-api-key", "X_API_Key"])
def test_a_header_for_credentials_is_not_forwarded(name: str) -> None:
    with pytest.raises(ValueError, match=f"`forward` has {name}, where api_key looks for a credential"):
        a_policy(forward={name: "auth.id"})


def test_nor_is_the_header_of_a_token() -> None:
    way = Way(jwt=tokens.a_config(header="X-Token"))

    with pytest.raises(ValueError, match="`forward` has x_token, where jwt looks for a credential"):
        a_policy(way, forward={"x_token": "auth.id"})
