"""What clients saw, summed up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from bench.outage.load import GAVE_UP, Asked

GOOD, QUICK, SLOW, NONE = "answered", "refused at once", "failed after a wait", "no answer"
OUTCOMES = (GOOD, QUICK, SLOW, NONE)
AT_ONCE = 0.05
"""Seconds within which a refusal is quick, whatever the scale."""
RECOVERED = 0.99


@dataclass(frozen=True)
class Run:
    """One contender's. Times count from when the load began; those of a scaled run are as they were."""

    name: str
    seconds: float
    second: float
    """How long a second of the full scale was."""
    hangs: Sequence[tuple[float, float]]
    """From when to when the upstream hung."""
    asked: Sequence[Asked]
    arrived: Sequence[float]
    """When requests reached the upstream."""
    lag_p99: float = 0.0
    """How late the generator was with 99 % of what it sent, in seconds."""

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self) | {"asked": [list(one) for one in self.asked]}

    @staticmethod
    def of_json(found: Mapping[str, Any]) -> Run:
        """What `as_json` gave."""
        hangs = [(begin, end) for begin, end in found["hangs"]]
        return Run(**{**found, "hangs": hangs, "asked": [Asked(*one) for one in found["asked"]]})


@dataclass(frozen=True)
class Summary:
    """The figures of a run."""

    success: float
    success_hung: float
    """Of those that were due while the upstream hung."""
    success_well: float
    p99: float
    p99_answered: float
    quick: int
    slow: int
    arrived_hung: int
    """Calls that reached the upstream while it hung."""
    recovery: Sequence[float | None] = field(default_factory=tuple)
    """After each hang, seconds until a second began of which more than 99 % succeeded; None: never."""


def outcome(asked: Asked) -> str:
    """In the words of the picture."""
    if asked.status == 200:
        return GOOD
    if asked.status == GAVE_UP:
        return NONE
    return QUICK if asked.seconds <= AT_ONCE else SLOW


def summary(run: Run) -> Summary:
    """All figures of one run."""
    hung = [one for one in run.asked if _hangs_at(run, one.due)]
    well = [one for one in run.asked if not _hangs_at(run, one.due)]
    counts = Counter(map(outcome, run.asked))
    return Summary(
        success=_share(run.asked),
        success_hung=_share(hung),
        success_well=_share(well),
        p99=percentile([one.seconds for one in run.asked], 0.99),
        p99_answered=percentile([one.seconds for one in run.asked if one.status == 200], 0.99),
        quick=counts[QUICK],
        slow=counts[SLOW] + counts[NONE],
        arrived_hung=sum(_hangs_at(run, when) for when in run.arrived),
        recovery=tuple(_recoveries(run)),
    )


def bins(run: Run) -> list[Counter[str]]:
    """How many had which outcome, by the second of the full scale in which they were due."""
    found = [Counter[str]() for _ in range(max(1, round(run.seconds / run.second)))]
    for one in run.asked:
        second = int(one.due / run.second + 1e-6)  # what is due at 0.3 belongs to the fourth tenth
        found[min(second, len(found) - 1)][outcome(one)] += 1
    return found


def middle(recovery: Sequence[float | None]) -> float | None:
    """The median, for which never is longer than any time."""
    times = [math.inf if one is None else one for one in recovery]
    found = median(times) if times else math.inf
    return None if found == math.inf else found


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them don't exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def _recoveries(run: Run) -> Iterator[float | None]:
    ends = [*(begin for begin, _ in run.hangs[1:]), run.seconds]
    for (_, back), until in zip(run.hangs, ends, strict=True):
        yield _recovery(run, back, until)


def _recovery(run: Run, back: float, until: float) -> float | None:
    after = [one for one in run.asked if back <= one.due < until]
    start = back
    while start + run.second <= until + 1e-9:
        within = [one for one in after if start <= one.due < start + run.second]
        if within and _share(within) > RECOVERED:
            return start - back
        start += run.second / 10
    return None


def _hangs_at(run: Run, when: float) -> bool:
    return any(begin <= when < end for begin, end in run.hangs)


def _share(asked: Sequence[Asked]) -> float:
    return sum(one.status == 200 for one in asked) / len(asked) if asked else 0.0
