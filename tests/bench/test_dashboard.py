"""Each query of the dashboard has an answer of a real Prometheus; the picture shows what the file says."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from bench.dashboard.__main__ import SCRAPE, STEP, main, played
from bench.dashboard.panels import DASHBOARD, Dashboard, Panel, filled, load, rate_interval
from bench.dashboard.picture import Answers, draw
from bench.dashboard.prometheus import Sampled, configuration
from bench.dashboard.scene import HERE, Seawall
from bench.dashboard.values import shown, ticks
from bench.templates import fill
from proxy.cli import main as seawall

NAMESPACE = "{http://www.w3.org/2000/svg}"
SECONDS = 16.0
BEGIN, END = 1000.0, 1060.0
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed"
)


@needs_prometheus
def test_every_query_of_the_dashboard_has_an_answer_of_a_real_prometheus() -> None:
    dashboard = load(STEP, SCRAPE)

    found, told = played(dashboard, SECONDS)

    assert [] == found.empty(dashboard)
    assert "No data" not in texts(draw(dashboard, found, told))


def sampled(value: float = 1.0, **labels: str) -> Sampled:
    return Sampled(labels, [(BEGIN + second, value) for second in range(0, 60, 2)])


def answered(dashboard: Dashboard, series: Sequence[Sampled], marks: Sequence[float] = ()) -> Answers:
    return Answers(
        BEGIN,
        END,
        {panel.id: {query.ref: series for query in panel.queries} for panel in dashboard.panels},
        marks,
    )


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ET.fromstring(svg).iter(f"{NAMESPACE}text")]


def only(title: str) -> tuple[Dashboard, Panel]:
    dashboard = load(STEP, SCRAPE)
    (panel,) = (each for each in dashboard.panels if each.title == title)
    return replace(dashboard, panels=(panel,)), panel


def test_the_picture_has_every_panel_with_its_title() -> None:
    dashboard = load(STEP, SCRAPE)

    shown_there = texts(draw(dashboard, answered(dashboard, [sampled(instance="a")]), "a note"))

    titles = [panel.title if panel.kind != "row" else f"⌄ {panel.title}" for panel in dashboard.panels]
    assert [] == [title for title in titles if title not in shown_there]
    assert "a note" in shown_there


def test_what_has_no_data_is_named_and_says_so() -> None:
    dashboard, panel = only("Over rate limits")
    found = answered(dashboard, [])

    assert [f"Over rate limits, A: {panel.queries[0].expression}"] == found.empty(dashboard)
    assert "No data" in texts(draw(dashboard, found, ""))


def test_a_legend_has_the_labels_of_its_series_and_what_is_calculated() -> None:
    dashboard, _ = only("Over rate limits")
    found = answered(dashboard, [sampled(2.5, endpoint="/orders")])

    shown_there = texts(draw(dashboard, found, ""))

    assert ["Name", "Max", "Last *", "/orders", "2.5 req/s", "2.5 req/s"] == shown_there[6:12]


def test_a_legend_beside_the_lines_begins_with_the_highest() -> None:
    dashboard, _ = only("Errors by reason")
    found = answered(dashboard, [sampled(1, reason="low"), sampled(9, reason="high")])

    shown_there = texts(draw(dashboard, found, ""))

    assert shown_there.index("high") < shown_there.index("low")


def test_states_are_told_in_words() -> None:
    dashboard, _ = only("Circuit breakers")
    found = answered(dashboard, [sampled(0, name="app"), sampled(1, name="store")])

    assert {"app", "store", "closed", "open"} <= set(texts(draw(dashboard, found, "")))


def test_a_table_puts_the_answers_about_one_process_into_one_row() -> None:
    dashboard, panel = only("Last reload")
    first, second = (query.ref for query in panel.queries)
    of = {first: [sampled(1_700_000_000_000, instance="a")], second: [sampled(0, instance="a")]}

    shown_there = texts(draw(dashboard, Answers(BEGIN, END, {panel.id: of}, ()), ""))

    assert ["instance", "a", "at", "2023-11-14 22:13:20", "files", "REFUSED"] == shown_there[-6:]


def test_a_value_beyond_its_threshold_has_its_colour() -> None:
    dashboard, _ = only("Open breakers")

    calm, alarmed = (draw(dashboard, answered(dashboard, [sampled(value)]), "") for value in (0, 1))

    assert ("#f2495c" in calm, "#f2495c" in alarmed) == (False, True)


def test_only_what_lies_in_the_time_is_marked() -> None:
    dashboard, _ = only("Latency")
    lines = [sampled()]

    none, one = (
        draw(dashboard, answered(dashboard, lines, marks), "") for marks in ([BEGIN - 1], [BEGIN + 5])
    )

    assert (0, 1) == (none.count("stroke-dasharray"), one.count("stroke-dasharray"))


def test_what_a_label_says_cannot_be_markup() -> None:
    dashboard, _ = only("Latency by endpoint")
    found = answered(dashboard, [sampled(endpoint="</svg><script>")])

    assert "</svg><script>"[:20] in texts(draw(dashboard, found, ""))


def test_a_time_without_a_value_is_a_gap() -> None:
    dashboard, _ = only("Over rate limits")
    whole = sampled(1.0, endpoint="/a")
    broken = replace(whole, points=[*whole.points[:5], (BEGIN + 10, math.nan), *whole.points[6:]])
    missing = replace(whole, points=[*whole.points[:5], *whole.points[8:]])

    drawn = [
        draw(dashboard, answered(dashboard, [each]), "").count('fill="none"')
        for each in (whole, broken, missing)
    ]

    assert [1, 2, 2] == drawn


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.0, "reqps", "0 req/s"),
        (43.5538, "reqps", "43.6 req/s"),
        (1234.0, "short", "1.23 K"),
        (0.0153, "percentunit", "1.53%"),
        (0.0004, "s", "400 µs"),
        (0.3688, "s", "369 ms"),
        (4.325, "s", "4.33 s"),
        (90.0, "s", "1.5 mins"),
        (5_180_000.0, "s", "8.56 weeks"),
        (66_457_600.0, "bytes", "63.4 MiB"),
        (math.nan, "s", "-"),
    ],
)
def test_values_are_written_in_their_unit(value: float, unit: str, expected: str) -> None:
    assert expected == shown(value, unit)


@pytest.mark.parametrize(
    ("highest", "expected"),
    [(9.8, [0, 2, 4, 6, 8, 10]), (0.0, [0, 0.2, 0.4, 0.6, 0.8, 1]), (12, [0, 2.5, 5, 7.5, 10, 12.5])],
)
def test_an_axis_has_ticks_that_are_easily_read(highest: float, expected: list[float]) -> None:
    assert expected == pytest.approx(ticks(highest, "short"))


def test_variables_are_filled_in_as_grafana_does_and_unknown_ones_are_an_error() -> None:
    assert 'rate(a{job=~".*"}[8s]) $1' == filled(
        'rate(a{job=~"$job"}[${rate}]) $1', {"job": ".*", "rate": "8s"}
    )
    with pytest.raises(KeyError):
        filled("a[$unknown]", {})
    assert (8, 32) == (rate_interval(2, 2), rate_interval(30, 2))


def test_a_scrape_has_the_labels_of_a_service_monitor() -> None:
    made = configuration([Seawall("shop", "shop-0", "memory://", 1, 2)], "prod", 2)

    (scrape,) = made["scrape_configs"]
    assert ("shop", True) == (scrape["job_name"], scrape["honor_labels"])
    assert [{"targets": ["127.0.0.1:2"], "labels": {"namespace": "prod", "instance": "shop-0"}}] == scrape[
        "static_configs"
    ]


@pytest.mark.parametrize("job", ["shop", "gateway"])
def test_the_policies_of_the_scene_are_beyond_reproach(tmp_path: Path, job: str) -> None:
    policies = tmp_path / f"{job}.yaml"
    policies.write_text(
        fill((HERE / f"{job}.yaml").read_text(), {"UPSTREAM": 3000, "VALKEY": 6379, "MOST": 6})
    )

    assert 0 == CliRunner().invoke(seawall, ["check", "--strict", str(policies)]).exit_code


def test_a_time_that_is_none_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--seconds", "1"])

    assert (2, True) == (ended.value.code, "--seconds is 1" in capsys.readouterr().err)


def test_where_there_is_no_prometheus_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.dashboard.prometheus.shutil.which", lambda _: None)

    assert (2, True) == (main([]), "prometheus is not installed" in capsys.readouterr().err)


def test_the_picture_in_the_docs_has_the_panels_of_the_file() -> None:
    shown_there = texts((DASHBOARD.parents[3] / "docs" / "dashboard.svg").read_text())

    assert [] == [
        panel.title
        for panel in load(STEP, SCRAPE).panels
        if panel.kind != "row" and panel.title not in shown_there
    ]
