import gc
import weakref
from urllib.parse import parse_qsl

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.errors import Rejection
from proxy.headers import Headers
from proxy.router import Entry, Found, Match, Missing, RoutingTable, normalize
from proxy.router.paths import REMEMBERED_LENGTH, REMEMBERED_PATHS

ANY = Headers()


def table(*matches):
    """Each target is the route's path and its methods: `GET,POST /a`."""
    entries = []
    for match in matches:
        if isinstance(match, str):
            methods, _, path = match.rpartition(" ")
            match = Match(path, frozenset(methods.split(",")) if methods else frozenset())  # noqa: PLW2901
        entries.append(
            Entry(match, ",".join(sorted(match.methods)) + " " + match.path if match.methods else match.path)
        )
    return RoutingTable(entries)


def ask(routes, request, headers=ANY, preflight=None):
    """`request` is `GET /path?query`, with the host in front of the path."""
    method, _, target = request.partition(" ")
    host, _, rest = target.partition("/")
    path, _, query = rest.partition("?")
    return routes.find(method, host, normalize("/" + path), query, headers, preflight)


@pytest.mark.parametrize(
    ("routes", "path", "expected"),
    [
        pytest.param(["/a/b"], "/a/b", Found("/a/b", {}), id="a literal path"),
        pytest.param(["/"], "/", Found("/", {}), id="the root"),
        pytest.param(["/a/{x}/c"], "/a/1/c", Found("/a/{x}/c", {"x": "1"}), id="a parameter"),
        pytest.param(["/{x}/{y}"], "/1/2", Found("/{x}/{y}", {"x": "1", "y": "2"}), id="two parameters"),
        pytest.param(
            ["/a/{x}/**"], "/a/1/c/d", Found("/a/{x}/**", {"x": "1"}), id="a parameter and all below"
        ),
        pytest.param(
            ["/a/{x}"], "/a/B%20b", Found("/a/{x}", {"x": "B b"}), id="a decoded value, its case kept"
        ),
        pytest.param(
            ["/a/{x}"], "/a/1;v=2", Found("/a/{x}", {"x": "1;v=2"}), id="a value with parameters of its own"
        ),
        pytest.param(["/a/**"], "/a", Found("/a/**", {}), id="all below is also the place itself"),
        pytest.param(["/a/**"], "/a/", Found("/a/**", {}), id="and the place with a slash"),
        pytest.param(["/a/**"], "/a/b/c/d/e", Found("/a/**", {}), id="and what is far below"),
        pytest.param(["/**"], "/", Found("/**", {}), id="everything is also the root"),
        pytest.param(["/a/b"], "/a//b", Found("/a/b", {}), id="double slashes are merged"),
        pytest.param(["/caf\u00e9"], "/caf%c3%a9", Found("/caf\u00e9", {}), id="a decoded path"),
        pytest.param(["/a"], "/b", Missing(), id="another path"),
        pytest.param(["/a"], "/a/b", Missing(), id="below a literal path"),
        pytest.param(["/a/b"], "/a", Missing(), id="above a literal path"),
        pytest.param(["/a/{x}"], "/a/1/2", Missing(), id="more segments than asked for"),
        pytest.param(["/a/{x}"], "/a/", Missing(), id="a parameter is not empty"),
        pytest.param(["/a"], "/a/", Missing(), id="a slash at the end"),
        pytest.param(["/a/**"], "/ab", Missing(), id="a prefix ends at a slash"),
        pytest.param([], "/", Missing(), id="no routes"),
    ],
)
def test_a_path_belongs_to(routes, path, expected):
    assert expected == ask(table(*routes), "GET " + path)


