"""What differs on one route."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.route_changes import RouteChanges
from tests.config.kinds import ROUTE, START, loaded

DEFINED = "policies: {rate_limit: {one: {limit: 1}, two: {limit: 2}}}\n"


def changed(folder: Path, before: str, after: str) -> list[tuple[str, str, object, object]]:
    """Path, kind and values of what differs where `before` and `after` stand under a route's `rate_limit`."""
    texts = [f"{START}{DEFINED}{ROUTE}    policies: {{rate_limit: {uses}}}\n" for uses in (before, after)]
    old, new = (loaded(text, folder) for text in texts)
    found = RouteChanges(old, new).of(old.routes[0], new.routes[0])
    return [(each.path, each.kind, each.before, each.after) for each in found]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("[one, two]", "[two, one]", []),
        ("one", "two", [("rate_limit.use", "changed", "one", "two"),
                        ("rate_limit.limit", "changed", 1, 2)]),
        ("one", "[one, two]", [("rate_limit[two]", "added", None, {"limit": 2})]),
        ("[one, two]", "two", [("rate_limit[one]", "removed", {"limit": 1}, None)]),
        ("[one, {limit: 5}]", "[{limit: 6}, one]", [("rate_limit.limit", "changed", 5, 6)]),
        ("[one, {name: own, limit: 5}]", "[{name: own, limit: 6}, one]",
         [("rate_limit[own].limit", "changed", 5, 6)]),
        ("[{name: a, limit: 5}]", "[{name: b, limit: 5}]", [("rate_limit.name", "changed", "a", "b")]),
        ("[one, {name: a, limit: 5}]", "[one, {name: a, limit: 5, mode: disabled}]",
         [("rate_limit[a].mode", "changed", "enforce", "disabled")]),
        ("{limit: 5, mode: disabled}", "{limit: 6, mode: disabled}", []),
        ("{limit: 5, mode: disabled}", "null", []),
        ("null", "{limit: 5, mode: disabled}", []),
        ("{limit: 5, mode: disabled}", "{limit: 6}", [("rate_limit.mode", "changed", "disabled", "enforce")]),
    ],
)  # fmt: skip
def test_policies_of_one_kind_are_told_apart_by_their_names(
    tmp_path: Path, before: str, after: str, expected: list[object]
) -> None:
    assert expected == changed(tmp_path, before, after)


def test_another_upstream_is_told(tmp_path: Path) -> None:
    text = f"{START.replace('app:', 'other: {url: unix:/run/o}, app:')}{ROUTE}    upstream: app\n"
    old, new = loaded(text, tmp_path), loaded(text.replace("upstream: app", "upstream: other"), tmp_path)

    assert [("upstream", "changed", "app", "other", False)] == [
        *RouteChanges(old, new).of(old.routes[0], new.routes[0])
    ]


def test_what_has_no_route_is_compared_too(tmp_path: Path) -> None:
    old = loaded(f"{START}{ROUTE}no_route: {{security_headers: none}}\n", tmp_path)
    new = loaded(f"{START}{ROUTE}no_route: {{}}\n", tmp_path)

    assert [("security_headers", "removed", {"preset": "none"}, None, False)] == [
        *RouteChanges(old, new).of_no_route()
    ]
