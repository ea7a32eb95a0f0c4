"""The options of `make bench`."""

from __future__ import annotations

import pytest

from bench.options import parse
from bench.rounds import Plan
from bench.scenarios import KEY


def plan(*arguments: str) -> Plan:
    found: Plan = parse(arguments).plan
    return found


def names(*arguments: str) -> tuple[list[str], list[str]]:
    found = plan(*arguments)
    return [test.name for test in found.tests], [test.name for test in found.policy_tests]


def test_by_default_everything_is_measured_five_times() -> None:
    plain = ["json", "headers", "varied", "post", "10k", "1m", "c1"]
    assert (plain, ["json", "headers", "varied", "post", "c1"]) == names()
    assert (5, ("plain", "policies", "routes")) == (plan().rounds, tuple(plan().variants))
    assert {"seawall", "nginx", "envoy", "traefik", "caddy", "haproxy", "naive"} == set(plan().peers)


def test_what_is_asked_where_there_are_policies_has_the_key_and_is_otherwise_the_same() -> None:
    found = plan("--tests", "headers,c1")

    key = {"X-API-Key": KEY}
    assert [{**test.headers, **key} for test in found.tests] == [test.headers for test in found.policy_tests]
    assert [False, False] == ["X-API-Key" in test.headers for test in found.tests]
    assert [32, 1] == [test.connections for test in found.policy_tests]


def test_tests_that_are_named_hold_for_both_variants() -> None:
    assert (["10k", "c1"], ["10k", "c1"]) == names("--tests", "c1,10k")


def test_seawall_is_always_there_to_be_compared() -> None:
    assert ("seawall", "envoy") == tuple(plan("--peers", "envoy").peers)


def test_a_default_run_is_planned_for_less_than_nine_minutes_and_a_quick_one_for_less_than_one() -> None:
    assert (True, True) == (plan().estimate() < 540, plan("--quick").estimate() < 60)


def test_a_quick_run_can_be_given_more() -> None:
    assert (["1m"], ["1m"]) == names("--quick", "--tests", "1m")
    assert (2, 7) == (plan("--quick").rounds, plan("--quick", "--rounds", "7").rounds)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--tests", "jsno"], "there is no jsno; there are json, headers"),
        (["--peers", "envoy,squid"], "there is no squid; there are seawall"),
        (["--variants", ""], "there is no ; there are plain, policies, routes"),
        (["--rounds", "0"], "invalid choice: 0"),
    ],
    ids=["unknown test", "unknown peer", "nothing", "no round"],
)
def test_what_is_wrong_is_named(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(arguments)

    assert (2, True) == (stopped.value.code, reason in capsys.readouterr().err)
