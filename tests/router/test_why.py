"""Why one route and not another; and that it is the table which decides."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import Rejection
from proxy.headers import Headers
from proxy.router import Entry, Found, Match, Missing, RoutingTable, normalize
from proxy.router.rules import About
from proxy.router.why import Finding, Miss, why

GET = About("GET", "a.test", "", Headers())


def asked(path: str, about: About = GET, *matches: Match) -> list[Finding[str]]:
    """The target of each is its path, and its methods where there are some."""
    return why([Entry(match, name(match)) for match in matches], normalize(path), about)


def name(match: Match) -> str:
    return " ".join([*sorted(match.methods), match.path])


@pytest.mark.parametrize(
    ("match", "misses"),
    [
        pytest.param(Match("/b"), [Miss("path", "", ("/b",), ("/a",))], id="the path"),
        pytest.param(Match("/{x}/c"), [Miss("path", "", ("/{x}/c",), ("/a",))], id="a longer path"),
        pytest.param(
            Match("/a", frozenset({"POST", "PUT"})),
            [Miss("method", "", ("POST", "PUT"), ("GET",))],
            id="the method",
        ),
        pytest.param(
            Match("/a", hosts=("b.test", "*.a.test")),
            [Miss("host", "", ("b.test", "*.a.test"), ("a.test",))],
            id="the host",
        ),
        pytest.param(
            Match("/a", headers=(("X-A", "1"), ("X-B", "2"))),
            [Miss("header", "X-A", ("1",), ("2", "3")), Miss("header", "X-B", ("2",), ())],
            id="a header with other values, and one that is not there",
        ),
        pytest.param(
            Match("/a", query=(("v", "1"), ("w", ""))),
            [Miss("query", "v", ("1",), ("2",))],
            id="a query parameter",
        ),
        pytest.param(
            Match("/a", frozenset({"POST"}), ("b.test",)),
            [Miss("method", "", ("POST",), ("GET",)), Miss("host", "", ("b.test",), ("a.test",))],
            id="all that is missing",
        ),
        pytest.param(Match("/b", frozenset({"POST"})), [Miss("path", "", ("/b",), ("/a",))], id="path first"),
        pytest.param(Match("/**"), [], id="nothing"),
    ],
)
def test_what_a_request_lacks_for_a_route_is_told(match: Match, misses: list[Miss]) -> None:
    about = About("GET", "a.test", "v=2&w=", Headers([(b"x-a", b"2"), (b"X-A", b"3")]))

    (finding,) = asked("/a", about, match)

    assert (misses, all(miss.condition != "path" for miss in misses)) == (
        list(finding.misses),
        finding.same_path,
    )


def test_routes_that_match_too_are_less_specific_than_the_one_that_is_taken() -> None:
    findings = asked("/a/b", GET, Match("/**"), Match("/a/{x}"), Match("/a/b", frozenset({"POST"})))

    assert [("POST /a/b", 1, None), ("/a/{x}", 0, None), ("/**", 0, "/a/{x}")] == [
        (each.target, len(each.misses), each.less_specific_than) for each in findings
    ]


def test_get_is_head_too_but_for_a_route_of_its_own() -> None:
    head = GET._replace(method="HEAD")
    get, own = Match("/a", frozenset({"GET"})), Match("/a", frozenset({"HEAD"}))

    assert [()] == [each.misses for each in asked("/a", head, get)]
    assert {"GET /a": 1, "HEAD /a": 0} == {
        each.target: len(each.misses) for each in asked("/a", head, get, own)
    }


def test_of_a_preflight_neither_headers_nor_the_query_are_asked() -> None:
    match = Match("/a", frozenset({"POST"}), headers=(("X-A", "1"),), query=(("v", "1"),))

    (finding,) = asked("/a", About("POST", "a.test", "", None), match)

    assert () == finding.misses


SEGMENTS = st.sampled_from(["a", "b", "B", "{x}", "{y}"])
PATHS = st.builds(
    lambda parts, end: "/" + "/".join(dict.fromkeys(parts)) + end,
    st.lists(SEGMENTS, min_size=1, max_size=3),
    st.sampled_from(["", "", "/**", "/"]),
).map(lambda path: path.replace("//", "/"))
METHODS = st.sampled_from(["GET", "HEAD", "POST"])
MATCHES = st.builds(
    Match,
    PATHS | st.just("/**"),
    st.frozensets(METHODS, max_size=2),
    st.sampled_from([(), (), ("a.test",), ("*.test",)]),
    st.sampled_from([(), (), (("X-A", "1"),), (("X-A", "1"), ("X-B", "1"))]),
    st.sampled_from([(), (), (("v", "1"),)]),
)
ASKED = st.builds(
    About,
    METHODS,
    st.sampled_from(["a.test", "b.test", "test", "a.test."]),
    st.sampled_from(["", "v=1", "v=2&v=1", "v=%31"]),
    st.sampled_from(
        [
            None,
            Headers(),
            Headers([(b"x-a", b"1")]),
            Headers([(b"X-A", b"2"), (b"X-A", b"1"), (b"X-B", b"1")]),
        ]
    ),
)
REQUESTED = st.builds(
    lambda parts, end: "/" + "/".join(parts) + end,
    st.lists(st.sampled_from(["a", "b", "B", "a;v", "c"]), max_size=4),
    st.sampled_from(["", "", "/"]),
).map(lambda path: path.replace("//", "/"))


def decided(entries: list[Entry[int]], path: str, about: About) -> Found[int] | Missing | Rejection:
    """What the table says."""
    preflight = about.method if about.headers is None else None
    method = "OPTIONS" if preflight else about.method
    try:
        return RoutingTable(entries).find(
            method, about.host, path, about.query, about.headers or Headers(), preflight
        )
    except Rejection as rejection:
        return rejection


@settings(deadline=None, max_examples=300)
@given(matches=st.lists(MATCHES, max_size=6), path=REQUESTED, about=ASKED)
def test_the_first_route_without_misses_is_the_one_that_the_table_finds(
    matches: list[Match], path: str, about: About
) -> None:
    entries = [Entry(match, number) for number, match in enumerate(matches)]

    findings = why(entries, normalize(path), about)

    decision = decided(entries, normalize(path), about)
    matching = [finding.target for finding in findings if not finding.misses]
    lacking = [finding.misses for finding in findings if finding.misses]
    only_method = [misses[0].expected for misses in lacking if [m.condition for m in misses] == ["method"]]
    if isinstance(decision, Found):
        assert decision.target == matching[0]
        assert [decision.target] * (len(matching) - 1) == [
            finding.less_specific_than for finding in findings if finding.less_specific_than is not None
        ]
    elif isinstance(decision, Missing):
        assert ([], set(decision.allowed)) == (matching, {method for some in only_method for method in some})
    else:  # there is a route, and another one for a lenient upstream
        assert decision.cause.startswith(f"as written it is {matches[matching[0]].path}, ")
