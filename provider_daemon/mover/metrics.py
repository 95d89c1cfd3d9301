"""The mover's metrics. docs/data.md lists them; label values are bounded lists."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from provider_daemon import __version__
from provider_daemon.job.transfer import InputState
from provider_daemon.metrics.catalog import BUILD, Family, MetricKind
from provider_daemon.metrics.collector import LoopHealth
from provider_daemon.metrics.meters import metric
from provider_daemon.mover.cluster import ClusterMover
from provider_daemon.mover.images import PullOutcome
from provider_daemon.mover.pace import Bandwidth
from provider_daemon.mover.plan import waits_for_image
from provider_daemon.transfers.rows import Delivery, JobTransfer


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(f"provd_mover_{name}", MetricKind.GAUGE, text, labels)


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(f"provd_mover_{name}", MetricKind.COUNTER, text, labels)


STEPS = _counter(
    "steps_total",
    "Steps that ended, by outcome: done, retried (failed, will be tried again) or failed (given up).",
    "cluster",
    "step",
    "outcome",
)
RUNNING = _gauge("steps_running", "Steps in progress.", "cluster")
RETRYING = _gauge("steps_waiting_to_retry", "Failed steps that will be tried again.", "cluster")
RECEIVED = _counter("received_bytes_total", "Bytes of inputs received, including failed transfers.")
SENT = _counter("sent_bytes_total", "Bytes of results sent, including failed transfers.")
INPUTS = _gauge("jobs_waiting_for_inputs", "Open jobs whose inputs are not ready.", "cluster")
OLDEST = _gauge(
    "oldest_waiting_inputs_seconds",
    "Longest time for which an open job has been waiting for its inputs; 0 if none waits.",
    "cluster",
)
DELIVERIES = _gauge("deliveries_waiting", "Ended jobs whose results are not delivered yet.", "cluster")
OVER_QUOTA = _gauge("jobs_over_quota", "Open jobs whose directory exceeds a quota.", "cluster")
UNKNOWN = _gauge("unknown_jobs", "Jobs in the mover's database that are not in the ledger.", "cluster")
ORPHANS = _gauge(
    "orphan_directories", "Job directories at the site whose job is not in the ledger.", "cluster"
)
CACHE = _gauge("cache_bytes", "Size of the cache of inputs at the site.", "cluster")
WAITING_IMAGES = _gauge("jobs_waiting_for_images", "Open jobs whose image is not in the cache.", "cluster")
OLDEST_IMAGE = _gauge(
    "oldest_waiting_image_seconds",
    "Longest time for which an open job has been waiting for its image; 0 if none waits.",
    "cluster",
)
IMAGES = _gauge("images_bytes", "Size of the images in the cache at the site, as transferred.", "cluster")
PULLS = _counter(
    "image_pulls_total",
    "Attempts to pull an image from its registry, by outcome; images found in the cache are not counted.",
    "cluster",
    "outcome",
)
LAST = _gauge("loop_last_success_timestamp_seconds", "Unix time of each loop's last successful tick.", "loop")
FAMILIES = (
    BUILD,
    STEPS,
    RUNNING,
    RETRYING,
    RECEIVED,
    SENT,
    INPUTS,
    OLDEST,
    DELIVERIES,
    OVER_QUOTA,
    UNKNOWN,
    ORPHANS,
    CACHE,
    WAITING_IMAGES,
    OLDEST_IMAGE,
    IMAGES,
    PULLS,
    LAST,
)


@dataclass(slots=True)
class Figures:
    """What the slow loops have found, by cluster name."""

    orphans: dict[str, int] = field(default_factory=dict)
    cache: dict[str, int] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    pulls: dict[str, Counter[PullOutcome]] = field(default_factory=dict)


class MoverCollector(Collector):
    """`movers`: by cluster name."""

    def __init__(
        self,
        movers: Mapping[str, ClusterMover],
        figures: Figures,
        bandwidth: Bandwidth,
        loops: Sequence[LoopHealth],
        now: Callable[[], float],
    ) -> None:
        self._movers = movers
        self._figures = figures
        self._bandwidth = bandwidth
        self._loops = loops
        self._now = now

    def collect(self) -> Iterator[Metric]:
        yield metric(BUILD, [((__version__,), 1)])
        steps = [
            ((name, step, outcome), float(count))
            for name, mover in self._movers.items()
            for (step, outcome), count in mover.counts.steps.items()
        ]
        yield metric(STEPS, steps)
        yield metric(RECEIVED, [((), self._bandwidth.received)])
        yield metric(SENT, [((), self._bandwidth.sent)])
        of_mover: list[tuple[Family, Callable[[ClusterMover], int]]] = [
            (RUNNING, lambda mover: mover.busy),
            (RETRYING, lambda mover: mover.retrying),
            (UNKNOWN, lambda mover: mover.unknown),
        ]
        for family, value in of_mover:
            yield metric(family, [((name,), value(mover)) for name, mover in self._movers.items()])
        yield from self._of_rows()
        yield metric(ORPHANS, [((name,), count) for name, count in self._figures.orphans.items()])
        yield metric(CACHE, [((name,), size) for name, size in self._figures.cache.items()])
        yield metric(IMAGES, [((name,), size) for name, size in self._figures.images.items()])
        pulls = [
            ((name, outcome), float(counts[outcome]))
            for name, counts in self._figures.pulls.items()
            for outcome in PullOutcome
        ]
        yield metric(PULLS, pulls)
        yield metric(LAST, [((loop.name,), loop.last_success) for loop in self._loops])

    def _of_rows(self) -> Iterator[Metric]:
        found = {name: _counted(mover, self._now()) for name, mover in self._movers.items()}
        for family in (INPUTS, OLDEST, WAITING_IMAGES, OLDEST_IMAGE, DELIVERIES, OVER_QUOTA):
            yield metric(family, [((name,), counts[family.name]) for name, counts in found.items()])


def _counted(mover: ClusterMover, now: float) -> Counter[str]:
    counts = Counter[str]()
    for name, row in mover.rows.items():
        job = mover.jobs.get(name)
        if job is None:
            continue
        if job.stageable and row.transfer.inputs is InputState.WAITING:
            counts[INPUTS.name] += 1
            counts[OLDEST.name] = max(counts[OLDEST.name], int(now - row.seen_at))
        if waits_for_image(job, row):
            counts[WAITING_IMAGES.name] += 1
            counts[OLDEST_IMAGE.name] = max(counts[OLDEST_IMAGE.name], int(now - row.seen_at))
        counts[DELIVERIES.name] += _delivering(row) and job.over
        counts[OVER_QUOTA.name] += bool(row.transfer.over_quota) and not job.over
    return counts


def _delivering(row: JobTransfer) -> bool:
    return row.delivery is Delivery.WAITING and not row.transfer.settled
