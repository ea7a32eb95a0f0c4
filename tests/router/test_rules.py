import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.headers import Headers
from proxy.router.rules import About, Entry, Found, Match, Rule, imply_head


def rule(path="/", number=0, **match):
    return Rule(Entry(Match(path, **match), "target"), number)


def about(host="", query="", headers=None):
    fields = [(name.encode(), value.encode()) for name, value in headers or []]
    return About("GET", host, query, Headers(fields))


@pytest.mark.parametrize(
    ("path", "segments", "below"),
    [
        pytest.param("/", ("",), False, id="the root"),
        pytest.param("/a/b", ("a", "b"), False, id="literal"),
        pytest.param("/a/", ("a", ""), False, id="a slash at the end is part of the path"),
        pytest.param("/a/{id}/b", ("a", None, "b"), False, id="a parameter"),
        pytest.param("/a/**", ("a",), True, id="all below"),
        pytest.param("/{tenant}/**", (None,), True, id="all below a parameter"),
        pytest.param("/**", (), True, id="everything"),
        pytest.param("/café", ("café",), False, id="decoded"),
    ],
)
def test_a_path_is_taken_apart(path, segments, below):
    parsed = rule(path)

    assert (segments, below) == (parsed.segments, parsed.below)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("", "expected one such as /orders", id="empty"),
        pytest.param("orders", "expected one such as /orders", id="no slash in front"),
        pytest.param("**", "expected one such as /orders", id="only stars"),
        pytest.param("/a//b", "double slashes", id="double slash"),
        pytest.param("//**", "expected one such as /orders", id="double slash before the stars"),
        pytest.param("/a/../b", "dot segments", id="dot segment"),
        pytest.param("/caf%C3%A9", "decoded", id="encoded"),
        pytest.param("/a?b=c", "without a query", id="with a query"),
        pytest.param("/a#b", "without a query", id="with a fragment"),
        pytest.param("/a\\b", "no request has", id="backslash"),
        pytest.param("/a/{id}.json", "a whole segment", id="half a segment"),
        pytest.param("/a/{}", "a whole segment", id="no name"),
        pytest.param("/a/{1}", "a whole segment", id="a number for a name"),
        pytest.param("/a/{id", "a whole segment", id="unbalanced"),
        pytest.param("/a/**/b", "** to be the last", id="stars in the middle"),
        pytest.param("/a/*", "** to be the last", id="a single star"),
        pytest.param("/a**", "** to be the last", id="stars that are not a segment"),
        pytest.param("/{id}/{id}", "each {name} once", id="a name twice"),
    ],
)
def test_a_path_that_could_never_match_or_means_something_else_is_an_error(path, message):
    with pytest.raises(ValueError) as error:
        rule(path)

    assert (True, True) == (message in str(error.value), repr(path) in str(error.value))


@pytest.mark.parametrize(
    "host",
    [
        "",
        "*",
        "*.",
        "a.*.example.com",
        "*example.com",
        ".example.com",
        "example.com:80",
        "bücher.example",
        "a b",
    ],
)
def test_a_host_that_no_request_could_have_is_an_error(host):
    with pytest.raises(ValueError, match=r"is no host; expected one such as example.com or \*.example.com"):
        rule(hosts=(host,))


@pytest.mark.parametrize(
    ("hosts", "host", "expected"),
    [
        pytest.param((), "any.example", True, id="no host asked for"),
        pytest.param(("example.com",), "example.com", True, id="the name itself"),
        pytest.param(("Example.COM",), "example.com", True, id="written in capitals"),
        pytest.param(("example.com.",), "example.com", True, id="written as a full name"),
        pytest.param(("example.com",), "example.com.", True, id="asked for as a full name"),
        pytest.param(("example.com",), "other.com", False, id="another name"),
        pytest.param(("example.com",), "", False, id="no host in the request"),
        pytest.param(("a.com", "b.com"), "b.com", True, id="one of several"),
        pytest.param(("*.example.com",), "a.example.com", True, id="one label in front"),
        pytest.param(("*.example.com",), "a.b.example.com", True, id="two labels in front"),
        pytest.param(("*.example.com",), "a.example.com.", True, id="a full name"),
        pytest.param(("*.example.com",), "example.com", False, id="no label in front"),
        pytest.param(("*.example.com",), ".example.com", False, id="an empty label in front"),
        pytest.param(("*.example.com",), "badexample.com", False, id="a name that ends alike"),
        pytest.param(("[::1]",), "[::1]", True, id="an address"),
    ],
)
def test_a_host_is_a_name_or_stands_for_those_below_it(hosts, host, expected):
    assert expected == rule(hosts=hosts).admits(about(host))


@pytest.mark.parametrize(
    ("wanted", "sent", "expected"),
    [
        pytest.param([("X-Tenant", "acme")], [("x-tenant", "acme")], True, id="the name in any case"),
        pytest.param([("X-Tenant", "acme")], [("X-Tenant", "Acme")], False, id="the value as it is written"),
        pytest.param([("X-Tenant", "acme")], [], False, id="absent"),
        pytest.param(
            [("X-Tenant", "acme")], [("X-Tenant", "b"), ("X-Tenant", "acme")], True, id="one of two"
        ),
        pytest.param([("X-Tenant", "a"), ("X-B", "b")], [("X-Tenant", "a")], False, id="all are needed"),
    ],
)
def test_header_fields_have_exact_values(wanted, sent, expected):
    assert expected == rule(headers=tuple(wanted)).admits(about(headers=sent))


