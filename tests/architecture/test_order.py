"""The order in which a request meets the policies: changing it is a visible change."""

from __future__ import annotations

from pathlib import Path

import proxy.policies
from proxy.policies import PIPELINE_ORDER
from proxy.policies.admission import ADMISSION
from proxy.policies.answers import ANSWERS
from proxy.policies.checks import CHECKS
from proxy.policies.edge import EDGE
from proxy.policies.identity import IDENTITY
from proxy.policies.resilience import RESILIENCE

PHASES = {
    "edge": EDGE,
    "admission": ADMISSION,
    "identity": IDENTITY,
    "checks": CHECKS,
    "answers": ANSWERS,
    "resilience": RESILIENCE,
}


def test_the_whole_order() -> None:
    assert [
        "deadline",
        "forwarded",
        "security_headers",
        "cors",
        "require_https",
        "ip_list",
        "size_limit",
        "rate_limit",
        "authenticate",
        "api_key",
        "basic_auth",
        "jwt",
        "webhook_signature",
        "message_signature",
        "csrf",
        "quota",
        "event_filter",
        "json_schema",
        "replay_guard",
        "idempotency",
        "mask_errors",
        "concurrency",
        "retry",
        "circuit_breaker",
        "pace",
        "timeout",
    ] == [policy.name for policy in PIPELINE_ORDER]


def test_the_phases_follow_each_other() -> None:
    assert [policy for phase in PHASES.values() for policy in phase] == list(PIPELINE_ORDER)


def test_each_folder_is_a_phase() -> None:
    package = Path(proxy.policies.__file__).parent

    assert sorted(PHASES) == sorted(path.parent.name for path in package.glob("*/__init__.py"))


def test_each_policy_lies_in_the_folder_of_its_phase() -> None:
    misplaced = [
        policy.name
        for phase, policies in PHASES.items()
        for policy in policies
        if not policy.config.__module__.startswith(f"proxy.policies.{phase}.")
    ]

    assert [] == misplaced
