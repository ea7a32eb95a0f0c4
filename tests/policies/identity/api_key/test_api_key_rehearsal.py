"""Keys in a rehearsal, where nobody has the real ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from proxy.policies.identity.api_key import ApiKey, ApiKeyConfig, rehearsed_with, sign_with_key
from proxy.policies.identity.api_key.keys import KeysDocument, KeysFile
from proxy.policy import Unsigned
from proxy.testing import exchange, fake_services
from tests.policies.identity.callers import (
    EXPIRED,
    GOOD,
    INVALID,
    NOW,
    OTHER,
    PASSED,
    a_config,
    a_key,
    answer,
)


def signed(config: ApiKeyConfig, credentials: Mapping[str, str], target: str = "/p") -> Unsigned:
    unsigned = Unsigned("GET", target, [("x-api-key", "old"), ("Accept", "*/*")])
    sign_with_key(config, unsigned, credentials)
    return unsigned


def test_a_rehearsal_shows_the_key_of_the_first_caller_that_has_one() -> None:
    config = a_config(a_key("acme"), a_key("globex", OTHER))

    unsigned = signed(config, {"globex": "test-key", "initech": "x"})

    assert [("Accept", "*/*"), ("X-API-Key", "test-key")] == unsigned.headers


@pytest.mark.parametrize(
    ("target", "signed_target"), [("/p", "/p?api_key=a%26b%20"), ("/p?q=1", "/p?q=1&api_key=a%26b%20")]
)
def test_a_rehearsal_puts_a_key_into_the_query(target: str, signed_target: str) -> None:
    assert signed_target == signed(a_config(query="api_key"), {"acme": "a&b "}, target).target


@pytest.mark.parametrize(
    ("settings", "credentials", "told"),
    [
        pytest.param({}, {"globex": "x"}, "for one of acme", id="nobody's"),
        pytest.param({"format": "[0-9]+"}, {"acme": "x"}, "credential of acme is not in", id="another form"),
    ],
)
def test_what_a_rehearsal_cannot_show(
    settings: dict[str, Any], credentials: dict[str, str], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        signed(a_config(**settings), credentials)


async def test_in_a_rehearsal_the_test_has_the_keys() -> None:
    file = KeysFile("keys.yaml").holding(KeysDocument(keys=(a_key("globex", OTHER),)))
    config = rehearsed_with(
        a_config(a_key("acme"), a_key("initech", "i"), keys_file=file), {"acme": "test-a", "globex": "test-g"}
    )
    policy = ApiKey(config, fake_services())

    answers = [
        await answer(policy, exchange(headers={"X-API-Key": key}))
        for key in ("test-a", "test-g", GOOD, OTHER, "i")
    ]

    assert [PASSED, PASSED, INVALID, INVALID, PASSED] == answers


async def test_in_a_rehearsal_the_test_has_the_key_that_lasts_longest() -> None:
    config = rehearsed_with(
        a_config(a_key(key="old", expires=NOW - 1), a_key(key="new"), a_key(key="next", expires=NOW + 9)),
        {"acme": "test"},
    )
    policy = ApiKey(config, fake_services())

    answers = [
        await answer(policy, exchange(headers={"X-API-Key": key})) for key in ("test", "old", "new", "next")
    ]

    assert [PASSED, EXPIRED, INVALID, PASSED] == answers
