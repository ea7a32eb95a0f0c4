"""A breaker opens when it should, tries again with no more than its probes, and never stays shut for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.algorithms.breaker import Breaker, OpenTime, Permit, Thresholds, Transition

FIVE = Thresholds(consecutive=5, open_time=OpenTime(30.0), probes=3, successes=2, probe_time=10.0)
BY_RATIO = Thresholds(failure_ratio=0.5, min_calls=4, window=10.0)
BY_SLOWNESS = Thresholds(slow_ratio=0.5, slow_after=2.0, min_calls=4, window=10.0)


def call(breaker: Breaker, now: float, *, failed: bool = False, seconds: float = 0.1) -> bool:
    """One whole call, and whether it was let through."""
    permit = breaker.ask(now)
    if permit is not None:
        breaker.record(permit, now, failed=failed, seconds=seconds)
    return permit is not None


def opened(thresholds: Thresholds = FIVE, at: float = 0.0) -> Breaker:
    breaker = Breaker(thresholds, at)
    for _ in range(thresholds.consecutive or 0):
        call(breaker, at, failed=True)
    assert "open" == breaker.state
    return breaker


def probe(breaker: Breaker, now: float) -> Permit:
    permit = breaker.ask(now)
    assert permit is not None
    return permit


# ---- closed


def test_it_opens_on_the_fifth_failure_in_a_row() -> None:
    breaker = Breaker(FIVE, 0.0)

    states = []
    for _ in range(5):
        call(breaker, 1.0, failed=True)
        states.append(breaker.state)

    assert ["closed"] * 4 + ["open"] == states


def test_a_success_breaks_the_row() -> None:
    breaker = Breaker(FIVE, 0.0)
    for failed in [True] * 4 + [False] + [True] * 4:
        call(breaker, 1.0, failed=failed)

    assert ("closed", 4) == (breaker.state, breaker.failures)


@pytest.mark.parametrize(
    ("thresholds", "calls", "state"),
    [
        pytest.param(BY_RATIO, [(0, 1, 0.1)] * 3, "closed", id="too few to judge by"),
        pytest.param(
            BY_RATIO, [(0, 1, 0.1)] * 2 + [(0, 0, 0.1)] * 2, "open", id="half, and the last is good"
        ),
        pytest.param(BY_RATIO, [(0, 0, 0.1)] * 3 + [(0, 1, 0.1)] * 2, "closed", id="less than half"),
        pytest.param(BY_RATIO, [(0, 1, 0.1)] * 3 + [(20, 1, 0.1)] * 3, "closed", id="too long ago"),
        pytest.param(BY_RATIO, [(0, 0, 9.0)] * 9, "closed", id="slow, which nobody asked"),
        pytest.param(BY_SLOWNESS, [(0, 0, 2.1)] * 2 + [(0, 0, 1.9)] * 2, "open", id="half are slow"),
        pytest.param(BY_SLOWNESS, [(0, 0, 2.0)] * 9, "closed", id="just not slow"),
        pytest.param(BY_SLOWNESS, [(0, 1, 0.1)] * 9, "closed", id="failing, which nobody asked"),
        pytest.param(
            replace(BY_RATIO, consecutive=2, min_calls=99), [(0, 1, 0.1)] * 2, "open", id="whichever is first"
        ),
    ],
)
def test_it_opens_by_what_it_is_told_to(
    thresholds: Thresholds, calls: list[tuple[float, int, float]], state: str
) -> None:
    breaker, now = Breaker(thresholds, 0.0), 0.0
    for later, failed, seconds in calls:
        now += later
        call(breaker, now, failed=bool(failed), seconds=seconds)

    assert state == breaker.state


# ---- open


def test_nothing_passes_until_its_time_is_over() -> None:
    breaker = opened()

    assert (None, 0.5) == (breaker.ask(29.5), breaker.wait(29.5))
    assert breaker.ask(30.0) is not None


def test_what_began_before_it_opened_says_nothing_afterwards() -> None:
    breaker = Breaker(FIVE, 0.0)
    early = [probe(breaker, 0.0) for _ in range(20)]
    for permit in early[:5]:
        breaker.record(permit, 1.0, failed=True, seconds=1.0)
    first = probe(breaker, 31.0)

    for permit in early[5:]:
        breaker.record(permit, 32.0, failed=False, seconds=32.0)
        breaker.release(permit)

    assert ("half-open", 0, 1) == (breaker.state, breaker.successes, breaker.probing)
    assert first[0] != early[0][0]


def test_it_stays_open_longer_each_time_until_it_has_been_closed() -> None:
    growing = replace(FIVE, open_time=OpenTime(5.0, 2.0, 30.0), successes=1)
    breaker, now, times = opened(growing), 0.0, []
    for _ in range(5):
        times.append(breaker.open_time)
        now = breaker.until
        call(breaker, now, failed=True)
    now = breaker.until
    call(breaker, now)
    for _ in range(5):
        call(breaker, now, failed=True)

    assert ([5.0, 10.0, 20.0, 30.0, 30.0], 5.0) == (times, breaker.open_time)


def test_the_time_that_it_stays_open_never_overflows() -> None:
    assert 60.0 == OpenTime(1.0, 100.0, 60.0).nth(10**6)


# ---- half-open


def test_no_more_than_its_probes_pass_at_a_time() -> None:
    breaker = opened()

    passed = [breaker.ask(30.0) is not None for _ in range(5)]

    assert [True, True, True, False, False] == passed
    assert 10.0 == breaker.wait(30.0)


def test_it_closes_after_so_many_good_probes() -> None:
    breaker = opened()
    call(breaker, 30.0)
    after_one = breaker.state
    call(breaker, 30.0)

    assert ("half-open", "closed") == (after_one, breaker.state)


@pytest.mark.parametrize(
    ("thresholds", "seconds", "state"),
    [
        pytest.param(FIVE, 99.0, "half-open", id="slow, which nobody asked"),
        pytest.param(replace(FIVE, slow_ratio=0.5, slow_after=2.0), 99.0, "open", id="slow"),
    ],
)
def test_a_slow_probe_fails_where_slowness_counts(thresholds: Thresholds, seconds: float, state: str) -> None:
    breaker = opened(thresholds)

    call(breaker, 30.0, seconds=seconds)

    assert state == breaker.state


def test_one_bad_probe_opens_it_again() -> None:
    breaker = opened()
    good, bad = probe(breaker, 30.0), probe(breaker, 30.0)
    breaker.record(good, 31.0, failed=False, seconds=1.0)
    breaker.record(bad, 31.0, failed=True, seconds=1.0)

    assert ("open", 61.0) == (breaker.state, breaker.until)


def test_a_probe_that_comes_to_nothing_gives_its_place_back() -> None:
    breaker = opened(replace(FIVE, probes=1))
    breaker.release(probe(breaker, 30.0))

    assert (0, True) == (breaker.probing, breaker.ask(30.0) is not None)


def test_a_lost_probe_has_failed_when_its_time_is_over() -> None:
    breaker = opened()
    probe(breaker, 30.0)
    breaker.tick(39.9)
    before = breaker.state
    breaker.tick(40.0)

    assert ("half-open", "open", 70.0) == (before, breaker.state, breaker.until)


def test_a_probe_that_takes_long_is_good_where_it_goes_well() -> None:
    breaker = opened(replace(FIVE, successes=1))
    permit = probe(breaker, 30.0)
    breaker.attend(permit, lambda: True)
    breaker.tick(41.0)
    closed = breaker.state
    for _ in range(5):
        breaker.record(permit, 99.0, failed=True, seconds=69.0)

    assert ("closed", "closed") == (closed, breaker.state)


# ---- recovery


def test_calls_pass_in_a_growing_share() -> None:
    breaker = opened(replace(FIVE, successes=1, ramp=10.0))
    call(breaker, 30.0)

    shares = [sum(call(breaker, 30.0 + second) for _ in range(100)) for second in (1, 5, 9)]
    during = breaker.state
    breaker.tick(40.0)

    assert [10, 50, 90] == pytest.approx(shares, abs=1)
    assert ("half-open", "closed") == (during, breaker.state)


def test_failures_during_recovery_open_it_for_longer() -> None:
    breaker = opened(replace(FIVE, successes=1, ramp=10.0, open_time=OpenTime(30.0, 2.0, 300.0)))
    call(breaker, 30.0)
    for _ in range(20):
        call(breaker, 39.0, failed=True)

    assert ("open", 99.0) == (breaker.state, breaker.until)


# ---- operators, reloads, and what is told


def test_an_operator_can_hold_it_open() -> None:
    breaker = Breaker(FIVE, 0.0)
    breaker.force("open", 1.0)

    assert (None, None, "open") == (breaker.ask(10**6), breaker.wait(10**6), breaker.state)


def test_an_operator_can_hold_it_closed() -> None:
    breaker = opened()
    breaker.force("closed", 1.0)
    for _ in range(50):
        call(breaker, 2.0, failed=True)

    assert ("closed", True) == (breaker.state, call(breaker, 3.0))


@pytest.mark.parametrize(("held", "then"), [("open", "half-open"), ("closed", "closed")])
def test_left_to_itself_it_decides_again(held: str, then: str) -> None:
    breaker = Breaker(FIVE, 0.0)
    breaker.force("open" if held == "open" else "closed", 1.0)
    breaker.force(None, 2.0)
    state = breaker.state
    for _ in range(5):
        call(breaker, 3.0, failed=True)

    assert (then, "open") == (state, breaker.state)


def test_to_leave_it_to_itself_when_it_is_changes_nothing() -> None:
    breaker = opened()
    breaker.force(None, 1.0)

    assert ("open", 30.0) == (breaker.state, breaker.until)


def test_new_thresholds_count_at_once_and_the_state_stays() -> None:
    breaker = Breaker(FIVE, 0.0)
    for _ in range(4):
        call(breaker, 1.0, failed=True)
    breaker.adopt(replace(FIVE, consecutive=3, window=60.0), 2.0)
    state = breaker.state
    call(breaker, 2.0, failed=True)
    breaker.adopt(replace(FIVE, open_time=OpenTime(7.0)), 3.0)

    assert ("closed", "open", 9.0) == (state, breaker.state, breaker.until)


def test_every_transition_is_told_with_its_cause_and_numbers() -> None:
    told: list[Transition] = []
    breaker = Breaker(replace(FIVE, successes=1, ramp=5.0), 0.0, told.append)
    for _ in range(5):
        call(breaker, 1.0, failed=True)
    call(breaker, 31.0)
    breaker.tick(36.0)
    breaker.force("open", 40.0)

    assert [
        ("closed", "open", "5 failures in a row", {"failures": 5, "threshold": 5, "open_for": 30.0}, 1.0),
        ("open", "half-open", "its time is over", {"open_for": 30.0}, 31.0),
        (
            "half-open",
            "half-open",
            "1 probe succeeded, calls pass in a growing share",
            {"successes": 1, "threshold": 1},
            31.0,
        ),
        ("half-open", "closed", "all calls pass again", {"recovery": 5.0}, 36.0),
        ("closed", "open", "an operator forced it", {}, 40.0),
    ] == [(each.before, each.after, each.cause, each.numbers, each.at) for each in told]


# ---- held by something that knows better


def test_it_is_open_while_it_is_held_and_probes_as_soon_as_it_is_let_go() -> None:
    told: list[Transition] = []
    breaker = Breaker(FIVE, 0.0, told.append)
    breaker.hold(1.0, "a check fails", {"failed": 3})
    held = breaker.ask(1000.0), breaker.wait(1000.0), breaker.state
    breaker.let_go(1001.0, "it passes")

    assert (None, None, "open") == held
    assert [True, True, True, False] == [breaker.ask(1001.0) is not None for _ in range(4)]
    assert [("closed", "open", "a check fails"), ("open", "half-open", "it passes")] == [
        (each.before, each.after, each.cause) for each in told
    ]


def test_one_that_is_open_already_stays_so_for_longer_or_shorter() -> None:
    longer, shorter = opened(), opened()
    for breaker in (longer, shorter):
        breaker.hold(10.0, "a check fails", {})
    shorter.let_go(12.0, "it passes")

    assert (None, {"failures": 5, "threshold": 5}) == (longer.ask(40.0), longer.opened_by)
    assert shorter.ask(12.0) is not None


def test_what_began_before_it_was_held_does_not_count() -> None:
    breaker = Breaker(FIVE, 0.0)
    early = [probe(breaker, 0.0) for _ in range(9)]
    breaker.hold(1.0, "a check fails", {})
    breaker.let_go(2.0, "it passes")
    for permit in early:
        breaker.record(permit, 3.0, failed=True, seconds=0.1)

    assert "half-open" == breaker.state


def test_what_an_operator_holds_nobody_else_does() -> None:
    breaker = Breaker(FIVE, 0.0)
    breaker.force("closed", 0.0)
    breaker.hold(1.0, "a check fails", {})
    forced = breaker.ask(2.0)
    breaker.force(None, 3.0)
    breaker.hold(4.0, "a check fails", {})
    breaker.force("closed", 5.0)

    assert forced is not None
    assert (False, "closed") == (breaker.held, breaker.state)


def test_new_thresholds_end_no_hold() -> None:
    breaker = Breaker(FIVE, 0.0)
    breaker.hold(1.0, "a check fails", {})
    breaker.adopt(replace(FIVE, open_time=OpenTime(1.0)), 2.0)

    assert breaker.ask(100.0) is None
