"""Families of metrics under one namespace, in the types of prometheus_client, which writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString


class Families:
    """Makes them; each with a text that says what is counted."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def name(self, name: str) -> str:
        """With the namespace in front."""
        return f"{self._namespace}_{name}"

    def gauge(self, name: str, text: str, value: float) -> Metric:
        """One number as it is now."""
        return GaugeMetricFamily(self.name(name), text, value)

    def gauges(self, name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
        """Several, by the values of a label."""
        family = GaugeMetricFamily(self.name(name), text, labels=(label,))
        for value_of_label, value in values.items():
            family.add_metric((value_of_label,), value)
        return family

    def counter(self, name: str, text: str, count: int) -> Metric:
        """One that only grows."""
        return CounterMetricFamily(self.name(name), text, count)

    def counters(
        self, name: str, text: str, labels: Sequence[str], counts: Iterable[tuple[Sequence[str], int]]
    ) -> Metric:
        """Several, by the values of these labels."""
        family = CounterMetricFamily(self.name(name), text, labels=labels)
        for values, count in counts:
            family.add_metric(values, count)
        return family

    def histograms(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        bounds: Sequence[float],
        series: Iterable[tuple[Sequence[str], Sequence[int], float]],
    ) -> Metric:
        """Several; of each how many in each bucket, the one without a bound last, and the sum."""
        family = HistogramMetricFamily(self.name(name), text, labels=labels)
        named = [*map(floatToGoString, bounds), "+Inf"]
        for values, counts, total in series:
            family.add_metric(values, list(zip(named, accumulate(counts), strict=True)), total)
        return family
