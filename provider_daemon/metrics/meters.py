"""What provd counts and measures: sums since its start, and values that it was told and that go stale."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from provider_daemon.metrics.catalog import Family, Kind

Labels = tuple[str, ...]
Samples = Iterable[tuple[Labels, float]]


@dataclass(slots=True)
class _Histogram:
    counts: list[int]
    total: float = 0.0


@dataclass(slots=True)
class Meters:
    """Counters and histograms. Each begins at 0 with the daemon, as Prometheus expects; `begin` shows one before anything happened."""

    _counts: dict[Family, dict[Labels, float]] = field(default_factory=dict)
    _histograms: dict[Family, dict[Labels, _Histogram]] = field(default_factory=dict)
    _told: dict[Family, dict[Labels, tuple[float, float]]] = field(default_factory=dict)

    def add(self, family: Family, *labels: str, amount: float = 1.0) -> None:
        counts = self._counts.setdefault(family, {})
        counts[labels] = counts.get(labels, 0.0) + amount

    def observe(self, family: Family, value: float, *labels: str) -> None:
        """`value` in the family's unit; what clocks that differ make negative counts as 0."""
        found = self._histogram(family, labels)
        found.counts[bisect_left(family.buckets, value)] += 1
        found.total += max(0.0, value)

    def begin(self, family: Family, *labels: str) -> None:
        if family.kind is Kind.HISTOGRAM:
            self._histogram(family, labels)
        else:
            self.add(family, *labels, amount=0.0)

    def _histogram(self, family: Family, labels: Labels) -> _Histogram:
        return self._histograms.setdefault(family, {}).setdefault(labels, _Histogram([0] * (len(family.buckets) + 1)))

    def tell(self, family: Family, value: float, *labels: str, until: float) -> None:
        """A value that was asked for; after `until` (seconds since the epoch) nobody knows whether it is still so, and it is not shown."""
        self._told.setdefault(family, {})[labels] = (value, until)

    def told(self, family: Family, now: float) -> list[tuple[Labels, float]]:
        """What was told of it and still holds."""
        return [(labels, value) for labels, (value, until) in self._told.get(family, {}).items() if now < until]

    def collect(self, now: float) -> Iterator[Metric]:
        for family, counts in self._counts.items():
            yield metric(family, counts.items())
        for family in self._told:
            yield metric(family, self.told(family, now))
        for family, histograms in self._histograms.items():
            yield _exposed(family, histograms)


def metric(family: Family, samples: Samples) -> Metric:
    """A gauge or a counter with those values."""
    made = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    found = made(family.name, family.help, labels=family.labels)
    for labels, value in samples:
        found.add_metric(labels, value)
    return found


def _exposed(family: Family, histograms: dict[Labels, _Histogram]) -> Metric:
    found = HistogramMetricFamily(family.name, family.help, labels=family.labels)
    for labels, histogram in histograms.items():
        below, buckets = 0, list[tuple[str, float]]()
        for bound, count in zip((*family.buckets, float("inf")), histogram.counts, strict=True):
            below += count
            buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), below))
        found.add_metric(labels, buckets, histogram.total)
    return found
