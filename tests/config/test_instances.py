"""The policies of a route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from proxy.config.configuration import PolicyInstance
from proxy.config.context import Context
from proxy.config.instances import PolicyTyper, in_force
from proxy.config.nodes import Node
from proxy.config.report import Report
from tests.config.kinds import ENV, KINDS, messages, parsed

DEFINITIONS = """
rate_limit:
  shared: {limit: 10, mode: shadow}
  half: {burst: 3}
  unused: {limit: 1}
deadline: {slow: 60s}
"""


class Typing:
    """A typer, and what it reports."""

    def __init__(self, definitions: str = DEFINITIONS) -> None:
        self.report = Report()
        document = parsed(definitions)[0]
        kinds: Mapping[str, Node] = document.value if isinstance(document.value, dict) else {}
        named: Any = {kind: node.value for kind, node in kinds.items()}
        self.typer = PolicyTyper(KINDS, named, Context(self.report, ENV))

    def policies(
        self, text: str, defaults: str = "{}", owner: str = "r", **settings: Any
    ) -> tuple[PolicyInstance, ...]:
        uses = self.typer.read_defaults(parsed(defaults)[0])
        return self.typer.policies(parsed(text)[0], uses, owner, **settings)

    def messages(self) -> list[str]:
        return messages(self.report)


def test_policies_come_in_the_order_of_the_pipeline() -> None:
    policies = Typing().policies("{retry: {}, rate_limit: shared, deadline: 3s}", "{security_headers: owasp}")

    assert ["deadline", "security_headers", "rate_limit", "retry"] == [policy.kind for policy in policies]


@pytest.mark.parametrize(
    ("text", "defaults", "names"),
    [
        ("{rate_limit: shared}", "{}", ["rate_limit/shared"]),
        ("{rate_limit: {use: shared, limit: 3}}", "{}", ["rate_limit/shared"]),
        ("{rate_limit: {limit: 3}}", "{}", ["rate_limit/r"]),
        ("{}", "{rate_limit: {limit: 3}}", ["rate_limit/r"]),
        ("{}", "{rate_limit: shared}", ["rate_limit/shared"]),
        ("{rate_limit: {mode: enforce}}", "{rate_limit: shared}", ["rate_limit/shared"]),
        ("{rate_limit: [shared, {limit: 1}]}", "{}", ["rate_limit/shared", "rate_limit/r"]),
        (
            "{rate_limit: [{name: x, limit: 1}, {name: y, limit: 2}]}",
            "{}",
            ["rate_limit/r/x", "rate_limit/r/y"],
        ),
        ("{}", "{rate_limit: [shared, {limit: 1}]}", ["rate_limit/shared", "rate_limit/r"]),
        ("{rate_limit: {limit: 1}}", "{rate_limit: [shared]}", ["rate_limit/r"]),
        ("{rate_limit: [{limit: 1}]}", "{rate_limit: shared}", ["rate_limit/r"]),
        ("{rate_limit: ~}", "{rate_limit: shared}", []),
        ("{rate_limit: []}", "{rate_limit: shared}", []),
        ("{rate_limit: {mode: disabled}}", "{rate_limit: shared}", []),
        ("{}", "{rate_limit: ~}", []),
    ],
)
def test_state_belongs_to_the_name_else_to_the_route(text: str, defaults: str, names: list[str]) -> None:
    typing = Typing()

    assert names == [policy.state_name for policy in typing.policies(text, defaults)]
    assert [] == typing.messages()


def test_a_policy_says_its_mode_and_where_it_is_defined() -> None:
    (policy,) = Typing().policies("{rate_limit: shared}")

    assert ("shadow", "a.yaml:3", 10) == (policy.mode, policy.place, policy.config.limit)


def test_what_routes_share_is_typed_once() -> None:
    typing = Typing()
    defaults = typing.typer.read_defaults(parsed("{deadline: 3s}")[0])
    one, two = (typing.typer.policies(parsed("{rate_limit: shared}")[0], defaults, name) for name in "ab")

    assert [True, True] == [mine.config is yours.config for mine, yours in zip(one, two, strict=True)]
    assert ["deadline/b", "rate_limit/shared"] == [policy.state_name for policy in two]


def test_a_definition_may_leave_to_its_user_what_is_required() -> None:
    typing = Typing()
    typing.typer.check_definitions()
    (policy,) = typing.policies("{rate_limit: {use: half, limit: 5}}")

    assert ([], 5, 3) == (typing.messages(), policy.config.limit, policy.config.burst)


def test_a_definition_that_is_wrong_is_reported_though_nobody_uses_it() -> None:
    typing = Typing(
        """\
