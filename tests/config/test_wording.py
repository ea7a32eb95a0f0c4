"""How values and edits read on one line."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.config.wording import edited, on_routes, routes_called, written


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("100/min", "100/min"),
        (None, "null"),
        (True, "true"),
        ([1, ["a"]], "[1, [a]]"),
        ("", '""'),
        ({"total": "30s"}, "30s"),
        ({"limit": "1/s", "burst": 2}, "limit 1/s, burst 2"),
        ("a\nb\x1b[31m", "a�b�[31m"),
        ("x" * 100, "x" * 30 + "..." + "x" * 20),
    ],
)
def test_a_value_reads_as_it_would_stand_in_a_file(value: Any, text: str) -> None:
    assert text == written(value)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("30s", "60s", "30s → 60s"),
        (["GET"], ["GET", "POST"], "[GET] → [GET, POST]"),
        ([f"10.0.0.{n}" for n in range(9)], [f"10.0.0.{n}" for n in range(1, 10)],
         "added 10.0.0.9, removed 10.0.0.0"),
        ([], [f"10.0.0.{n}" for n in range(99)], "added 10.0.0.0, 10.0.0.1, 10.0.0.2 and 96 more"),
        ([f"10.0.0.{n}" for n in range(9)], [f"10.0.0.{8 - n}" for n in range(9)], "in another order"),
        ("keys.yaml", "keys.yaml", "keys.yaml: other contents"),
    ],
)  # fmt: skip
def test_an_edit_reads_from_before_to_after(before: Any, after: Any, words: str) -> None:
    assert words == edited(before, after)


@pytest.mark.parametrize(
    ("names", "called", "on"),
    [
        (["a"], "route a", "a"),
        (["no_route"], "no route", "no route"),
        (["a", "no_route"], "routes a, no_route", "a, no route"),
        (list("abcd"), "4 routes (a, b, c, ...)", "on 4 routes (a, b, c, ...)"),
    ],
)
def test_routes_are_named_as_long_as_they_are_few(names: list[str], called: str, on: str) -> None:
    assert (called, on) == (routes_called(names), on_routes(names))
