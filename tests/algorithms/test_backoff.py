"""How long to wait before a call is repeated."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.algorithms import backoff
from proxy.algorithms.backoff import BackOff, Jitter, asked_for, grown

SECONDS = st.floats(0.001, 1e6)
JITTERS: list[Jitter] = ["full", "equal", "decorrelated", "none"]
waits = st.builds(
    lambda base, longer, factor, jitter: BackOff(base, factor, base + longer, jitter),
    SECONDS,
    SECONDS,
    st.floats(1, 100),
    st.sampled_from(JITTERS),
)


@pytest.mark.parametrize(
    ("jitter", "bounds"),
    [
        ("none", [(1, 1), (2, 2), (4, 4), (5, 5)]),
        ("full", [(0, 1), (0, 2), (0, 4), (0, 5)]),
        ("equal", [(0.5, 1), (1, 2), (2, 4), (2.5, 5)]),
        ("decorrelated", [(1, 3), (1, 5), (1, 5), (1, 5)]),
    ],
)
def test_each_wait_may_be_longer_up_to_the_longest(jitter: Jitter, bounds: list[tuple[float, float]]) -> None:
    assert bounds == [BackOff(1.0, 2.0, 5.0, jitter).bounds(step) for step in (1, 2, 3, 4)]


def test_a_class_of_failures_waits_longer() -> None:
    assert [(2, 2), (5, 5)] == [BackOff(1.0, 2.0, 5.0, "none").bounds(step, 2.0) for step in (1, 3)]


def test_a_wait_without_jitter_takes_no_chance() -> None:
    random = Random(1)
    before = random.getstate()

    assert 2.0 == BackOff(1.0, 2.0, 5.0, "none").wait(2, 1.0, 1.0, random)
    assert before == random.getstate()


def stays_in_bounds(subject: BackOff, steps: int, multiplier: float, seed: int) -> None:
    random, before = Random(seed), 0.0
    for step in range(1, steps + 1):
        floor, ceiling = subject.bounds(step, multiplier)
        before_this, before = before, subject.wait(step, multiplier, before, random)
        assert 0 <= floor <= before <= ceiling <= subject.most
        if subject.jitter == "decorrelated" and before_this:
            assert before <= max(floor, 3 * before_this)


@given(waits, st.integers(1, 30), st.floats(0.1, 100), st.integers())
def test_jitter_stays_in_bounds(subject: BackOff, steps: int, multiplier: float, seed: int) -> None:
    stays_in_bounds(subject, steps, multiplier, seed)


@given(SECONDS, st.floats(1, 1e300), SECONDS, st.integers(1, 10**9))
def test_no_step_overflows(base: float, factor: float, most: float, step: int) -> None:
    assert 0 < grown(base, factor, most, step) <= most


@given(st.floats(0, 1e12), st.floats(0, 1e6), st.integers())
def test_what_a_server_asked_for_is_waited_for_and_half_as_long_again_at_most(
    asked: float, most: float, seed: int
) -> None:
    wait = asked_for(asked, most, Random(seed))

    assert min(asked, most) <= wait <= 1.5 * min(asked, most)


def test_those_who_were_told_the_same_do_not_come_back_together() -> None:
    random = Random(3)

    assert 100 == len({asked_for(10.0, 60.0, random) for _ in range(100)})


# ---- mistakes, each of which one of these properties finds


def unbounded(base: float, factor: float, most: float, step: int) -> float:
    return base * factor ** (step - 1)


def bare(base: float, factor: float, most: float, step: int) -> float:
    return min(most, base * factor ** (step - 1))


@pytest.mark.parametrize("mistake", [unbounded, bare])
def test_growth_with_a_mistake_is_found(
    mistake: Callable[..., float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(test_no_step_overflows.hypothesis.inner_test.__globals__, "grown", mistake)  # type: ignore[attr-defined]

    with pytest.raises((AssertionError, OverflowError, ExceptionGroup)):
        test_no_step_overflows()


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(lambda floor, ceiling: ceiling * 1.01 + 1, id="too long"),
        pytest.param(lambda floor, ceiling: -0.1, id="too short"),
    ],
)
def test_jitter_with_a_mistake_is_found(
    mistake: Callable[[float, float], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mistaken(BackOff):
        def wait(self, step: int, multiplier: float, before: float, random: Random) -> float:
            return mistake(*self.bounds(step, multiplier))

    with pytest.raises(AssertionError):
        stays_in_bounds(Mistaken(1.0, 2.0, 5.0, "equal"), 3, 1.0, 1)


def test_a_jitter_downwards_of_what_was_asked_for_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        globals(), "asked_for", lambda asked, most, random: min(asked, most) * random.random()
    )

    with pytest.raises(AssertionError):
        test_what_a_server_asked_for_is_waited_for_and_half_as_long_again_at_most()


def test_the_longest_stretch_is_what_pages_say() -> None:
    assert 1.5 == backoff.AT_MOST_LONGER
