"""Routes, one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.kinds import START, loaded, refused

TWO = 'version: 1\nupstreams: {app: {url: "http://127.0.0.1:1"}, spare: {url: "http://127.0.0.1:2"}}\n'


def routes(*entries: str) -> str:
    return "".join(["routes:\n", *(f"  - {{{entry}}}\n" for entry in entries)])


def test_a_route_is_its_match_and_policies_and_upstream(tmp_path: Path) -> None:
    text = TWO + routes(
        'name: a, match: {path: "/a/{b}", methods: [GET]}, upstream: spare, policies: {deadline: 3s}'
    )
    (route,) = loaded(text + "\nno_route: {}", tmp_path).routes

    assert ("a", "/a/{b}", ("GET",), "spare") == (
        route.name,
        route.match.path,
        route.match.methods,
        route.upstream,
    )
    assert (["deadline/a"], f"{tmp_path}/a.yaml:4") == ([p.state_name for p in route.policies], route.place)


def test_where_there_is_one_upstream_it_may_be_left_out(tmp_path: Path) -> None:
    configuration = loaded(
        START + routes("name: a, match: {path: /a}", "name: b, match: {path: /b}, upstream: ~"), tmp_path
    )

    assert (["app", "app"], ()) == (
        [route.upstream for route in configuration.routes],
        configuration.warnings,
    )


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("name: a, match: {path: /a}", "4:5: routes[0]: `upstream` is missing; expected one of app, spare"),
        (
            "upstream: sapre, name: a, match: {path: /a}",
            '4:16: routes[0].upstream: "sapre" is not an upstream',
        ),
        ("upstream: 5, name: a, match: {path: /a}", "4:16: routes[0].upstream: 5 is no name"),
        ("name: no_route, match: {path: /a}, upstream: app", "4:12: routes[0].name: no_route is what has no"),
        ("match: {path: /a}, upstream: app", "4:5: routes[0]: `name` is missing"),
        ("name: 5, match: {path: /a}, upstream: app", "4:12: routes[0].name: 5 is no name"),
        ("name: a, upstream: app", "4:5: routes[0]: `match` is missing"),
        ("match: {path: a}, name: a, upstream: app", "4:20: routes[0].match.path: 'a' is no path"),
        ("policies: [], name: a, match: {path: /a}, upstream: app", "4:16: routes[0].policies: got a list"),
        (
            "enabled: on, name: a, match: {path: /a}, upstream: app",
            '4:15: routes[0].enabled: got the text "on"',
        ),
    ],
)
def test_what_is_wrong_with_a_route_is_reported(tmp_path: Path, entry: str, problem: str) -> None:
    problems = refused(TWO + routes(entry), tmp_path)

    assert [True] == [message.startswith(problem) for message in problems]


def test_everything_about_a_route_is_reported_at_once(tmp_path: Path) -> None:
    entry = "nam: a, match: {path: a}, upstream: b, policies: {deadlin: 3s, retry: 5}"
    paths = [
        problem.split(": ")[1].removeprefix("routes[0]")
        for problem in refused(START + routes(entry), tmp_path)
    ]

    assert ["", ".nam", ".match.path", ".upstream", ".policies.deadlin", ".policies.retry"] == paths


def test_what_is_no_mapping_is_no_route(tmp_path: Path) -> None:
    assert ['4:5: routes[0]: got the text "a"; expected a mapping'] == refused(
        START + "routes:\n  - a\n", tmp_path
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("path: /a", "path: /a", True),
        ('path: "/{a}"', 'path: "/{b}"', True),
        ("path: /a, methods: [GET, PUT]", "path: /a, methods: [PUT, GET]", True),
        ("path: /a, headers: {X-A: b}", "path: /a, headers: {x-a: b}", True),
        ("path: /a, hosts: [A.example]", "path: /a, hosts: [a.example]", True),
        ("path: /a", "path: /a/", False),
        ("path: /a", "path: /a/**", False),
        ("path: /a", "path: /a, methods: [GET]", False),
        ("path: /a, query: {a: b}", "path: /a, query: {a: c}", False),
        ("path: /a, headers: {X-A: b}", "path: /a, headers: {X-A: B}", False),
    ],
)
def test_two_routes_do_not_have_the_same_match(tmp_path: Path, one: str, other: str, same: bool) -> None:
    text = START + routes(f"name: a, match: {{{one}}}", f"name: b, match: {{{other}}}")
    why = f"the route in {tmp_path}/a.yaml:4 has the same match; expected one that tells them apart"

    assert [f"5:15: routes[1].match: {why}"] * same == refused(text, tmp_path)


def test_two_routes_do_not_have_the_same_name(tmp_path: Path) -> None:
    text = START + routes("name: a, match: {path: /a}", "name: a, match: {path: /b}, enabled: false")
    message = (
        f'5:12: routes[1].name: the route "a" stands in {tmp_path}/a.yaml:4 already; expected another name'
    )

    assert [message] == refused(text, tmp_path)


@pytest.mark.parametrize("value", ["false", "${ON:-false}", '"${ON:-FALSE}"'])
def test_a_route_that_is_not_enabled_is_as_if_it_were_not_there(tmp_path: Path, value: str) -> None:
    text = f"""{START}routes:
  - name: b
    match: {{path: /a}}
  - name: a
    enabled: {value}
    match: {{path: /a}}
    policies:
      webhook_signature: {{secrets: [{{env: NOT_SET}}]}}
      deadline: ${{NOT_SET}}
"""

    assert ["b"] == [route.name for route in loaded(text, tmp_path).routes]


def test_a_route_that_is_not_enabled_must_be_written_right_all_the_same(tmp_path: Path) -> None:
    entry = "name: a, enabled: false, match: {path: a}, upstream: b, policies: {retry: {carefull: 1}}"

    assert ["routes[0].match.path", "routes[0].upstream", "routes[0].policies.retry.carefull"] == [
        problem.split(": ")[1] for problem in refused(START + routes(entry), tmp_path)
    ]
