"""Compares one job's three sides in exact integers. Recent changes are not differences."""

from collections.abc import Iterator
from dataclasses import replace

from provider_daemon.job.job import Job
from provider_daemon.job.snapshot import Phase, Sighting
from provider_daemon.job.state import TERMINAL, TRANSITIONS, State
from provider_daemon.job.usage import GpuUnaccounted, Usage, measure
from provider_daemon.reconciliation.differences import TOLERANCES, Difference, by_money, found, tolerated
from provider_daemon.reconciliation.sides import ChainSide, LedgerSide, Price, SlurmSide

# younger changes may be in progress: polls, sacct's delay, a transaction that is sent again after 20 blocks
LAG_SECONDS = 600


def compare(slurm: SlurmSide, ledger: LedgerSide, chain: ChainSide, price: Price) -> tuple[Difference, ...]:
    """Returns all differences beyond tolerance. `price`: the price of a usage of this job."""
    return (
        *_usage(slurm, ledger, chain, price),
        *_standing(slurm, ledger, chain),
        *_reports(slurm, ledger, chain),
        *_money(ledger.job, chain, price),
    )


# --- usage ---


def measured(slurm: SlurmSide, job: Job) -> Usage | None:
    """Returns the usage by SLURM's final record; None if there is none or it does not name the GPUs.

    SLURM knows nothing of the bytes that the data mover moved and measured: these are the ledger's.
    """
    own = next((seen for seen in slurm.sightings if seen.final and seen.slurm_id == job.slurm_id), None)
    moved = job.usage or Usage()
    try:
        return (
            replace(
                measure(own.runs, job.gpus_owed),
                storage_gb_hours=moved.storage_gb_hours,
                network_bytes_in=moved.network_bytes_in,
                network_bytes_out=moved.network_bytes_out,
            )
            if own
            else None
        )
    except GpuUnaccounted:
        return None


def _usage(slurm: SlurmSide, ledger: LedgerSide, chain: ChainSide, price: Price) -> Iterator[Difference]:
    """Compares usage: SLURM's within tolerance; the others are copies of one number and must be equal."""
    by_slurm = measured(slurm, ledger.job)
    reported = chain.report.usage if chain.report else None
    settled = chain.settled.usage if chain.settled and reported and not chain.corrected else None
    copies = [usage for usage in (ledger.job.usage, reported, settled) if usage is not None]
    if by_slurm is None and ledger.job.usage is not None and slurm.complete and not slurm.sightings:
        yield found(ledger.job.spec.job_id, "record_gone", ledger=ledger.job.slurm_id)
    for field in TOLERANCES:
        values = {getattr(usage, field) for usage in copies}
        own = getattr(by_slurm, field) if by_slurm is not None else None
        apart, allowed = _apart(field, own, values)
        if apart > allowed:
            cost = _cost(copies[0], field, values if own is None else values | {own}, price)
            yield Difference(
                ledger.job.spec.job_id,
                field,
                slurm="" if own is None else str(own),
                ledger=_said(field, ledger.job.usage),
                chain="/".join(
                    dict.fromkeys(_said(field, usage) for usage in (reported, settled) if usage is not None)
                ),
                difference=apart,
                tolerance=allowed,
                severity=by_money(cost),
            )


def _apart(field: str, own: int | None, copies: set[int]) -> tuple[int, int]:
    """Returns (difference, tolerance). Copies of one number have no tolerance."""
    if len(copies) > 1:
        return max(copies) - min(copies), 0
    if not copies or own is None:
        return 0, 0
    (copy,) = copies
    return abs(own - copy), tolerated(field, own, copy)


def _cost(usage: Usage, field: str, values: set[int], price: Price) -> int:
    """Returns the price difference between the lowest and the highest value, in uvirt."""
    low, high = (price(replace(usage, **{field: value})).total for value in (min(values), max(values)))  # type: ignore[arg-type]
    return high - low


def _said(field: str, usage: Usage | None) -> str:
    return "" if usage is None else str(getattr(usage, field))


# --- where it stands ---


