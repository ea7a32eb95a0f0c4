"""Medians, spreads, ratios and goals."""

from __future__ import annotations

import json

import pytest

from bench.figures import Results, Spread, Start, by_cost, cost, disturbance, goals, median, ratio, spread
from tests.bench.samples import results, runs, sample


def test_a_spread_is_the_median_with_the_lowest_and_the_highest() -> None:
    assert Spread(3.0, 1.0, 9.0) == spread([9.0, 1.0, 3.0])


def test_a_ratio_is_taken_within_each_round() -> None:
    # The machine was three times as slow in the second round, for both.
    both = runs(seawall=[20.0, 60.0, 30.0], envoy=[40.0, 120.0, 40.0])

    assert Spread(0.5, 0.5, 0.75) == ratio(both, "seawall", "envoy")


def test_there_is_no_ratio_to_a_proxy_that_was_not_measured() -> None:
    assert ratio(runs(seawall=[20.0]), "seawall", "envoy") is None
    assert ratio(runs(envoy=[20.0]), "seawall", "envoy") is None


def test_proxies_are_ordered_by_their_median_cost() -> None:
    assert ["nginx", "seawall", "envoy"] == by_cost(
        runs(envoy=[40, 41, 42], nginx=[14, 90, 15], seawall=[30, 31, 1])
    )


def test_the_disturbance_is_that_of_the_worst_run() -> None:
    noisy = {"plain": {"json": {"seawall": [sample(1, others=0.02), sample(1, others=0.3)]}}}

    assert (0.3, 0.0) == (disturbance(results(noisy)), disturbance(results()))


def test_cost_and_median_are_of_all_rounds() -> None:
    samples = [sample(10, mib=50), sample(30, mib=70), sample(20, mib=60)]

    assert (Spread(20, 10, 30), 60) == (cost(samples), median(samples, "mib"))


MEASURED = {
    "plain": {
        "json": runs(seawall=[30.0], envoy=[40.0], nginx=[15.0], naive=[91.0]),
        "1m": runs(seawall=[400.0], nginx=[399.0]),
    },
    "policies": {"json": runs(seawall=[34.0], envoy=[40.0])},
    "routes": {"routes": runs(seawall_10=[40.0], seawall_1000=[42.0])},
}


def test_each_goal_is_met_up_to_its_limit_and_missed_over_it() -> None:
    verdicts = {goal.what: goal.verdict for goal in goals(results(MEASURED, start=Start(501.0, 60.0)))}

    assert {
        "plain, of Envoy's": "met",
        "plain, of nginx's": "met",
        "plain, of the naive proxy's": "met",
        "policies, of Envoy's with its equivalents": "met",
        "1 MiB, of nginx's": "MISSED",
        "1,000 routes, of 10 routes'": "met",
        "start to ready": "MISSED",
        "resident when idle": "met",
    } == verdicts


def test_a_goal_without_a_measurement_is_neither_met_nor_missed() -> None:
    assert {"not measured"} == {goal.verdict for goal in goals(results())}


@pytest.mark.parametrize("start", [None, Start(400.0, 50.0)], ids=["without a start", "with one"])
def test_results_survive_a_file(start: Start | None) -> None:
    before = results(MEASURED, skipped={"caddy": "no wheel"}, start=start)

    assert before == Results.from_dict(json.loads(json.dumps(before.as_dict())))