@pytest.mark.parametrize(
    ("routes", "request_", "expected"),
    [
        pytest.param(["/**", "/a/{x}", "/a/b"], "GET /a/b", "/a/b", id="the exact one"),
        pytest.param(["/**", "/a/**", "/a/{x}"], "GET /a/b", "/a/{x}", id="the closed one"),
        pytest.param(["/**", "/a/**", "/a/b/**"], "GET /a/b/c", "/a/b/**", id="the longer prefix"),
        pytest.param(["/{x}/b/c", "/a/{x}/{y}"], "GET /a/b/c", "/{x}/b/c", id="more literal segments"),
        pytest.param(
            ["GET /a/b", "/a/{x}"], "POST /a/b", "/a/{x}", id="the next where the method is not listed"
        ),
        pytest.param(
            ["GET /a/{x}", "GET /{x}/b", "/**"], "PUT /a/b", "/**", id="the last where none lists it"
        ),
        pytest.param(["POST /a/{x}/c", "GET /{x}/b/c"], "GET /a/b/c", "GET /{x}/b/c", id="in another branch"),
        pytest.param(["GET /a"], "HEAD /a", "GET /a", id="that of GET for HEAD"),
        pytest.param(["GET /a", "HEAD /a"], "HEAD /a", "HEAD /a", id="HEAD's own"),
    ],
)
def test_the_most_specific_route_wins(routes, request_, expected):
    for order in (routes, routes[::-1]):
        assert expected == ask(table(*order), request_).target


def test_of_equally_specific_routes_the_first_in_the_file_wins():
    first, second = Match("/a", headers=(("A", "1"),)), Match("/a", headers=(("B", "1"),))
    both = Headers([(b"A", b"1"), (b"B", b"1")])

    routes = RoutingTable([Entry(first, "first"), Entry(second, "second")])

    assert "first" == ask(routes, "GET /a", both).target


@pytest.mark.parametrize(
    ("routes", "request_", "expected"),
    [
        pytest.param(["GET /a", "POST /a"], "PUT /a", ("GET", "HEAD", "POST"), id="all that the path has"),
        pytest.param(
            ["GET /a/b", "POST /a/{x}"], "PUT /a/b", ("GET", "HEAD", "POST"), id="of each route of the path"
        ),
        pytest.param(["GET /a"], "GET /b", (), id="none of another path"),
        pytest.param(["POST /a"], "HEAD /a", ("POST",), id="HEAD where only POST is"),
        pytest.param(
            [Match("/a", frozenset({"GET"}), ("a.com",))], "PUT b.com/a", (), id="none of another host"
        ),
        pytest.param(
            [Match("/a", frozenset({"GET"}), query=(("v", "1"),))],
            "PUT /a?v=2",
            (),
            id="none of another query",
        ),
    ],
)
def test_methods_that_would_have_a_route_are_told(routes, request_, expected):
    assert Missing(expected) == ask(table(*routes), request_)


def test_a_route_whose_conditions_fail_is_passed_over():
    acme = Match("/a", headers=(("X-Tenant", "acme"),))
    beta = Match("/a", query=(("beta", "1"),))
    own = Match("/a", hosts=("*.example.com",))
    routes = RoutingTable(
        [Entry(acme, "acme"), Entry(beta, "beta"), Entry(own, "own"), Entry(Match("/a"), "rest")]
    )

    assert ["acme", "beta", "own", "rest"] == [
        ask(routes, "GET /a", Headers([(b"x-tenant", b"acme")])).target,
        ask(routes, "GET /a?beta=1").target,
        ask(routes, "GET x.example.com/a").target,
        ask(routes, "GET example.com/a?beta=2", Headers([(b"x-tenant", b"other")])).target,
    ]


PREFLIGHTS = [
    pytest.param(["POST /a", "/**"], "POST", "POST /a", id="where the announced method would go"),
    pytest.param(["POST /a", "/**"], "PUT", "/**", id="elsewhere for another method"),
    pytest.param(["OPTIONS /a", "POST /a"], "POST", "POST /a", id="not where OPTIONS is listed"),
    pytest.param(["GET /a"], "HEAD", "GET /a", id="with GET for HEAD"),
]


@pytest.mark.parametrize(("routes", "announced", "expected"), PREFLIGHTS)
def test_a_preflight_goes(routes, announced, expected):
    assert expected == ask(table(*routes), "OPTIONS /a", preflight=announced).target


