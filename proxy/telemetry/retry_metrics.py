"""What Prometheus sees of calls that came to nothing: how many, how long they took, how long was waited."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client.core import Metric

from proxy.exchange import Retry
from proxy.telemetry.families import Families


class _Durations:
    """By the labels of a series: how many in each bucket, and the seconds of all."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], tuple[list[int], list[float]]] = {}

    def add(self, labels: tuple[str, str], seconds: float, bounds: Sequence[float]) -> None:
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = [0] * (len(bounds) + 1), [0.0]
        series[0][bisect_left(bounds, seconds)] += 1
        series[1][0] += seconds

    def clear(self) -> None:
        self._series.clear()

    def family(self, families: Families, name: str, text: str, bounds: Sequence[float]) -> Metric:
        series = ((labels, counts, seconds[0]) for labels, (counts, seconds) in self._series.items())
        return families.histograms(name, text, ("route", "class"), bounds, series)


class RetryMetrics:
    """Counts on one thread, in `most` series at most, though routes and classes are an operator's."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bounds: Sequence[float] = ()
        self._counts: dict[tuple[str, str, str], int] = {}
        self._calls, self._waits = _Durations(), _Durations()

    def configure(self, bounds: Sequence[float]) -> None:
        """Count in other buckets, from nothing; what is counted without any goes on."""
        self._bounds = bounds
        self._calls.clear()
        self._waits.clear()

    def add(self, route: str, retry: Retry) -> None:
        """One call of `route` that came to nothing."""
        labels, outcome = (route, retry.error_class), retry.outcome
        if (*labels, outcome) not in self._counts and len(self._counts) >= self._most:
            labels = ("other", "other")
        self._counts[*labels, outcome] = self._counts.get((*labels, outcome), 0) + 1
        self._calls.add(labels, retry.took, self._bounds)
        if retry.wait is not None:
            self._waits.add(labels, retry.wait, self._bounds)

    def families(self, families: Families) -> Iterator[Metric]:
        yield families.counters(
            "retries",
            "Calls that came to nothing, by what became of the next one, or why there was none.",
            ("route", "class", "outcome"),
            self._counts.items(),
        )
        yield self._calls.family(
            families,
            "retry_failed_call_seconds",
            "How long the calls took that came to nothing.",
            self._bounds,
        )
        yield self._waits.family(
            families, "retry_wait_seconds", "How long was waited before a call was repeated.", self._bounds
        )
