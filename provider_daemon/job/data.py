"""The data side of a job's life cycle: it waits for its inputs, its final report for the results' manifest.

Pure. The data mover does the work (docs/data.md); these functions apply its facts to a job. A missing fact
means that the mover has not seen the job yet, so the job waits.
"""

import math
from dataclasses import dataclass, replace

from provider_daemon.job.job import Job
from provider_daemon.job.signed_words import SignedWords
from provider_daemon.job.spec import Spec
from provider_daemon.job.state import TERMINAL, State
from provider_daemon.job.transfer import InputState, Transfer
from provider_daemon.job.usage import SECONDS_PER_HOUR, Usage

BYTES_PER_GB = 2**30


@dataclass(frozen=True, slots=True)
class DataPolicy:
    """`results_seconds`: how long a final report waits for the results' manifest, in seconds.

    `url`: the gateway's address, "" without one.
    """

    results_seconds: float = 300.0
    url: str = ""


def brings_data(spec: Spec) -> bool:
    """Returns whether the job has inputs that must be there before it is submitted."""
    return bool(spec.data or spec.inputs_pointer)


def needs_image(job: Job) -> bool:
    """Returns whether the job's image must be in the site's cache before the job is submitted."""
    return bool(job.program and job.program.contained and job.program.contained.needs_image)


def refuse_inputs(job: Job, transfer: Transfer | None) -> Job:
    """Returns the job as failed if its image or its inputs cannot be had.

    Only for a job that would be submitted now.
    """
    if transfer is not None and transfer.image_refusal and needs_image(job):
        return replace(job, state=State.FAILED, message=f"image: {transfer.image_refusal}", intent_at=None)
    if transfer is None or transfer.inputs is not InputState.FAILED or not brings_data(job.spec):
        return job
    return replace(job, state=State.FAILED, message=f"inputs: {transfer.detail}", intent_at=None)


def inputs_ready(job: Job, transfer: Transfer | None) -> bool:
    """Returns whether the job can be submitted as far as its image and its inputs are concerned."""
    if needs_image(job) and not (transfer and transfer.image):
        return False
    return not brings_data(job.spec) or (transfer is not None and transfer.inputs is InputState.READY)


def over_quota(job: Job, transfer: Transfer | None) -> Job:
    """Returns the job, to be ended, if its directory exceeds the site's quota while it runs."""
    if (
        transfer is None
        or not transfer.over_quota
        or job.refused
        or job.state in TERMINAL
        or not job.slurm_id
    ):
        return job
    return replace(job, refused=transfer.over_quota)


def settle(job: Job, transfer: Transfer | None, now: float, latest: float, policy: DataPolicy | None) -> Job:
    """Returns the job with its final usage and results, once they are known or can no longer be waited for.

    `latest`: the latest possible time by the chain's clock, infinite while that is unknown. Without a policy
    there is no data mover, and nothing is waited for. The wait ends early enough to report before the chain
    times the job out.
    """
    usage = job.usage
    if usage is None or job.settled:
        return job
    if policy is None or not job.slurm_id or job.reported in TERMINAL:
        return replace(job, settled_at=now)
    measured_at = now if job.measured_at is None else job.measured_at
    job = replace(job, measured_at=measured_at)
    complete = transfer is not None and transfer.settled
    due = math.isfinite(latest) and latest >= _report_from(job, measured_at)
    if not complete and not due and now < measured_at + policy.results_seconds:
        return job
    if transfer is None:
        return replace(job, settled_at=now)
    # A manifest is final when it is there. Only the delivery is under way, which its target can delay.
    usage, image = whole_usage(usage, transfer), job.image or transfer.image
    return replace(job, settled_at=now, usage=usage, results=transfer.results, image=image)


def _report_from(job: Job, measured_at: float) -> float:
    """Returns when the final report must be on its way: the chain ends a running job at its time limit.

    A job that ended before its limit in SLURM waits until that. For one that reached it the wait is half of
    the time that remained when its record was read, and leaves a third of the margin for the report: for the
    outbox and a block. A wrong clock of ours shortens the wait, or is held off by the third.
    """
    if not job.chain_started_at:
        return math.inf
    ended_by_slurm = job.chain_started_at + job.wall_seconds
    ended_by_chain = job.chain_started_at + job.spec.max_runtime_seconds
    half = (measured_at + ended_by_chain) / 2
    return min(max(ended_by_slurm, half), ended_by_chain - (ended_by_chain - ended_by_slurm) / 3)


def whole_usage(usage: Usage, transfer: Transfer) -> Usage:
    """Returns the usage with the bytes moved and the directory's size x time, in whole GB-hours."""
    return replace(
        usage,
        storage_gb_hours=transfer.storage_byte_seconds // (BYTES_PER_GB * SECONDS_PER_HOUR),
        network_bytes_in=transfer.bytes_in,
        network_bytes_out=transfer.bytes_out,
    )


def report_words(job: Job, policy: DataPolicy | None, signed: SignedWords) -> str:
    """Returns the words of the final status message for programs: where the results are, and what is signed.

    `output=` is the word that the published command line reads.
    """
    output = (
        f"output={policy.url.rstrip('/')}/v1/jobs/{job.spec.job_id}/files" if policy and policy.url else ""
    )
    return " ".join(filter(None, (output, str(signed))))
