import pytest

from proxy.errors import ConfigError, Problem, Rejection, SeawallError, StoreError, UpstreamError


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        pytest.param(
            Problem("a.yaml", 3, 7, "routes[0].match", "it is empty; expected a path"),
            "a.yaml:3:7: routes[0].match: it is empty; expected a path",
            id="a place in a file",
        ),
        pytest.param(
            Problem("a.yaml", 1, 1, "", "it is no YAML"), "a.yaml:1:1: it is no YAML", id="no path yet"
        ),
        pytest.param(
            Problem("a.yaml", 0, 0, "", "it can't be read"), "a.yaml: it can't be read", id="the whole file"
        ),
        pytest.param(
            Problem("a.yaml", 2, 4, "x", "unknown key", "  x: 1\n  ^"),
            "a.yaml:2:4: x: unknown key\n  x: 1\n  ^",
            id="with the line and a caret",
        ),
    ],
)
def test_a_problem_tells_place_path_and_what_is_expected(problem, expected):
    assert expected == str(problem)


def test_a_configuration_error_tells_every_problem_in_order():
    problems = [Problem("a.yaml", 1, 1, "", "first"), Problem("b.yaml", 0, 0, "", "second")]

    error = ConfigError(problems)

    assert (tuple(problems), "a.yaml:1:1: first\nb.yaml: second") == (error.problems, str(error))


def test_a_refusal_is_logged_with_its_cause_and_not_with_what_the_client_reads():
    refusal = Rejection(401, "api_key.unknown", "The key is not valid.", cause="no key with digest 12ab")

    assert "401 api_key.unknown: no key with digest 12ab" == str(refusal)


def test_a_refusal_without_a_cause_is_logged_with_its_detail():
    assert "404 route.none: No route." == str(Rejection(404, "route.none", "No route."))


def test_a_refusal_keeps_what_it_was_told():
    refusal = Rejection(
        429, "rate_limit.exceeded", retry_after=1.5, headers=(("RateLimit", "x"),), facts={"limit": 10}
    )

    assert (429, "rate_limit.exceeded", "", 1.5, (("RateLimit", "x"),), {"limit": 10}) == (
        refusal.status,
        refusal.reason,
        refusal.detail,
        refusal.retry_after,
        refusal.headers,
        refusal.facts,
    )


def test_a_refusal_says_nothing_that_it_was_not_told():
    refusal = Rejection(403, "ip_list.denied")

    assert ("", "", None, (), {}) == (
        refusal.detail,
        refusal.cause,
        refusal.retry_after,
        refusal.headers,
        refusal.facts,
    )


@pytest.mark.parametrize("nothing_sent", [True, False], ids=["nothing was sent", "something was sent"])
def test_a_failure_of_the_upstream_says_whether_it_may_be_repeated(nothing_sent):
    failure = UpstreamError(
        502, "upstream.unreachable", cause="connection refused", nothing_sent=nothing_sent
    )

    assert (nothing_sent, "502 upstream.unreachable: connection refused") == (
        failure.nothing_sent,
        str(failure),
    )


def test_a_failure_of_the_upstream_counts_as_repeatable_only_where_that_is_said():
    assert not UpstreamError(504, "upstream.timeout").nothing_sent


@pytest.mark.parametrize(
    "error",
    [ConfigError([]), Rejection(400, "x.y"), UpstreamError(502, "x.y"), StoreError("out of reach")],
    ids=lambda error: type(error).__name__,
)
def test_every_deliberate_error_can_be_caught_as_one(error):
    assert isinstance(error, SeawallError)


def test_what_refuses_for_the_upstream_is_a_refusal():
    assert isinstance(UpstreamError(502, "upstream.unreachable"), Rejection)
