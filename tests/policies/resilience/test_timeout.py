"""How long one attempt may take."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.units import Duration
from proxy.exchange import AttemptLimits
from proxy.policies.resilience.timeout import Timeout, TimeoutConfig
from proxy.testing import exchange, fake_services, route
from tests.policies.reading import problems


async def test_an_attempt_gets_the_limits_of_its_route() -> None:
    config = TimeoutConfig(
        connect=Duration.parse("500ms"),
        response=Duration.parse("10s"),
        idle=Duration.parse("2m"),
        attempt=Duration.parse("3m"),
    )
    asked = exchange()

    await route(Timeout(config, fake_services())).respond(asked)

    assert AttemptLimits(connect=0.5, response=10.0, idle=120.0, attempt=180.0) == asked.limits


async def test_what_is_not_given_is_as_without_the_policy() -> None:
    asked, untouched = exchange(), exchange()

    await route(Timeout(TimeoutConfig(), fake_services())).respond(asked)

    assert untouched.limits == asked.limits


@pytest.mark.parametrize(
    ("policies", "wrong"),
    [
        pytest.param("timeout: 10s", [], id="the response alone"),
        pytest.param("timeout: {connect: 2s, response: 10s, idle: 30s, attempt: 1m}", [], id="all of them"),
        pytest.param(
            "timeout: {response: 0s, connect: 0s, idle: 0s, attempt: 0s}",
            ["timeout.response", "timeout.connect", "timeout.idle", "timeout.attempt"],
            id="no time at all",
        ),
        pytest.param(
            'timeout: {response: 10s, mode: "10%"}', ["timeout.mode"], id="a share, with nothing to report"
        ),
    ],
)
def test_what_a_policy_file_may_say(policies: str, wrong: list[str], tmp_path: Path) -> None:
    assert wrong == problems(policies, tmp_path)


def test_it_says_in_words_what_an_attempt_may_take() -> None:
    assert [
        "2s to connect",
        "10s for the head of the response",
        "1m without a byte of a body",
    ] == list(TimeoutConfig(connect=Duration(2), response=Duration(10), idle=Duration(60)).in_words())


def test_it_says_in_words_what_all_of_an_attempt_may_take() -> None:
    assert "10s for all of a call" == TimeoutConfig(attempt=Duration(10)).in_words()[-1]
