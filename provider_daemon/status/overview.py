"""The content of the status page, `provd status` and `provd top`, from ledger and daemon. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from provider_daemon.job.job import Job
from provider_daemon.job.payment import ChainSettlement
from provider_daemon.job.state import State
from provider_daemon.ledger.books import BookedJob, Unpaid
from provider_daemon.ledger.customers import HeldCustomer
from provider_daemon.ledger.disputes import KnownDispute
from provider_daemon.ledger.listing import Rows
from provider_daemon.ledger.rows import SetAside, Waiting
from provider_daemon.money.job_bill import expected_bill
from provider_daemon.ports import RESOLUTION_SECONDS
from provider_daemon.status.cluster_line import ClusterLine, cluster_line
from provider_daemon.status.job_status import JobStatus, by_state, standing, why
from provider_daemon.status.units import short


@dataclass(frozen=True, slots=True)
class JobLine:
    """`number` is the job's position in the ledger, in order of arrival.

    Times here and below are in seconds since the epoch. `program` is argv[0] or the template. Arguments and
    environment may hold secrets and are not shown. Amounts are in `price_denom`, None if unknown: `estimate`
    is the most that the job can cost, `agreed` its customer's limit, `escrowed` what of that the chain holds,
    `bill` what its measured usage costs. `price`: what the chain billed, or else `bill`, or else `estimate`.
    `paid`: what was paid for it, 0 while that is unsettled or disputed.
    """

    number: int
    job_id: str
    cluster: str
    standing: str
    state: str
    reported: str
    slurm_id: str
    queue: str
    program: str
    size: str
    created_at: float
    why: str
    estimate: int | None
    agreed: int | None
    escrowed: int | None
    bill: int | None
    price_denom: str
    customer: str
    nodes: int
    price: int | None
    paid: int | None


@dataclass(frozen=True, slots=True)
class Count:
    """A number of open jobs by the ledger's state, which is counted without reading each job."""

    cluster: str
    standing: str
    jobs: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """`fee` is in the chain's fee denom."""

    tx_hash: str
    status: str
    height: int
    code: int
    messages: int
    fee: int
    created_at: float
    note: str


@dataclass(frozen=True, slots=True)
class LoopStatus:
    """A loop of the daemon; `why` is '' while it works, `last_success` 0 before the first success."""

    name: str
    why: str
    last_success: float


@dataclass(frozen=True, slots=True)
class Trouble:
    what: str
    subject: str


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """A chain endpoint; `state` is an EndpointState, `why` explains an unhealthy one."""

    url: str
    height: int
    time: float
    state: str
    why: str


@dataclass(frozen=True, slots=True)
class WalletStatus:
    """`balance` is in `denom`; `runway` is in seconds at the last day's fees, None if there were none."""

    signer: str
    balance: int
    denom: str
    runway: float | None


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """What only the running daemon knows. `ledger` is its ledger file, `ledger_id` that ledger's id.

    `config_problems`: a line for each part of the configuration file that the last reload did not accept.
    `silent`: ids of the clusters whose SLURM did not answer the last poll.
    """

    version: str
    parts: tuple[LoopStatus, ...]
    troubles: tuple[Trouble, ...]
    endpoints: tuple[EndpointStatus, ...]
    wallets: tuple[WalletStatus, ...]
    ledger: str = ""
    ledger_id: str = ""
    config_problems: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        return not any(part.why for part in self.parts)


@dataclass(frozen=True, slots=True)
class DisputeLine:
    """An open dispute, which the chain rejects at `ends_at`. `answered_at` is None without an answer."""

    dispute_id: str
    job_id: str
    cluster: str
    by: str
    kind: str
    reason: str
    opened_at: float
    ends_at: float
    answered_at: float | None


@dataclass(frozen=True, slots=True)
class Overview:
    """`daemon` is None if it does not answer; the rest is then the ledger's last content.

    `parked` includes jobs older than those in `jobs`.
    """

    at: float
    total: int
    counts: tuple[Count, ...]
    jobs: tuple[JobLine, ...]
    parked: tuple[JobLine, ...]
    transactions: tuple[Transaction, ...]
    waiting: tuple[Waiting, ...]
    set_aside: tuple[SetAside, ...]
    held: tuple[HeldCustomer, ...]
    disputes: tuple[DisputeLine, ...]
    unpaid: tuple[Unpaid, ...]
    settlement: ChainSettlement
    clusters: tuple[ClusterLine, ...]
    daemon: DaemonStatus | None


