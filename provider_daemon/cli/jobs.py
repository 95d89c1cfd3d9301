"""`provd jobs` and `provd job`: what the ledger holds, also while the daemon is down."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.options import example
from provider_daemon.cli.run import DEFAULT, ConfigFile
from provider_daemon.errors import Refused
from provider_daemon.text import printable

if TYPE_CHECKING:
    from provider_daemon.ledger.ledger import Ledger

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id on chain, such as JOB-1.")]

app = typer.Typer(help="Explain one job, or take a parked one up again.", no_args_is_help=True)


def list_jobs(
    config: ConfigFile = DEFAULT,
    count: Annotated[int, typer.Option(metavar="N", help="How many of the newest.", min=1)] = 50,
    show: Annotated[str, typer.Option(metavar="all|open|parked", help="Which jobs.")] = "all",
    match: Annotated[str, typer.Option(metavar="ID", help="Those with this id on chain or in SLURM, or this SLURM job name.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """List the newest jobs: state, what the chain confirmed, SLURM job, and why a job does not go on or how it ended."""
    import json
    from dataclasses import asdict

    from provider_daemon.ledger import listing
    from provider_daemon.status.overview import lines

    if show not in tuple(listing.Show):
        raise typer.BadParameter(f"{show}: all, open or parked", param_hint="--show")
    ledger = _open(config)
    found = lines(listing.find(ledger, match, count=count) if match else listing.jobs(ledger, show=listing.Show(show), count=count))
    if as_json:
        typer.echo(json.dumps([asdict(job) for job in reversed(found)], indent=1))
        return
    typer.echo(f"{'JOB':<12} {'STATE':<10} {'REPORTED':<10} {'SLURM':<10} NOTE")
    for job in reversed(found):
        typer.echo(f"{job.job_id:<12} {job.state:<10} {job.reported:<10} {job.slurm_id or '-':<10} {job.why}")


@app.command(epilog=example("provd job explain JOB-1"))
def explain(job: JobId, config: ConfigFile = DEFAULT) -> None:
    """Print a job's whole timeline. Chain, intent, SLURM, usage, reports and transactions, in order of time."""
    from provider_daemon.ledger.timeline import timeline, unsent, when

    ledger = _open(config)
    found = ledger.job(job) or ledger.dropped_job(job)
    if found is None:
        raise _unknown(job)
    typer.echo(f"{job}: {found.state}, the chain says {found.reported}; SLURM job {found.slurm_id or '-'} ({found.name})")
    for entry in timeline(ledger, found, job):
        typer.echo(f"{when(entry.at)}  {entry.what:<18} {printable(entry.detail)}")
    for report in unsent(ledger, job):
        line = f"{when(report.at)}  report {report.state}: {report.status}, in no transaction {printable(report.note)}"
        typer.echo(line.rstrip())


@app.command()
def unpark(
    job: JobId,
    config: ConfigFile = DEFAULT,
    without_gpus: Annotated[
        bool, typer.Option("--without-gpus", help="Report it with 0 GPU-seconds, where SLURM's record names none of its GPUs.")
    ] = False,
) -> None:
    """Take a parked job up again, once its cause is mended. Works beside a running daemon."""
    ledger = _open(config, readonly=False)
    if ledger.job(job) is None:
        raise _unknown(job)
    with ledger.write():
        ledger.unpark(job, forgo_gpus=without_gpus)
    typer.echo(f"{job} is taken up again at the next tick")


def _unknown(job: str) -> Refused:
    return Refused(f"{job} is not in the ledger: `provd jobs` lists what is")


def _open(config: Path, *, readonly: bool = True) -> "Ledger":
    from provider_daemon.config import load
    from provider_daemon.ledger.ledger import Ledger

    return Ledger.open(Path(load(config).ledger.path), readonly=readonly, lock=False)
