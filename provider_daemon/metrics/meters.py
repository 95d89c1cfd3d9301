"""provd's meters: prometheus_client's counters and histograms, and gauges whose values expire."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from provider_daemon.metrics.catalog import Family, MetricKind

Labels = tuple[str, ...]
Samples = Iterable[tuple[Labels, float]]

# `_created` series would more than double the number of series, and nothing reads them.
disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(slots=True)
class Meters:
    """Counters and histograms start at 0 with the daemon; `begin` exposes one before its first event."""

    _registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    _counters: dict[Family, Counter] = field(default_factory=dict)
    _histograms: dict[Family, Histogram] = field(default_factory=dict)
    _gauges: dict[Family, dict[Labels, tuple[float, float]]] = field(default_factory=dict)

    def inc(self, family: Family, *labels: str, amount: float = 1.0) -> None:
        self._counter(family, labels).inc(amount)

    def observe(self, family: Family, value: float, *labels: str) -> None:
        """`value` is in the family's unit; a negative one (clocks that differ) counts as 0."""
        self._histogram(family, labels).observe(max(0.0, value))

    def begin(self, family: Family, *labels: str) -> None:
        if family.kind is MetricKind.HISTOGRAM:
            self._histogram(family, labels)
        else:
            self._counter(family, labels)

    def set(self, family: Family, value: float, *labels: str, until: float) -> None:
        """Sets a gauge. It expires at `until` (seconds since the epoch) unless it is set again."""
        self._gauges.setdefault(family, {})[labels] = (value, until)

    def current(self, family: Family, now: float) -> list[tuple[Labels, float]]:
        """Returns the values of a gauge that have not expired."""
        return [
            (labels, value) for labels, (value, until) in self._gauges.get(family, {}).items() if now < until
        ]

    def collect(self, now: float) -> Iterator[Metric]:
        yield from self._registry.collect()
        for family in self._gauges:
            yield metric(family, self.current(family, now))

    def _counter(self, family: Family, labels: Labels) -> Counter:
        found = self._counters.get(family)
        if found is None:
            found = self._counters[family] = Counter(
                family.name, family.help, family.labels, registry=self._registry
            )
        return found.labels(*labels) if labels else found

    def _histogram(self, family: Family, labels: Labels) -> Histogram:
        found = self._histograms.get(family)
        if found is None:
            found = self._histograms[family] = Histogram(
                family.name, family.help, family.labels, buckets=family.buckets, registry=self._registry
            )
        return found.labels(*labels) if labels else found


def metric(family: Family, samples: Samples) -> Metric:
    """Returns a gauge or a counter with these values."""
    made = CounterMetricFamily if family.kind is MetricKind.COUNTER else GaugeMetricFamily
    found = made(family.name, family.help, labels=family.labels)
    for labels, value in samples:
        found.add_metric(labels, value)
    return found
