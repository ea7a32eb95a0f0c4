"""Whatever happens to a breaker, in whatever order: and a breaker with a mistake is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.algorithms.breaker import Breaker, OpenTime, Permit, Thresholds, Transition

SOME = Thresholds(consecutive=2, open_time=OpenTime(30.0), probes=2, successes=2, probe_time=10.0)

HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(
            ["ask", "good", "bad", "release", "lose", "wait", "reload", "force", "leave", "ail", "recover"]
        ),
        st.integers(0, 30),
    ),
    max_size=60,
)


def live(breaker: type[Breaker], happenings: list[tuple[str, int]]) -> None:
    """Play them, and assert what must always be so."""
    told: list[Transition] = []
    subject = breaker(SOME, 0.0, told.append)
    ailing, now, out = False, 0.0, []  # each with how many transitions there had been, and when it began
    for what, number in happenings:
        if what == "wait":
            now += number
        elif what == "reload":
            subject.adopt(replace(subject.thresholds, consecutive=1 + number % 3), now)
        elif what == "ail":
            subject.hold(now, "a check fails", {})
            ailing = not subject.forced
        elif what == "recover":
            subject.let_go(now, "the check passes")
            ailing = False
        elif what in ("force", "leave"):
            ailing = ailing and what == "leave" and not subject.forced
            subject.force(None if what == "leave" else ("open", "closed")[number % 2], now)
        elif what == "ask":
            subject.tick(now)
            before = len(told)
            permit = subject.ask(now)
            assert permit is None or not ailing
            if permit is not None:
                assert "open" != subject.state
                out.append((permit, before, now))
            probes = [each for each in out if each[1] == len(told) and now - each[2] < 10.0]
            assert "half-open" != subject.state or len(probes) <= 2
        elif out:
            permit, began, _ = out.pop(number % len(out))
            if what == "lose":
                continue
            subject.tick(now)
            before, failures, successes = len(told), subject.failures, subject.successes
            if what == "release":
                subject.release(permit)
            else:
                subject.record(permit, now, failed=what == "bad", seconds=0.1)
            if began != before:  # it was started before a transition
                assert (before, failures, successes) == (len(told), subject.failures, subject.successes)
    subject.force(None, now)
    subject.let_go(now, "the check passes")
    # Everybody else is gone for good; with a well upstream it must come to be closed.
    for _ in range(20):
        now += 30.0
        permit = subject.ask(now)
        if permit is not None:
            subject.record(permit, now, failed=False, seconds=0.1)
    assert "closed" == subject.state


@settings(max_examples=200, deadline=None)
@given(HAPPENINGS)
def test_it_keeps_to_its_probes_ignores_late_news_and_comes_back(happenings: list[tuple[str, int]]) -> None:
    live(Breaker, happenings)


class LosesProbes(Breaker):
    """A lease never runs out."""

    def attend(self, permit: Permit, goes_well: object) -> None:
        pass

    def tick(self, now: float) -> None:
        leases, self._leases = self._leases, {}
        super().tick(now)
        if not self._leases:
            self._leases = leases if self.state == "half-open" else {}


class LetsOneMoreThrough(Breaker):
    """A place that nobody has."""

    def ask(self, now: float) -> Permit | None:
        if len(self._leases) == self.thresholds.probes and self.state == "half-open":
            return self._generation, 0
        return super().ask(now)


class CountsLateNews(Breaker):
    """Any result counts."""

    def record(self, permit: Permit, now: float, *, failed: bool, seconds: float) -> None:
        if self.state == "closed":
            permit = (self._generation, 0)
        super().record(permit, now, failed=failed, seconds=seconds)


class ForgetsThatItIsHeld(Breaker):
    """Its time passes, whatever holds it."""

    def hold(self, now: float, cause: str, numbers: Mapping[str, object]) -> None:
        super().hold(now, cause, numbers)
        self.until = min(self.until, now + 30.0)


ASK, LOSE = ("ask", 0), ("lose", 0)
OPENS = [ASK, ASK, ("bad", 0), ("bad", 0), ("wait", 30)]


@pytest.mark.parametrize(
    ("mutant", "happenings"),
    [
        pytest.param(LosesProbes, [*OPENS, ASK, ASK, LOSE, LOSE], id="lost probes"),
        pytest.param(LetsOneMoreThrough, [*OPENS, ASK, ASK, ASK], id="an extra probe"),
        pytest.param(
            CountsLateNews,
            [ASK, *OPENS, ASK, ("good", 1), ASK, ("good", 1), ("bad", 0)],
            id="late news",
        ),
        pytest.param(
            ForgetsThatItIsHeld, [("ail", 0), ("wait", 30), ASK], id="a hold that ends by itself"
        ),
    ],
)  # fmt: skip
def test_a_breaker_that_does_not_is_found(mutant: type[Breaker], happenings: list[tuple[str, int]]) -> None:
    live(Breaker, happenings)

    with pytest.raises(AssertionError):
        live(mutant, happenings)
