"""What must hold in every schedule, in words and code.

While it runs: a chain job is submitted to SLURM at most once (site.py checks it at every sbatch); the escrow pays once (books.py);
no tick ends by an error that was not foreseen (schedule.py).

Once it is calm:
1. Every schedule ends: within SETTLE seconds of calm there is nothing left to do or to say.
2. Every job is over on chain, or parked for a cause that the world really had.
3. No wrong terminal state: what our report says is what became of the SLURM job.
4. The usage that was reported, and the signed evidence that was kept, are the model's truth.
5. No report took effect twice, and each ran through legal states.
6. Money: each escrow is paid out whole, for the true usage; the wallet lost the fees of included transactions and nothing else.
7. Whatever the chain took from our key is in the ledger, unless that ledger was lost.
8. Nothing of a job that is over lives on in SLURM.
"""

import sqlite3
from dataclasses import dataclass, field

from google.protobuf.any_pb2 import Any

from provider_daemon.chain import messages
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgReportJobStatus
from provider_daemon.money.bill import bill
from provider_daemon.job.lifecycle import MAX_ATTEMPTS, Job
from provider_daemon.job.state import TERMINAL, State
from provider_daemon.job.usage import Usage
from provider_daemon.ledger.ledger import Ledger
from tests.fakes.chain import PROVIDER
from tests.simulation.blocks import Blocks
from tests.simulation.books import ESCROW, Record
from tests.simulation.site import Site, SlurmJob

SETTLE = 3000  # seconds from calm to the end: the longest job, the patience for what is missing, and room for slow ticks


@dataclass
class Scene:
    """Both models and the last ledger. `ledger_since`: transactions of lower heights belong to a ledger that was lost."""

    site: Site
    blocks: Blocks
    ledger: Ledger
    lost_ledger: bool
    names: dict[str, str] = field(default_factory=dict)


def settled(scene: Scene) -> bool:
    """Nothing is left to do or to say."""
    quiet = scene.ledger.open_tx(PROVIDER.address) is None and not any(
        message.kind == "report" for message in scene.ledger.waiting_messages(PROVIDER.address, 10)
    )
    return quiet and all(_over(scene, job_id, record) for job_id, record in scene.blocks.books.jobs.items())


def _over(scene: Scene, job_id: str, record: Record) -> bool:
    job = scene.ledger.job(job_id)
    if job is not None and job.parked:
        return True
    live = any(slurm_job.live for slurm_job in scene.site.of(record.spec.slurm_name))
    forgotten = job is None and record.by_report is not None
    return record.state in TERMINAL and not live and (forgotten or (job is not None and job.closed_at is not None))


def check(scene: Scene) -> list[str]:
    """Every broken promise, one line each."""
    broken = [] if settled(scene) else ["1 the schedule does not end: " + "; ".join(_open(scene))]
    for job_id, record in scene.blocks.books.jobs.items():
        broken += [f"{line} ({job_id})" for line in _check_job(scene, record, scene.ledger.job(job_id))]
    return broken + _money(scene) + _memory(scene)


def _open(scene: Scene) -> list[str]:
    jobs = scene.blocks.books.jobs.items()
    still = [f"{job_id} is {record.state} on chain" for job_id, record in jobs if not _over(scene, job_id, record)]
    return still or [f"open transaction {scene.ledger.open_tx(PROVIDER.address) is not None}, waiting reports"]


def _check_job(scene: Scene, record: Record, job: Job | None) -> list[str]:
    slurm_jobs = scene.site.of(record.spec.slurm_name)
    lines = _parking(record, job, slurm_jobs)
    if record.by_report is not None:
        lines += _verdict(scene, record, record.by_report, slurm_jobs)
    if len(set(record.told)) != len(record.told):
        lines.append(f"5 reported twice: {record.told}")
    if record.paid and sum(record.paid.values()) != ESCROW:
        lines.append(f"6 escrow {ESCROW} paid out as {record.paid}")
    if record.state in TERMINAL and any(slurm_job.live for slurm_job in slurm_jobs) and not (job and job.parked):
        lines.append("8 it lives on in SLURM")
    return lines + _evidence(scene, record, job, slurm_jobs)


