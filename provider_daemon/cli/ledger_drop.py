"""`provd ledger drop`: removes a job that is not on chain, and archives its rows under another id."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.options import example
from provider_daemon.cli.run import DEFAULT, ConfigFile
from provider_daemon.errors import Refused

if TYPE_CHECKING:
    from provider_daemon.config.model import ChainConfig
    from provider_daemon.job.job import Job
    from provider_daemon.job.spec import ChainJob

EPILOG = example("provd ledger drop JOB-7 --yes")


def drop(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Job id, such as JOB-7.")],
    config: ConfigFile = DEFAULT,
    yes: Annotated[
        bool, typer.Option("--yes", help="Drop the job; without this option only print what would be done.")
    ] = False,
    leave_slurm_job: Annotated[
        bool, typer.Option("--leave-slurm-job", help="Drop the job even if its SLURM job may still exist.")
    ] = False,
) -> None:
    """Remove a job that is not on chain. Its reports, timeline and usage records are archived under another
    id.

    The daemon must be stopped. At its next start it reads the job with that id from the chain again.
    """
    import asyncio
    import time

    from provider_daemon.audit_log.operator import record
    from provider_daemon.audit_log.records import Action
    from provider_daemon.config.model import load
    from provider_daemon.ledger.ledger import Ledger

    loaded = load(config)
    ledger = Ledger.open(Path(loaded.ledger.path))
    try:
        found = ledger.job(job)
        if found is None:
            raise Refused(f"{job} is not in the ledger; `provd jobs` lists all jobs")
        reason = objection_to(
            found, asyncio.run(_on_chain(loaded.chain, job)), leave_slurm_job=leave_slurm_job
        )
        if reason:
            raise Refused(reason)
        if not yes:
            typer.echo(f"{job} would be dropped; add --yes to drop it")
            return
        record(loaded, Action.JOB_DROPPED, job=job)
        with ledger.write():
            kept_as = ledger.drop_job(job, "dropped by the operator", time.time())
        typer.echo(
            f"{job} dropped and archived as {kept_as}; the daemon reads {job} from the chain again at "
            "its next start"
        )
    finally:
        ledger.close()


async def _on_chain(chain: "ChainConfig", job_id: str) -> "ChainJob | None":
    """Queries the chain with the daemon's quorum."""
    from provider_daemon.chain.client import GrpcChain
    from provider_daemon.clock import SystemClock

    client = GrpcChain(chain.id, chain.endpoints, SystemClock(), quorum=chain.quorum)
    try:
        return await client.job(job_id)
    finally:
        await client.close()


def objection_to(job: "Job", record: "ChainJob | None", *, leave_slurm_job: bool) -> str:
    """Returns why the job must not be dropped; "" if it may be."""
    from provider_daemon.job.hold import Hold
    from provider_daemon.job.spec import same_request

    job_id = job.spec.job_id
    if record is not None and same_request(job.spec, record.spec) and job.hold is not Hold.TOO_EXPENSIVE:
        return (
            f"{job_id} exists on chain with the same request: only a job that is not on chain can be dropped"
        )
    if job.submitted and not (job.measured or job.closed_at is not None or leave_slurm_job):
        where = f"SLURM job {job.slurm_id}" if job.slurm_id else f"a SLURM job named {job.name}"
        return f"{where} of {job_id} may still exist: cancel it with scancel, then add --leave-slurm-job"
    return ""
