"""Queries of the admin API are taken as they are documented."""

from __future__ import annotations

import pytest

from proxy.admin.endpoints import DecisionsQuery, NoQuery, ShadowQuery, read_query
from proxy.errors import Rejection


def test_what_is_not_asked_for_has_its_default() -> None:
    assert (DecisionsQuery(100, "", ""), ShadowQuery(100, "", "", 5)) == (
        read_query(DecisionsQuery, []),
        read_query(ShadowQuery, []),
    )


def test_what_is_asked_for_is_taken() -> None:
    pairs = [("limit", "7"), ("route", "null"), ("reason", "1")]

    assert DecisionsQuery(7, "null", "1") == read_query(DecisionsQuery, pairs)


@pytest.mark.parametrize(
    ("kind", "pairs", "detail"),
    [
        pytest.param(ShadowQuery, [("limit", "0")], "limit: expected `int` >= 1.", id="too small"),
        pytest.param(ShadowQuery, [("examples", "6")], "examples: expected `int` <= 5.", id="too large"),
        pytest.param(ShadowQuery, [("limit", "x")], "limit: expected `int`, got `str`.", id="no number"),
        pytest.param(
            DecisionsQuery, [("route", "")], "route: expected `str` of length >= 1.", id="an empty filter"
        ),
        pytest.param(
            DecisionsQuery,
            [("reason", "x" * 201)],
            "reason: expected `str` of length <= 200.",
            id="a filter that is too long",
        ),
        pytest.param(NoQuery, [("a", "1")], "Object contains unknown field `a`.", id="unknown"),
        pytest.param(ShadowQuery, [("limit", "1")] * 2, "`limit` is given twice.", id="twice"),
    ],
)
def test_a_bad_query_is_refused_with_what_was_expected(
    kind: type, pairs: list[tuple[str, str]], detail: str
) -> None:
    with pytest.raises(Rejection) as raised:
        read_query(kind, pairs)

    assert (400, "admin.parameter", detail) == (
        raised.value.status,
        raised.value.reason,
        raised.value.detail,
    )
