"""The gateway's metrics. docs/gateway.md lists them; label values are bounded lists."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from provider_daemon import __version__
from provider_daemon.listener.certificates import Certificates
from provider_daemon.metrics.catalog import BUILD, Family, MetricKind
from provider_daemon.metrics.gate import HttpCounts
from provider_daemon.metrics.meters import Meters, metric
from provider_daemon.ports import Clock


def _family(kind: MetricKind, name: str, text: str, *labels: str, buckets: tuple[float, ...] = ()) -> Family:
    return Family(f"provd_gateway_{name}", kind, text, labels, buckets)


REQUESTS = _family(
    MetricKind.COUNTER, "requests_total", "Answered requests by route and status code.", "route", "code"
)
SECONDS = _family(
    MetricKind.HISTOGRAM,
    "request_duration_seconds",
    "Duration of requests by route, until the end of the answer; logs that are followed are not counted.",
    "route",
    buckets=(0.01, 0.05, 0.25, 1.0, 5.0, 30.0, 300.0),
)
BYTES_OUT = _family(MetricKind.COUNTER, "sent_bytes_total", "Bytes of files, archives and logs sent.")
BYTES_IN = _family(MetricKind.COUNTER, "received_bytes_total", "Bytes of uploads received.")
REFUSED = _family(
    MetricKind.COUNTER, "logins_refused_total", "Refused logins by the code of the error.", "reason"
)
STREAMS = _family(MetricKind.GAUGE, "open_streams", "Downloads, archives and logs in progress.")
CONNECTIONS = _family(MetricKind.GAUGE, "connections", "Connections currently open on gateway.listen.")
CLOSED = _family(
    MetricKind.COUNTER,
    "connections_closed_total",
    "Connections closed at a connection limit or because no request arrived in time.",
    "reason",
)
UPLOADS = _family(
    MetricKind.GAUGE,
    "uploads_bytes",
    "Bytes of stored uploads, including space reserved for uploads in progress.",
)
UPLOADS_LIMIT = _family(
    MetricKind.GAUGE, "uploads_limit_bytes", "Maximum for uploads_bytes: gateway.uploads_gb in bytes."
)
CERTIFICATE = _family(
    MetricKind.GAUGE,
    "certificate_expiry_timestamp_seconds",
    "Unix time at which the TLS certificate expires; absent without TLS.",
)
READY = _family(
    MetricKind.GAUGE,
    "dependency_ready",
    "1 if the gateway can use the dependency, otherwise 0.",
    "dependency",
)
FAMILIES = (
    BUILD,
    REQUESTS,
    SECONDS,
    BYTES_OUT,
    BYTES_IN,
    REFUSED,
    STREAMS,
    CONNECTIONS,
    CLOSED,
    UPLOADS,
    UPLOADS_LIMIT,
    CERTIFICATE,
    READY,
)


@dataclass(slots=True)
class Measures:
    """The meters, and what is read when they are collected."""

    meters: Meters = field(default_factory=Meters)
    connections: HttpCounts = field(default_factory=HttpCounts)
    streams: int = 0
    uploads: int = 0
    uploads_limit: int = 0
    certificates: Certificates | None = None
    ready: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.meters.begin(BYTES_OUT)
        self.meters.begin(BYTES_IN)

    def sent(self, count: int) -> None:
        self.meters.inc(BYTES_OUT, amount=count)

    def received(self, count: int) -> None:
        self.meters.inc(BYTES_IN, amount=count)


class GatewayCollector(Collector):
    def __init__(self, measures: Measures, clock: Clock) -> None:
        self._measures, self._clock = measures, clock

    def collect(self) -> Iterator[Metric]:
        now = self._measures
        yield metric(BUILD, [((__version__,), 1)])
        yield from now.meters.collect(self._clock.now())
        yield metric(STREAMS, [((), now.streams)])
        yield metric(CONNECTIONS, [((), now.connections.open)])
        closed = {"connection_limit": now.connections.full, "request_timeout": now.connections.late}
        yield metric(CLOSED, [((reason,), count) for reason, count in closed.items()])
        yield metric(UPLOADS, [((), now.uploads)])
        yield metric(UPLOADS_LIMIT, [((), now.uploads_limit)])
        if now.certificates is not None:
            yield metric(CERTIFICATE, [((), now.certificates.expires)])
        yield metric(READY, [((name,), float(ready)) for name, ready in now.ready.items()])