def test_a_preflight_is_routed_without_headers_and_query_but_with_its_host():
    narrow = Match("/a", frozenset({"PUT"}), ("a.com",), (("X-A", "1"),), (("a", "1"),))
    routes = RoutingTable([Entry(narrow, "narrow"), Entry(Match("/a"), "wide")])

    assert ["narrow", "wide", "wide"] == [
        ask(routes, "OPTIONS a.com/a", preflight="PUT").target,
        ask(routes, "OPTIONS b.com/a", preflight="PUT").target,
        ask(routes, "PUT a.com/a").target,
    ]


def test_a_preflight_for_a_method_without_a_route_learns_which_have_one():
    assert Missing(("GET", "HEAD")) == ask(table("GET /a"), "OPTIONS /a", preflight="DELETE")


AMBIGUOUS = [
    pytest.param(["/admin", "/**"], "GET /Admin", id="letter case, as Express and IIS ignore it"),
    pytest.param(["/Admin", "/**"], "GET /admin", id="the same the other way round"),
    pytest.param(["/admin", "/**"], "GET /admin/", id="a slash at the end, as Express and Rails ignore it"),
    pytest.param(["/admin/", "/**"], "GET /admin", id="one that is missing"),
    pytest.param(["/users/{id}", "/**"], "GET /users/5/", id="one behind a parameter"),
    pytest.param(["/users/me", "/users/{id}"], "GET /users/ME", id="a value that a literal would be"),
    pytest.param(["/admin", "/**"], "GET /admin;x=y", id="parameters, as Java drops them"),
    pytest.param(["/admin/**", "/**"], "GET /admin;x/users", id="parameters further up"),
    pytest.param(["/admin/{page}", "/admin"], "GET /admin/%3Bpage", id="a segment of parameters only"),
    pytest.param(["/admin/**", "/**"], "GET /;/admin/users", id="one in front"),
    pytest.param(["/admin", "/**"], "GET /admin%3Fx", id="an encoded question mark"),
    pytest.param(["/admin", "/**"], "GET /admin%23x", id="an encoded hash"),
    pytest.param(["/a/{x}"], "GET /a/;x", id="no route at all for the lenient"),
    pytest.param(["GET /api/", "POST /api", "/**"], "POST /api/", id="a method that only one spelling has"),
    pytest.param(
        [Match("/a", hosts=("a.com",)), "/**"], "GET a.com/A", id="a route with conditions that hold"
    ),
]


@pytest.mark.parametrize(("routes", "request_"), AMBIGUOUS)
def test_a_path_that_a_lenient_upstream_takes_for_that_of_another_route_is_refused(routes, request_):
    with pytest.raises(Rejection) as refused:
        ask(table(*routes), request_)

    assert (400, "request.path") == (refused.value.status, refused.value.reason)


def test_the_log_is_told_which_two_routes_a_refused_path_could_mean():
    with pytest.raises(Rejection) as refused:
        ask(table("/users/me", "/users/{id}"), "GET /users/ME")

    assert "as written it is /users/{id}, to a lenient upstream it is /users/me" == refused.value.cause


UNAMBIGUOUS = [
    pytest.param(["/**"], "GET /Any/Thing;x/", "/**", id="one route for everything"),
    pytest.param(["/admin/**", "/**"], "GET /admin/Users;x/", "/admin/**", id="below the same prefix"),
    pytest.param(
        ["/admin", "/Admin", "/**"], "GET /Admin", "/Admin", id="another spelling with a route of its own"
    ),
    pytest.param(["/api", "/api/"], "GET /api/", "/api/", id="a slash at the end that a route spells out"),
    pytest.param(["/api", "/api/"], "GET /api", "/api", id="and its absence"),
    pytest.param(
        ["/Users/{id}", "/users/{id}"], "GET /users/A", "/users/{id}", id="two spellings with a parameter"
    ),
    pytest.param(["/files/{name}", "/**"], "GET /files/a;b", "/files/{name}", id="a semicolon in a value"),
    pytest.param(
        ["POST /files", "GET /files/**"], "GET /files/", "GET /files/**", id="a method that only one has"
    ),
    pytest.param(
        [Match("/a", hosts=("a.com",)), "/**"], "GET b.com/A", "/**", id="conditions that don't hold"
    ),
    pytest.param(["/a;b"], "GET /a;b", "/a;b", id="a route that spells parameters out"),
]


