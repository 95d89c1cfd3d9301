"""`provd reconcile`: compares SLURM, ledger and chain; the daemon may be running."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provider_daemon.cli.options import AsText, Text
from provider_daemon.cli.run import DEFAULT, ConfigFile
from provider_daemon.cli.tables import aligned
from provider_daemon.text import printable

if TYPE_CHECKING:
    from provider_daemon.chain.keys import Signer
    from provider_daemon.config.model import Config
    from provider_daemon.ledger.ledger import Ledger
    from provider_daemon.reconciliation.comparer import Comparison
    from provider_daemon.reconciliation.differences import Difference

HEADINGS = ("JOB", "FIELD", "SLURM", "LEDGER", "CHAIN", "DIFFERENCE", "TOLERANCE", "SEVERITY", "ACTION")
WIDEST = 44  # characters of a cell, except the last one
DAY = 86_400


def reconcile(
    config: ConfigFile = DEFAULT,
    since: Annotated[
        int,
        typer.Option(
            "--since",
            metavar="DAYS",
            help="Besides open jobs, include jobs closed in the last DAYS days.",
            min=0,
        ),
    ] = 1,
    output: AsText = Text.TEXT,
    dispute: Annotated[
        str,
        typer.Option(metavar="JOB", help="First sign a usage record of this job, as evidence for a dispute."),
    ] = "",
) -> None:
    """Compare SLURM, ledger and chain, and print the differences. Exit status: 0 no difference, 1
    differences, 2 incomplete."""
    import asyncio

    from provider_daemon import log
    from provider_daemon.config.model import load

    loaded = load(config)
    log.configure("console", "warning")
    compared = asyncio.run(_reconcile(loaded, since, dispute))
    typer.echo(_document(compared) if output is Text.JSON else "\n".join(_lines(compared)))
    for line in compared.failed:
        typer.echo(f"could not compare: {printable(line)}", err=True)
    raise typer.Exit(1 if compared.differences else 2 if compared.failed else 0)


async def _reconcile(loaded: "Config", days: int, dispute: str) -> "Comparison":
    from pathlib import Path

    from provider_daemon.chain.audit import GrpcAudit
    from provider_daemon.chain.client import GrpcChain
    from provider_daemon.clock import SystemClock
    from provider_daemon.daemon.build import scheduler
    from provider_daemon.ledger.ledger import Ledger
    from provider_daemon.reconciliation.comparer import Comparer, Served
    from provider_daemon.reconciliation.loop import keep

    clock, signers = SystemClock(), _signers(loaded)
    ledger = Ledger.open(Path(loaded.ledger.path), lock=False)
    if dispute:
        _dispute(ledger, dispute, signers, clock.now())
    chain = GrpcChain(loaded.chain.id, loaded.chain.endpoints, clock, quorum=loaded.chain.quorum)
    served = [
        Served(each.id, each.name, scheduler(each, clock), signers[each.id]) for each in loaded.clusters
    ]
    try:
        compared = await Comparer(ledger, chain, GrpcAudit(chain), served, clock).run(
            clock.now() - days * DAY
        )
    finally:
        for each in served:
            await each.surveyor.close()
        await chain.close()
    return keep(ledger, compared, signers, clock.now())


def _signers(loaded: "Config") -> "dict[str, Signer | None]":
    """Returns signers by cluster id. Only the service can read a systemd credential.

    Without a signer everything is compared, but nothing is signed.
    """
    from provider_daemon.chain import keys
    from provider_daemon.errors import ConfigError

    found: dict[str, Signer | None] = {}
    for name, key in loaded.keys.items():
        try:
            found[name] = keys.load(key.kind, key.name, key.path, key.passphrase_file)
        except ConfigError as error:
            typer.echo(
                (
                    f"{error}: without the key, results are not signed or stored, and transactions by "
                    "others are not searched"
                ),
                err=True,
            )
            found[name] = None
    return {cluster.id: found[cluster.key] for cluster in loaded.clusters}


def _dispute(ledger: "Ledger", job_id: str, signers: "dict[str, Signer | None]", now: float) -> None:
    from provider_daemon.errors import Refused
    from provider_daemon.usage_records.recorder import take_disputed

    job = ledger.job(job_id)
    signer = signers.get(job.spec.cluster_id) if job else None
    if job is None or signer is None:
        raise Refused(
            f"{job_id} is not in the ledger"
            if job is None
            else f"the signing key of {job_id} cannot be read by this user"
        )
    with ledger.write():
        taken = take_disputed(ledger, job, signer, now)
    typer.echo(
        f"{job_id}: usage record {taken.sequence} signed for the dispute, SHA-256 {taken.content_hash}",
        err=True,
    )


def _document(compared: "Comparison") -> str:
    jobs = [{"job_id": each.job.spec.job_id, "outcome": each.outcome} for each in compared.jobs]
    rows = [{**asdict(row), "advice": row.advice} for row in compared.differences]
    return json.dumps({"jobs": jobs, "differences": rows, "failed": compared.failed}, indent=1)


def _lines(compared: "Comparison") -> list[str]:
    from provider_daemon.reconciliation.differences import Outcome, worst_first

    counts = {outcome: sum(each.outcome is outcome for each in compared.jobs) for outcome in Outcome}
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    summary = (
        f"{len(compared.jobs)} jobs compared{': ' + said if said else ''}; {len(compared.differences)} "
        "differences"
    )
    rows = [_cells(row) for row in worst_first(compared.differences)]
    return [*(aligned([HEADINGS, *rows]) if rows else []), summary]


def _cells(row: "Difference") -> tuple[str, ...]:
    values: tuple[Any, ...] = (
        row.job_id,
        row.what,
        row.slurm,
        row.ledger,
        row.chain,
        row.difference or "",
        row.tolerance or "",
        row.severity,
    )
    return (*(_short(printable(str(value))) or "-" for value in values), row.advice)


def _short(text: str) -> str:
    return text if len(text) <= WIDEST else text[: WIDEST - 3] + "..."
