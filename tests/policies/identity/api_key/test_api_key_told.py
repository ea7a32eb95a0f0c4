"""What a client, the application and an operator are told of a key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.policies.identity.api_key.keys import Key
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import FakeUpstream, exchange, route
from tests.policies.identity.callers import (
    GOOD,
    NOW,
    OTHER,
    a_config,
    a_key,
    a_policy,
    passed_on,
)
from tests.policies.reading import fields


@pytest.mark.parametrize(
    ("settings", "challenge"),
    [
        pytest.param({}, 'ApiKey header="X-API-Key"', id="the usual header"),
        pytest.param({"header": "X-Token"}, 'ApiKey header="X-Token"', id="another header"),
        pytest.param({"query": 'to"ken'}, 'ApiKey query="to%22ken"', id="a parameter"),
    ],
)
@pytest.mark.parametrize("key", ["", OTHER, GOOD])
async def test_a_client_is_told_where_a_key_belongs(
    settings: dict[str, Any], challenge: str, key: str
) -> None:
    policy = a_policy(a_key(expires=NOW), **settings)
    name = settings.get("header", "X-API-Key")

    response = await route(policy).respond(exchange(headers={name: key}, query=f"to%22ken={key}"))

    assert [challenge] == fields(response)["www-authenticate"]


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({}, "the header X-API-Key"),
        ({"header": "X-Key"}, "the header X-Key"),
        ({"query": "token"}, "the parameter token"),
    ],
)
async def test_who_shows_no_key_is_told_where_it_is_missing(settings: dict[str, Any], place: str) -> None:
    response = await route(a_policy(**settings)).respond(exchange())

    assert isinstance(response.content, bytes)
    assert f"This service wants an API key in {place}." == json.loads(response.content)["detail"]


@pytest.mark.parametrize("place", [{"header": "X-Key"}, {"query": "token"}], ids=["header", "query"])
async def test_a_refused_key_is_nowhere_in_what_is_told_of_it(place: dict[str, Any]) -> None:
    asked = exchange(headers={"X-Key": OTHER}, query=f"token={OTHER}")

    response = await route(a_policy(**place)).respond(asked)

    assert asked.refusal is not None
    told = f"{response.content!r} {list(response.headers)} {asked.refusal} {asked.refusal.facts}"
    assert OTHER not in told


@pytest.mark.parametrize(
    ("hidden", "left"),
    [
        pytest.param(False, [(b"x-api-KEY", GOOD.encode()), (b"X-Other_Name", b"1")], id="not asked for"),
        pytest.param(True, [(b"X-Other_Name", b"1")], id="asked for"),
    ],
)
async def test_a_header_is_hidden_where_that_is_asked_for_and_its_lookalikes_always(
    hidden: bool, left: list[tuple[bytes, bytes]]
) -> None:
    headers = {"x-api-KEY": GOOD, "X_API_Key": OTHER, "X-Api_Key": OTHER, "X-Other_Name": "1"}

    upstream = await passed_on(a_policy(hide_credentials=hidden), exchange(headers=headers))

    assert left == list(upstream.seen[0].headers)


@pytest.mark.parametrize(
    ("query", "left"),
    [
        pytest.param(f"api_key={GOOD}", "/p", id="alone"),
        pytest.param(f"api_key={GOOD}&b=%20+&&c", "/p?b=%20+&&c", id="first"),
        pytest.param(f"b=1&api%5Fkey={GOOD}", "/p?b=1", id="last, with a name that is percent-encoded"),
        pytest.param(f"b=\udcff&api_key={GOOD}", "/p?b=\udcff", id="beside bytes that are no text"),
    ],
)
async def test_a_parameter_is_hidden_and_the_others_stay_byte_for_byte(query: str, left: str) -> None:
    asked = exchange(path="/p", query=query)

    upstream = await passed_on(a_policy(query="api_key", hide_credentials=True), asked)

    assert (left, left.partition("?")[2]) == (upstream.seen[0].target, upstream.seen[0].query)


async def test_a_parameter_stays_where_nothing_else_is_asked_for() -> None:
    upstream = await passed_on(a_policy(query="api_key"), exchange(path="/p", query=f"api_key={GOOD}"))

    assert f"/p?api_key={GOOD}" == upstream.seen[0].target


async def test_in_shadow_a_request_passes_as_it_is_and_what_is_wrong_is_reported() -> None:
    policy = Hooks.of(a_policy(query="token", hide_credentials=True))
    wrong, right = exchange(path="/p", query=f"token={OTHER}"), exchange(path="/p", query=f"token={GOOD}")
    upstream = FakeUpstream(200)
    pipeline = route(in_shadow("api_key", policy), upstream=upstream)

    statuses = [(await pipeline.respond(asked)).status for asked in (wrong, right)]

    assert [200, 200] == statuses
    assert [f"/p?token={OTHER}", f"/p?token={GOOD}"] == [request.target for request in upstream.seen]
    assert ["api_key.invalid"] == [each.reason for each in wrong.shadowed or []]
    assert (None, None) == (right.shadowed, right.identity)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        pytest.param((a_key(),), "1 key is known", id="one"),
        pytest.param((a_key(), a_key(key=OTHER)), "2 keys are known", id="two"),
        pytest.param(
            (a_key(expires=NOW + 60), a_key(key=OTHER, expires=NOW)),
            "2 keys are known, and the first ends at 2023-11-14T22:13:20Z",
            id="two that end",
        ),
    ],
)
def test_what_it_comes_to_in_words(keys: tuple[Key, ...], words: str) -> None:
    assert (words,) == a_config(*keys).in_words()
