"""Plays the tests of policy files, each with a proxy of its own, and says what is not as expected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.config.configuration import Configuration, StatedTest
from proxy.config.expectations import Expectation
from proxy.config.rehearsals import ParallelRequest, Step
from proxy.config.typed import located
from proxy.errors import SeawallError
from proxy.rehearsal.expectations import Mismatch, mismatches
from proxy.rehearsal.messages import Request
from proxy.rehearsal.rehearsal import START, Rehearsal, Rehearsed
from proxy.rehearsal.signing import answers_of, request_of
from proxy.telemetry.decisions import Decision


@dataclass(frozen=True, slots=True)
class Failure:
    """Where a test went another way than expected; what would have followed was not played."""

    step: int
    """Which one, counted from 1."""
    place: str
    """`file:line` of the step."""
    request: int
    """Which one of the step, counted from 1; 0 where it is about all of them."""
    requests: int
    """How many the step has."""
    mismatches: Sequence[Mismatch] = ()
    error: str = ""
    """Why it could not be played."""
    decision: Decision | None = None
    """Of the request that is not as expected, where one was taken."""


@dataclass(frozen=True, slots=True)
class Played:
    """How one test went."""

    name: str
    place: str
    steps: int
    requests: int
    """Sent until it ended."""
    elapsed: float
    """Seconds on its own clock."""
    failure: Failure | None = None


class _Failed(SeawallError):
    def __init__(
        self,
        mismatches: Sequence[Mismatch] = (),
        *,
        request: int = 0,
        error: str = "",
        at: str = "",
        decision: Decision | None = None,
    ) -> None:
        super().__init__(error)
        self.mismatches = mismatches
        self.request = request
        self.error = error
        self.at = at
        """Which key of the step is to blame, where one is."""
        self.decision = decision


def play(configuration: Configuration, stated: StatedTest) -> Played:
    """Play one test to its end, or to the first step that fails. Raises ConfigError."""
    test = stated.test
    at = START if test.at is None else test.at
    with Rehearsal(configuration, at=at, credentials=configuration.test_secrets.credentials) as rehearsal:
        playing = _Playing(rehearsal, stated)
        failure = playing.first_failure()
        return Played(test.name, stated.place, len(test.steps), playing.requests, rehearsal.elapsed, failure)


class _Playing:
    """A test under way."""

    def __init__(self, rehearsal: Rehearsal, stated: StatedTest) -> None:
        self._rehearsal = rehearsal
        self._stated = stated
        self.requests = 0

    def first_failure(self) -> Failure | None:
        """Play one step after the other."""
        for number, step in enumerate(self._stated.test.steps, 1):
            node = located(self._stated.node, f"steps[{number - 1}]")
            try:
                self._play(step)
            except _Failed as failed:
                return Failure(
                    step=number,
                    place=located(node, failed.at).place,
                    request=failed.request,
                    requests=step.requests,
                    mismatches=failed.mismatches,
                    error=failed.error,
                    decision=failed.decision,
                )
        return None

    def _play(self, step: Step) -> None:
        if step.wait is not None:
            self._rehearsal.wait(step.wait)
            return
        expected = (step.expect,) if isinstance(step.expect, Expectation) else step.expect or ()
        each = [expectation for expectation in expected if expectation.count is None]
        self._rehearsal.script(answers_of(step.upstream or self._stated.test.upstream))
        got: list[Rehearsed] = []
        at_once = step.at_once
        for _ in range(step.repeat):
            for stated, one in zip(at_once, self._sent(step, at_once, len(got)), strict=True):
                at = "" if step.request else f"parallel[{len(got)}]"
                got.append(one)
                _hold([*each, *([stated.expect] if stated.expect else ())], one, len(got), at)
        _hold_all(expected, got, self._rehearsal)

    def _sent(self, step: Step, at_once: Sequence[ParallelRequest], before: int) -> list[Rehearsed]:
        """What came of them; `before` have been sent in this step already."""
        rehearsal = self._rehearsal
        known = rehearsal.configuration, rehearsal.configuration.test_secrets.credentials
        batch: list[Request] = []
        try:
            for each in at_once:
                batch.append(request_of(each.request, *known, rehearsal.clock.now()))  # noqa: PERF401  # counted
            self.requests += len(batch)
            return rehearsal.send_at_once(batch)
        except ValueError as error:
            at = "request.sign" if step.request else f"parallel[{len(batch)}].request.sign"
            raise _Failed(error=f"sign: {error}", at=at, request=before + len(batch) + 1) from None
        except SeawallError as error:
            raise _Failed(error=str(error), request=before + 1) from None


def _hold(expected: Sequence[Expectation], got: Rehearsed, number: int, at: str) -> None:
    """Raises _Failed where this one request is not as all of them should be."""
    wrong = [mismatch for each in expected for mismatch in mismatches(each, got)]
    if wrong:
        raise _Failed(wrong, request=number, at=at, decision=got.decision)


def _hold_all(expected: Sequence[Expectation], got: Sequence[Rehearsed], rehearsal: Rehearsal) -> None:
    """Raises _Failed where the step as a whole is not as expected."""
    wrong = []
    calls, called, breakers = rehearsal.upstream_calls, rehearsal.called, rehearsal.proxy.breakers()
    for each in expected:
        if each.upstream_calls is not None and calls != each.upstream_calls:
            wrong.append(Mismatch("upstream_calls", str(each.upstream_calls), str(calls)))
        if each.upstream is not None and called != {each.upstream}:
            wrong.append(Mismatch("upstream", each.upstream, ", ".join(sorted(called)) or "none was called"))
        wrong += [
            Mismatch(f"breaker.{name}", state, breakers.get(name, "none"))
            for name, state in each.breaker.items()
            if breakers.get(name) != state
        ]
        if each.count is not None:
            fitting = sum(not mismatches(each, one) for one in got)
            if fitting != each.count:
                expected_count = f"{each.count} of {len(got)} requests"
                wrong.append(Mismatch("count", expected_count, f"{fitting}; there were {_tally(got)}"))
    if wrong:
        raise _Failed(wrong, decision=got[0].decision if len(got) == 1 else None)


def _tally(got: Sequence[Rehearsed]) -> str:
    """`3 with 200, 2 with 503 concurrency.full`."""
    counted = Counter(f"{one.status or 'no answer'} {one.reason}".strip() for one in got)
    return ", ".join(f"{count} with {what}" for what, count in counted.most_common())
