"""A configuration becomes pipelines: one policy for one name, in our order, in the mode that is said."""

from __future__ import annotations

import json

import pytest

from proxy.exchange import PolicyFacts, Response, RouteFacts
from proxy.router import Match
from proxy.testing import exchange
from tests.app.trial import UPSTREAM, Files, routes, some_parts

NAMED = UPSTREAM + "policies: {trial: {one: {after: 2}}}\n"


def test_a_named_policy_is_one_on_however_many_routes_it_stands(files: Files, built: list[str]) -> None:
    files.write(NAMED + routes(a="{trial: one}", b="{trial: one}"))

    plan = files.compile()

    first, second = (route.pipeline.admit for route in plan.routes)
    answers = [admit(exchange()) for admit in (first, second, first, second)]
    assert ["trial/one"] == built
    assert [None, None, 429, 429] == [answer and answer.status for answer in answers]


def test_a_policy_of_a_route_itself_belongs_to_that_route(files: Files, built: list[str]) -> None:
    files.write(UPSTREAM + routes(a="{trial: {after: 1}}", b="{trial: {after: 1}}"))

    plan = files.compile()

    answers = [route.pipeline.admit(exchange()) for route in plan.routes]
    assert (["trial/a", "trial/b"], [None, None]) == (built, answers)


def test_a_default_belongs_to_each_route(files: Files, built: list[str]) -> None:
    files.write(UPSTREAM + "defaults: {trial: {after: 1}}\n" + routes(a="{}", b="{}"))

    files.compile()

    assert ["trial/a", "trial/b"] == built


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("enforce", ["trial/one"]),
        ("shadow", ["trial/one?shadow"]),
        ('"10%"', ["trial/one", "trial/one?shadow"]),
        ("disabled", []),
    ],
)
def test_a_mode_says_which_state_a_policy_has(
    files: Files, built: list[str], mode: str, expected: list[str]
) -> None:
    files.write(NAMED + routes(a=f"{{trial: {{use: one, mode: {mode}}}}}"))

    files.compile()

    assert expected == sorted(built)


def test_trying_a_policy_uses_up_nothing_of_the_enforced_one(files: Files, built: list[str]) -> None:
    files.write(NAMED + routes(a="{trial: one}", b="{trial: {use: one, mode: shadow, after: 0}}"))
    plan = files.compile()
    enforced, shadowed = (route.pipeline.admit for route in plan.routes)
    tried = exchange()

    for _ in range(5):
        shadowed(tried)

    assert [None, None] == [enforced(exchange()), enforced(exchange())]
    assert [1, 2, 3, 4, 5] == [report.facts["seen"] for report in tried.shadowed or ()]
    assert len(built) == 2


def test_state_is_that_of_the_name_also_in_the_next_revision(files: Files, built: list[str]) -> None:
    parts = some_parts()
    files.write(NAMED + routes(a="{trial: one}"))
    parts.state.begin()
    for _ in range(2):
        files.compile(parts).routes[0].pipeline.admit(exchange())
    parts.state.commit()
    files.write(NAMED + routes(b="{trial: {use: one, after: 3}}"))

    plan = files.compile(parts)

    answers = [plan.routes[0].pipeline.admit(exchange()) for _ in range(2)]
    assert [None, 429] == [answer and answer.status for answer in answers]
    assert ["trial/one"] * 3 == built


def test_hooks_are_in_our_order_however_the_file_has_them(files: Files, built: list[str]) -> None:
    files.write(UPSTREAM + routes(a="{size_limit: {body: 1B}, trial: {after: 0}}"))

    asked = exchange("POST", body=b"too much")
    files.compile().routes[0].pipeline.admit(asked)

    assert asked.refusal is not None
    assert "trial.refused" == asked.refusal.reason
    assert ["trial/a"] == built


def test_a_route_knows_its_name_its_template_and_the_places_of_its_policies(files: Files) -> None:
    path = files.write(
        UPSTREAM
        + "routes:\n"
        + '  - name: ticket\n    match: {path: "/tickets/{id}"}\n    policies:\n      deadline: 30s\n'
        + "      cors: {origins: [https://a.test], mode: disabled}\n"
    )

    plan = files.compile()

    (route,) = plan.routes
    chain = (
        PolicyFacts("deadline", "deadline/ticket", "enforce", f"{path}:7"),
        PolicyFacts("cors", "cors/ticket", "disabled", f"{path}:8"),
    )
    assert RouteFacts("ticket", "/tickets/{id}", chain, plan.configuration.revision) == route.facts


def test_a_match_is_what_the_file_says(files: Files) -> None:
    files.write(
        UPSTREAM
        + "routes:\n"
        + "  - name: a\n"
        + "    match: {path: /a, methods: [GET, PUT], hosts: [a.test], headers: {X-A: b}, query: {c: d}}\n"
    )

    (route,) = files.compile().routes

    match = Match("/a", frozenset(("GET", "PUT")), ("a.test",), (("X-A", "b"),), (("c", "d"),))
    assert match == route.match


def test_a_route_that_is_not_enabled_is_not_there_and_nothing_of_it_is_built(
    files: Files, built: list[str]
) -> None:
    files.write(
        UPSTREAM
        + routes(a="{}")
        + '  - {name: b, enabled: false, match: {path: "/b"}, policies: {trial: {broken: it is}}}\n'
    )

    plan = files.compile()

    assert (["a"], []) == ([route.facts.name for route in plan.routes], built)


def dressed(files: Files) -> str | None:
    response = Response(404)
    files.compile().no_route.dress(exchange(), response)
    return response.headers.get("X-Content-Type-Options")


def test_what_has_no_route_has_security_headers_where_nothing_else_is_said(files: Files) -> None:
    files.write(UPSTREAM + routes(a="{}"))

    assert "nosniff" == dressed(files)


def test_what_has_no_route_carries_what_the_file_says(files: Files) -> None:
    files.write(UPSTREAM + "no_route: {}\n" + routes(a="{}"))

    assert dressed(files) is None


def refusal(files: Files) -> Response:
    (route,) = files.compile().routes
    answer = route.pipeline.admit(exchange(body=b"hello", request_id="r7"))
    assert answer is not None
    return answer


LIMITED = routes(a="{size_limit: {body: 1B}}")


@pytest.mark.parametrize(
    ("template", "content", "content_type"),
    [
        pytest.param('json: {id: "{{ request_id }}"}', b'{"id":"r7"}', "application/json", id="json"),
        pytest.param('text: "{{ status }}"', b"413", "text/plain; charset=utf-8", id="text"),
        pytest.param("text: no, content_type: text/html", b"no", "text/html", id="of another type"),
    ],
)
def test_a_template_is_what_a_client_is_refused_with(
    files: Files, template: str, content: bytes, content_type: str
) -> None:
    files.write(UPSTREAM + f"errors: {{templates: {{size_limit.body: {{{template}}}}}}}\n" + LIMITED)

    answer = refusal(files)

    assert (413, content, content_type) == (
        answer.status,
        answer.content,
        answer.headers.get("Content-Type"),
    )


def test_the_cause_is_shown_only_where_the_file_says_so(files: Files) -> None:
    files.write(UPSTREAM + LIMITED)
    hidden = refusal(files).content
    files.write(UPSTREAM + "errors: {expose_detail: true}\n" + LIMITED)
    shown = refusal(files).content

    assert isinstance(hidden, bytes)
    assert isinstance(shown, bytes)
    assert json.loads(hidden).items() <= json.loads(shown).items()
