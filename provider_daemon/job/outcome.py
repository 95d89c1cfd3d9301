"""How a SLURM job that has ended is reported: state, usage and message, by SLURM's final record. Pure."""

from dataclasses import replace

from provider_daemon.job.job import Job, park
from provider_daemon.job.parking import ParkReason
from provider_daemon.job.plausibility import implausible
from provider_daemon.job.snapshot import Sighting
from provider_daemon.job.state import State
from provider_daemon.job.usage import GpuUnaccounted, measure

TIMED_OUT = (124, 137)  # exit codes of timeout(1): the program ended at SIGTERM, or had to be killed


def finish(job: Job, seen: Sighting, latest: float) -> Job:
    """Returns the job with the outcome of its SLURM job, or parked if the record cannot be used.

    `latest`: the latest possible time at the site; a record of a later time is implausible.
    """
    if not job.record_accepted and (
        what := implausible(seen.runs, job.spec.resources, job.wall_seconds, latest)
    ):
        hint = "check it with sacct; unpark the job to report the record unchanged"
        what = f"SLURM job {seen.slurm_id} has an implausible accounting record: {what}; {hint}"
        return park(job, ParkReason.IMPLAUSIBLE_RECORD, what)
    try:
        usage = measure(seen.runs, job.gpus_owed)
    except GpuUnaccounted:
        hint = (
            "add gres/gpu to AccountingStorageTRES for later jobs; `provd job unpark --without-gpus` reports "
            "this one without GPU usage"
        )
        what = f"SLURM job {seen.slurm_id} used GPUs that its accounting record does not name: {hint}"
        return park(job, ParkReason.NO_GPU_RECORD, what)
    state, message = _outcome(job, seen)
    return replace(job, state=state, message=message, usage=usage, exit_code=seen.exit_code)


def _outcome(job: Job, seen: Sighting) -> tuple[State, str]:
    """Returns the chain's state for SLURM's final record, and the status message."""
    outcome = seen.outcome or State.FAILED
    if outcome is State.COMPLETED:
        return outcome, ""
    if job.end_reason or job.refused:
        return State.FAILED, job.end_reason or job.refused
    if max(seen.elapsed, _limited_after(seen)) >= job.wall_seconds:
        # The batch script ends its program exactly at the limit, so SLURM records an ordinary failure.
        return State.TIMEOUT, (
            f"reached its time limit of {job.wall_seconds} s (max_runtime_seconds "
            f"{job.spec.max_runtime_seconds})"
        )
    if seen.exit_code == 127:
        return outcome, (
            "exit code 127: command not found; `command` is one program name, its arguments go into "
            "`arguments`"
        )
    return outcome, f"SLURM: {seen.slurm_state}, exit code {seen.exit_code}"


def _limited_after(seen: Sighting) -> int:
    """Returns the seconds until the script ended its program, or 0. Suspended time counts for timeout(1)."""
    return seen.ended_at - seen.started_at if seen.exit_code in TIMED_OUT and seen.started_at else 0
