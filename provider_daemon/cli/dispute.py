"""`provd dispute`: the disputes about this provider's jobs; works while the daemon is stopped too."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provider_daemon.cli.opened import opened
from provider_daemon.cli.options import AsText, Text, example
from provider_daemon.cli.run import DEFAULT, ConfigFile

if TYPE_CHECKING:
    from provider_daemon.config.model import Config
    from provider_daemon.ledger.disputes import KnownDispute
    from provider_daemon.ledger.ledger import Ledger

DisputeId = Annotated[
    str, typer.Argument(metavar="DISPUTE", help="Id of the dispute, such as hpc-dispute-2.")
]

app = typer.Typer(help="Show and answer disputes about this provider's jobs.", no_args_is_help=True)


@app.command("list", epilog=example("provd dispute list --all"))
def list_disputes(
    config: ConfigFile = DEFAULT,
    everything: Annotated[bool, typer.Option("--all", help="List the newest decided disputes too.")] = False,
    output: AsText = Text.TEXT,
) -> None:
    """List the open disputes, oldest first."""
    from provider_daemon.ledger import disputes

    _, ledger = opened(config)
    found = disputes.newest(ledger, NEWEST)[::-1] if everything else disputes.still_open(ledger)
    if output is Text.JSON:
        typer.echo(json.dumps([_document(known) for known in found], indent=2))
    else:
        typer.echo("\n".join(_table(found)))


@app.command(epilog=example("provd dispute show hpc-dispute-2"))
def show(dispute: DisputeId, config: ConfigFile = DEFAULT, output: AsText = Text.TEXT) -> None:
    """Show a dispute. Prints who opened it, why, when it must be decided, and the provider's answer."""
    from provider_daemon.text import printable

    known = find(opened(config)[1], dispute)
    document = _document(known)
    if output is Text.JSON:
        typer.echo(json.dumps(document, indent=2))
        return
    width = max(map(len, document))
    for name, value in document.items():
        typer.echo(f"{name:<{width}}  {printable(str(value)) if value not in (None, '') else '-'}")


@app.command(
    epilog=example('provd dispute answer hpc-dispute-2 --text "both GPUs were in use" --to answer.zip')
)
def answer(
    dispute: DisputeId,
    text: Annotated[
        str, typer.Option(metavar="TEXT", help="The answer, for the customer and for whoever decides.")
    ],
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Also write the evidence to this file.")
    ] = None,
    config: ConfigFile = DEFAULT,
) -> None:
    """Sign the evidence for a dispute, and store it with the answer. Prints the SHA-256 of its manifest.

    The evidence is a zip file with the job's reports, usage records, accounting and timeline. The customer
    reads it at the gateway; send it to whoever decides the dispute."""
    import asyncio
    import base64

    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.books import ANSWER

    loaded = load(config)
    job_id = find(opened(config)[1], dispute).dispute.job_id
    records = asyncio.run(_records(loaded, job_id))
    answered = operate(loaded, ANSWER, dispute_id=dispute, text=text, records=records)
    if to is not None:
        _write(to, base64.b64decode(answered.archive))
    typer.echo(answered.hash)


@app.command(epilog=example("provd dispute evidence hpc-dispute-2 --to answer.zip"))
def evidence(
    dispute: DisputeId,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="File to write.")],
    config: ConfigFile = DEFAULT,
) -> None:
    """Write the evidence of an answer to a file."""
    from provider_daemon.errors import Refused
    from provider_daemon.ledger import disputes

    _, ledger = opened(config)
    find(ledger, dispute)
    archive = disputes.bundle(ledger, dispute)
    if archive is None:
        raise Refused(f"{dispute} has no answer yet; run `provd dispute answer {dispute}` first")
    _write(to, archive)


@app.command(epilog=example("provd dispute verify answer.zip"))
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The evidence of an answer.")],
    output: AsText = Text.TEXT,
) -> None:
    """Verify the evidence of an answer: its signature and each file. Exit status: 0 as signed, 1 changed.

    Compare the provider that it prints with the one of the job on chain."""
    from provider_daemon.books import bundle
    from provider_daemon.errors import ConfigError
    from provider_daemon.text import printable

    try:
        checked = bundle.check(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError([f"{file}: {error}"]) from None
    document = {
        **{
            name: checked.manifest.get(name)
            for name in ("dispute_id", "job_id", "provider", "customer", "text")
        },
        "manifest_sha256": checked.manifest_hash,
        "files": len(checked.manifest.get("files", [])),
        "problems": list(checked.problems),
    }
    if output is Text.JSON:
        typer.echo(json.dumps(document, indent=2))
    else:
        for name, value in document.items():
            typer.echo(f"{name:<16}{printable(str(value))}")
    raise typer.Exit(int(bool(checked.problems)))


async def _records(loaded: "Config", job_id: str) -> dict[str, str]:
    """Returns the chain's records of the job, as they stand in the evidence."""
    from provider_daemon.books.evidence import chain_records
    from provider_daemon.client.session import chain_at

    async with chain_at(loaded.chain.endpoints, loaded.chain.id) as chain:
        found = await chain_records(chain, job_id)
    return {name: data.decode() for name, data in found.items()}


def _write(path: Path, data: bytes) -> None:
    from provider_daemon.errors import ConfigError

    try:
        path.write_bytes(data)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be written: {error.strerror}"]) from None


def find(ledger: "Ledger", dispute_id: str) -> "KnownDispute":
    """Raises Refused for a dispute that is unknown here."""
    from provider_daemon.errors import Refused
    from provider_daemon.ledger import disputes

    known = disputes.get(ledger, dispute_id)
    if known is None:
        raise Refused(
            f"{dispute_id} is not in the ledger: it is not about a job of this provider, or the daemon has "
            "not read it yet; `provd dispute list --all` lists all disputes"
        )
    return known


NEWEST = 200  # disputes that --all lists


def _document(known: "KnownDispute") -> dict[str, Any]:
    from provider_daemon.ledger.timeline import when
    from provider_daemon.ports import RESOLUTION_SECONDS

    record = known.dispute
    return {
        "dispute_id": record.dispute_id,
        "status": record.status.value,
        "job_id": record.job_id,
        "cluster_id": known.cluster_id,
        "disputer": record.disputer,
        "type": record.kind,
        "reason": record.reason,
        "evidence": record.evidence,
        "opened_at": when(record.created_at),
        "decided_by": when(record.created_at + RESOLUTION_SECONDS) if record.open else "",
        "resolution": record.resolution,
        "resolved_at": when(record.resolved_at) if record.resolved_at else "",
        "answered_at": when(known.answered_at) if known.answered_at else "",
        "answer_hash": known.answer_hash,
    }


def _table(found: "list[KnownDispute]") -> list[str]:
    from provider_daemon.cli.tables import aligned
    from provider_daemon.text import printable

    headings = ("DISPUTE", "JOB", "STATUS", "TYPE", "OPENED", "ANSWERED", "REASON")
    rows = [
        (
            row["dispute_id"],
            row["job_id"],
            row["status"],
            row["type"],
            row["opened_at"],
            row["answered_at"] or "no",
            row["reason"],
        )
        for row in map(_document, found)
    ]
    return aligned([headings, *(tuple(map(printable, row)) for row in rows)])
