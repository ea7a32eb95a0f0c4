"""Families read as they were meant to."""

from __future__ import annotations

from prometheus_client import Metric

from proxy.telemetry.families import Families

SHOP = Families("shop")


def read(family: Metric) -> list[tuple[str, str, dict[str, str], float]]:
    return [(family.type, each.name, each.labels, each.value) for each in family.samples]


def test_a_number_stands_under_the_namespace() -> None:
    assert [("gauge", "shop_tasks", {}, 3)] == read(SHOP.gauge("tasks", "Tasks.", 3))
    assert [("counter", "shop_lost_total", {}, 4)] == read(SHOP.counter("lost", "Lost.", 4))


def test_several_numbers_are_told_apart_by_labels() -> None:
    assert [
        ("gauge", "shop_healthy", {"check": "db"}, True),
        ("gauge", "shop_healthy", {"check": "disk"}, False),
    ] == read(SHOP.gauges("healthy", "Healthy.", "check", {"db": True, "disk": False}))
    assert [
        ("counter", "shop_calls_total", {"to": "a", "with": "200"}, 2),
        ("counter", "shop_calls_total", {"to": "b", "with": "503"}, 1),
    ] == read(SHOP.counters("calls", "Calls.", ("to", "with"), [(("a", "200"), 2), (("b", "503"), 1)]))
