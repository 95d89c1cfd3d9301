"""`provd ledger`: backs up, checks and repairs the ledger."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli import ledger_drop
from provider_daemon.cli.options import AsText, Text
from provider_daemon.cli.run import DEFAULT, ConfigFile
from provider_daemon.text import printable

if TYPE_CHECKING:
    from provider_daemon.ledger.check import Health

app = typer.Typer(help="Back up, check and repair the ledger (provd's database).", no_args_is_help=True)

app.command(epilog=ledger_drop.EPILOG, short_help="Remove a job that is not on chain, and archive its rows.")(
    ledger_drop.drop
)


@app.command(short_help="Make a consistent copy of the ledger, and check it.")
def backup(
    target: Annotated[
        Path, typer.Argument(metavar="DEST", help="File to create; an existing file is never overwritten.")
    ],
    config: ConfigFile = DEFAULT,
) -> None:
    """Make a consistent copy of the ledger, and check it. The daemon may be running."""
    from provider_daemon.config.model import load
    from provider_daemon.ledger import backup as ledger

    made = ledger.backup(Path(load(config).ledger.path), target)
    typer.echo(
        f"{target}: {made.size} bytes, {made.jobs} jobs ({made.open_jobs} open), the chain as of height "
        f"{made.height}"
    )


@app.command(short_help="Check the ledger file and the consistency of its rows.")
def check(
    config: ConfigFile = DEFAULT,
    output: AsText = Text.TEXT,
) -> None:
    """Check the ledger file and the consistency of its rows. Exit status: 0 no problem found, 1 otherwise."""
    from provider_daemon.config.model import load

    loaded = load(config)
    path = Path(loaded.ledger.path)
    health = _check(path, loaded.chain.id)
    typer.echo(_document(path, health) if output is Text.JSON else "\n".join(_lines(path, health)))
    raise typer.Exit(1 if health.findings else 0)


@app.command(short_help="Repair invalid rows that block a job (dry run without --apply).")
def repair(
    config: ConfigFile = DEFAULT,
    apply: Annotated[
        bool, typer.Option("--apply", help="Apply the repairs. Without it they are only printed.")
    ] = False,
) -> None:
    """Repair rows with invalid values, so that their jobs continue. Without --apply the repairs are only
    printed.

    An invalid SLURM job id is cleared; provd then searches for the SLURM job by its name, as after a new
    submission. A row that cannot be read is set aside, and the job is read from the chain again. The daemon
    may be running."""
    import time

    from provider_daemon.audit_log.operator import record
    from provider_daemon.audit_log.records import Action
    from provider_daemon.config.model import load
    from provider_daemon.ledger import repair as repairs
    from provider_daemon.ledger.ledger import Ledger

    loaded = load(config)
    ledger = Ledger.open(Path(loaded.ledger.path), readonly=not apply, lock=False)
    try:
        steps = repairs.plan(ledger)
        for step in steps if apply else ():
            record(loaded, Action.JOB_REPAIRED, job=step.job_id, detail=step.kind)
        if apply:
            repairs.apply(ledger, steps, time.time())
    finally:
        ledger.close()
    for step in steps:
        typer.echo(printable(f"{step.job_id}: {step.what}: {step.change}"))
    done = "repaired" if apply else "to repair; nothing was changed, add --apply to repair"
    typer.echo(f"{len(steps)} {done}" if steps else "nothing to repair")


def _check(path: Path, chain_id: str) -> "Health":
    from provider_daemon.errors import LedgerError
    from provider_daemon.ledger import check
    from provider_daemon.ledger.file import reading

    if not path.exists():
        raise LedgerError(f"no ledger at {path}: the daemon has not run yet, or ledger.path is wrong")
    try:
        with reading(path) as connection:
            return check.check(connection, chain_id)
    except LedgerError as error:
        raise LedgerError(f"ledger {path} cannot be read: {error}; {check.RESTORE}") from error


def _lines(path: Path, health: "Health") -> list[str]:
    counts = [
        f"{table}: {', '.join(f'{n} {what}' for what, n in rows.items()) or 'none'}"
        for table, rows in health.counts.items()
    ]
    head = f"{path}: schema {health.schema}, chain {health.chain_id or 'not known yet'}"
    return [
        head,
        *counts,
        *(printable(f"{found.what}: {found.todo}") for found in health.findings or ()),
        *_verdict(health),
    ]


def _verdict(health: "Health") -> list[str]:
    return [f"{len(health.findings)} found" if health.findings else "no problems found"]


def _document(path: Path, health: "Health") -> str:
    findings = [{"what": found.what, "todo": found.todo} for found in health.findings]
    return json.dumps(
        {
            "ledger": str(path),
            "schema": health.schema,
            "chain_id": health.chain_id,
            "counts": health.counts,
            "findings": findings,
        }
    )
