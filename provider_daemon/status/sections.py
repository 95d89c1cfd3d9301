"""The overview as text tables, for `provd status` and `provd top`. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from provider_daemon.job.payment import SETTLES_NOTHING, ChainSettlement
from provider_daemon.ports import EndpointState
from provider_daemon.status.cluster_line import notes
from provider_daemon.status.overview import (
    DaemonStatus,
    EndpointStatus,
    JobLine,
    Overview,
    WalletStatus,
)
from provider_daemon.status.units import age

SHOWN_TXS = 5
ACCOUNT = 13  # characters of an address
TEN_YEARS = 3650 * 86400.0


@dataclass(frozen=True, slots=True)
class Section:
    """Each row has one cell per heading."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def headline(overview: Overview, listen: str) -> str:
    """Returns whether the daemon is ready, and the number of jobs."""
    counts = (
        ", ".join(f"{count.jobs} {count.standing} on {count.cluster}" for count in overview.counts)
        or "no open jobs"
    )
    return (
        f"{_standing(overview.daemon, listen)}; {counts}; {overview.total} "
        f"job{'' if overview.total == 1 else 's'} in the ledger"
    )


def _standing(daemon: DaemonStatus | None, listen: str) -> str:
    if daemon is None:
        return f"provd does not answer at {listen}, showing the ledger only"
    return f"provd {daemon.version} is {'ready' if daemon.ready else 'NOT ready'}"


def sections(overview: Overview, open_jobs: Sequence[JobLine]) -> list[Section]:
    """Returns the sections that have rows; problems come first."""
    found = [
        Section(
            "Parked jobs (operator action needed)",
            ("JOB", "WHY"),
            tuple((job.job_id, job.why) for job in overview.parked),
        ),
        _disputes(overview),
        Section(
            "Unreadable records on chain",
            ("JOB", "WHY"),
            tuple((each.job_id, each.why) for each in overview.set_aside),
        ),
        _payment(overview),
        *(_ongoing(overview.daemon) if overview.daemon else ()),
        _clusters(overview),
        _held(overview),
        *_jobs(open_jobs, overview.at),
        _outbox(overview),
        Section(
            "Money that the chain has billed and not paid",
            ("CLUSTER", "JOBS", "UVIRT", "WHY"),
            tuple(
                (
                    each.cluster_id,
                    str(each.jobs),
                    str(each.total),
                    "disputed" if each.disputed else "not settled yet",
                )
                for each in overview.unpaid
            ),
        ),
        *(_daemon(overview.daemon, overview.at) if overview.daemon else ()),
        _transactions(overview),
    ]
    return [section for section in found if section.rows]


def _disputes(overview: Overview) -> Section:
    rows = tuple(
        (
            each.dispute_id,
            each.job_id,
            each.kind,
            each.by,
            age(each.ends_at - overview.at),
            "yes" if each.answered_at is not None else "NO",
            each.reason,
        )
        for each in overview.disputes
    )
    return Section(
        "Open disputes (their jobs are not paid)",
        ("DISPUTE", "JOB", "TYPE", "BY", "TIME LEFT", "ANSWERED", "REASON"),
        rows,
    )


def _payment(overview: Overview) -> Section:
    promise = overview.settlement is ChainSettlement.PROMISE
    return Section("Payment", ("WHAT",), ((SETTLES_NOTHING,),) if promise else ())


def _clusters(overview: Overview) -> Section:
    rows = tuple((each.cluster, "; ".join(notes(each, overview.at))) for each in overview.clusters)
    return Section("Clusters that do not accept all jobs", ("CLUSTER", "WHY"), rows)


def _held(overview: Overview) -> Section:
    rows = tuple(
        (
            each.customer or "(not read yet)",
            each.cluster_id or "-",
            each.reason or "-",
            str(each.jobs),
            age(overview.at - each.since),
        )
        for each in overview.held
    )
    return Section(
        "Customers held by limits (jobs left on chain)",
        ("CUSTOMER", "CLUSTER", "LIMIT", "JOBS", "SINCE"),
        rows,
    )


def _ongoing(daemon: DaemonStatus) -> Iterator[Section]:
    refused = tuple((each,) for each in daemon.config_problems)
    yield Section("Configuration file not in effect (refused at the last reload)", ("WHY",), refused)
    yield Section(
        "Problems", ("PROBLEM", "SUBJECT"), tuple((each.what, each.subject) for each in daemon.troubles)
    )


def _daemon(daemon: DaemonStatus, now: float) -> Iterator[Section]:
    parts = tuple((part.name, part.why or f"ok, {age(now - part.last_success)} ago") for part in daemon.parts)
    yield Section("Loops", ("LOOP", "HEALTH"), parts)
    heights = tuple((each.url, str(each.height), _health(each, now)) for each in daemon.endpoints)
    yield Section("Chain", ("ENDPOINT", "HEIGHT", "HEALTH"), heights)
    wallets = tuple((each.signer, f"{each.balance}{each.denom}", _lasting(each)) for each in daemon.wallets)
    yield Section("Wallets", ("KEY", "BALANCE", "RUNWAY"), wallets)


def _health(endpoint: EndpointStatus, now: float) -> str:
    return (
        f"ok, newest block {age(now - endpoint.time)} old"
        if endpoint.state == EndpointState.HEALTHY
        else endpoint.why
    )


def _lasting(wallet: WalletStatus) -> str:
    """As on the page, a very long runway is not shown in days."""
    if wallet.runway is None:
        return ""
    return "over 10 years" if wallet.runway > TEN_YEARS else age(wallet.runway)


def _outbox(overview: Overview) -> Section:
    rows = tuple(
        (each.signer, each.kind, str(each.messages), age(overview.at - each.oldest))
        for each in overview.waiting
    )
    return Section("Outbox", ("KEY", "KIND", "WAITING", "OLDEST"), rows)


def _transactions(overview: Overview) -> Section:
    rows = tuple(
        (
            tx.tx_hash[:16],
            tx.status,
            str(tx.height or "-"),
            str(tx.messages),
            str(tx.fee),
            age(overview.at - tx.created_at),
            tx.note,
        )
        for tx in overview.transactions[:SHOWN_TXS]
    )
    return Section("Latest transactions", ("HASH", "STATUS", "BLOCK", "MESSAGES", "FEE", "AGE", "NOTE"), rows)


def _jobs(jobs: Sequence[JobLine], now: float) -> Iterator[Section]:
    """Yields two tables, as one with everything would not fit a terminal."""
    yield Section(
        "Open jobs",
        ("JOB", "STATUS", "STATE", "ON CHAIN", "SLURM", "PROGRAM", "AGE", "WHY"),
        tuple(
            (
                job.job_id,
                job.standing,
                job.state,
                job.reported,
                job.slurm_id or "-",
                job.program,
                age(now - job.created_at),
                job.why,
            )
            for job in jobs
        ),
    )
    yield Section(
        "Customers and prices of open jobs",
        ("JOB", "CUSTOMER", "QUEUE", "NODES", "SIZE", "PRICE", "ESCROW", "DENOM"),
        tuple(
            (
                job.job_id,
                _account(job.customer),
                job.queue,
                str(job.nodes),
                job.size,
                _amount(job.price),
                _amount(job.escrowed),
                job.price_denom,
            )
            for job in jobs
        ),
    )


def _account(address: str) -> str:
    """Shortens an address, so that a line of the table fits a terminal; the page has the whole."""
    return address if len(address) <= ACCOUNT else f"{address[:8]}…{address[-4:]}"


def _amount(units: int | None) -> str:
    return "-" if units is None else f"{units:,}"