def _standing(slurm: SlurmSide, ledger: LedgerSide, chain: ChainSide) -> Iterator[Difference]:
    job = ledger.job
    job_id, live = (
        job.spec.job_id,
        [seen for seen in slurm.sightings if seen.phase in (Phase.WAITING, Phase.RUNNING)],
    )
    if job.parked:
        yield found(job_id, "parked", ledger=job.parked.detail)
    if len(live) > 1:
        yield found(
            job_id,
            "doubled",
            slurm=" ".join(seen.slurm_id for seen in live),
            ledger=job.slurm_id,
            difference=len(live) - 1,
        )
    if chain.job is None:
        if slurm.now - job.adopted_at > LAG_SECONDS:
            yield found(job_id, "unknown_job", ledger=job.state)
        return
    onchain = chain.job.record.state
    if onchain not in reachable(job.reported) and not _moving(slurm, ledger):
        yield found(job_id, "state", ledger=job.reported, chain=onchain)
    if live and onchain in TERMINAL and slurm.now - chain.job.ended_at > LAG_SECONDS:
        yield found(
            job_id,
            "runaway",
            slurm=" ".join(f"{seen.slurm_id} {seen.slurm_state}" for seen in live),
            ledger=job.state,
            chain=onchain,
        )
    if _gone(slurm, job) and onchain in (State.QUEUED, State.RUNNING):
        yield found(job_id, "gone", ledger=f"{job.state} {job.slurm_id}".strip(), chain=onchain)
    if (late := _unmeasured(slurm, job)) is not None:
        yield found(
            job_id, "unmeasured", slurm=f"{late.slurm_id} {late.slurm_state}", ledger=job.state, chain=onchain
        )


def _moving(slurm: SlurmSide, ledger: LedgerSide) -> bool:
    """Returns whether a report is so recent that an endpoint may be some blocks behind its confirmation."""
    return any(slurm.now - report.created_at <= LAG_SECONDS for report in ledger.reports)


def reachable(state: State) -> frozenset[State]:
    """Returns the states that the chain can reach from that state, itself included."""
    seen, ahead = {state}, [state]
    while ahead:
        new = TRANSITIONS[ahead.pop()] - seen
        seen |= new
        ahead += new
    return frozenset(seen)


def _gone(slurm: SlurmSide, job: Job) -> bool:
    """Returns whether SLURM has no trace of a job that it once had."""
    old = slurm.now - (job.intent_at or job.adopted_at) > LAG_SECONDS
    return (
        slurm.complete
        and not slurm.sightings
        and old
        and not (job.measured or job.never_ran or job.state in TERMINAL)
    )


def _unmeasured(slurm: SlurmSide, job: Job) -> Sighting | None:
    """Returns the SLURM job that ended long ago and whose end provd did not notice."""
    if job.measured or job.parked or job.closed_at:
        return None
    return next(
        (
            seen
            for seen in slurm.sightings
            if seen.final and not seen.ran_nothing and slurm.now - seen.ended_at > LAG_SECONDS
        ),
        None,
    )


# --- what was said ---


def _reports(slurm: SlurmSide, ledger: LedgerSide, chain: ChainSide) -> Iterator[Difference]:
    job_id = ledger.job.spec.job_id
    for report in ledger.reports:
        age = int(slurm.now - report.created_at)
        if report.status == "confirmed" and report.tx_hash in chain.missing and age > LAG_SECONDS:
            yield found(job_id, "report_missing", ledger=f"{report.state} {report.tx_hash}")
        if report.status == "waiting" and age > LAG_SECONDS:
            yield found(job_id, "report_late", ledger=report.state, difference=age, tolerance=LAG_SECONDS)
    if chain.report and chain.report.objection:
        yield found(job_id, "evidence", chain=chain.report.objection)


# --- money ---


def _money(job: Job, chain: ChainSide, price: Price) -> Iterator[Difference]:
    """Compares the bill with the price of the report, or, without a report, the payments with the escrow.

    The bill is not compared if the chain may have billed by prices that the ledger does not know.
    """
    if chain.settled is None or chain.job is None:
        return
    paid = chain.settled
    shares = paid.provider_reward + paid.platform_fee
    over = max(shares - paid.total, paid.total - chain.job.escrowed)
    if over > 0:
        yield found(
            job.spec.job_id,
            "escrow",
            ledger=str(chain.job.escrowed),
            chain=f"{shares} of {paid.total}",
            difference=over,
        )
    if chain.report is None or chain.corrected or job.repriced:
        return
    due = price(chain.report.usage)
    for what, ours, theirs in (
        ("bill", due.total, paid.total),
        ("provider_reward", due.provider_reward, paid.provider_reward),
        ("platform_fee", due.platform_fee, paid.platform_fee),
    ):
        if ours != theirs:
            apart = abs(ours - theirs)
            yield Difference(
                job.spec.job_id,
                what,
                ledger=str(ours),
                chain=str(theirs),
                difference=apart,
                severity=by_money(apart),
            )
