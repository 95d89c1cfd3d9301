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


def _check(path: Path, chain_id: str) -> "Health":
    import sqlite3
    from contextlib import closing

    from provider_daemon.errors import LedgerError
    from provider_daemon.ledger import check
    from provider_daemon.ledger.file import connect

    if not path.exists():
        raise LedgerError(f"no ledger at {path}: has the daemon run yet?")
    try:
        with closing(connect(path, readonly=True)) as connection:
            return check.check(connection, chain_id)
    except sqlite3.Error as error:
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
