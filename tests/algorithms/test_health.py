"""One check says nothing; several in a row do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.algorithms.health import Health


@pytest.mark.parametrize(
    ("checks", "states"),
    [
        pytest.param("p", ["healthy"], id="the first that passes is enough"),
        pytest.param("fp", ["unknown", "healthy"], id="also after one that failed"),
        pytest.param("fff", ["unknown", "unknown", "unhealthy"], id="the third that fails"),
        pytest.param("pffpff", ["healthy"] * 6, id="not in a row"),
        pytest.param(
            "fffpfpp",
            ["unknown", "unknown", *["unhealthy"] * 4, "healthy"],
            id="two have to pass once it was unhealthy",
        ),
    ],
)
def test_so_many_in_a_row_change_it(checks: str, states: list[str]) -> None:
    health, seen = Health(unhealthy_after=3, healthy_after=2), list[str]()
    for check in checks:
        health.record(passed=check == "p")
        seen.append(health.state)

    assert states == seen


@pytest.mark.parametrize(
    ("checks", "missing"), [("", 1), ("f", 1), ("p", 0), ("pf", 0), ("fff", 2), ("fffp", 1), ("fffpf", 2)]
)
def test_it_tells_how_many_have_to_pass(checks: str, missing: int) -> None:
    health = Health(unhealthy_after=3, healthy_after=2)
    for check in checks:
        health.record(passed=check == "p")

    assert missing == health.missing


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_a_change_is_told_once_and_has_its_row_behind_it(
    checks: list[bool], unhealthy_after: int, healthy_after: int
) -> None:
    health = Health(unhealthy_after, healthy_after)
    for index, passed in enumerate(checks):
        state = health.state
        before = health.record(passed=passed)
        assert (before is not None) == (state != health.state)
        if before is not None:
            assert before == state
            needed = unhealthy_after if not passed else healthy_after if before == "unhealthy" else 1
            assert [passed] * needed == checks[index + 1 - needed : index + 1]
