"""`provd jobs` and `provd job`: the jobs in the ledger; work while the daemon is stopped too."""

from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.opened import opened
from provider_daemon.cli.options import AsText, Text, example
from provider_daemon.cli.run import DEFAULT, ConfigFile
from provider_daemon.errors import Refused
from provider_daemon.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from provider_daemon.config.model import Config
    from provider_daemon.job.job import Job
    from provider_daemon.ledger.ledger import Ledger

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id on chain, such as JOB-1.")]

app = typer.Typer(help="Show a job's timeline; end, refuse or unpark a job.", no_args_is_help=True)


def list_jobs(
    config: ConfigFile = DEFAULT,
    count: Annotated[int, typer.Option(metavar="N", help="Number of jobs to list.", min=1)] = 50,
    show: Annotated[str, typer.Option(metavar="all|open|parked", help="Which jobs to list.")] = "all",
    match: Annotated[
        str, typer.Option(metavar="ID", help="Only jobs with this chain id, SLURM job id or SLURM job name.")
    ] = "",
    output: AsText = Text.TEXT,
) -> None:
    """List the newest jobs: state, state on chain, SLURM job id, the most that each can cost,
    its escrow and its bill, and why a job waits or how it ended."""
    import json
    from dataclasses import asdict

    from provider_daemon.ledger import listing
    from provider_daemon.status.overview import lines

    if show not in tuple(listing.Show):
        raise typer.BadParameter(f"invalid value: {show!r}; must be all, open or parked", param_hint="--show")
    _, ledger = opened(config)
    found = lines(
        listing.find(ledger, match, count=count)
        if match
        else listing.jobs(ledger, show=listing.Show(show), count=count)
    )
    if output is Text.JSON:
        typer.echo(json.dumps([asdict(job) for job in reversed(found)], indent=1))
        return
    row = "{:<12} {:<10} {:<10} {:<10} {:>12} {:>12} {:>12} {}".format
    typer.echo(row("JOB", "STATE", "REPORTED", "SLURM", "ESTIMATE", "ESCROW", "BILL", "NOTE"))
    for job in reversed(found):
        amounts = ["-" if each is None else each for each in (job.estimate, job.escrowed, job.bill)]
        typer.echo(row(job.job_id, job.state, job.reported, job.slurm_id or "-", *amounts, job.why))


@app.command(epilog=example("provd job explain JOB-1"))
def explain(job: JobId, config: ConfigFile = DEFAULT) -> None:
    """Print a job's whole timeline. It shows chain, submission, SLURM, usage, reports and transactions, in
    order of time."""
    from provider_daemon.ledger.timeline import timeline, unsent, when
    from provider_daemon.status.job_price import price_line

    loaded, ledger = opened(config)
    found = ledger.job(job) or ledger.dropped_job(job)
    if found is None:
        if left := _left_on_chain(ledger, job):
            typer.echo(left)
            return
        raise _unknown(job)
    typer.echo(
        f"{job}: {found.state}, on chain {found.reported}; SLURM job {found.slurm_id or '-'} ({found.name})"
    )
    for line in _disputed(ledger, job):
        typer.echo(line)
    typer.echo(price_line(found))
    for entry in timeline(ledger, found, job):
        typer.echo(f"{when(entry.at)}  {entry.what:<18} {printable(entry.detail)}")
    for report in unsent(ledger, job):
        line = (
            f"{when(report.at)}  report {report.state}: {report.status}, not in a transaction "
            f"{printable(report.note)}"
        )
        typer.echo(line.rstrip())
    if waits := _without_user(ledger, loaded, found):
        typer.echo(waits)


def _without_user(ledger: "Ledger", config: "Config", job: "Job") -> str:
    """Returns why the job has no Unix user of its cluster's pool yet, or ""."""
    from provider_daemon.config.pool_users import pool_users
    from provider_daemon.ledger.leases import open_leases
    from provider_daemon.status.job_status import without_user

    for cluster in config.clusters:
        if cluster.id == job.spec.cluster_id and cluster.pool and cluster.accounts == "pool":
            return without_user(job, pool_users(cluster.pool.users), open_leases(ledger, cluster.id))
    return ""


def _disputed(ledger: "Ledger", job: str) -> "Iterator[str]":
    """Yields a line for each dispute about the job, decided ones too."""
    from provider_daemon.ledger import disputes
    from provider_daemon.ledger.timeline import when

    for known in disputes.of_job(ledger, job):
        record = known.dispute
        answered = f"answered {when(known.answered_at)}" if known.answered_at else "not answered"
        line = (
            f"{record.status} dispute {record.dispute_id} by {record.disputer}, {answered}: {record.reason}"
        )
        yield printable(line)


@app.command()
def unpark(
    job: JobId,
    config: ConfigFile = DEFAULT,
    without_gpus: Annotated[
        bool,
        typer.Option(
            "--without-gpus", help="Report 0 GPU-seconds if SLURM's record lists none of the job's GPUs."
        ),
    ] = False,
) -> None:
    """Resume a parked job, after its cause is fixed. The daemon may be running."""
    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.jobs import UNPARK

    operate(load(config), UNPARK, job=job, without_gpus=without_gpus)
    typer.echo(f"{job} unparked; the daemon resumes it at its next tick")


Why = Annotated[
    str,
    typer.Option(metavar="TEXT", help="Why; it becomes the job's status message on chain, for everybody."),
]


@app.command(epilog=example('provd job end JOB-1 --reason "node n7 must be repaired"'))
def end(job: JobId, reason: Why, config: ConfigFile = DEFAULT) -> None:
    """Cancel a job that is in SLURM. It is reported as failed with the reason, and billed for what it used.

    The daemon may be running.
    """
    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.jobs import END

    found = operate(load(config), END, job=job, reason=reason)
    what = f"SLURM job {found.slurm_id}" if found.slurm_id else f"its SLURM job {found.name} once it is found"
    typer.echo(f"{job} ends: the daemon cancels {what}, and reports the job as failed with the reason")


@app.command(epilog=example('provd job refuse JOB-1 --reason "no licence for this program"'))
def refuse(job: JobId, reason: Why, config: ConfigFile = DEFAULT) -> None:
    """Refuse a job that waits or is parked. It is reported as failed with the reason, and not billed.

    The daemon may be running.
    """
    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.jobs import REFUSE

    found = operate(load(config), REFUSE, job=job, reason=reason)
    typer.echo(f"{job} refused: the daemon reports it as failed with the reason, without usage")
    if found.slurm_id:
        typer.echo(f"SLURM job {found.slurm_id} is cancelled if it still exists")


def _left_on_chain(ledger: "Ledger", job: str) -> str:
    """Returns why the job is not in the ledger yet, or ""."""
    from provider_daemon.ledger import customers
    from provider_daemon.ledger.timeline import when

    number = job.removeprefix("JOB-")
    left = customers.holder(ledger, int(number)) if number.isdecimal() and len(number) < 19 else None
    if left is None:
        return ""
    if not left.customer:
        return f"{job}: pending on chain since {when(left.since)} or before; provd has not read it yet"
    return (
        f"{job}: pending on chain; its customer {left.customer} is held by {left.reason} since "
        f"{when(left.since)}. It is taken when the limit allows it"
    )


def _unknown(job: str) -> Refused:
    return Refused(f"{job} is not in the ledger; `provd jobs` lists all jobs")
