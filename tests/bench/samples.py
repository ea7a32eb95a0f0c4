"""Results that nobody measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.figures import Results, Runs, Start
from bench.measure import Sample


def sample(cpu_us: float, *, others: float = 0.0, mib: float = 50.0) -> Sample:
    return Sample(
        requests=20_000,
        seconds=1.0,
        cpu_us=cpu_us,
        kernel=0.5,
        p50_ms=1.25,
        p99_ms=2.5,
        mib=mib,
        busy=0.98,
        opened=32,
        others=others,
    )


def runs(**costs: Sequence[float]) -> Runs:
    """Proxy -> CPU µs per request, one a round; `_` in a name is `-`."""
    return {name.replace("_", "-"): [sample(cost) for cost in several] for name, several in costs.items()}


def results(
    samples: Mapping[str, Mapping[str, Runs]] | None = None,
    *,
    skipped: Mapping[str, str] | None = None,
    start: Start | None = None,
) -> Results:
    return Results(
        about={"machine": "a quiet one", "load": "wrk"},
        versions={"seawall": "1.0", "envoy": "1.40.0"},
        skipped=skipped or {},
        samples=samples or {},
        start=start,
    )
