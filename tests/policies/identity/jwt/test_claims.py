"""What a token must say of the request."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.policies.identity.jwt.claims import RequestFact, Times, id_in, is_for, times_of
from proxy.policies.identity.jwt.token import Wrong
from tests.policies.identity.tokens import (
    FORBIDDEN,
    PASSED,
    a_policy,
    answer,
    bearing,
    token,
)


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
    ("claims", "expected"),
    [
        pytest.param({}, Times(None, None, None), id="none"),
        pytest.param({"exp": 3, "nbf": 1.5, "iat": 0}, Times(3.0, 1.5, 0.0), id="numbers"),
        pytest.param({"exp": None}, "`exp` is no time", id="null"),
        pytest.param({"nbf": "3"}, "`nbf` is no time", id="a text"),
        pytest.param({"iat": True}, "`iat` is no time", id="true"),
        pytest.param({"exp": -1}, "`exp` is no time", id="before 1970"),
        pytest.param({"exp": 2**60}, "`exp` is no time", id="far away"),
    ],
)
def test_times(claims: dict[str, Any], expected: Any) -> None:
    try:
        found: Any = times_of(claims)
    except Wrong as wrong:
        found = str(wrong)

    assert expected == found


@pytest.mark.parametrize(
    ("stated", "mine", "expected"),
    [
        pytest.param({}, [], True, id="nobody, and nobody is asked for"),
        pytest.param({}, ["a"], False, id="nobody"),
        pytest.param({"aud": "a"}, ["a", "b"], True, id="one of ours"),
        pytest.param({"aud": ["x", "a"]}, ["a"], True, id="several"),
        pytest.param({"aud": "a"}, [], False, id="somebody, and nobody is asked for"),
        pytest.param({"aud": ["a", 1]}, ["a"], False, id="a number among them"),
        pytest.param({"aud": {}}, ["a"], False, id="an object"),
    ],
)
def test_for_whom_it_is(stated: dict[str, Any], mine: list[str], expected: bool) -> None:
    assert expected is is_for(stated, frozenset(mine))


@pytest.mark.parametrize("value", [None, 7, "", "a" * 257, "a\x00b", ["a"]])
def test_who_is_nobody(value: Any) -> None:
    with pytest.raises(Wrong, match="no text, empty or too long"):
        id_in({"sub": value}, "sub")


@pytest.mark.parametrize("value", ["acme", "auth.id", "path.", "path.a-b", "header:a b", "body:/a", "", 7])
def test_what_no_claim_is_compared_with(value: Any) -> None:
    with pytest.raises(ValueError, match="or a list of values"):
        RequestFact.parse(value)


@pytest.mark.parametrize("value", ["path.org", "header:X-Org", "query:org"])
def test_what_a_claim_may_be_compared_with(value: str) -> None:
    assert value == RequestFact.parse(value)
