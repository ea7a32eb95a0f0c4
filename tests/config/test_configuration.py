"""What is known of a configuration after it was loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.kinds import ROUTE, START, loaded

TEXT = f"""{START}errors: {{templates: {{rate_limit.exceeded: {{text: a}}}}}}
{ROUTE}    policies:
      rate_limit: {{limit: 5, key: [client.ip, path.id]}}
      webhook_signature: {{secrets: [hunter2], scheme: github}}
"""


@pytest.mark.parametrize(
    ("message", "path", "expected"),
    [
        ("limit is too low; expected more", "", "8:27: routes[0].policies.rate_limit.limit"),
        ("`limit` is too low; expected more", "", "8:27: routes[0].policies.rate_limit.limit"),
        ("the key is odd; expected another", "key[1]", "8:47: routes[0].policies.rate_limit.key[1]"),
        ("all of it is odd; expected nothing", "", "8:7: routes[0].policies.rate_limit"),
        ("burst is too low; expected more", "", "8:7: routes[0].policies.rate_limit"),
    ],
    ids=["a field", "a field in quotes", "a path", "the whole", "a field by default"],
)
def test_what_shows_later_is_located_as_well(tmp_path: Path, message: str, path: str, expected: str) -> None:
    configuration = loaded(TEXT, tmp_path, allow_literal_secrets=True)
    problem = configuration.problem(configuration.routes[0].policies[0].node, message, path)

    assert f"{expected}: {message}" == f"{problem.line}:{problem.column}: {problem.path}: {problem.message}"


def test_secrets_are_hidden_in_what_shows_later(tmp_path: Path) -> None:
    configuration = loaded(TEXT, tmp_path, allow_literal_secrets=True)
    problem = configuration.problem(configuration.routes[0].policies[1].node, "scheme is odd; expected hmac")

    assert "      webhook_signature: {secrets: [***], scheme: github}" == problem.excerpt.partition("\n")[0]


def test_sections_say_where_they_stand(tmp_path: Path) -> None:
    sections = loaded(TEXT, tmp_path, allow_literal_secrets=True)
    template = sections.problem(sections.sections["errors"], "odd", "templates.rate_limit.exceeded")
    upstream = sections.problem(sections.sections["upstreams"], "odd", "app.url")

    assert (3, 'errors.templates["rate_limit.exceeded"]') == (template.line, template.path)
    assert (2, "upstreams.app.url") == (upstream.line, upstream.path)


def test_all_policies_can_be_gone_through(tmp_path: Path) -> None:
    configuration = loaded(TEXT, tmp_path, allow_literal_secrets=True)

    assert ["rate_limit/only", "webhook_signature/only", "security_headers/no_route"] == [
        policy.state_name for policy in configuration.instances()
    ]


def test_a_revision_has_a_short_form(tmp_path: Path) -> None:
    configuration = loaded(TEXT, tmp_path, allow_literal_secrets=True)

    assert (12, True) == (
        len(configuration.short_revision),
        configuration.revision.startswith(configuration.short_revision),
    )
