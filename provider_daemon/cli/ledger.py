"""`provd ledger`: a copy of the ledger, and whether it can be trusted; both beside a running daemon too."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli import ledger_drop
from provider_daemon.cli.run import DEFAULT, ConfigFile
from provider_daemon.text import printable

if TYPE_CHECKING:
    from provider_daemon.ledger.check import Health

app = typer.Typer(help="Back up and check the ledger, all that provd remembers.", no_args_is_help=True)

app.command(epilog=ledger_drop.EPILOG, short_help="Remove a job that is not on chain, and keep it as a record.")(ledger_drop.drop)


@app.command(short_help="Copy the ledger, whole and consistent, and look at it.")
def backup(
    target: Annotated[Path, typer.Argument(metavar="DEST", help="The file to make; one that exists is never overwritten.")],
    config: ConfigFile = DEFAULT,
) -> None:
    """Copy the ledger, whole and consistent, and look at the copy. Works beside a running daemon."""
    from provider_daemon.config import load
    from provider_daemon.ledger import backup as ledger

    made = ledger.backup(Path(load(config).ledger.path), target)
    typer.echo(f"{target}: {made.size} bytes, {made.jobs} jobs ({made.open_jobs} open), the chain as of height {made.height}")


@app.command(short_help="Check the file, and what must be true between its rows.")
def check(
    config: ConfigFile = DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of lines.")] = False,
) -> None:
    """Check the ledger's file and what must be true between its rows. Exit 0 only when nothing was found."""
    from provider_daemon.config import load

    loaded = load(config)
    path = Path(loaded.ledger.path)
    health = _check(path, loaded.chain.id)
    typer.echo(_document(path, health) if as_json else "\n".join(_lines(path, health)))
    raise typer.Exit(1 if health.findings else 0)


@app.command(short_help="Repair rows that stop a job; shows what it would change unless --apply is given.")
def repair(
    config: ConfigFile = DEFAULT,
    apply: Annotated[bool, typer.Option("--apply", help="Make the changes. Without it they are only shown.")] = False,
) -> None:
    """Repair rows that hold what they never may, so that their jobs continue. Without --apply the changes are only shown.

    An invalid SLURM job id is cleared: the job is looked for by its name, with the waiting window of a new submission. A row that cannot
    be read is kept aside, and the job is read from the chain again. Works beside a running daemon.
    """
    import time

    from provider_daemon.config import load
    from provider_daemon.ledger import repair as repairs
    from provider_daemon.ledger.ledger import Ledger

    ledger = Ledger.open(Path(load(config).ledger.path), readonly=not apply, lock=False)
    try:
        steps = repairs.plan(ledger)
        if apply:
            repairs.apply(ledger, steps, time.time())
    finally:
        ledger.close()
    for step in steps:
        typer.echo(printable(f"{step.job_id}: {step.what}: {step.change}"))
    done = "repaired" if apply else "to repair; nothing was changed, run it with --apply"
    typer.echo(f"{len(steps)} {done}" if steps else "nothing to repair")


def _check(path: Path, chain_id: str) -> "Health":
    from provider_daemon.errors import LedgerError
    from provider_daemon.ledger import check
    from provider_daemon.ledger.file import reading

    if not path.exists():
        raise LedgerError(f"no ledger at {path}: has the daemon run yet?")
    try:
        with reading(path) as connection:
            return check.check(connection, chain_id)
    except LedgerError as error:
        raise LedgerError(f"ledger {path} cannot be read: {error}; {check.RESTORE}") from error


def _lines(path: Path, health: "Health") -> list[str]:
    counts = [f"{table}: {', '.join(f'{n} {what}' for what, n in rows.items()) or 'none'}" for table, rows in health.counts.items()]
    head = f"{path}: schema {health.schema}, chain {health.chain_id or 'not known yet'}"
    return [head, *counts, *(printable(f"{found.what}: {found.todo}") for found in health.findings or ()), *_verdict(health)]


def _verdict(health: "Health") -> list[str]:
    return [f"{len(health.findings)} found" if health.findings else "nothing wrong was found"]


def _document(path: Path, health: "Health") -> str:
    findings = [{"what": found.what, "todo": found.todo} for found in health.findings]
    return json.dumps(
        {"ledger": str(path), "schema": health.schema, "chain_id": health.chain_id, "counts": health.counts, "findings": findings}
    )
