"""Measures SLURM: the duration, result and last success of each query."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from provider_daemon.errors import ProvdError, Refused, TurnedAway, Unreadable
from provider_daemon.job.maintenance import Reservation
from provider_daemon.job.snapshot import Snapshot
from provider_daemon.metrics import catalog
from provider_daemon.metrics.activity import calling
from provider_daemon.metrics.meters import Meters
from provider_daemon.ports import (
    Clock,
    Node,
    Scheduler,
    Submission,
    SubmissionResult,
    Survey,
    Surveyor,
    Watch,
)

Said = TypeVar("Said", covariant=True)

FOREVER = float("inf")
NODES_SECONDS = 300.0  # lifetime of a node count: heartbeats query it every minute
RATE_LIMIT = "rate limit"  # part of the message in every version of SLURM


class Measurable(Scheduler, Surveyor, Protocol):
    """The interface of SLURM's adapter."""


class MeasuredScheduler:
    """`cluster` is the cluster's id on chain. `answers`: whether SLURM answered the last poll for jobs.

    `powered_down`: the nodes that SLURM had powered down when it last listed its nodes.
    """

    def __init__(self, scheduler: Measurable, meters: Meters, cluster: str, clock: Clock) -> None:
        self._inner = scheduler
        self._meters = meters
        self._cluster = cluster
        self._clock = clock
        self.answers = True
        self.powered_down = frozenset[str]()
        meters.begin(catalog.SLURM_RATE_LIMITED, cluster)
        meters.begin(catalog.SLURM_DURATION, cluster)
        for query in catalog.QUERIES:
            meters.begin(catalog.SLURM_QUERIES, cluster, query)
        for outcome in catalog.FAILURES:
            meters.begin(catalog.SLURM_FAILURES, cluster, outcome)
        for reason in catalog.WITHOUT_CLAIM:
            meters.begin(catalog.SLURM_NOTHING_RAN, cluster, reason)
        self._without_claim = frozenset[tuple[str, str]]()  # job names and SLURM job ids in the last poll
        for result in catalog.RECEIPTS:
            meters.begin(catalog.SLURM_SUBMISSIONS, cluster, result)

    async def version(self) -> str:
        with calling(self._clock):
            return await self._inner.version()

    async def snapshot(self, watch: Watch) -> Snapshot:
        try:
            with self._asking("snapshot"):
                snapshot = await self._inner.snapshot(watch)
        except ProvdError as error:
            self.answers = _failure(error) != "down"
            raise
        self.answers = True
        self._count_without_claim(snapshot)
        return snapshot

    def _count_without_claim(self, snapshot: Snapshot) -> None:
        found = {
            (seen.name, seen.slurm_id): seen
            for sightings in snapshot.sightings.values()
            for seen in sightings
            if seen.ran_nothing
        }
        for key in found.keys() - self._without_claim:
            reason = "duplicate" if found[key].duplicate else "unclaimed"
            self._meters.inc(catalog.SLURM_NOTHING_RAN, self._cluster, reason)
        self._without_claim = frozenset(found)

    async def survey(self, since: int, ours: Watch) -> Survey:
        with self._asking("reconcile"):
            return await self._inner.survey(since, ours)

    async def submit(self, orders: Sequence[Submission]) -> tuple[SubmissionResult, ...]:
        with self._asking("submit"):
            receipts = await self._inner.submit(orders)
        for receipt in receipts:
            self._meters.inc(catalog.SLURM_SUBMISSIONS, self._cluster, _result(receipt))
        return receipts

    async def cancel(self, ours: Watch) -> None:
        with self._asking("cancel"):
            await self._inner.cancel(ours)

    async def nodes(self) -> tuple[Node, ...]:
        with self._asking("nodes"):
            nodes = await self._inner.nodes()
        self.powered_down = frozenset(node.host for node in nodes if node.powered_down)
        states = [_state(node) for node in nodes]
        for state in catalog.NODE_STATES:
            self._meters.set(
                catalog.SLURM_NODES,
                states.count(state),
                self._cluster,
                state,
                until=self._clock.now() + NODES_SECONDS,
            )
        return nodes

    async def reservations(self) -> tuple[Reservation, ...]:
        with self._asking("reservations"):
            return await self._inner.reservations()

    async def drain(self, host: str, reason: str) -> None:
        with self._asking("drain"):
            await self._inner.drain(host, reason)

    async def undrain(self, host: str) -> None:
        with self._asking("drain"):
            await self._inner.undrain(host)

    async def close(self) -> None:
        await self._inner.close()

    @contextmanager
    def _asking(self, query: str) -> Iterator[None]:
        """Measures one query. A refused login counts as unreachable, not as an answer of SLURM."""
        began = self._clock.now()
        try:
            with calling(self._clock):
                yield
        except Refused:  # SLURM understood and answered
            raise
        except ProvdError as error:
            self._meters.inc(catalog.SLURM_FAILURES, self._cluster, _failure(error))
            if RATE_LIMIT in str(error).lower():
                self._meters.inc(catalog.SLURM_RATE_LIMITED, self._cluster)
            raise
        else:
            self._meters.set(catalog.SLURM_SUCCESS, self._clock.now(), self._cluster, until=FOREVER)
        finally:
            self._meters.observe(catalog.SLURM_DURATION, self._clock.now() - began, self._cluster)
            self._meters.inc(catalog.SLURM_QUERIES, self._cluster, query)


class Runner(Protocol[Said]):
    """The interface of slurm's Transport."""

    async def run(self, program: str, payload: bytes, timeout: float) -> Said: ...

    async def close(self) -> None: ...


class MeasuredTransport(Generic[Said]):
    """Each command counts as progress of the loop that waits for it."""

    def __init__(self, transport: Runner[Said], clock: Clock) -> None:
        self._inner = transport
        self._clock = clock

    async def run(self, program: str, payload: bytes, timeout: float) -> Said:
        with calling(self._clock):
            return await self._inner.run(program, payload, timeout)

    async def close(self) -> None:
        await self._inner.close()


def _failure(error: ProvdError) -> str:
    return "unreadable" if isinstance(error, Unreadable) and not isinstance(error, TurnedAway) else "down"


def _result(receipt: SubmissionResult) -> str:
    if receipt.unknown:
        return "unknown"
    if receipt.deferral:
        return "deferred"
    return "refused" if receipt.refusal else "accepted"


def _state(node: Node) -> str:
    if node.draining:
        return "draining"
    return "usable" if node.usable else "unusable"