def overview(rows: Rows, daemon: DaemonStatus | None, now: float) -> Overview:
    silent = daemon.silent if daemon else ()
    return Overview(
        at=now,
        total=rows.total,
        counts=_counts(rows),
        jobs=lines(rows.jobs, silent, rows.booked),
        parked=lines(rows.parked, silent),
        transactions=tuple(
            Transaction(
                **{name: getattr(tx, name) for name in Transaction.__slots__} | {"note": short(tx.note)}
            )
            for tx in rows.transactions
        ),
        waiting=rows.waiting,
        set_aside=tuple(SetAside(short(each.job_id), short(each.why), each.at) for each in rows.set_aside),
        held=rows.held,
        disputes=tuple(map(_dispute, rows.disputes)),
        unpaid=rows.unpaid,
        settlement=rows.settlement,
        clusters=tuple(
            shown for each in rows.clusters if (shown := cluster_line(each, silent, now)) is not None
        ),
        daemon=daemon,
    )


def _dispute(known: KnownDispute) -> DisputeLine:
    return DisputeLine(
        dispute_id=short(known.dispute.dispute_id),
        job_id=short(known.dispute.job_id),
        cluster=short(known.cluster_id),
        by=short(known.dispute.disputer),
        kind=short(known.dispute.kind),
        reason=short(known.dispute.reason),
        opened_at=known.dispute.created_at,
        ends_at=known.dispute.created_at + RESOLUTION_SECONDS,
        answered_at=known.answered_at,
    )


def _counts(rows: Rows) -> tuple[Count, ...]:
    sums: dict[tuple[str, JobStatus], int] = {}
    for row in rows.open_jobs:
        key = (row.cluster_id, JobStatus.PARKED if row.parked else by_state(State(row.state)))
        sums[key] = sums.get(key, 0) + row.jobs
    return tuple(Count(cluster, stands, jobs) for (cluster, stands), jobs in sorted(sums.items()))


def lines(
    jobs: Iterable[tuple[int, Job]],
    silent: Collection[str] = (),
    booked: Mapping[str, BookedJob] = MappingProxyType({}),
) -> tuple[JobLine, ...]:
    """`silent`: ids of the clusters whose SLURM did not answer the last poll. `booked`: see listing.Rows."""
    return tuple(line(number, job, silent, booked.get(job.spec.job_id)) for number, job in jobs)


def line(number: int, job: Job, silent: Collection[str] = (), booked: BookedJob | None = None) -> JobLine:
    workload, asked = job.spec.workload, job.spec.resources
    gpus = f" + {asked.gpus_per_node} GPU" if asked.gpus_per_node else ""
    return JobLine(
        number=number,
        job_id=short(job.spec.job_id),
        cluster=short(job.spec.cluster_id),
        standing=standing(job),
        state=job.state,
        reported=job.reported,
        slurm_id=job.slurm_id,
        queue=short(job.spec.queue),
        program=short(workload.preconfigured_id if workload.is_preconfigured else workload.command),
        size=f"{asked.nodes} x {asked.cpus_per_node}{gpus}",
        created_at=job.spec.created_ns / 1e9,
        why=short(why(job, silent=job.spec.cluster_id in silent)),
        estimate=job.estimate,
        agreed=job.agreed,
        escrowed=job.escrowed,
        bill=expected_bill(job).total if job.measured else None,
        price_denom=short(job.pricing.denom),
        customer=short(job.spec.customer),
        nodes=asked.nodes,
        price=_price(job, booked),
        paid=_paid(booked),
    )


def _price(job: Job, booked: BookedJob | None) -> int | None:
    """Returns the chain's own bill, provd's of the measured usage, or the most that the job can cost."""
    if booked is not None and booked.job.status:
        return booked.job.total
    return expected_bill(job).total if job.measured else job.estimate


def _paid(booked: BookedJob | None) -> int | None:
    if booked is None or not booked.job.status:
        return None
    return booked.job.total if booked.job.settled_at else 0
