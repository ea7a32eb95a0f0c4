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

KEPT_UP = 0.95
"""Of the rate that was asked for; below this, the report says so."""
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
    """One load test. `metrics`: what changed in those of Seawall, by name and labels."""

    what: str
    rate: float
    seconds: float
    seen: Seen
    metrics: Mapping[str, float]

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
        }

    def text(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        seen, asked = self.seen, f"{self.rate:g} a second" if self.rate else "as many as there were answers"
        yield f"{self.what}, {asked}"
        rate = f"{self.throughput:.1f} answers a second"
        yield f"{seen.requests} requests in {self.seconds:.1f} s, {rate}, {seen.bytes} bytes"
        if self.behind:
            yield "BEHIND: fewer than were asked for; more --concurrency, or the server is at its limit"
        if seen.answers:
            yield "".join(f"{head:>10}" for head in ("status", "answers", "share", *SHARES)) + "  (ms)"
            rows = {str(status): times for status, times in sorted(seen.times.items())}
            yield from (self._row(name, times) for name, times in rows.items())
            if len(rows) > 1:
                yield self._row("all", [time for times in rows.values() for time in times])
        yield from _counted("refused, and failed, by reason", seen.reasons)
        yield from _counted("headers of answers", seen.headers)
        yield from _counted("no answer", seen.failures)
        yield from _counted("changed in /metrics", self.metrics)

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


def changed(before: str, after: str) -> dict[str, float]:
    """What counters grew by, and the states of circuit breakers, from two texts of /metrics."""
    old = dict(_samples(before))
    found = {}
    for name, value in _samples(after):
        if "_circuit_breaker_state{" in name:
            found[name] = value
        elif value > old.get(name, 0.0):
            found[f"{name} +"] = value - old.get(name, 0.0)
    return found


def _samples(text: str) -> Iterator[tuple[str, float]]:
    """Counters and the states of breakers; none of the process's own."""
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            state = sample.name.endswith("_circuit_breaker_state")
            if state or (
                sample.name.endswith("_total") and not sample.name.startswith(("process_", "python_"))
            ):
                labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
                yield f"{sample.name}{{{labels}}}", sample.value