@pytest.mark.parametrize(("routes", "request_", "expected"), UNAMBIGUOUS)
def test_a_path_that_everybody_takes_for_that_of_one_route_passes(routes, request_, expected):
    assert expected == ask(table(*routes), request_).target


def test_no_route_as_written_is_no_route_whatever_a_lenient_upstream_thinks():
    assert Missing() == ask(table("/admin"), "GET /ADMIN")


def test_paths_are_remembered_up_to_a_bound_and_answered_rightly_beyond_it():
    routes = table("/{x}", "POST /{x}/y")
    many = range(2 * REMEMBERED_PATHS)

    answers = [ask(routes, f"GET /{number}").params["x"] for number in many]

    assert [str(number) for number in many] == answers
    assert REMEMBERED_PATHS == routes._remembered.cache_info().currsize


def test_long_paths_and_paths_of_the_policy_file_take_no_room_among_the_remembered():
    routes = table("/a", "/**")

    found = [ask(routes, request).target for request in ("GET /a", "GET /" + "x" * REMEMBERED_LENGTH)]

    assert (["/a", "/**"], 0) == (found, routes._remembered.cache_info().currsize)


def test_a_path_of_a_thousand_segments_is_not_taken_apart():
    routes = table("/a/{x}", "/**")

    assert 3 == len(routes._look_up("/a" * 1000).segments)


def test_a_table_that_is_swapped_out_is_gone_at_once():
    routes = table("/{x}")
    ask(routes, "GET /a")
    gone = weakref.ref(routes)
    gc.disable()
    try:
        del routes
        assert gone() is None
    finally:
        gc.enable()


# A reference to compare with: every rule is tried on every request, by the sentences of the docs.

names = st.sampled_from(["a", "b", "A", ""])
parts = st.sampled_from(["a", "b", "A", "{x}", "{y}", "a;b"])
hosts = st.sampled_from([(), ("h.example",), ("*.example",), ("h.example", "*.other")])
methods = st.frozensets(st.sampled_from(["GET", "HEAD", "POST"]), max_size=2)
pairs = st.sampled_from([(), (("k", "1"),), (("k", "2"),)])


@st.composite
def paths(draw):
    segments = draw(st.lists(parts, max_size=3, unique_by=lambda part: part if "{" in part else object()))
    end = draw(st.sampled_from(["", "/", "/**"]))
    return "/" + "/".join(segments) + end if segments else end or "/"


matches = st.builds(Match, paths(), methods, hosts, pairs, pairs)
requests = st.tuples(
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.sampled_from(["h.example", "i.example", "example", "x.other"]),
    st.lists(st.sampled_from(["a", "b", "A", "B", "a;b", ";c", "a%3Fb"]), max_size=4),
    st.sampled_from(["", "/"]),
    st.sampled_from(["", "k=1", "k=2&k=1"]),
    st.sampled_from([[], [(b"k", b"1")], [(b"K", b"2"), (b"k", b"1")]]),
    st.booleans(),
)


def written(path):
    return path[1:].split("/")


def read(path):
    cut = path.split("?")[0].split("#")[0]
    return [segment.split(";")[0].lower() for segment in cut.split("/") if segment.split(";")[0]]


def fits(pattern, segments):
    below = pattern[-1:] == ["**"]
    fixed = pattern[:-1] if below else pattern
    if len(segments) < len(fixed) or (not below and len(segments) > len(fixed)):
        return False
    return all(
        got != "" if want.startswith("{") else want == got for want, got in zip(fixed, segments, strict=False)
    )


