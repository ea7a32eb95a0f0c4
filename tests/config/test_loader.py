"""A configuration as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.loader import load
from proxy.config.model import (
    ClientsConfig,
    ErrorsConfig,
    HealthConfig,
    JsonTemplate,
    MetricsConfig,
    RequestIdConfig,
    TextTemplate,
)
from proxy.config.units import HeaderValue
from proxy.errors import ConfigError
from tests.config.kinds import ENV, KINDS, ROUTE, START, loaded, refused


def test_what_the_files_leave_out_has_its_default(tmp_path: Path) -> None:
    configuration = loaded(START + ROUTE, tmp_path)

    assert (ClientsConfig(), RequestIdConfig(), MetricsConfig(), HealthConfig(), ErrorsConfig()) == (
        configuration.clients,
        configuration.request_id,
        configuration.metrics,
        configuration.health,
        configuration.errors,
    )
    assert (100, 30.0, 1.0) == (
        configuration.upstreams["app"].pool.max_connections,
        configuration.upstreams["app"].pool.idle_timeout,
        configuration.upstreams["app"].pool.wait,
    )


def test_responses_without_a_route_carry_security_headers_unless_the_file_says_otherwise(
    tmp_path: Path,
) -> None:
    default = loaded(START + ROUTE, tmp_path).no_route
    none = loaded(START + ROUTE + "no_route: {}\n", tmp_path).no_route
    other = loaded(START + ROUTE + "no_route: {deadline: 3s}\ndefaults: {retry: {}}\n", tmp_path).no_route

    assert [("security_headers/no_route", "owasp-api", "default")] == [
        (policy.state_name, policy.config.preset, policy.place) for policy in default
    ]
    assert ((), ["deadline"]) == (none, [policy.kind for policy in other])


def test_where_there_are_no_security_headers_nothing_is_carried(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(START + ROUTE)

    assert () == load(file, KINDS[:1], env={}).no_route


def test_several_files_are_one_configuration_and_defaults_are_per_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(START + "policies: {deadline: {slow: 60s}}\nmetrics: {namespace: x}\n")
    (tmp_path / "b.yaml").write_text("version: 1\ndefaults: {deadline: 1s}\n" + ROUTE)
    (tmp_path / "c.yaml").write_text(
        "version: 1\nroutes:\n- {name: two, match: {path: /two}}\n"
        "- {name: three, match: {path: /three}, policies: {deadline: slow}}\n"
    )
    configuration = load(tmp_path, KINDS, env={})

    assert ("x", ()) == (configuration.metrics.namespace, configuration.warnings)
    assert [("only", [1.0]), ("two", []), ("three", [60.0])] == [
        (route.name, [policy.config.total for policy in route.policies]) for route in configuration.routes
    ]


def test_the_problems_of_all_files_come_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("version: 1\nupstreams: {app: {}}\n")
    (tmp_path / "b.yaml").write_text(f"version: 1\n{ROUTE}    policies: {{deadline: 5}}\n")

    with pytest.raises(ConfigError) as refusal:
        load(tmp_path, KINDS, env={})
    assert [("a.yaml", "upstreams.app"), ("b.yaml", "routes[0].policies.deadline")] == [
        (Path(problem.file).name, problem.path) for problem in refusal.value.problems
    ]


def test_what_a_broken_file_might_have_defined_is_not_missed(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("version: 1\nupstreams: [\n")
    (tmp_path / "b.yaml").write_text("version: 1\nroute: []\n" + ROUTE)

    with pytest.raises(ConfigError) as refusal:
        load(tmp_path, KINDS, env={})
    assert [("a.yaml", 2), ("b.yaml", 2)] == [(Path(p.file).name, p.line) for p in refusal.value.problems]


@pytest.mark.parametrize(
    ("upstreams", "called", "urls"),
    [
        ("", "", {"app": "http://127.0.0.1:9"}),
        ("upstreams: {app: {pool: {wait: 2s}}}", "", {"app": "http://127.0.0.1:9"}),
        ('upstreams: {app: {url: "http://127.0.0.1:1"}}', "", {"app": "http://127.0.0.1:1"}),
        ('upstreams: {two: {url: "http://127.0.0.1:2"}}', "", {"two": "http://127.0.0.1:2"}),
        (
            'upstreams: {two: {url: "http://127.0.0.1:2"}}',
            "app",
            {"two": "http://127.0.0.1:2", "app": "http://127.0.0.1:9"},
        ),
    ],
    ids=["no upstream", "without a url", "with a url", "another one", "another one, and `app` is called"],
)
def test_the_command_line_gives_the_url_of_app_where_the_files_leave_it_out(
    tmp_path: Path, upstreams: str, called: str, urls: dict[str, str]
) -> None:
    text = f"version: 1\n{upstreams}\n{ROUTE}" + (f"    upstream: {called}\n" if called else "")
    configuration = loaded(text, tmp_path, default_upstream="http://127.0.0.1:9")

    assert urls == {name: upstream.url for name, upstream in configuration.upstreams.items()}


def test_what_the_files_say_of_app_besides_its_url_holds(tmp_path: Path) -> None:
    text = "version: 1\nupstreams: {app: {pool: {wait: 2s}}}\n" + ROUTE

    assert 2.0 == loaded(text, tmp_path, default_upstream="http://127.0.0.1:9").upstreams["app"].pool.wait


def test_a_bad_url_from_the_command_line_is_a_problem_without_a_line(tmp_path: Path) -> None:
    (problem,) = refused("version: 1\n" + ROUTE, tmp_path, default_upstream="nowhere")

    assert problem.startswith("0:0: : 'nowhere' is no url of an upstream")


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ('upstreams: {app: {url: "http://a"}, b: {url: "http://b"}}\n', 'no route calls the upstream "b"'),
        (START[11:] + "policies: {retry: {a: {}}}\n", "nothing uses this policy"),
    ],
    ids=["an upstream", "a policy"],
)
def test_what_nobody_uses_is_warned_of(tmp_path: Path, text: str, warning: str) -> None:
    configuration = loaded(f"version: 1\n{text}{ROUTE}    upstream: app\n", tmp_path)

    assert [warning] == [problem.message for problem in configuration.warnings]


def test_defaults_without_a_route_in_their_file_are_warned_of(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(START + ROUTE)
    (tmp_path / "b.yaml").write_text("version: 1\ndefaults: {deadline: 3s}\n")

    (warning,) = load(tmp_path, KINDS, env={}).warnings
    assert ("b.yaml", 2, "no route stands in this file; `defaults` are for those") == (
        Path(warning.file).name,
        warning.line,
        warning.message,
    )


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("version: 1\n", ["no upstream is defined", "no route is defined"]),
        (START, ["no route is defined"]),
        (START + "routes: []\n", ["no route is defined"]),
        (START + "routes: 5\n", ["got the number 5"]),
        ("version: 1\nupstreams: 5\n" + ROUTE, ["got the number 5"]),
        ("5", ["got the number 5"]),
    ],
)
def test_what_is_missing_as_a_whole_is_said_once(tmp_path: Path, text: str, problems: list[str]) -> None:
    assert problems == [problem.split(": ")[2].partition(";")[0] for problem in refused(text, tmp_path)]


def test_literal_secrets_are_taken_only_when_that_is_asked_for(tmp_path: Path) -> None:
    text = START + ROUTE + "    policies: {webhook_signature: {secrets: [hunter2]}}\n"
    (policy,) = loaded(text, tmp_path, allow_literal_secrets=True).routes[0].policies

    assert b"hunter2" == policy.config.secrets[0].reveal()
    assert [True] == ["stands here in clear" in problem for problem in refused(text, tmp_path)]


def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    text = START + ROUTE + "    policies: {webhook_signature: {secrets: [{env: SECRET}]}}\n"

    assert ENV["SECRET"] not in repr(loaded(text, tmp_path))


def test_templates_are_json_or_text(tmp_path: Path) -> None:
    text = "errors: {templates: {a.b: {json: {c: [1, ~]}}, a.c: {text: d, content_type: text/html}}}\n"
    templates = loaded(START + ROUTE + text, tmp_path).errors.templates

    assert JsonTemplate(json={"c": [1, None]}) == templates["a.b"]
    assert TextTemplate(text="d", content_type=HeaderValue("text/html")) == templates["a.c"]


def test_one_path_has_one_meaning_on_the_data_port(tmp_path: Path) -> None:
    text = START + ROUTE + "metrics: {namespace: a, path: /x}\nhealth: {paths: {/x: details}}\n"

    assert ["6:31: metrics.path: /x is one of `health.paths` too; expected a path of its own"] == refused(
        text, tmp_path
    )


def test_the_same_files_are_the_same_revision(tmp_path: Path) -> None:
    one, two = loaded(START + ROUTE, tmp_path), loaded(START + ROUTE, tmp_path)
    three = loaded(START + ROUTE + "# changed\n", tmp_path)

    assert (True, False) == (one.revision == two.revision, one.revision == three.revision)


def test_a_thousand_routes_share_what_they_have_in_common(tmp_path: Path) -> None:
    routes = "".join(
        f"- {{name: route-{n}, match: {{path: '/api/{n}/{{id}}'}}, policies: {{rate_limit: shared}}}}\n"
        for n in range(1000)
    )
    shared = "policies: {rate_limit: {shared: {limit: 5}}}\ndefaults: {deadline: 3s}\n"
    configuration = loaded(f"{START}{shared}routes:\n{routes}", tmp_path)

    assert (1000, 2) == (
        len(configuration.routes),
        len({id(policy.config) for route in configuration.routes for policy in route.policies}),
    )
