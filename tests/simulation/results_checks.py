"""Invariant 15 in code: what final reports say of results, and how long they wait for them."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgReportJobStatus
from provider_daemon.job import signed_words
from provider_daemon.job.job import Job
from tests.simulation.books import Record
from tests.simulation.mover import POLICY, bytes_in, results

if TYPE_CHECKING:
    from tests.simulation.invariants import Scene

CLOCKS = 30  # seconds by which block time and the machine's clock may differ


def wrong_results(scene: "Scene", record: Record, report: MsgReportJobStatus) -> list[str]:
    """Checks what the report says of the results and of the bytes moved."""
    name, signed = record.slurm_name, signed_words.parse(report.status_message).results
    if scene.mover is None or not scene.mover.present:
        return [] if signed is None else ["15 results are signed, and there is no mover"]
    true_bytes = bytes_in(name) if name in scene.mover.brings else 0
    moved = report.usage_metrics.network_bytes_in
    if signed is None and (early := _early(scene, scene.ledger.job(record.spec.job_id))):
        return [early]
    if signed is not None and (signed != results(name) or moved != true_bytes):
        return [f"15 {signed} with {moved} bytes is signed, the truth is {results(name)} with {true_bytes}"]
    return [] if moved in (0, true_bytes) else [f"15 {moved} bytes are reported, the truth is {true_bytes}"]


def _early(scene: "Scene", job: Job | None) -> str:
    """Returns what is wrong with a report that did not wait for the results; "" if it waited long enough."""
    if scene.memory_lost or "clock_jump" in scene.world.chances or job is None:
        return ""
    if job.settled_at is None or job.measured_at is None or job.results is not None:
        return ""
    limit = math.inf
    if job.chain_started_at:
        in_slurm, on_chain = job.wall_seconds, job.spec.max_runtime_seconds
        half = (job.measured_at - job.chain_started_at + on_chain) / 2
        limit = job.chain_started_at + min(max(in_slurm, half), _share(job))
    due = min(job.measured_at + POLICY.results_seconds, limit)
    return f"15 settled {due - job.settled_at:.0f} s too early" if job.settled_at < due - CLOCKS else ""


def _share(job: Job) -> float:
    """Returns after how many seconds of a job's run two thirds of its margin have passed."""
    return job.wall_seconds + (job.spec.max_runtime_seconds - job.wall_seconds) * 2 / 3


def waits_too_long(jobs: Iterable[Job], began: float) -> list[str]:
    """Returns the jobs whose reports still waited for results in a tick that began at that time."""
    return [
        f"15 the report waits for results {began - job.chain_started_at - _share(job):.0f} s too long "
        f"({job.spec.job_id})"
        for job in jobs
        if job.measured_at is not None
        and not job.settled
        and job.chain_started_at
        and began > job.chain_started_at + _share(job)
    ]
