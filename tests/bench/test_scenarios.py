"""What is asked for."""

from __future__ import annotations

import pytest

from bench.scenarios import ROUTED_PATHS, SCENARIOS, TITLES, routed, routes_yaml


@pytest.mark.parametrize("routes", [10, 1000])
def test_different_paths_reach_every_route_equally_often(routes: int) -> None:
    paths = routed(routes).paths

    reached = [path.split("/")[2] for path in paths]
    assert ROUTED_PATHS == len(set(paths))
    assert {ROUTED_PATHS // routes} == {reached.count(f"r{number}") for number in (0, 1, routes - 1)}


def test_a_route_is_written_for_each_number() -> None:
    assert [
        '  - {name: r0, match: {path: "/routes/r0/items/{id}", methods: [GET]}}',
        '  - {name: r1, match: {path: "/routes/r1/items/{id}", methods: [GET]}}',
    ] == routes_yaml(2).splitlines()


def test_only_what_has_a_body_is_posted() -> None:
    assert {"post": "POST"} == {one.name: one.method for one in SCENARIOS if one.method != "GET"}


def test_every_test_has_a_title() -> None:
    assert [*(scenario.name for scenario in SCENARIOS), "routes"] == list(TITLES)
