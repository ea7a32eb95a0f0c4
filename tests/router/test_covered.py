"""Routes that no request can reach."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.headers import Headers
from proxy.router import Entry, Found, Match, RoutingTable
from proxy.router.covered import never_reached
from proxy.router.probes import Probe, probes_for


def match(text: str, header: str = "", query: str = "") -> Match:
    """`GET,POST a.example,b.example/path`."""
    methods, _, target = text.rpartition(" ")
    hosts, slash, path = target.partition("/")
    return Match(
        slash + path,
        frozenset(filter(None, methods.split(","))),
        tuple(filter(None, hosts.split(","))),
        (("X-A", header),) if header else (),
        (("q", query),) if query else (),
    )


@pytest.mark.parametrize(
    ("matches", "expected"),
    [
        pytest.param(["GET,POST /a", "GET /a"], [(1, (0,))], id="its methods are another's too"),
        pytest.param(["GET /a", "GET,POST /a"], [], id="one of its methods is its own"),
        pytest.param(["GET /a", "POST,PUT /a", "GET,PUT /a"], [(2, (0, 1))], id="two share its methods"),
        pytest.param(["GET,POST /a", "/a"], [], id="every method is more than any list"),
        pytest.param(["GET,POST /a/{x}", "GET /a/{y}"], [(1, (0,))], id="another name of a parameter"),
        pytest.param(["GET,POST /a/**", "GET /a/**"], [(1, (0,))], id="all below a path"),
        pytest.param(["GET,POST /a/**", "GET /a/{x}"], [], id="a narrower path"),
        pytest.param(["a.example,b.example/a", "a.example/a"], [(1, (0,))], id="its host is another's too"),
        pytest.param(["a.example/a", "a.example,b.example/a"], [], id="one of its hosts is its own"),
        pytest.param(["*.example/a", "a.example/a"], [], id="a wildcard is less specific"),
        pytest.param(["GET,POST *.x.example/a", "GET *.x.example/a"], [(1, (0,))], id="the same wildcard"),
        pytest.param(["GET /a", "GET,HEAD /a"], [], id="HEAD is its own where it says so"),
        pytest.param(["GET,POST /a", "PUT /a"], [], id="other methods"),
        pytest.param(["GET,POST /a", "GET /b"], [], id="another path"),
        pytest.param([match("GET,PUT /a", "1"), match("GET /a", "1")], [(1, (0,))], id="the same header"),
        pytest.param([match("GET,PUT /a", "1"), match("GET /a", "2")], [], id="another value of a header"),
        pytest.param(
            [match("GET,PUT /a", "", "1"), match("GET /a", "", "1")], [(1, (0,))], id="the same query"
        ),
        pytest.param([match("GET,PUT /a", "1"), match("GET /a", "", "1")], [], id="a header against a query"),
    ],
)
def test_a_route_is_told_of_where_others_take_all_its_requests(
    matches: list[Match | str], expected: list[tuple[int, tuple[int, ...]]]
) -> None:
    assert expected == [*never_reached([match(each) if isinstance(each, str) else each for each in matches])]


_MATCHES = st.lists(
    st.builds(
        Match,
        st.sampled_from(["/a", "/a/**", "/{x}", "/a/{x}", "/{x}/b"]),
        st.frozensets(st.sampled_from(["GET", "POST"])),
        st.sampled_from([(), ("a.example",), ("*.example",), ("a.example", "b.example")]),
        st.sampled_from([(), (("X-A", "1"),), (("X-A", "2"),)]),
        st.sampled_from([(), (("q", "1"),)]),
    ),
    min_size=1,
    max_size=6,
    unique=True,
)


@settings(max_examples=150, deadline=None)
@given(_MATCHES)
def test_no_probe_reaches_what_is_said_to_be_out_of_reach(matches: list[Match]) -> None:
    table = RoutingTable(Entry(each, number) for number, each in enumerate(matches))
    dead = {number for number, _ in never_reached(matches)}
    named = {str(number): each for number, each in enumerate(matches)}

    assert set() == {_found(table, probe) for probe in probes_for({}, named)} & dead


def _found(table: RoutingTable[int], probe: Probe) -> int | None:
    headers = Headers([(name.encode(), value.encode()) for name, value in probe.headers])
    query = "&".join("=".join(pair) for pair in probe.query)
    found = table.find(probe.method, probe.host, probe.path, query, headers)
    return found.target if isinstance(found, Found) else None