@pytest.mark.parametrize(
    ("wanted", "query", "expected"),
    [
        pytest.param([("a", "1")], "a=1", True, id="alone"),
        pytest.param([("a", "1")], "b=2&a=1&c", True, id="among others"),
        pytest.param([("a", "1")], "", False, id="no query"),
        pytest.param([("a", "1")], "a=2", False, id="another value"),
        pytest.param([("a", "1")], "A=1", False, id="a name in another case"),
        pytest.param([("a", "1")], "a=2&a=1", True, id="one of two"),
        pytest.param([("a", "")], "a", True, id="a name without a value"),
        pytest.param([("a", "x y")], "a=x%20y", True, id="encoded"),
        pytest.param([("a", "x y")], "a=x+y", True, id="a plus for a space"),
        pytest.param([("a", "1"), ("b", "2")], "a=1", False, id="all are needed"),
        pytest.param([("a", "1")], "b=\udcff&a=1", True, id="undecodable bytes beside it"),
    ],
)
def test_query_parameters_have_exact_values(wanted, query, expected):
    assert expected == rule(query=tuple(wanted)).admits(about(query=query))


@given(st.text())
def test_no_query_makes_a_match_fail_with_an_exception(query):
    assert not rule(query=(("\n", "\n"),)).admits(about(query=query.replace("\n", "")))


def test_of_a_preflight_only_the_host_is_asked():
    wanted = rule(hosts=("a.com",), headers=(("X-A", "1"),), query=(("a", "1"),))

    assert (True, False) == (
        wanted.admits(About("GET", "a.com", "", None)),
        wanted.admits(About("GET", "b.com", "", None)),
    )


def test_what_stands_for_each_name_is_told():
    assert Found("target", {"a": "1", "b": "2"}) == rule("/x/{a}/y/{b}").found(["x", "1", "y", "2"])


def test_a_rule_without_names_gives_everybody_the_same_answer():
    plain = rule("/x/**")

    assert plain.found(["x"]) is plain.found(["x", "y"])


MORE_SPECIFIC_FIRST = [
    pytest.param("/a/b", "/a/{x}", id="literal before a parameter"),
    pytest.param("/a", "/a/**", id="literal before what is below it"),
    pytest.param("/{x}/b/c", "/a/{y}/{z}", id="more literal segments, wherever they stand"),
    pytest.param("/a/b/{x}", "/a/{x}/b", id="then those further to the left"),
    pytest.param("/a/{x}", "/a/**", id="a parameter before all below"),
    pytest.param("/a/{x}", "/a/{x}/**", id="closed before open"),
    pytest.param("/a/b/**", "/a/**", id="the longer prefix"),
    pytest.param("/a/{x}/**", "/a/**", id="the longer prefix, by a parameter"),
]


@pytest.mark.parametrize(("first", "second"), MORE_SPECIFIC_FIRST)
def test_the_more_specific_path_ranks_first_whatever_the_order_of_the_file(first, second):
    assert rule(first, 2, methods=frozenset()).rank < rule(second, 1, methods=frozenset({"GET"})).rank


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({"methods": frozenset({"GET"})}, {}, id="a method before none"),
        pytest.param(
            {"headers": (("A", "1"),), "query": (("a", "1"),)}, {"hosts": ("a.com",)}, id="two before one"
        ),
        pytest.param(
            {"hosts": ("a.com",)}, {"hosts": ("*.verylong.example.com",)}, id="a name before a wildcard"
        ),
        pytest.param(
            {"hosts": ("*.b.example.com",)}, {"hosts": ("*.example.com",)}, id="a narrower wildcard"
        ),
        pytest.param(
            {"hosts": ("a.com",)}, {"hosts": ("a.com", "*.com")}, id="only names before some wildcards"
        ),
    ],
)
def test_of_one_path_the_rule_with_more_conditions_ranks_first(first, second):
    assert rule("/a", 2, **first).rank < rule("/a", 1, **second).rank


def test_what_is_equally_specific_ranks_in_the_order_of_the_file():
    assert rule("/{a}", 1).rank < rule("/{b}", 2).rank


def with_head(*rules):
    imply_head(rules)
    return [sorted(each.methods) for each in rules]


def test_get_includes_head():
    assert [["GET", "HEAD", "POST"]] == with_head(rule(methods=frozenset({"GET", "POST"})))


def test_other_methods_do_not_include_head():
    assert [["POST"], []] == with_head(rule(methods=frozenset({"POST"})), rule())


def test_get_leaves_head_to_a_rule_of_its_own():
    get, head = rule("/a/{x}", methods=frozenset({"GET"})), rule("/a/{y}", methods=frozenset({"HEAD"}))

    assert [["GET"], ["HEAD"]] == with_head(get, head)


@pytest.mark.parametrize(
    "other",
    [{"path": "/b"}, {"path": "/a/**"}, {"path": "/A"}, {"hosts": ("b.com",)}, {"headers": (("A", "1"),)}],
    ids=["another path", "all below", "another spelling", "another host", "a header"],
)
def test_a_rule_for_head_elsewhere_changes_nothing(other):
    here = rule("/a", methods=frozenset({"GET"}))

    assert [["GET", "HEAD"], ["HEAD"]] == with_head(
        here, rule(**{"path": "/a", **other}, methods=frozenset({"HEAD"}))
    )
