"""Who has a password, and who has none or a wrong one."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.loader import load
from proxy.config.secrets import Secret
from proxy.config.units import HeaderValue
from proxy.errors import Busy, ConfigError, Rejection
from proxy.exchange import Exchange, Identity
from proxy.policies import PIPELINE_ORDER
from proxy.policies.identity.basic_auth import (
    BasicAuth,
    BasicAuthConfig,
    rehearsed_with,
    sign_with_password,
)
from proxy.policies.identity.basic_auth.htpasswd import Htpasswd
from proxy.policy import Hooks, Unsigned
from proxy.shadow import in_shadow
from proxy.testing import FakeUpstream, exchange, fake_services, route
from tests.policies.reading import fields, refusal

PASSED = (200, None)
MISSING = (401, "basic_auth.missing")
INVALID = (401, "basic_auth.invalid")


def a_config(*credentials: str, **settings: Any) -> BasicAuthConfig:
    return BasicAuthConfig(credentials=tuple(map(Secret, credentials or ("ann:open:sesame",))), **settings)


def a_policy(*credentials: str, **settings: Any) -> BasicAuth:
    return BasicAuth(a_config(*credentials, **settings), fake_services())


def basic(credential: str | bytes) -> str:
    raw = credential.encode() if isinstance(credential, str) else credential
    return f"Basic {base64.b64encode(raw).decode()}"


async def answer(policy: BasicAuth, asked: Exchange) -> tuple[int, str | None]:
    return refusal(await route(policy).respond(asked))


GOOD = basic("ann:open:sesame")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"Authorization": GOOD}, PASSED, id="user and password"),
        pytest.param({"authorization": GOOD.replace("Basic", "bASIC")}, PASSED, id="in other letters"),
        pytest.param({"Authorization": GOOD.replace(" ", "  ")}, PASSED, id="two spaces"),
        pytest.param({}, MISSING, id="none"),
        pytest.param({"Authorization": ""}, MISSING, id="an empty header"),
        pytest.param({"Authorization": "Bearer abc"}, MISSING, id="a credential of another kind"),
        pytest.param({"Authorization": GOOD.replace("Basic", "Basics")}, MISSING, id="another scheme"),
        pytest.param({"Proxy-Authorization": GOOD}, MISSING, id="another header"),
        pytest.param({"Authorization": "Basic"}, INVALID, id="no credential"),
        pytest.param({"Authorization": "Basic " + "YW5u"}, INVALID, id="no password"),
        pytest.param({"Authorization": basic("ann:open")}, INVALID, id="the password up to its colon"),
        pytest.param({"Authorization": basic("ann:open:Sesame")}, INVALID, id="another password"),
        pytest.param({"Authorization": basic("bob:open:sesame")}, INVALID, id="another user"),
        pytest.param({"Authorization": basic(":")}, INVALID, id="nobody"),
        pytest.param({"Authorization": basic(b"ann:open:sesame\n")}, INVALID, id="a line end behind it"),
        pytest.param({"Authorization": basic(b"\xff:\xff")}, INVALID, id="bytes that are no text"),
        pytest.param({"Authorization": "Basic ann:open:sesame"}, INVALID, id="no base64"),
        pytest.param({"Authorization": GOOD + "="}, INVALID, id="padding that is not needed"),
        pytest.param({"Authorization": GOOD[:10] + " " + GOOD[10:]}, INVALID, id="a space within"),
        pytest.param({"Authorization": "Basic ключ"}, INVALID, id="not ASCII"),
        pytest.param({"Authorization": "Basic " + "YQ" * 50_000}, INVALID, id="a huge one"),
        pytest.param({"Authorization": GOOD, "AUTHORIZATION": GOOD}, INVALID, id="twice"),
        pytest.param({"Authorization": GOOD, "AUTHORIZATION": "Bearer x"}, INVALID, id="beside another kind"),
        pytest.param({"Authorization": f"{GOOD}, {GOOD}"}, INVALID, id="twice in one line"),
    ],
)
async def test_a_password(headers: dict[str, str], expected: tuple[int, str | None]) -> None:
    assert expected == await answer(a_policy(), exchange(headers=headers))


PLAIN = b"ann:open:sesame"


@given(st.binary(max_size=20), st.integers(0, len(PLAIN)), st.integers(0, len(PLAIN)))
def test_no_other_bytes_are_accepted(inserted: bytes, start: int, end: int) -> None:
    changed = PLAIN[:start] + inserted + PLAIN[max(start, end) :]
    asked = exchange(headers={"Authorization": basic(changed)})

    try:
        accepted = a_policy().identify(asked) is not None
    except Rejection:
        accepted = False

    assert (changed == PLAIN) == accepted


async def test_a_password_can_be_changed_without_a_gap() -> None:
    policy = a_policy("ann:new", "ann:old", "jürgen:größe")

    answers = [
        await answer(policy, exchange(headers={"Authorization": basic(each)}))
        for each in ("ann:new", "ann:old", "jürgen:größe", "ann:older")
    ]

    assert [PASSED, PASSED, PASSED, INVALID] == answers


@pytest.mark.parametrize(
    ("known_before", "id_"),
    [
        pytest.param(None, "ann", id="the user"),
        pytest.param(Identity("acme", "api_key"), "acme", id="who was known before"),
    ],
)
async def test_who_the_caller_is(known_before: Identity | None, id_: str) -> None:
    asked = exchange(headers={"Authorization": GOOD})
    asked.identity = known_before

    await answer(a_policy(), asked)

    assert asked.identity is not None
    assert id_ == asked.identity.id


@pytest.mark.parametrize(
    ("realm", "challenge"),
    [
        pytest.param("reports", 'Basic realm="reports", charset="UTF-8"', id="a word"),
        pytest.param('a "b" \\', 'Basic realm="a \\"b\\" \\\\", charset="UTF-8"', id="quotes"),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"Authorization": basic("ann:x")}], ids=["missing", "invalid"])
async def test_a_browser_is_told_what_to_ask_for(realm: str, challenge: str, headers: dict[str, str]) -> None:
    response = await route(a_policy(realm=HeaderValue(realm))).respond(exchange(headers=headers))

    assert [challenge] == fields(response)["www-authenticate"]


async def test_nothing_of_a_wrong_password_is_told() -> None:
    asked = exchange(headers={"Authorization": basic("ann:hunter2")})

    response = await route(a_policy()).respond(asked)

    assert asked.refusal is not None
    told = f"{response.content!r} {list(response.headers)} {asked.refusal} {asked.refusal.facts}"
    assert (False, False) == ("hunter2" in told, basic("ann:hunter2")[6:] in told)


@pytest.mark.parametrize(("hidden", "left"), [(False, [(b"Authorization", GOOD.encode())]), (True, [])])
async def test_a_password_is_hidden_where_that_is_asked_for(
    hidden: bool, left: list[tuple[bytes, bytes]]
) -> None:
    upstream = FakeUpstream(200)

    await route(a_policy(hide_credentials=hidden), upstream=upstream).respond(
        exchange(headers={"Authorization": GOOD})
    )

    assert left == list(upstream.seen[0].headers)


async def test_in_shadow_a_request_passes_as_it_is_and_is_reported() -> None:
    upstream = FakeUpstream(200)
    policy = in_shadow("basic_auth", Hooks.of(a_policy(hide_credentials=True)))
    requests = [exchange(headers={"Authorization": each}) for each in (GOOD, basic("ann:x"))]

    answers = [refusal(await route(policy, upstream=upstream).respond(asked)) for asked in requests]

    assert [PASSED, PASSED] == answers
    assert [None, ["basic_auth.invalid"]] == [
        asked.shadowed and [each.reason for each in asked.shadowed] for asked in requests
    ]
    assert [1, 1] == [len(list(request.headers)) for request in upstream.seen]


async def test_a_rehearsal_shows_the_first_password() -> None:
    config = a_config("ann:1", "bob:2")
    unsigned = Unsigned("GET", "/", [("authorization", "old")])

    sign_with_password(config, unsigned, {})

    assert [("Authorization", basic("ann:1"))] == unsigned.headers
    assert PASSED == await answer(
        BasicAuth(config, fake_services()), exchange(headers=dict(unsigned.headers))
    )


USERS, _ = Htpasswd.read("ann:$2y$05$ilwzvPwOiGCLdOjrE4gYreRlLz1ev/exAOiydZ/xhkQ5vmArVbCBG\n")
BY_FILE = BasicAuthConfig(htpasswd=Htpasswd("/run/users").holding(USERS), credentials=(Secret("op:rator"),))


@pytest.mark.parametrize(
    ("credential", "expected"),
    [
        pytest.param("op:rator", PASSED, id="a credential of the policy"),
        pytest.param("ann:sesame", PASSED, id="a user of the file"),
        pytest.param("ann:rator", INVALID, id="another password"),
        pytest.param("op:sesame", INVALID, id="another user"),
        pytest.param("op", INVALID, id="no colon"),
    ],
)
async def test_users_of_a_file_stand_beside_credentials(
    credential: str, expected: tuple[int, str | None]
) -> None:
    policy = BasicAuth(BY_FILE, fake_services())

    assert expected == await answer(policy, exchange(headers={"Authorization": basic(credential)}))


async def test_who_shows_nothing_is_told_to() -> None:
    assert MISSING == await answer(BasicAuth(BY_FILE, fake_services()), exchange())


async def test_where_too_many_checks_wait_it_is_said_when_to_come_again() -> None:
    async def full(work: Any) -> Any:
        raise Busy("66 pieces of work are waiting")

    response = await route(BasicAuth(BY_FILE, replace(fake_services(), in_thread=full))).respond(
        exchange(headers={"Authorization": basic("ann:sesame")})
    )

    assert ((503, "basic_auth.unavailable"), ["5"]) == (refusal(response), fields(response)["retry-after"])


async def test_a_rehearsal_shows_the_password_that_the_test_has_for_a_user_of_the_file() -> None:
    config = BasicAuthConfig(htpasswd=Htpasswd("/run/users").holding(USERS))
    credentials = {"ann": "for:tests"}
    rehearsed, unsigned = rehearsed_with(config, credentials), Unsigned("GET", "/")

    sign_with_password(rehearsed, unsigned, credentials)

    assert [("Authorization", basic("ann:for:tests"))] == unsigned.headers
    asked = exchange(headers=dict(unsigned.headers))
    assert PASSED == await answer(BasicAuth(rehearsed, fake_services()), asked)


def test_a_rehearsal_that_knows_nobody_of_the_file_says_so() -> None:
    config = BasicAuthConfig(htpasswd=Htpasswd("/run/users").holding(USERS))

    with pytest.raises(ValueError, match=r"no user's password is known; .* for one of ann"):
        sign_with_password(config, Unsigned("GET", "/"), {})


FILE = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:3000"}}}}
routes:
  - name: example
    match: {{path: "/**"}}
    policies:
      basic_auth: {{{says}}}
"""


