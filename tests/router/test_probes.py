"""Requests that two routing tables are asked about."""

from __future__ import annotations

import pytest

from proxy.router import Match
from proxy.router.probes import Probe, probes_for, rerouted


def match(text: str, **conditions: tuple[tuple[str, str], ...]) -> Match:
    """`GET,POST a.example,b.example/path`."""
    methods, _, target = text.rpartition(" ")
    hosts, slash, path = target.partition("/")
    return Match(
        slash + path,
        frozenset(filter(None, methods.split(","))),
        tuple(filter(None, hosts.split(","))),
        **conditions,
    )


def moved(before: dict[str, Match], after: dict[str, Match]) -> set[str]:
    """`METHOD host/path: before → after`."""
    _, found = rerouted(before, after)
    return {f"{each.method} {each.host}{each.path}: {was} → {now}" for each, was, now in found}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param({"a": "GET /a"}, {"a": "GET /a"}, set(), id="nothing differs"),
        pytest.param(
            {"orders": "GET,POST /orders/**"},
            {"orders": "GET,POST /orders/**", "write": "POST /orders/{id}"},
            {"POST /orders/x: orders → write"},
            id="a more specific route comes",
        ),
        pytest.param({"a": "GET,PUT /a"}, {"a": "GET /a"}, {"PUT /a: a → 405"}, id="a method goes"),
        pytest.param({"a": "GET /a", "b": "GET /b"}, {"a": "GET /a"}, {"GET /b: b → 404"}, id="a route goes"),
        pytest.param({}, {"a": "GET /"}, {"GET /: 404 → a"}, id="a route comes"),
        pytest.param(
            {"one": "GET /a/{x}/c"},
            {"one": "GET /a/{x}/c", "two": "GET /a/b/{y}"},
            {"GET /a/b/c: one → two", "GET /a/b/x: 404 → two"},
            id="what belongs to two patterns",
        ),
        pytest.param(
            {"any": "GET /a"},
            {"any": "GET /a", "own": "GET *.example/a"},
            {"GET x.example/a: any → own"},
            id="a host of its own",
        ),
        pytest.param(
            {"wide": "GET *.example/a"},
            {"wide": "GET *.example/a", "deep": "GET api.example,*.x.example/**"},
            {
                "GET api.example/: 404 → deep",
                "GET api.example/x: 404 → deep",
                "GET api.example/x/x: 404 → deep",
                "GET x.x.example/: 404 → deep",
                "GET x.x.example/x: 404 → deep",
                "GET x.x.example/x/x: 404 → deep",
            },
            id="a wider path below a host, which the exact one still wins",
        ),
        pytest.param(
            {"a": "GET,PUT /a", "b": "GET,POST /a"},
            {"b": "GET,POST /a", "a": "GET,PUT /a"},
            {"GET /a: a → b"},
            id="the order of the file settles a tie",
        ),
        pytest.param(
            {"a": "GET /x"}, {"a": "GET /{id}"}, {"GET /x1: 404 → a"}, id="the sample is no literal"
        ),
        pytest.param(
            {"a": "GET /a", "h": "HEAD /b"},
            {"h": "HEAD /b"},
            {"GET /a: a → 404", "HEAD /a: a → 404"},
            id="HEAD goes with GET where somebody lists it",
        ),
        pytest.param(
            {"a": "GET /Admin"}, {"a": "GET /Admin", "b": "GET /{x}"}, {"GET /x: 404 → b"}, id="another case"
        ),
    ],
)
def test_what_would_go_elsewhere_is_found(
    before: dict[str, str], after: dict[str, str], expected: set[str]
) -> None:
    old, new = ({name: match(text) for name, text in each.items()} for each in (before, after))

    assert expected == moved(old, new)


def test_headers_and_query_are_those_of_the_match() -> None:
    plain = match("GET /a")
    tenant = match("GET /a", headers=(("X-Tenant", "acme"),), query=(("v", "2"),))
    tried, found = rerouted({"plain": plain}, {"plain": plain, "tenant": tenant})

    assert [(Probe("GET", "/a", "", tenant.query, tenant.headers), "plain", "tenant")] == found
    assert 2 == tried


def test_a_route_with_other_values_has_nothing_in_common() -> None:
    one, other = (match("GET /a", headers=(("X-Tenant", tenant),)) for tenant in ("acme", "other"))

    assert {"acme", "other"} == {
        value for probe in probes_for({"one": one}, {"other": other}) for _, value in probe.headers
    }


def test_two_conditions_are_asked_for_together() -> None:
    one, other = match("GET /a", headers=(("X-A", "1"),)), match("GET /a", headers=(("X-B", "1"),))
    both = Probe("GET", "/a", "", (), (("X-A", "1"), ("X-B", "1")))

    assert both in set(probes_for({"one": one}, {"one": one, "other": other}))


def test_a_path_that_can_be_read_in_two_ways_counts_as_refused() -> None:
    before = {"a": match("GET /files/Report")}
    after = {"a": match("GET /files/{x}"), "b": match("GET /files/report")}

    assert "GET /files/Report: a → 400" in moved(before, after)


def test_a_route_without_methods_is_asked_with_the_usual_ones_and_those_of_others() -> None:
    asked = {probe.method for probe in probes_for({"any": match("/a")}, {"other": match("PURGE /b")})}

    assert {"GET", "POST", "PURGE"} == asked
