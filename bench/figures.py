"""What the samples say: medians, spreads, ratios, goals. Pure; everything that is shown comes from here."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

from bench.measure import Sample

SEAWALL, FEW_ROUTES, MANY_ROUTES = "seawall", "seawall-10", "seawall-1000"

Runs = Mapping[str, Sequence[Sample]]
"""Proxy -> one sample a round, of one test."""


@dataclass(frozen=True)
class Start:
    """Seawall without a request so far; medians of several starts."""

    ready_ms: float
    idle_mib: float


@dataclass(frozen=True)
class Results:
    """Everything that one run found."""

    about: Mapping[str, str]
    """The machine, the load, the upstream: what else decides about the numbers."""
    versions: Mapping[str, str]
    skipped: Mapping[str, str]
    """Proxy -> why it was not measured."""
    samples: Mapping[str, Mapping[str, Runs]]
    """Variant -> test -> runs."""
    start: Start | None

    def runs(self, variant: str, test: str) -> Runs:
        """Empty where they were not measured."""
        return self.samples.get(variant, {}).get(test, {})

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """What `as_dict` gave. Raises KeyError and TypeError for anything else."""
        samples = {
            variant: {
                test: {proxy: [Sample(**sample) for sample in samples] for proxy, samples in runs.items()}
                for test, runs in tests.items()
            }
            for variant, tests in found["samples"].items()
        }
        start = None if found["start"] is None else Start(**found["start"])
        return cls(found["about"], found["versions"], found["skipped"], samples, start)


class Spread(NamedTuple):
    """Of one number over the rounds."""

    median: float
    lowest: float
    highest: float


def spread(values: Sequence[float]) -> Spread:
    """Raises ValueError where there are none."""
    return Spread(statistics.median(values), min(values), max(values))


def cost(runs: Sequence[Sample]) -> Spread:
    """CPU µs per request."""
    return spread([sample.cpu_us for sample in runs])


def median(runs: Sequence[Sample], name: str) -> float:
    """Of one field of the samples."""
    values: list[float] = [getattr(sample, name) for sample in runs]
    return statistics.median(values)


def ratio(runs: Runs, proxy: str, other: str) -> Spread | None:
    """What `proxy` costs for each µs that `other` does, taken within each round; None where one is missing.

    Within, since what slows the machine for a while slows both.
    """
    if not runs.get(proxy) or not runs.get(other):
        return None
    pairs = zip(runs[proxy], runs[other], strict=True)
    return spread([one.cpu_us / another.cpu_us for one, another in pairs])


def by_cost(runs: Runs) -> list[str]:
    """The proxies, the cheapest first."""
    return sorted(runs, key=lambda proxy: cost(runs[proxy]).median)


def disturbance(results: Results) -> float:
    """The share of the cores that went to others, in the worst run."""
    samples = (
        sample
        for tests in results.samples.values()
        for runs in tests.values()
        for several in runs.values()
        for sample in several
    )
    return max((sample.others for sample in samples), default=0.0)


@dataclass(frozen=True)
class Goal:
    """`value` is to be at most `limit`; None where it was not measured."""

    what: str
    value: Spread | None
    limit: float
    unit: str = ""

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        return "met" if self.value.median <= self.limit else "MISSED"


def goals(results: Results) -> list[Goal]:
    """Seawall's, in CPU per request where nothing else is said."""
    json, policies = results.runs("plain", "json"), results.runs("policies", "json")
    large, routes = results.runs("plain", "1m"), results.runs("routes", "routes")
    start = results.start
    return [
        Goal("plain, of Envoy's", ratio(json, SEAWALL, "envoy"), 0.75),
        Goal("plain, of nginx's", ratio(json, SEAWALL, "nginx"), 2.0),
        Goal("plain, of the naive proxy's", ratio(json, SEAWALL, "naive"), 1 / 3),
        Goal("policies, of Envoy's with its equivalents", ratio(policies, SEAWALL, "envoy"), 0.85),
        Goal("1 MiB, of nginx's", ratio(large, SEAWALL, "nginx"), 1.0),
        Goal("1,000 routes, of 10 routes'", ratio(routes, MANY_ROUTES, FEW_ROUTES), 1.05),
        Goal("start to ready", _one(start.ready_ms if start else None), 500.0, " ms"),
        Goal("resident when idle", _one(start.idle_mib if start else None), 60.0, " MiB"),
    ]


def _one(value: float | None) -> Spread | None:
    return None if value is None else Spread(value, value, value)