def _parking(record: Record, job: Job | None, slurm_jobs: list[SlurmJob]) -> list[str]:
    """An operator is asked only for a cause: SLURM's record is gone, or sbatch swallowed every submission."""
    if job is None or not job.parked:
        return []
    purged = any(slurm_job.purged for slurm_job in slurm_jobs)
    swallowed = not slurm_jobs and job.attempt >= MAX_ATTEMPTS
    return [] if purged or swallowed else [f"2 parked without a cause: {job.parked}"]


def _verdict(scene: Scene, record: Record, report: MsgReportJobStatus, slurm_jobs: list[SlurmJob]) -> list[str]:
    if not slurm_jobs:
        fine = record.state is State.FAILED and record.spec.slurm_name in scene.site.refused and not report.usage_metrics.nodes_used
        return [] if fine else [f"3 {record.state} is reported, but SLURM never had the job"]
    job = next((found for found in slurm_jobs if found.slurm_id == report.slurm_job_id), slurm_jobs[0])
    truth, reported = usage(job), messages.usage_of(report.usage_metrics)
    lines = [] if reported == truth else [f"4 usage {reported} is reported, the truth is {truth}"]
    allowed = outcomes(job)
    if scene.lost_ledger and job.outcome is State.CANCELLED:
        allowed.add(State.CANCELLED)  # why provd cancelled it was in the ledger that is lost: SLURM's own word is right
    if record.state not in allowed:
        lines.append(f"3 {record.state} is reported, SLURM job {job.slurm_id} says {sorted(allowed)}")
    owed = bill(truth, ceiling=ESCROW)
    if record.paid["provider"] != owed.provider_reward:
        lines.append(f"6 the provider got {record.paid['provider']} for {owed.provider_reward}")
    return lines


def usage(job: SlurmJob) -> Usage:
    """Counted here from the model's own runs, not by the code under test."""
    seconds = sum(run.elapsed for run in job.runs)
    plan = job.plan
    held = any(run.nodes for run in job.runs)
    return Usage(
        wall_clock_seconds=seconds,
        cpu_core_seconds=seconds * plan.cpus * plan.nodes,
        memory_gb_seconds=seconds * plan.memory_gb * plan.nodes,
        node_hours=seconds * plan.nodes // 3600,
        nodes_used=plan.nodes if held else 0,
    )


def outcomes(job: SlurmJob) -> set[State]:
    """What may be reported of it: one word, but for a job that provd itself ended as hopeless or over its limit."""
    assert job.outcome is not None or job.live or job.purged
    if job.outcome is State.COMPLETED:
        return {State.COMPLETED}
    if job.outcome is State.CANCELLED:
        return {State.FAILED} if not any(run.nodes for run in job.runs) else {State.CANCELLED, State.FAILED, State.TIMEOUT}
    return {State.TIMEOUT} if job.elapsed >= job.plan.wall_seconds else {State.FAILED}


def _evidence(scene: Scene, record: Record, job: Job | None, slurm_jobs: list[SlurmJob]) -> list[str]:
    """Ended without us after it ran: the chain takes no report, so the signed usage must be kept here."""
    if job is None or job.parked or record.by_report is not None or not slurm_jobs or slurm_jobs[0].purged:
        return []
    kept = [row["body"] for row in scene.ledger.messages_of(record.spec.job_id) if row["status"] == "kept"]
    if len(kept) != 1:
        return [f"4 {len(kept)} pieces of evidence kept of a job that the chain ended"]
    message = messages.unpack(Any.FromString(kept[0]))
    assert isinstance(message, MsgReportJobStatus)
    found, truth = messages.usage_of(message.usage_metrics), usage(slurm_jobs[0])
    return [] if found == truth else [f"4 evidence says {found}, the truth is {truth}"]


def _money(scene: Scene) -> list[str]:
    blocks = scene.blocks
    return [] if blocks.books.wallet + blocks.taken_away + blocks.spent == blocks.given else ["6 the wallet does not add up"]


def _memory(scene: Scene) -> list[str]:
    if scene.lost_ledger:
        return []
    rows: list[sqlite3.Row] = scene.ledger.last_txs(100_000)
    known = {row["tx_hash"] for row in rows}
    ours = {tx_hash for tx_hash in scene.blocks.by_sequence.values() if not tx_hash.startswith("FOREIGN")}
    return [f"7 the chain took {tx_hash[:12]}, which the ledger does not know" for tx_hash in sorted(ours - known)]
