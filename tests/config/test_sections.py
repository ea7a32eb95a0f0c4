"""What stands under the top-level keys of several documents."""

from __future__ import annotations

import pytest

from proxy.config.context import Context
from proxy.config.model import ClientsConfig, MetricsConfig
from proxy.config.nodes import Node, Source, plain
from proxy.config.report import Report
from proxy.config.sections import Sections
from proxy.config.yaml12 import parse
from tests.config.kinds import KINDS


def collected(*texts: str) -> tuple[Sections, list[str]]:
    report = Report()
    sections = Sections({kind.name: kind for kind in KINDS}, Context(report))
    for number, text in enumerate(texts, 1):
        node = parse(f"version: 1\n{text}".encode(), Source(f"{number}.yaml", ""), report)
        assert isinstance(node, Node)
        sections.add(node)
    return sections, [str(problem).partition("\n")[0] for problem in report.problems()]


def test_everything_is_put_where_it_belongs() -> None:
    sections, problems = collected(
        "clients: {}\nupstreams: {a: {url: x}, x-b: 1}\nroutes: [{name: r}]\nx-free: 1",
        "upstreams: {c: {url: y}}\ndefaults: {deadline: 3s}\n"
        "policies: {deadline: {slow: 5s, x-y: 1}, retry: ~}",
    )

    assert [] == problems
    assert (["clients"], ["a", "c"]) == (list(sections.once), list(sections.upstreams))
    assert {"deadline": {"slow": "5s"}} == {
        kind: {name: plain(node) for name, node in named.items()}
        for kind, named in sections.definitions.items()
    }
    assert [["r"], []] == [[plain(route)["name"] for route in routes] for routes in sections.routes.values()]
    assert [{"deadline": "3s"}] == [plain(node) for node in sections.defaults.values()]


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        ("clients: {}", "2:1: clients: `clients` stands in 1.yaml:2"),
        ("no_route: {}", "2:1: no_route: `no_route` stands in 1.yaml:3"),
        ("upstreams: {a: {}}", '2:13: upstreams.a: the upstream "a" stands in 1.yaml:4'),
        (
            "policies: {deadline: {slow: 3s}}",
            '2:23: policies.deadline.slow: the deadline policy "slow" stands in 1.yaml:5',
        ),
    ],
    ids=["a section", "what has no route", "an upstream", "a policy"],
)
def test_what_may_stand_once_stands_once_in_all_files(second: str, problem: str) -> None:
    first = "clients: {}\nno_route: {}\nupstreams: {a: {}}\npolicies: {deadline: {slow: 3s}}"

    assert [f"2.yaml:{problem} already; expected once"] == collected(first, second)[1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("routes: {}", "2:9: routes: got a mapping; expected a list of routes"),
        ("upstreams: []", "2:12: upstreams: got a list; expected a mapping"),
        ("defaults: 3", "2:11: defaults: got the number 3; expected a mapping"),
        ("clients: on", '2:10: clients: got the text "on"; expected a mapping'),
        ("policies: {retry: 5}", "2:19: policies.retry: got the number 5; expected a mapping of names"),
        ("policies: {rety: {}}", '2:12: policies.rety: unknown policy "rety"; did you mean `retry`?'),
        ("policies: {webhook_signature: hunter2}", "got the text"),
        ("metric: {}", '2:1: metric: unknown key "metric"; did you mean `metrics`?'),
        ('upstreams: {"a b": {}}', "2:13: upstreams[\"a b\"]: 'a b' is no name"),
        ("version: 2", "2:1: version: `version` stands twice"),
    ],
)
def test_what_cannot_be_collected_is_reported(text: str, problem: str) -> None:
    (actual,) = collected(text)[1]

    assert problem in actual
    assert "webhook" in text or actual.startswith("1.yaml:2:")


def test_no_secret_is_shown_where_policies_are_expected() -> None:
    report = Report()
    sections = Sections({kind.name: kind for kind in KINDS}, Context(report))
    for text in (
        "version: 1\npolicies: {webhook_signature: hunter2}",
        "version: 1\npolicies: {webhook_signature: [hunter2]}",
    ):
        node = parse(text.encode(), Source("a.yaml", ""), report)
        assert node is not None
        sections.add(node)

    assert report.problems()
    assert "hunter2" not in "".join(problem.excerpt for problem in report.problems())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[1]", "1:1: : got a list; expected a mapping that begins with `version: 1`"),
        ("a", '1:1: : got the text "a"; expected a mapping that begins with `version: 1`'),
        ("x-a: 1", "1:1: : `version` is missing; expected `version: 1`"),
        ("version: ~", "1:10: version: got nothing; expected 1"),
        ("version: '1'", '1:10: version: got the text "1"; expected 1'),
    ],
)
def test_a_document_says_which_version_it_is(text: str, problem: str) -> None:
    report = Report()
    node = parse(text.encode(), Source("a.yaml", ""), report)
    assert node is not None
    Sections({}, Context(report)).add(node)

    assert [problem] == [f"{p.line}:{p.column}: {p.path}: {p.message}" for p in report.problems()]


def test_a_section_is_typed_and_by_default_empty() -> None:
    sections, problems = collected("clients: {trusted_proxies: [10.0.0.0/8]}")

    assert [] == problems
    assert ClientsConfig(trusted_proxies=("10.0.0.0/8",)) == sections.typed("clients", ClientsConfig)
    assert MetricsConfig() == sections.typed("metrics", MetricsConfig)


def test_a_section_with_problems_is_none() -> None:
    sections, _ = collected("clients: {trusted_proxies: 5}")

    assert sections.typed("clients", ClientsConfig) is None