rate_limit: {a: {limit: many}}
webhook_signature: {b: {secrets: [{env: NOT_SET}]}}
deadline: {c: x}
"""
    )
    typing.typer.check_definitions()

    assert [
        '1:25: rate_limit.a.limit: got the text "many"; expected a whole number of at least 1',
        "3:15: deadline.c: 'x' is no duration; expected one with its unit, such as 250ms, 30s, 1h30m, 7d",
    ] == typing.messages()


def test_what_is_missing_in_a_shared_definition_is_reported_once() -> None:
    typing = Typing()
    for name in "abc":
        typing.policies("{rate_limit: half}", owner=name)

    assert [
        "4:3: rate_limit.half: `limit` is missing; expected a whole number of at least 1"
    ] == typing.messages()


def test_definitions_that_nobody_uses_are_known() -> None:
    typing = Typing()
    typing.policies("{rate_limit: [shared, {use: half, limit: 3}]}", "{deadline: slow}")

    assert ["rate_limit.unused"] == [node.path for node in typing.typer.unused()]


@pytest.mark.parametrize("mode", ["shadow", "10%", "100%"])
def test_a_mode_that_a_kind_has_not_is_refused_with_its_reason(mode: str) -> None:
    typing = Typing()
    reason = f"security_headers has no mode {mode}: it refuses nothing; expected enforce or disabled"

    assert () == typing.policies(f"{{security_headers: {{mode: {mode}}}}}")
    assert [f"1:27: security_headers.mode: {reason}"] == typing.messages()


def test_a_disabled_policy_is_stated_in_its_place_and_not_in_force() -> None:
    text = "{retry: {}, rate_limit: {use: shared, mode: disabled}, deadline: 3s}"

    stated = Typing().typer.stated(parsed(text)[0], {}, "r")

    assert [("deadline", "enforce"), ("rate_limit", "disabled"), ("retry", "enforce")] == [
        (policy.kind, policy.mode) for policy in stated
    ]
    assert ["deadline", "retry"] == [policy.kind for policy in in_force(stated)]


def test_of_a_route_that_is_not_enabled_no_variables_and_secrets_are_asked() -> None:
    typing = Typing()
    text = """\
webhook_signature: {secrets: [{env: NOT_SET}]}
rate_limit: {limit: '${NOT_SET}'}
retry: {carefull: 1}
"""
    typing.policies(text, lenient=True)

    assert ['3:9: retry.carefull: unknown key "carefull"; did you mean `careful`?'] == typing.messages()


def test_a_policy_that_a_disabled_route_uses_is_asked_for_its_secrets_by_an_enabled_one() -> None:
    typing = Typing("{webhook_signature: {github: {secrets: [{env: NOT_SET}]}}}")
    typing.policies("{webhook_signature: github}", owner="off", lenient=True)
    before = typing.messages()
    typing.policies("{webhook_signature: github}", owner="on")

    assert ([], 1) == (before, len(typing.messages()))


def test_two_policies_never_share_a_state_by_accident() -> None:
    typing = Typing()
    typing.policies("{rate_limit: shared}", owner="other")
    typing.policies("{rate_limit: {limit: 1}}", owner="shared")

    (message,) = typing.messages()
    assert (
        'the state "rate_limit/shared" would be shared by the policy shared and the route shared' in message
    )


def test_defaults_that_are_wrong_are_reported_once_where_they_stand() -> None:
    typing = Typing()
    defaults = typing.typer.read_defaults(parsed("{deadline: 30, retry: 5, rate_limit: {limt: 1}}")[0])
    for name in "ab":
        typing.typer.policies(parsed("{}")[0], defaults, name)

    assert [
        "1:12: deadline: 30 is no duration; expected one with its unit, such as 250ms, 30s, 1h30m, 7d",
        "1:23: retry: got the number 5; expected a name, a mapping or a list of them",
        "1:26: rate_limit: `limit` is missing; expected a whole number of at least 1",
        '1:39: rate_limit.limt: unknown key "limt"; did you mean `limit`?',
    ] == typing.messages()


def test_without_anything_there_are_no_policies() -> None:
    typing = Typing()

    assert () == typing.typer.policies(None, typing.typer.read_defaults(None), "r")
