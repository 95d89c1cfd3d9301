"""Collects the metrics that are read at each scrape, so that none outlives its source, and the meters."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from provider_daemon import __version__
from provider_daemon.job.payment import ChainSettlement
from provider_daemon.job.pricing import DENOM
from provider_daemon.ledger import books, customers, disputes, figures, meta, nodes
from provider_daemon.ledger.leases import open_leases
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.metrics import catalog
from provider_daemon.metrics.gate import HttpCounts
from provider_daemon.metrics.ledger import value
from provider_daemon.metrics.meters import Meters, metric
from provider_daemon.nodes.hold import HoldSource
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Clock, ConnectOutcome, EndpointState

# Lifetime of an endpoint's state: loops query each endpoint at least once a minute.
BELIEVED_SECONDS = 180.0


class LoopHealth(Protocol):
    """The exported properties of a loop. Times are in seconds since the epoch.

    `last_success` is 0 before the first success, `tick_since` is 0 between ticks.
    """

    name: str
    ticks: int
    last_success: float
    tick_since: float
    failure: str

    def dead(self, now: float) -> str:
        """Returns why the loop is dead; '' while it is alive."""
        ...

    def stalled(self, now: float) -> str:
        """Returns why the loop makes no progress although its ticks succeed; '' while it does."""
        ...


class EndpointHealth(Protocol):
    """An endpoint of the chain adapter. Times are in seconds since the epoch."""

    url: str
    height: int
    time: float
    state: EndpointState
    why: str
    checked_at: float


class ReloadHealth(Protocol):
    """`whole` means that the configuration file, as last read, is in effect.

    `taken_at` is when that was last the case, in seconds since the epoch. `problems`: one line for each part
    of the file that is not in effect.
    """

    whole: bool
    problems: Sequence[str]
    taken_at: float


class SshCounters(Protocol):
    """The counters of the SSH transport."""

    @property
    def connects(self) -> Mapping[str, int]: ...

    channels: int
    refused: int
    open: int

    @property
    def connections(self) -> int: ...

    @property
    def problem(self) -> ConnectOutcome | None: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """The measured parts of the daemon. Clusters by their ids on chain, signers by their addresses."""

    ledger: Ledger
    path: Path
    meters: Meters
    loops: Sequence[LoopHealth]
    ongoing: OngoingProblems
    clock: Clock
    reload: ReloadHealth
    clusters: Sequence[str] = ()
    signers: Sequence[str] = ()
    endpoints: Callable[[], Sequence[EndpointHealth]] = tuple
    rpcs: Mapping[str, Callable[[], int]] = field(default_factory=dict)
    ssh: Mapping[str, SshCounters] = field(default_factory=dict)
    http: HttpCounts = field(default_factory=HttpCounts)
    pools: Sequence[str] = ()  # clusters with a pool of Unix users
    silent: Callable[[], Sequence[str]] = tuple  # clusters whose SLURM did not answer the last poll


class DaemonCollector(Collector):
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._values: dict[str, tuple[str, str, int]] = {}

    def collect(self) -> Iterator[Metric]:
        """Yields every family of the catalog, also those without a value."""
        found = {made.name: made for made in self._found()}
        for family in catalog.CATALOG:
            yield found.get(family.name.removesuffix("_total")) or metric(family, ())

    def _found(self) -> Iterator[Metric]:
        yield from self._parts.meters.collect(self._parts.clock.now())
        yield metric(catalog.BUILD, [((__version__,), 1.0)])
        yield metric(catalog.RELOADED, [((), float(self._parts.reload.whole))])
        yield metric(catalog.RELOAD_SUCCESS, [((), self._parts.reload.taken_at)])
        yield from self._jobs()
        yield self._paused()
        yield self._pool()
        yield self._held()
        yield self._unsettled()
        yield self._settlement()
        yield from self._outbox()
        yield from self._endpoints()
        yield metric(
            catalog.SLURM_RPCS, [((cluster,), float(count())) for cluster, count in self._parts.rpcs.items()]
        )
        yield from self._ssh()
        yield metric(catalog.HTTP_CONNECTIONS, [((), float(self._parts.http.open))])
        closed = {"connection_limit": self._parts.http.full, "request_timeout": self._parts.http.late}
        yield metric(
            catalog.HTTP_CLOSED, [((reason,), float(closed[reason])) for reason in catalog.HTTP_REASONS]
        )
        yield from self._ledger()
        yield from self._loops()
        yield metric(catalog.TROUBLE, [(trouble, 1.0) for trouble in self._parts.ongoing.lasting()])

    # --- jobs and messages ---

    def _jobs(self) -> Iterator[Metric]:
        open_jobs = {
            (cluster, state.value): 0.0 for cluster in self._parts.clusters for state in catalog.STATES
        }
        waiting = {
            (cluster, reason.value): 0.0 for cluster in self._parts.clusters for reason in catalog.PARKED
        }
        for row in figures.open_jobs(self._parts.ledger):
            counts, word = (waiting, row.parked) if row.parked else (open_jobs, row.state)
            counts[row.cluster_id, word] = counts.get((row.cluster_id, word), 0.0) + row.jobs
        yield metric(catalog.JOBS, open_jobs.items())
        yield metric(catalog.JOBS_PARKED, waiting.items())
        yield metric(catalog.JOBS_QUARANTINED, [((), float(len(self._parts.ledger.quarantined())))])
        on_hold = figures.jobs_on_hold(self._parts.ledger)
        yield metric(
            catalog.JOBS_ON_HOLD, [((reason,), float(on_hold.get(reason, 0))) for reason in catalog.HOLDS]
        )

        yield from self._customers()
        yield self._disputes()
        yield self._unpaid()

    def _customers(self) -> Iterator[Metric]:
        held = {row.reason or catalog.UNREAD: row for row in customers.held_by_reason(self._parts.ledger)}
        yield metric(
            catalog.JOBS_POSTPONED,
            [
                ((reason,), float(held[reason].jobs if reason in held else 0))
                for reason in (catalog.UNREAD, *catalog.HELD_BY)
            ],
        )
        yield metric(
            catalog.CUSTOMERS_HELD,
            [
                ((reason,), float(held[reason].customers if reason in held else 0))
                for reason in catalog.HELD_BY
            ],
        )

    def _disputes(self) -> Metric:
        counts = {(cluster, word): 0.0 for cluster in self._parts.clusters for word in catalog.NO_YES}
        for row in disputes.count_open(self._parts.ledger):
            counts[row.cluster_id, catalog.NO_YES[row.answered]] = float(row.disputes)
        return metric(catalog.DISPUTES, counts.items())

    def _unpaid(self) -> Metric:
        sums = {(cluster, DENOM, word): 0.0 for cluster in self._parts.clusters for word in catalog.NO_YES}
        for row in books.unpaid(self._parts.ledger):
            sums[row.cluster_id, DENOM, catalog.NO_YES[row.disputed]] = float(row.total)
        return metric(catalog.UNPAID, sums.items())

    def _paused(self) -> Metric:
        pauses = {cluster: self._parts.ledger.get(meta.pause(cluster)) for cluster in self._parts.clusters}
        rows = [((cluster,), float(bool(pause and not pause.over))) for cluster, pause in pauses.items()]
        return metric(catalog.CLUSTER_PAUSED, rows)

    def _pool(self) -> Metric:
        counts = {(cluster, state): 0.0 for cluster in self._parts.pools for state in catalog.LEASES}
        for cluster in self._parts.pools:
            for lease in open_leases(self._parts.ledger, cluster):
                counts[cluster, lease.state] += 1
        return metric(catalog.POOL_USERS, counts.items())

    def _held(self) -> Metric:
        counts = {(each, source.value): 0.0 for each in self._parts.clusters for source in HoldSource}
        for cluster in self._parts.clusters:
            for hold in nodes.holds(self._parts.ledger, cluster):
                counts[cluster, hold.source] += 1
        return metric(catalog.NODES_HELD, counts.items())

    def _unsettled(self) -> Metric:
        """Reads each ended job once: its value no longer changes."""
        ended = figures.ended_unconfirmed(self._parts.ledger)
        self._values = {job_id: self._values.get(job_id) or self._value(job_id) for job_id in ended}
        sums = {(cluster, DENOM): 0.0 for cluster in self._parts.clusters}
        for cluster, denom, amount in self._values.values():
            sums[cluster, denom] = sums.get((cluster, denom), 0.0) + amount
        return metric(catalog.UNSETTLED, sums.items())

    def _settlement(self) -> Metric:
        found = self._parts.ledger.get(meta.SETTLEMENT)
        rows = [((kind.value,), float(kind is found)) for kind in ChainSettlement]
        return metric(catalog.CHAIN_SETTLEMENT, rows)

    def _value(self, job_id: str) -> tuple[str, str, int]:
        job = self._parts.ledger.job(job_id)
        assert job is not None
        return job.spec.cluster_id, job.pricing.denom, value(job)

    def _outbox(self) -> Iterator[Metric]:
        rows = self._parts.ledger.count_waiting()
        sizes = {(signer, kind): 0.0 for signer in self._parts.signers for kind in catalog.KINDS}
        sizes |= {(row.signer, row.kind): float(row.messages) for row in rows}
        yield metric(catalog.OUTBOX_MESSAGES, sizes.items())
        outboxes = [
            (loop, loop.name.removeprefix("outbox:"))
            for loop in self._parts.loops
            if loop.name.startswith("outbox:")
        ]
        now = self._parts.clock.now()
        yield metric(
            catalog.OUTBOX_STALLED, [((signer,), float(bool(loop.stalled(now)))) for loop, signer in outboxes]
        )
        yield metric(catalog.OUTBOX_OLDEST, [((row.signer, row.kind), row.oldest) for row in rows])

    # --- chain and SSH ---

    def _endpoints(self) -> Iterator[Metric]:
        states = {each.url: each.state for each in self._parts.endpoints() if self._known(each)}
        healthy = [each for each in self._parts.endpoints() if states.get(each.url) is EndpointState.HEALTHY]
        yield metric(catalog.CHAIN_HEIGHT, [((each.url,), float(each.height)) for each in healthy])
        yield metric(catalog.CHAIN_BLOCK_TIME, [((each.url,), each.time) for each in healthy])
        yield metric(
            catalog.CHAIN_ENDPOINT,
            [((url, word), float(word == state)) for url, state in states.items() for word in EndpointState],
        )

    def _known(self, endpoint: EndpointHealth) -> bool:
        """Whether the state is current. After a failed call, `checked_at` is 0 until the next check."""
        failed = endpoint.state is not EndpointState.HEALTHY and endpoint.height and not endpoint.checked_at
        return bool(failed) or 0 <= self._parts.clock.now() - endpoint.checked_at < BELIEVED_SECONDS

    def _ssh(self) -> Iterator[Metric]:
        ssh = self._parts.ssh.items()
        yield metric(
            catalog.SSH_CONNECTS,
            [
                ((cluster, group), _of_group(each, group))
                for cluster, each in ssh
                for group in catalog.CONNECTS
            ],
        )
        problems = [((cluster, each.problem.value), 1.0) for cluster, each in ssh if each.problem]
        yield metric(catalog.SSH_LOGIN_PROBLEM, problems)
        yield metric(
            catalog.SSH_CONNECTIONS, [((cluster,), float(each.connections)) for cluster, each in ssh]
        )
        yield metric(catalog.SSH_CHANNELS, [((cluster,), float(each.channels)) for cluster, each in ssh])
        yield metric(
            catalog.SSH_CHANNELS_REFUSED, [((cluster,), float(each.refused)) for cluster, each in ssh]
        )
        yield metric(catalog.SSH_CHANNELS_OPEN, [((cluster,), float(each.open)) for cluster, each in ssh])

    # --- the daemon itself ---

    def _ledger(self) -> Iterator[Metric]:
        yield metric(catalog.LEDGER_SIZE, [((), float(figures.size_bytes(self._parts.path)))])
        yield metric(catalog.LEDGER_FREE, [((), float(figures.free_bytes(self._parts.path)))])
        counts, done = self._parts.ledger.get(meta.DIFFERENCES), self._parts.ledger.get(meta.RECONCILED_AT)
        yield metric(catalog.DIFFERENCES, [((severity,), float(count)) for severity, count in counts.items()])
        yield metric(catalog.RECONCILED, [((), done)] if done else ())

    def _loops(self) -> Iterator[Metric]:
        loops, now = self._parts.loops, self._parts.clock.now()
        yield metric(catalog.LOOP_SUCCESS, [((loop.name,), loop.last_success) for loop in loops])
        yield metric(catalog.LOOP_FAILING, [((loop.name,), float(bool(loop.failure))) for loop in loops])
        yield metric(catalog.LOOP_ALIVE, [((loop.name,), float(not loop.dead(now))) for loop in loops])
        yield metric(
            catalog.LOOP_TICKS, [((loop.name,), float(loop.ticks + bool(loop.tick_since))) for loop in loops]
        )


def _of_group(counts: SshCounters, group: str) -> float:
    return float(
        sum(count for outcome, count in counts.connects.items() if ConnectOutcome(outcome).group == group)
    )
