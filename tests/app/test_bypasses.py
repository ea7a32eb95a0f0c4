"""Methods that get through by another route: told where somebody can't have meant it, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.errors import Rejection
from proxy.headers import Headers
from proxy.router.paths import normalize
from proxy.router.rules import Entry, Match
from proxy.router.table import RoutingTable
from tests.app.test_advice import START, warned

HERE = "routes[0].match.methods"
REMEDY = "expected no `methods` here, or a route with this path that names them"
KEY = "{api_key: {header: X-API-Key, keys: [{id: a, sha256: " + "ab" * 32 + "}]}}"
LIMIT = "{rate_limit: {limit: 10/s, key: [client.ip]}}"
EVERYBODY = '"0.0.0.0/0", "::/0"'


def routes(*entries: str) -> str:
    return START + "routes:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries)


def hook(policies: str, methods: str = "[POST]", path: str = "/hook") -> str:
    return f'name: hook, match: {{path: "{path}", methods: {methods}}}, policies: {policies}'


def rest(*more: str, match: str = 'path: "/**"') -> str:
    return ", ".join(["name: rest", f"match: {{{match}}}", *more])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            routes(hook(KEY), rest()),
            f"PUT, PATCH and DELETE of /hook go to rest, without api_key; {REMEDY}",
            id="a key that only POST needs",
        ),
        pytest.param(
            routes(hook(LIMIT, "[POST, PUT, DELETE]"), rest()),
            f"PATCH of /hook goes to rest, without rate_limit; {REMEDY}",
            id="a limit that leaves one out",
        ),
        pytest.param(
            routes(hook("{ip_list: {allow: [10.0.0.0/8]}}", "[GET]", "/api/**"), rest()),
            f"POST, PUT, PATCH and DELETE of /api/** go to rest, without ip_list; {REMEDY}",
            id="a route for reading",
        ),
        pytest.param(
            routes(hook(KEY, "[POST, PATCH, DELETE]", "/a/{id}"), rest(match='path: "/a/{key}"')),
            f"PUT of /a/{{id}} goes to rest, without api_key; {REMEDY}",
            id="the same path without methods",
        ),
        pytest.param(
            routes(hook(KEY, "[POST, PATCH, DELETE]"), rest(match='path: "/**", methods: [GET, PUT]')),
            f"PUT of /hook goes to rest, without api_key; {REMEDY}",
            id="named for all paths",
        ),
        pytest.param(
            routes(hook(KEY), rest("policies: {api_key: {mode: shadow, " + KEY[11:])),
            f"PUT, PATCH and DELETE of /hook go to rest, without api_key; {REMEDY}",
            id="only watched there",
        ),
        pytest.param(
            routes(
                hook(KEY, "[POST, PUT, PATCH]"),
                rest("policies: {authenticate: {methods: [POST, PUT], any_of: [" + KEY + "]}}"),
            ),
            f"DELETE of /hook goes to rest, without api_key; {REMEDY}",
            id="another proof for some methods",
        ),
        pytest.param(
            routes(
                hook("{ip_list: {allow: [10.0.0.0/8]}, " + KEY[1:], "[POST, PUT, PATCH]"),
                rest("policies: {ip_list: {allow: [10.0.0.0/8]}}"),
            ),
            f"DELETE of /hook goes to rest, without api_key; {REMEDY}",
            id="networks that both have",
        ),
        pytest.param(
            routes(
                hook(KEY, "[POST, PUT, PATCH]"), rest(f"policies: {{ip_list: {{deny: [{EVERYBODY[:11]}]}}}}")
            ),
            f"DELETE of /hook goes to rest, without api_key; {REMEDY}",
            id="closed to half the world",
        ),
        pytest.param(
            routes(f"upstream: app, {hook(KEY, '[POST, PUT, PATCH]')}", f"upstream: twin, {rest()}").replace(
                "upstreams: {", 'upstreams: {twin: {url: "https://127.0.0.1:3000"}, '
            ),
            f"DELETE of /hook goes to rest, without api_key; {REMEDY}",
            id="the same upstream by another name",
        ),
    ],
)
def test_a_method_that_gets_through_is_told_of(tmp_path: Path, text: str, told: str) -> None:
    (warning,) = warned(tmp_path, text)
    assert f"{HERE}: {told}" == warning.partition(": ")[2]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(routes(hook(KEY)), id="no other route"),
        pytest.param(routes(hook("{deadline: 3s}"), rest()), id="nothing that protects"),
        pytest.param(routes(hook("{rate_limit: {mode: shadow, " + LIMIT[14:]), rest()), id="in shadow"),
        pytest.param(routes(hook(KEY, "[POST, PUT, PATCH, DELETE]"), rest()), id="open for reading"),
        pytest.param(
            routes(hook(KEY), rest(match='path: "/**", methods: [GET]')), id="named, and it only reads"
        ),
        pytest.param(
            routes(
                hook(KEY),
                rest(match="path: /hook, methods: [PUT, PATCH, DELETE]"),
                "name: a, match: {path: /a}",
            ),
            id="named with that path",
        ),
        pytest.param(
            routes(hook(KEY, path="/a/**"), "name: own, match: {path: '/a/{id}', methods: [POST, DELETE]}"),
            id="named with a narrower path",
        ),
        pytest.param(
            routes(hook(LIMIT), rest("policies: {quota: {limit: 5/day, key: [client.ip]}}")),
            id="another limit",
        ),
        pytest.param(
            routes(
                hook(KEY),
                rest("policies: {authenticate: {any_of: [" + KEY + "]}}"),
            ),
            id="another proof",
        ),
        pytest.param(
            routes(hook(KEY), rest("policies: {ip_list: {allow: [10.0.0.0/8]}}")), id="networks of its own"
        ),
        pytest.param(
            routes(hook(KEY), rest(f"policies: {{ip_list: {{deny: [{EVERYBODY}]}}}}")), id="closed to all"
        ),
        pytest.param(
            routes(hook(KEY, path="/a/**"), "name: own, match: {path: /a}", "name: two, match: {path: /a/b}"),
            id="paths of their own",
        ),
        pytest.param(
            (routes(hook(KEY), rest()) + "defaults: {rate_limit: {limit: 1/s, key: [client.ip]}}\n")
            .replace("name: hook", "upstream: app, name: hook")
            .replace("name: rest", "upstream: two, name: rest")
            .replace("upstreams: {", 'upstreams: {two: {url: "http://127.0.0.1:1"}, '),
            id="another upstream",
        ),
    ],
)
def test_what_somebody_can_have_meant_is_not_told_of(tmp_path: Path, text: str) -> None:
    assert [] == [each for each in warned(tmp_path, text) if HERE in each]


@pytest.mark.parametrize("methods", [frozenset(), frozenset(("POST",))], ids=["any", "POST"])
@pytest.mark.parametrize("path", ["/hook/", "/HOOK", "/hook;x", "/hook%3fx", "/hook%23x"])
def test_another_spelling_of_a_path_needs_no_warning(path: str, methods: frozenset[str]) -> None:
    table = RoutingTable([Entry(Match("/hook", methods), "hook"), Entry(Match("/**"), "rest")])

    with pytest.raises(Rejection, match="to a lenient upstream it is /hook"):
        table.find("POST", "", normalize(path), "", Headers([]))
