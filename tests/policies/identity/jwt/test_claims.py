"""What a token must say of the request."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.policies.identity.jwt.claims import RequestFact
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
