"""What stands in the terminal."""

from __future__ import annotations

from bench import text
from bench.figures import Goal, Spread, Start
from tests.bench.samples import results, runs, sample


def test_a_table_has_a_line_for_each_proxy_the_cheapest_first() -> None:
    lines = text.table("GET", runs(envoy=[40.0, 44.0], seawall=[30.0, 33.0])).splitlines()

    head, seawall, envoy = (line.split() for line in lines[1:])
    assert "GET" == lines[0]
    assert ["CPU", "µs/request", "lowest..highest"] == head[:3]
    assert [
        "seawall",
        "31.5",
        "30.0..33.0",
        "50%",
        "1.25",
        "2.50",
        "20,000",
        "98%",
        "50",
        "32",
        "0%",
    ] == seawall
    assert ["envoy", "42.0", "40.0..44.0", "50%", "×0.75"] == envoy[:5]


def test_the_columns_stand_under_their_heads() -> None:
    lines = text.table("GET", runs(nginx=[14.0], seawall=[1234.5])).splitlines()[1:]

    assert 1 == len({len(line) for line in lines})


def test_a_report_says_what_was_skipped_and_why() -> None:
    assert "nginx: skipped, it is not installed" in text.report(
        results(skipped={"nginx": "it is not installed"})
    )


def test_a_machine_that_was_not_quiet_is_named() -> None:
    noisy = results({"plain": {"json": {"seawall": [sample(30, others=0.2)]}}})
    quiet = results({"plain": {"json": {"seawall": [sample(30, others=0.05)]}}})

    assert "NOT QUIET: in the worst run, 20% of the cores went to other processes" in text.about(noisy)
    assert "QUIET" not in text.about(quiet)


def test_a_report_has_every_test_and_the_goals() -> None:
    measured = {"plain": {"json": runs(seawall=[36.0], envoy=[40.0]), "c1": runs(seawall=[100.0])}}

    report = text.report(results(measured, start=Start(399.6, 49.2)))

    assert "== Plain: one route, no policies\n\nGET of 123 bytes of JSON, 32 connections\n" in report
    assert "\n\nGET of 123 bytes of JSON, 1 connection\n" in report
    assert "  plain, of Envoy's: 0.90, at most 0.75: MISSED\n" in report
    assert "  1 MiB, of nginx's: –, at most 1.00: not measured\n" in report
    assert "  start to ready: 400 ms, at most 500 ms: met\n" in report


def test_a_goal_shows_its_spread_where_it_has_one() -> None:
    assert "0.71 (0.69..0.74)" == text.found(Goal("", Spread(0.71, 0.69, 0.74), 0.75))
    assert "49 MiB" == text.found(Goal("", Spread(49, 49, 49), 60, " MiB"))