@pytest.mark.parametrize(
    ("says", "secret", "wrong"),
    [
        pytest.param("credentials: [{env: S}]", "ann:hunter2", [], id="a credential"),
        pytest.param(
            "credentials: [{env: S}], realm: reports", "ann:hunter2:x", [], id="colons, and a realm"
        ),
        pytest.param("", "ann:hunter2", [""], id="none"),
        pytest.param("credentials: []", "ann:hunter2", ["credentials"], id="an empty list"),
        pytest.param("credentials: [{env: S}]", "hunter2", ["credentials[0]"], id="no colon"),
        pytest.param("credentials: [{env: S}]", ":hunter2", ["credentials[0]"], id="no user"),
        pytest.param(
            "credentials: [{env: S}]", "a\nb:hunter2", ["credentials[0]"], id="a user that is no text"
        ),
        pytest.param("credentials: [{env: S}]", "hunter2:", ["credentials[0]"], id="no password"),
        pytest.param("credentials: ['ann:hunter2']", "", ["credentials[0]"], id="in clear"),
        pytest.param("credentials: [{env: S}], realm: ''", "ann:hunter2", ["realm"], id="an empty realm"),
    ],
)
def test_what_a_policy_file_may_say(says: str, secret: str, wrong: list[str], tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(FILE.format(says=says), encoding="utf-8")
    told = ""
    found: list[str] = []
    try:
        load(file, PIPELINE_ORDER, env={"S": secret})
    except ConfigError as error:
        told = str(error)
        found = [
            each.path.removeprefix("routes[0].policies.basic_auth").lstrip(".") for each in error.problems
        ]

    assert (wrong, False) == (found, "hunter2" in told)
