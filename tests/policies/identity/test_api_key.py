"""Who has a key, and who has none, a wrong one or an old one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Rejection
from proxy.exchange import Identity
from proxy.policies.identity.api_key import ApiKey
from proxy.testing import FakeClock, exchange, fake_services, route
from tests.policies.identity.callers import (
    EXPIRED,
    GOOD,
    INVALID,
    MISSING,
    NOW,
    OTHER,
    PASSED,
    a_config,
    a_key,
    a_policy,
    answer,
)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"X-API-Key": GOOD}, PASSED, id="a key that is known"),
        pytest.param({"x-api-key": GOOD}, PASSED, id="in other letters"),
        pytest.param({}, MISSING, id="none"),
        pytest.param({"X-API-Key": ""}, MISSING, id="an empty one"),
        pytest.param({"Authorization": f"Bearer {GOOD}"}, MISSING, id="a credential of another kind"),
        pytest.param({"X_API_Key": GOOD}, MISSING, id="a name that only a CGI would take for it"),
        pytest.param({"X-API-Key": OTHER}, INVALID, id="another"),
        pytest.param({"X-API-Key": GOOD[:-1]}, INVALID, id="a shorter one"),
        pytest.param({"X-API-Key": GOOD + "a"}, INVALID, id="a longer one"),
        pytest.param({"X-API-Key": GOOD.upper()}, INVALID, id="in capitals"),
        pytest.param({"X-API-Key": f"{GOOD}, {GOOD}"}, INVALID, id="twice in one line"),
        pytest.param({"X-API-Key": GOOD, "x-api-key": GOOD}, INVALID, id="twice in two lines"),
        pytest.param({"X-API-Key": "", "x-api-key": GOOD}, INVALID, id="an empty one beside it"),
        pytest.param({"X-API-Key": sha256(GOOD.encode()).hexdigest()}, INVALID, id="its hash"),
        pytest.param({"X-API-Key": "ключ"}, INVALID, id="not ASCII"),
        pytest.param({"X-API-Key": "a" * 100_000}, INVALID, id="a huge one"),
    ],
)
async def test_a_key_in_a_header(headers: Mapping[str, str], expected: tuple[int, str | None]) -> None:
    assert expected == await answer(a_policy(), exchange(headers=headers))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(f"api_key={GOOD}", PASSED, id="a key that is known"),
        pytest.param(f"page=2&api_key={GOOD}&x", PASSED, id="among others"),
        pytest.param(f"api%5Fkey={GOOD}", PASSED, id="a name that is percent-encoded"),
        pytest.param(f"api_key=%61{GOOD[1:]}", PASSED, id="a key that is percent-encoded"),
        pytest.param("", MISSING, id="no query"),
        pytest.param("api_key", MISSING, id="no value"),
        pytest.param("api_key=", MISSING, id="an empty value"),
        pytest.param(f"API_KEY={GOOD}", MISSING, id="in other letters"),
        pytest.param(f"xapi_key={GOOD}", MISSING, id="a name that ends alike"),
        pytest.param(f"api_key={OTHER}", INVALID, id="another"),
        pytest.param(f"api_key={GOOD}&api_key={GOOD}", INVALID, id="twice"),
        pytest.param(f"api_key={GOOD}&api%5Fkey={OTHER}", INVALID, id="twice, once percent-encoded"),
        pytest.param(f"api_key={GOOD}&api_key=", INVALID, id="an empty one beside it"),
        pytest.param(f"api_key={GOOD}%00", INVALID, id="a NUL behind it"),
        pytest.param(f"api_key={GOOD}%0A", INVALID, id="a line end behind it"),
        pytest.param("api_key=%ff\udcfe", INVALID, id="bytes that are no text"),
    ],
)
async def test_a_key_in_the_query(query: str, expected: tuple[int, str | None]) -> None:
    policy = a_policy(query="api_key", format="^[0-9a-f]{64}$")

    assert expected == await answer(policy, exchange(query=query))


async def test_a_header_does_not_stand_for_the_query() -> None:
    assert MISSING == await answer(a_policy(query="api_key"), exchange(headers={"X-API-Key": GOOD}))


async def test_a_plus_in_a_query_is_a_space_and_an_encoded_one_is_a_plus() -> None:
    policy = a_policy(a_key(key="a+b"), query="token")

    answers = [await answer(policy, exchange(query=f"token={key}")) for key in ("a+b", "a%2Bb")]

    assert [INVALID, PASSED] == answers


async def test_a_key_need_not_be_text() -> None:
    policy = a_policy(a_key(key="\udcff"), query="token")

    assert PASSED == await answer(policy, exchange(query="token=%FF"))


@pytest.mark.parametrize(
    ("key", "cause"),
    [
        pytest.param("g" * 64, "it is not in the format", id="another letter"),
        pytest.param("a" * 63, "it is not in the format", id="too short"),
        pytest.param("a" * 65, "it is not in the format", id="too long"),
        pytest.param("c" * 64, "this key is not known", id="the right form"),
        pytest.param("a" * 1025, "longer than 1024 bytes", id="longer than any key"),
    ],
)
async def test_what_does_not_look_like_a_key_is_refused_for_that(key: str, cause: str) -> None:
    asked = exchange(headers={"X-API-Key": key})

    await route(a_policy(format="[0-9a-f]{64}")).respond(asked)

    assert asked.refusal is not None
    assert ("api_key.invalid", cause) == (asked.refusal.reason, asked.refusal.cause)


@pytest.mark.parametrize(
    ("expires", "expected"),
    [
        pytest.param(None, PASSED, id="never"),
        pytest.param(NOW + 0.001, PASSED, id="in a moment"),
        pytest.param(NOW, EXPIRED, id="now"),
        pytest.param(NOW - 86_400, EXPIRED, id="yesterday"),
    ],
)
async def test_a_key_is_good_until_it_expires(
    expires: float | None, expected: tuple[int, str | None]
) -> None:
    policy = a_policy(a_key(expires=expires))

    assert expected == await answer(policy, exchange(headers={"X-API-Key": GOOD}))


async def test_a_key_expires_while_the_process_runs() -> None:
    clock = FakeClock()
    policy = ApiKey(a_config(a_key(expires=NOW + 10)), fake_services(clock))
    before = await answer(policy, exchange(headers={"X-API-Key": GOOD}))

    await clock.advance(10)

    assert (PASSED, EXPIRED) == (before, await answer(policy, exchange(headers={"X-API-Key": GOOD})))


async def test_the_decision_tells_whose_key_expired_and_when() -> None:
    asked = exchange(headers={"X-API-Key": GOOD})

    await route(a_policy(a_key(expires=NOW))).respond(asked)

    assert asked.refusal is not None
    assert {"id": "acme", "expired": "2023-11-14T22:13:20Z"} == asked.refusal.facts


async def test_a_caller_may_change_from_one_key_to_the_next() -> None:
    policy = a_policy(a_key(key=GOOD, expires=NOW + 60), a_key(key=OTHER))

    answers = [await answer(policy, exchange(headers={"X-API-Key": key})) for key in (GOOD, OTHER)]

    assert [PASSED, PASSED] == answers


async def test_who_shows_a_key_is_known_by_its_id_and_attributes() -> None:
    asked = exchange(headers={"X-API-Key": OTHER})

    await route(a_policy(a_key(), a_key("globex", OTHER, plan="gold", seats=3))).respond(asked)

    assert asked.identity is not None
    assert ("globex", "api_key", {"plan": "gold", "seats": 3}) == (
        asked.identity.id,
        asked.identity.method,
        dict(asked.identity.claims),
    )


async def test_nobody_can_change_what_is_known_of_a_caller() -> None:
    asked = exchange(headers={"X-API-Key": GOOD})
    await route(a_policy(a_key(plan="gold"))).respond(asked)
    claims: Any = asked.identity and asked.identity.claims

    with pytest.raises(TypeError):
        claims["plan"] = "free"


async def test_who_is_refused_is_nobody() -> None:
    asked = exchange(headers={"X-API-Key": OTHER})

    await route(a_policy()).respond(asked)

    assert asked.identity is None


async def test_ten_thousand_keys_are_told_apart() -> None:
    policy = a_policy(*(a_key(f"customer-{number}", f"key {number}") for number in range(10_000)))
    seen = []
    for number in (0, 5_000, 9_999):
        asked = exchange(headers={"X-API-Key": f"key {number}"})
        await route(policy).respond(asked)
        seen.append(asked.identity and asked.identity.id)

    assert ["customer-0", "customer-5000", "customer-9999"] == seen
    assert INVALID == await answer(policy, exchange(headers={"X-API-Key": "key 10000"}))


def calls_of_a_look_up(count: int) -> int:
    """How many functions run, ours and Python's own, until one of so many keys is found."""
    policy = a_policy(*(a_key(f"c{number}", f"{number:064d}") for number in range(count)))
    found = [exchange(headers={"X-API-Key": f"{number:064d}"}) for number in (0, count - 1)]
    unknown = exchange(headers={"X-API-Key": OTHER})
    calls = 0

    def count_calls(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count_calls)
    try:
        identified = [policy.identify(asked) for asked in found]
        with suppress(Rejection):
            policy.identify(unknown)
    finally:
        sys.setprofile(None)
    assert ["c0", f"c{count - 1}"] == [each and each.id for each in identified]
    return calls


def test_a_look_up_among_ten_thousand_keys_takes_no_more_steps_than_among_ten() -> None:
    calls_of_a_look_up(10)  # what is remembered of header names is remembered

    assert calls_of_a_look_up(10) == calls_of_a_look_up(10_000)


@given(at=st.integers(0, 63), bit=st.integers(0, 7))
def test_no_changed_bit_of_a_key_is_accepted(at: int, bit: int) -> None:
    raw = bytearray(GOOD.encode())
    raw[at] ^= 1 << bit
    asked = exchange(query=f"token={quote(bytes(raw))}")

    with pytest.raises(Rejection, match=r"api_key\.invalid"):
        a_policy(query="token").identify(asked)


async def test_spellings_with_underscores_never_get_there_whether_or_not_a_key_is_shown() -> None:
    asked = exchange(headers={"X_API_Key": GOOD, "x-api_key": GOOD})

    assert (None, []) == (a_policy().identify(asked), list(asked.request.headers))


async def test_who_was_known_before_stays_who_it_is() -> None:
    asked = exchange(headers={"X-API-Key": GOOD})
    asked.identity = Identity("before", "authenticate")

    await answer(a_policy(), asked)

    assert "before" == asked.identity.id
