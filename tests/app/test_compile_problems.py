"""What only shows when a configuration is put to use is said where it stands."""

from __future__ import annotations

import pytest

from tests.app.trial import UPSTREAM, Files, routes


def test_what_a_constructor_refuses_is_said_where_the_policy_stands(files: Files, built: list[str]) -> None:
    files.write(UPSTREAM + routes(a='{trial: {after: 3, broken: "it cannot be"}}'))

    assert ["a.yaml:4:47: routes[0].policies.trial: it cannot be"] == files.problems()
    assert ["trial/a"] == built


@pytest.mark.usefixtures("built")
def test_what_begins_with_the_name_of_a_field_is_said_there(files: Files) -> None:
    files.write(
        UPSTREAM
        + "routes:\n"
        + '  - name: a\n    match: {path: "/a"}\n    policies:\n      trial:\n'
        + '        broken: "`after` is odd"\n        after: 3\n'
    )

    assert ["a.yaml:9:16: routes[0].policies.trial.after: `after` is odd"] == files.problems()


@pytest.mark.usefixtures("built")
def test_a_default_that_is_refused_is_one_problem(files: Files) -> None:
    files.write(UPSTREAM + 'defaults: {trial: {broken: "no"}}\n' + routes(a="{}", b="{}", c="{}"))

    assert ["a.yaml:3:12: defaults.trial: no"] == files.problems()


@pytest.mark.usefixtures("built")
def test_every_problem_is_said_in_the_order_of_the_files(files: Files) -> None:
    files.write(
        UPSTREAM
        + 'routes:\n  - {name: z, match: {path: "/z"}, policies: {trial: {broken: "first"}}}\n'
        + 'no_route: {trial: {broken: "second"}}\n'
        + 'errors: {templates: {a.b: {text: "{{ third }}"}}}\n',
        "1.yaml",
    )
    files.write(
        'version: 1\nroutes:\n  - {name: y, match: {path: "/y\\x81"}}\n'
        '  - {name: x, match: {path: "/x"}, policies: {trial: {broken: "fifth"}}}\n',
        "2.yaml",
    )

    expected = [
        "1.yaml:4:47: routes[0].policies.trial: first",
        "1.yaml:5:12: no_route.trial: second",
        '1.yaml:6:27: errors.templates["a.b"]: unknown placeholder {{ third }}',
        "2.yaml:3:22: routes[0].match: no request has the path",
        "2.yaml:4:47: routes[1].policies.trial: fifth",
    ]
    found = files.problems()
    assert expected == [said[: len(wanted)] for said, wanted in zip(found, expected, strict=True)]


@pytest.mark.parametrize(
    ("template", "says"),
    [
        pytest.param('text: "{{ nobody }}"', "unknown placeholder {{ nobody }}", id="an unknown placeholder"),
        pytest.param('text: "{{ status"', "a placeholder is not closed", id="one that is not closed"),
        pytest.param('json: {"{{ status }}": 1}', "a key cannot have a placeholder", id="one in a key"),
        pytest.param(
            "text: x, content_type: nonsense", "'nonsense' is no content type", id="no content type"
        ),
    ],
)
def test_a_template_that_cannot_be_is_said_where_it_stands(files: Files, template: str, says: str) -> None:
    files.write(UPSTREAM + f"errors:\n  templates:\n    size_limit.body: {{{template}}}\n" + routes(a="{}"))

    (problem,) = files.problems()

    assert problem.startswith("a.yaml:5:")
    assert says in problem


def test_a_path_that_the_router_does_not_take_is_said_where_it_stands(files: Files) -> None:
    files.write(UPSTREAM + 'routes:\n  - {name: a, match: {path: "/a\\x81"}}\n')

    (problem,) = files.problems()

    assert problem.startswith("a.yaml:4:22: routes[0].match: no request has the path")
