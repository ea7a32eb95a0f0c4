"""What a load test has seen, and how it is told: for people, and as JSON."""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

KEPT_UP = 0.95
"""Of the rate that was asked for; below this, the report says so."""
STATES = {0.0: "closed", 1.0: "open", 2.0: "half-open"}
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "longest": 1.0}


@dataclass
class Seen:
    """Counts, and the time of every answer by its status, in seconds."""

    times: dict[int, array[float]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    headers: Counter[str] = field(default_factory=Counter)
    bytes: int = 0

    def answer(self, status: int, seconds: float, size: int) -> None:
        self.times.setdefault(status, array("d")).append(seconds)
        self.bytes += size

    @property
    def answers(self) -> int:
        return sum(map(len, self.times.values()))

    @property
    def requests(self) -> int:
        return self.answers + self.failures.total()


@dataclass(frozen=True)
class Report:
    """One load test. `metrics`: by how much which counters of Seawall grew, by name and labels; `breakers`:
    the states of its circuit breakers afterwards, by name."""

    what: str
    rate: float
    seconds: float
    seen: Seen
    metrics: Mapping[str, float]
    breakers: Mapping[str, str] = field(default_factory=dict)

    @property
    def throughput(self) -> float:
        return self.seen.answers / self.seconds if self.seconds else 0.0

    @property
    def behind(self) -> bool:
        """Whether fewer were asked than should have been."""
        return self.seen.requests / self.seconds < self.rate * KEPT_UP if self.seconds else False

    def as_dict(self) -> dict[str, Any]:
        seen = self.seen
        return {
            "what": self.what,
            "rate": self.rate,
            "seconds": round(self.seconds, 3),
            "requests": seen.requests,
            "answers": seen.answers,
            "answers_per_second": round(self.throughput, 1),
            "behind": self.behind,
            "bytes": seen.bytes,
            "milliseconds": milliseconds(time for times in seen.times.values() for time in times),
            "statuses": {
                str(status): {"count": len(times), "milliseconds": milliseconds(times)}
                for status, times in sorted(seen.times.items())
            },
            "reasons": dict(seen.reasons.most_common()),
            "headers": dict(seen.headers.most_common()),
            "failures": dict(seen.failures.most_common()),
            "metrics": dict(self.metrics),
            "breakers": dict(self.breakers),
        }

    def text(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        seen, asked = self.seen, f"{self.rate:g} a second" if self.rate else "as many as there were answers"
        yield f"{self.what}, {asked}"
        rate = f"{self.throughput:.1f} answers a second"
        yield f"{seen.requests} requests in {self.seconds:.1f} s, {rate}, {seen.bytes} bytes"
        if self.behind:
            yield "BEHIND: fewer were asked than should have been; more --concurrency, or it is at its limit."
            yield "Times run from when a request was due, so that they have the wait for its turn in them."
        if seen.answers:
            yield "".join(f"{head:>10}" for head in ("status", "answers", "share", *SHARES)) + "  (ms)"
            rows = {str(status): times for status, times in sorted(seen.times.items())}
            yield from (self._row(name, times) for name, times in rows.items())
            if len(rows) > 1:
                yield self._row("all", [time for times in rows.values() for time in times])
        yield from _counted("refused, and failed, by reason", seen.reasons)
        yield from _counted("headers of answers", seen.headers)
        yield from _counted("no answer", seen.failures)
        if self.metrics:
            yield "counted by Seawall meanwhile (/metrics)"
            yield from (f"{f'+{grown:g}':>10}  {name}" for name, grown in self.metrics.items())
        if self.breakers:
            yield "circuit breakers afterwards"
            yield from (f"{state:>10}  {name}" for name, state in self.breakers.items())

    def _row(self, name: str, times: Sequence[float]) -> str:
        share = f"{len(times) / self.seen.answers:.1%}"
        figures = [f"{value:.1f}" for value in milliseconds(times).values()]
        return "".join(f"{cell:>10}" for cell in (name, str(len(times)), share, *figures))


def _counted(title: str, counts: Mapping[str, float]) -> Iterator[str]:
    if counts:
        yield title
        yield from (f"{count:>10g}  {name}" for name, count in counts.items())


def milliseconds(times: Iterable[float]) -> dict[str, float]:
    """By nearest rank, so that each is a time that was measured. Empty where there are none."""
    ordered = sorted(times)
    if not ordered:
        return {}
    return {
        name: round(ordered[math.ceil(share * len(ordered)) - 1] * 1000, 1) for name, share in SHARES.items()
    }


def reason(content_type: str, body: bytes) -> str | None:
    """Why it was refused, as the problem document says; None where it is none of Seawall's."""
    if content_type != "application/problem+json":
        return None
    try:
        told = json.loads(body)
    except ValueError:
        return None
    found = told.get("reason") if isinstance(told, dict) else None
    return found if isinstance(found, str) else None


def grown(before: str, after: str) -> dict[str, float]:
    """By how much which counters grew, from two texts of /metrics."""
    old = dict(_counters(before))
    return {
        name: value - old.get(name, 0.0) for name, value in _counters(after) if value > old.get(name, 0.0)
    }


def states(text: str) -> dict[str, str]:
    """Of circuit breakers, by name."""
    return {
        sample.labels["name"]: STATES.get(sample.value, str(sample.value))
        for sample in _samples(text)
        if sample.name.endswith("_circuit_breaker_state")
    }


def _counters(text: str) -> Iterator[tuple[str, float]]:
    """None of the process's own."""
    for sample in _samples(text):
        if sample.name.endswith("_total") and not sample.name.startswith(("process_", "python_")):
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            yield f"{sample.name}{{{labels}}}", sample.value


def _samples(text: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(text):
        yield from family.samples
