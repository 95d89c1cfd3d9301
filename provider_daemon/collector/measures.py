"""The collector's metrics. docs/agent.md lists them; label values are bounded lists."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from provider_daemon import __version__
from provider_daemon.listener.certificates import Certificates
from provider_daemon.metrics.catalog import BUILD, Family, MetricKind
from provider_daemon.metrics.gate import HttpCounts
from provider_daemon.metrics.meters import Meters, metric
from provider_daemon.node_protocol.rejection import Rejection
from provider_daemon.ports import Clock


def _family(kind: MetricKind, name: str, text: str, *labels: str, buckets: tuple[float, ...] = ()) -> Family:
    return Family(f"provd_collector_{name}", kind, text, labels, buckets)


REQUESTS = _family(
    MetricKind.COUNTER,
    "requests_total",
    "Answered requests by kind (heartbeat, registration, other) and status code.",
    "kind",
    "code",
)
SECONDS = _family(
    MetricKind.HISTOGRAM,
    "request_duration_seconds",
    "Time from a request's head to the end of its answer, by kind.",
    "kind",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
REJECTED = _family(
    MetricKind.COUNTER, "rejected_total", "Refused heartbeats and registrations by reason.", "reason"
)
COMMITS = _family(
    MetricKind.HISTOGRAM,
    "commit_duration_seconds",
    "Time of a commit to the collector's database, which stores the heartbeats of many nodes.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0),
)
AGENTS = _family(
    MetricKind.GAUGE,
    "agents",
    "Registered agents by state: active, or silent for 120 s and four intervals.",
    "state",
)
CONNECTIONS = _family(MetricKind.GAUGE, "connections", "Connections currently open on collector.listen.")
CLOSED = _family(
    MetricKind.COUNTER,
    "connections_closed_total",
    "Connections closed at the connection limit or because no request arrived in time.",
    "reason",
)
CERTIFICATE = _family(
    MetricKind.GAUGE,
    "certificate_expiry_timestamp_seconds",
    "Unix time at which the TLS certificate expires; absent without TLS.",
)
READY = _family(MetricKind.GAUGE, "dependency_ready", "1 if the collector can use it, else 0.", "dependency")
FAMILIES = (
    BUILD,
    REQUESTS,
    SECONDS,
    REJECTED,
    COMMITS,
    AGENTS,
    CONNECTIONS,
    CLOSED,
    CERTIFICATE,
    READY,
)


@dataclass(slots=True)
class CollectorMeasures:
    """The meters, and what is read when they are collected."""

    meters: Meters = field(default_factory=Meters)
    connections: HttpCounts = field(default_factory=HttpCounts)
    agents: Counter[str] = field(default_factory=Counter)
    certificates: Certificates | None = None
    ready: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for reason in Rejection:
            self.meters.begin(REJECTED, reason)
        self.meters.begin(COMMITS)

    def committed(self, seconds: float) -> None:
        self.meters.observe(COMMITS, seconds)


class NodeCollector(Collector):
    """Prometheus' collector of the metrics of `provd collector`."""

    def __init__(self, measures: CollectorMeasures, clock: Clock) -> None:
        self._measures, self._clock = measures, clock

    def collect(self) -> Iterator[Metric]:
        now = self._measures
        yield metric(BUILD, [((__version__,), 1)])
        yield from now.meters.collect(self._clock.now())
        yield metric(AGENTS, [((state,), now.agents[state]) for state in ("active", "silent")])
        yield metric(CONNECTIONS, [((), now.connections.open)])
        closed = {"connection_limit": now.connections.full, "request_timeout": now.connections.late}
        yield metric(CLOSED, [((reason,), count) for reason, count in closed.items()])
        if now.certificates is not None:
            yield metric(CERTIFICATE, [((), now.certificates.expires)])
        yield metric(READY, [((name,), float(ready)) for name, ready in now.ready.items()])
