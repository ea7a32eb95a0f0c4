"""`seawall diff`."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from proxy.cli.diff import diff
from tests.cli.files import BAD, GOOD, WITHOUT_UPSTREAM, a_file

SHORTER = GOOD.replace("30s", "20s")
WRITE = GOOD + '  - {name: close, match: {path: "/tickets/{id}", methods: [POST]}}\n'
SCOPE = """\
Tried: the path, methods, hosts, headers and query of each route, with a sample segment for {name} and
below /**, and what belongs to a route that differs and to another. Other requests may move too.
"""


def invoke(folder: Path, before: str, after: str, *arguments: str, **env: str) -> Result:
    files = a_file(folder, before, "before.yaml"), a_file(folder, after, "after.yaml")
    return CliRunner().invoke(diff, [*files, *arguments], env=env, catch_exceptions=False)


def test_what_is_in_force_differently_is_said_in_words(tmp_path: Path) -> None:
    result = invoke(tmp_path, GOOD, SHORTER)

    assert (0, "tickets: deadline.total 30s → 20s\nof 2 requests tried, none would go elsewhere\n") == (
        result.exit_code,
        result.output,
    )


def test_what_is_only_written_differently_is_no_difference(tmp_path: Path) -> None:
    result = invoke(tmp_path, GOOD, GOOD.replace("30s", "30000ms").replace("1MiB", "1024KiB"))

    assert (0, "nothing is in force differently\nof 2 requests tried, none would go elsewhere\n") == (
        result.exit_code,
        result.output,
    )


def test_requests_that_would_go_elsewhere_are_listed(tmp_path: Path) -> None:
    result = invoke(tmp_path, GOOD, WRITE)

    assert (
        "route close: added\n"
        "\n"
        "of 2 requests tried, 1 would go elsewhere:\n"
        "  POST /tickets/x: tickets → close\n"
        f"{SCOPE}"
    ) == result.output


def test_requests_that_move_the_same_way_stand_together(tmp_path: Path) -> None:
    result = invoke(tmp_path, GOOD, GOOD.replace("{id}", "{id}/**"))

    assert (
        "  GET /tickets/x/x, POST /tickets/x/x, GET /tickets/x/x/x and 1 more: 404 → tickets\n"
        in result.output
    )


def test_of_very_many_ways_the_first_are_told(tmp_path: Path) -> None:
    more = "".join(f"  - {{name: r{n}, match: {{path: /r{n}, methods: [GET]}}}}\n" for n in range(40))
    result = invoke(tmp_path, GOOD, GOOD + more)

    assert 30 == result.output.count(": 404 → r")
    assert "  and 10 more kinds; --format json has all\n" in result.output


def test_a_route_with_another_name_is_the_same_route(tmp_path: Path) -> None:
    result = invoke(tmp_path, GOOD, GOOD.replace("name: tickets", "name: cases"))

    assert "cases: name tickets → cases\nof 2 requests tried, none would go elsewhere\n" == result.output


def test_hosts_headers_and_query_of_a_request_are_named_and_no_secret_is(tmp_path: Path) -> None:
    conditions = (
        'hosts: [a.example], headers: {X-Tenant: "${TENANT}"}, query: {v: "2 3", access_token: "${TENANT}"}'
    )
    after = GOOD + f"  - {{name: own, match: {{path: /own, methods: [GET], {conditions}}}}}\n"
    text = invoke(tmp_path, GOOD, after, TENANT="acme-confidential").output
    data = invoke(tmp_path, GOOD, after, "--format", "json", TENANT="acme-confidential").output

    assert "  GET a.example/own?v=2+3&access_token=*** with X-Tenant: 404 → own\n" in text
    assert "acme" not in text + data


def test_programs_get_json(tmp_path: Path) -> None:
    result = json.loads(invoke(tmp_path, SHORTER, WRITE, "--format", "json").output)

    assert ["tickets: deadline.total 20s → 30s", "route close: added"] == [
        difference["words"] for difference in result["differences"]
    ]
    assert {
        "tried": 2,
        "scope": " ".join(SCOPE.split()),
        "moved": [
            {
                "method": "POST",
                "path": "/tickets/x",
                "host": None,
                "query": {},
                "headers": [],
                "before": "tickets",
                "after": "close",
            }
        ],
    } == result["routing"]


def test_the_exit_code_tells_of_differences_where_that_is_asked_for(tmp_path: Path) -> None:
    codes = [
        invoke(tmp_path, before, after, "--exit-code").exit_code
        for before, after in ((GOOD, GOOD), (GOOD, SHORTER), (GOOD, WRITE))
    ]

    assert [0, 1, 1] == codes


def test_the_order_of_routes_counts_as_a_difference_where_it_moves_requests(tmp_path: Path) -> None:
    routes = [f"  - {{name: {m}, match: {{path: /a, methods: [GET, {m}]}}}}\n" for m in ("PUT", "POST")]
    result = invoke(tmp_path, GOOD + "".join(routes), GOOD + "".join(reversed(routes)), "--exit-code")

    assert 1 == result.exit_code
    assert result.output.startswith("only the order of the routes differs\n\nof ")
    assert "  GET /a: PUT → POST\n" in result.output


def test_problems_of_both_are_reported_with_exit_code_1(tmp_path: Path) -> None:
    text, data = (invoke(tmp_path, BAD, BAD, *more) for more in ((), ("--format", "json")))
    before, after = tmp_path / "before.yaml", tmp_path / "after.yaml"

    assert (1, "") == (text.exit_code, text.stdout)
    assert [f"{before}: 1 problem", f"{after}: 1 problem"] == text.stderr.splitlines()[3::4]
    assert (1, [str(before), str(after)]) == (
        data.exit_code,
        [problem["file"] for problem in json.loads(data.stdout)["problems"]],
    )


def test_what_only_shows_when_policies_are_built_is_a_problem_too(tmp_path: Path) -> None:
    result = invoke(tmp_path, GOOD, GOOD.replace("/tickets/{id}", "//tickets"))

    assert 1 == result.exit_code


def test_folders_are_compared_as_a_whole(tmp_path: Path) -> None:
    for name, text in (("a", GOOD), ("b", SHORTER)):
        (tmp_path / name).mkdir()
        a_file(tmp_path / name, text, "policies.yaml")
    result = CliRunner().invoke(diff, [str(tmp_path / "a"), str(tmp_path / "b")])

    assert "tickets: deadline.total 30s → 20s" == result.output.splitlines()[0]


def test_the_upstream_may_come_from_outside(tmp_path: Path) -> None:
    assert 0 == invoke(tmp_path, WITHOUT_UPSTREAM, GOOD, "--upstream", "http://127.0.0.1:9").exit_code


def test_one_path_is_wrong_usage(tmp_path: Path) -> None:
    assert 2 == CliRunner().invoke(diff, [str(tmp_path)]).exit_code
