"""Types and rules of `tests` that the cases do not show."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.config.expectations import Expectation
from proxy.config.patterns import ReasonCode
from proxy.config.rehearsals import Instant, ParallelRequest, PolicyTest, Step
from proxy.config.simulated import RequestTarget, SimulatedRequest
from proxy.config.units import Duration

REQUEST = SimulatedRequest(path=RequestTarget("/"))
REFUSED = Expectation(reason=ReasonCode("a.b"))


@pytest.mark.parametrize(
    ("text", "value"), [("1970-01-01T00:00:10z", 10.0), ("1970-01-01T01:00:00.5+01:00", 0.5)]
)
def test_a_moment_is_read(text: str, value: float) -> None:
    assert value == Instant.parse(text)


@pytest.mark.parametrize(
    "value",
    ["2026-01-05T09:00:00", "2026-01-05", "2026-13-05T09:00:00Z", "0000-01-05T09:00:00Z", 1767603600],
)
def test_what_is_no_moment_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(ValueError, match="expected one"):
        Instant.parse(value)


@pytest.mark.parametrize(
    ("stated", "field"),
    [
        (Step(expect=REFUSED), ""),
        (Step(request=REQUEST, expect=()), ""),
        (Step(parallel=(), expect=REFUSED), "parallel"),
        (Step(parallel=(ParallelRequest(request=REQUEST),)), "parallel[0]"),
        (Step(parallel=(ParallelRequest(request=REQUEST, expect=REFUSED),), request=REQUEST), "request"),
        (Step(parallel=(ParallelRequest(request=REQUEST, expect=REFUSED),), repeat=2), "parallel"),
        (
            ParallelRequest(request=REQUEST, expect=Expectation(count=1, reason=ReasonCode("a.b"))),
            "expect.count",
        ),
        (PolicyTest(name="a", upstream=(), steps=(Step(wait=Duration(1)),)), "upstream"),
    ],
    ids=[
        "no request",
        "no expectation",
        "nothing at once",
        "none of one at once",
        "requests in two places",
        "repeated at once",
        "a count of one",
        "no script",
    ],
)
def test_what_makes_no_sense_is_refused(stated: Any, field: str) -> None:
    assert [field] == [path for path, _ in stated.check()]


@pytest.mark.parametrize(
    ("step", "sent"),
    [
        (Step(wait=Duration(1)), 0),
        (Step(request=REQUEST), 1),
        (Step(request=REQUEST, repeat=3), 3),
        (Step(request=REQUEST, parallel=4), 4),
        (Step(parallel=(ParallelRequest(request=REQUEST),) * 5), 5),
    ],
    ids=["none", "one", "repeated", "the same at once", "different ones"],
)
def test_a_step_knows_how_many_it_sends(step: Step, sent: int) -> None:
    assert sent == len(step.at_once) * step.repeat
    assert sent in (0, step.requests)