def patterns(path, parse):
    below = path.endswith("/**")
    above = path.removesuffix("/**")
    return (parse(above) if above else []) + ["**"] * below


def specificity(match, number):
    shape = patterns(match.path, read)
    literal = [part for part in shape if part != "**" and not part.startswith("{")]
    conditions = bool(match.methods) + bool(match.hosts) + len(match.headers) + len(match.query)
    wildcards = [len(host) for host in match.hosts if "*" in host]
    return (
        literal != shape,
        -len(literal),
        [2 if part == "**" else int(part.startswith("{")) for part in shape],
        -conditions,
        (min(wildcards) if wildcards else 99) * -1 if match.hosts else 0,
        number,
    )


def holds(match, host, query, headers):
    served = not match.hosts or any(
        host == name or (name.startswith("*.") and host.endswith(name[1:])) for name in match.hosts
    )
    values = [(name.lower().decode(), value.decode()) for name, value in headers or []]
    free = headers is None or (
        all(pair in values for pair in match.headers)
        and all(pair in parse_qsl(query) for pair in match.query)
    )
    return served and free


def methods_of(match, all_matches):
    def same(other):
        return (other.hosts, other.headers, other.query) == (match.hosts, match.headers, match.query) and [
            "{}" if part.startswith("{") else part for part in patterns(other.path, written)
        ] == ["{}" if part.startswith("{") else part for part in patterns(match.path, written)]

    own_head = any("HEAD" in other.methods and same(other) for other in all_matches)
    return match.methods | ({"HEAD"} if "GET" in match.methods and not own_head else set())


def reference(all_matches, method, host, path, query, headers):
    order = sorted(range(len(all_matches)), key=lambda number: specificity(all_matches[number], number))
    admitted = [number for number in order if holds(all_matches[number], host, query, headers)]

    def allows(number):
        listed = methods_of(all_matches[number], all_matches)
        return not listed or method in listed

    strict = [n for n in admitted if fits(patterns(all_matches[n].path, written), written(path))]
    lenient = [n for n in admitted if fits(patterns(all_matches[n].path, read), read(path)) and allows(n)]
    found = next((n for n in strict if allows(n)), None)
    if found is None:
        return sorted({name for n in strict for name in methods_of(all_matches[n], all_matches)})
    shapes = [
        ["{}" if part.startswith("{") else part for part in patterns(all_matches[n].path, read)]
        for n in (found, *lenient[:1])
    ]
    return found if len(shapes) == 2 and shapes[0] == shapes[1] else "refused"


@settings(max_examples=400)
@given(st.lists(matches, max_size=6), st.lists(requests, min_size=1, max_size=4))
@example([Match("/A"), Match("/a"), Match("/**")], [("GET", "example", ["a"], "", "", [], False)])
def test_the_table_agrees_with_a_reference_that_tries_every_route(all_matches, asked):
    routes = RoutingTable([Entry(match, number) for number, match in enumerate(all_matches)])

    for method, host, segments, end, query, fields, preflight in asked * 2:  # the second time from memory
        path = normalize("/" + "/".join(segments) + (end if segments else ""))
        announced = method if preflight else None
        expected = reference(all_matches, method, host, path, query, None if preflight else fields)
        try:
            answer = routes.find(
                "OPTIONS" if preflight else method, host, path, query, Headers(fields), announced
            )
        except Rejection:
            assert "refused" == expected
            continue
        assert expected == (answer.target if isinstance(answer, Found) else list(answer.allowed))


@given(st.lists(paths(), min_size=1, max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_whatever_is_asked_for_is_found_or_missing_or_refused(routes, segments):
    known = table(*routes)

    try:
        answer = known.find("GET", "", normalize("/" + "/".join(segments)), "", ANY)
    except Rejection as refused:
        answer = refused

    assert isinstance(answer, Found | Missing) or "request.path" == answer.reason
