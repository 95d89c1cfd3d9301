"""`provd jobs` and `provd job`: what the ledger holds, also while the daemon is down."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.run import DEFAULT, ConfigFile

if TYPE_CHECKING:
    from provider_daemon.ledger.ledger import Ledger

JobId = Annotated[str, typer.Argument(help="The job's id on chain, such as JOB-1.")]

app = typer.Typer(help="One job: its timeline, and what to do about it.", no_args_is_help=True)


def list_jobs(config: ConfigFile = DEFAULT, count: Annotated[int, typer.Option(help="How many of the newest.", min=1)] = 50) -> None:
    """List the newest jobs: state, what the chain confirmed, SLURM job, and why a job is parked."""
    ledger = _open(config)
    typer.echo(f"{'JOB':<12} {'STATE':<10} {'REPORTED':<10} {'SLURM':<10} NOTE")
    for job in reversed(ledger.recent_jobs(count)):
        note = f"parked: {job.parked}" if job.parked else job.message
        typer.echo(f"{job.spec.job_id:<12} {job.state:<10} {job.reported:<10} {job.slurm_id or '-':<10} {printable(note)}")


@app.command()
def explain(job: JobId, config: ConfigFile = DEFAULT) -> None:
    """Print a job's whole timeline: chain, intent, SLURM, usage, reports, transactions."""
    from provider_daemon.ledger.timeline import timeline, when

    ledger = _open(config)
    found = ledger.job(job)
    if found is None:
        typer.echo(f"{job} is not in the ledger", err=True)
        raise typer.Exit(1)
    typer.echo(f"{job}: {found.state}, the chain says {found.reported}; SLURM job {found.slurm_id or '-'} ({found.name})")
    for entry in timeline(ledger, found):
        typer.echo(f"{when(entry.at)}  {entry.what:<18} {printable(entry.detail)}")
    for row in ledger.messages_of(job):
        if not row["tx_hash"]:
            typer.echo(
                f"{when(row['created_at'])}  report {row['state']}: {row['status']}, in no transaction {printable(row['note'])}".rstrip()
            )


@app.command()
def unpark(job: JobId, config: ConfigFile = DEFAULT) -> None:
    """Take a parked job up again, once its cause is mended. Works beside a running daemon."""
    ledger = _open(config, readonly=False)
    with ledger.write():
        ledger.unpark(job)
    typer.echo(f"{job} is taken up again at the next tick")


def _open(config: Path, *, readonly: bool = True) -> "Ledger":
    from provider_daemon.config import load
    from provider_daemon.ledger.ledger import Ledger

    return Ledger.open(Path(load(config).ledger.path), readonly=readonly, lock=False)


def printable(text: str) -> str:
    """A customer's text cannot move the cursor or start a line of its own."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
